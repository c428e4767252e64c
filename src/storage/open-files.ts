// Files kept open for reading: opening costs more than reading a cached block. Least recently used ones are closed; one
// that is being read is closed after its last reader is done.
import type { FileSystem, OpenFile } from '../base/files.ts'

/** Descriptors per disk; with 32 disks well below the usual limit of a process. */
const OPEN_FILES_MAX = 64

interface Entry {
  readonly file: Promise<OpenFile>
  users: number
  isDropped: boolean
}

export interface OpenFiles {
  /** Runs `action` with the file open for reading; rejects as `open` does. */
  use<T>(path: string, action: (file: OpenFile) => Promise<T>): Promise<T>
  /** Forgets a file that was removed, so that its space is freed. */
  drop(path: string): Promise<void>
  close(): Promise<void>
}

export const createOpenFiles = (files: FileSystem, openMax = OPEN_FILES_MAX): OpenFiles => {
  // A Map keeps the order of insertion: the first is the least recently used.
  const entries = new Map<string, Entry>()
  let isClosed = false

  const closeEntry = async (entry: Entry): Promise<void> => {
    entry.isDropped = true
    if (entry.users > 0) return
    // A file that never opened has told its users so, and there is nothing to close.
    const file = await entry.file.catch(() => undefined)
    await file?.close()
  }
  const drop = async (path: string): Promise<void> => {
    const entry = entries.get(path)
    if (entry === undefined) return
    entries.delete(path)
    await closeEntry(entry)
  }
  const take = (path: string): Entry => {
    const known = entries.get(path)
    // Who comes late, from a disk that hung, opens a file for itself.
    const entry = known ?? { file: files.open(path, 'read'), users: 0, isDropped: isClosed }
    entries.delete(path)
    if (!isClosed) entries.set(path, entry)
    return entry
  }

  return {
    async use(path, action) {
      const entry = take(path)
      entry.users += 1
      try {
        return await action(await entry.file)
      } catch (error) {
        // After any failure the next reader opens it anew.
        if (entries.get(path) === entry) entries.delete(path)
        entry.isDropped = true
        throw error
      } finally {
        entry.users -= 1
        if (entry.isDropped) await closeEntry(entry)
        else if (entries.size > openMax) {
          const [oldest] = entries.keys()
          if (oldest !== undefined) await drop(oldest)
        }
      }
    },
    drop,
    async close() {
      isClosed = true
      await Promise.all([...entries.keys()].map(drop))
    },
  }
}
