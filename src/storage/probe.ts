// Whether a disk can be written to, by writing to it: a file system that went read-only still answers every question about itself.
import type { FileSystem } from '../base/files.ts'
import { isNoRoom } from './disk-errors.ts'
import { DIRECTORIES, PROBE_NAME } from './layout.ts'

const probe = async (files: FileSystem, directory: string): Promise<void> => {
  const path = `${directory}/${PROBE_NAME}`
  // What a crash left of an earlier try.
  if ((await files.stat(path)) !== undefined) await files.remove(path)
  const file = await files.open(path, 'create')
  try {
    await file.write([new Uint8Array(1)], 0)
    await file.sync()
  } catch (error) {
    // A full disk is read and deleted from: it is none that cannot be written to.
    if (!isNoRoom(error)) throw error
  } finally {
    await file.close()
  }
  await files.remove(path)
}

/** Writes a byte into each directory of the disk and takes it back. Rejects as the file system does. */
export const probeDisk = async (files: FileSystem, root: string): Promise<void> => {
  for (const name of DIRECTORIES) {
    const directory = `${root}/${name}`
    if ((await files.stat(directory)) === undefined) continue
    try {
      await probe(files, directory)
    } catch (error) {
      if (!isNoRoom(error)) throw error
    }
  }
}
