// Journal segments on one disk: `journal/P/N.log`, bytes that this file does not interpret. The journal decides what is
// true; here a segment is made durable before anybody writes to it, appended to only by the process that made it, and
// never again after something failed in it.
import { assert, fault } from '../base/errors.ts'
import type { OpenFile } from '../base/files.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import type { DiskContext } from './disk-context.ts'
import { journalPath, numberOf, segmentPath } from './layout.ts'
import type { OpenFiles } from './open-files.ts'
import { isNotThere } from './shard-files.ts'

interface OpenSegment {
  readonly segment: number
  readonly file: OpenFile
  hasFailed: boolean
}

export interface Segments extends SegmentDisk {
  close(): Promise<void>
}

const PART_SUFFIX = '.part'

export const createSegments = (context: DiskContext, readers: OpenFiles): Segments => {
  const { root, files, counters } = context
  /** The segment of each partition that this process appends to. */
  const open = new Map<number, OpenSegment>()
  /** Copies being restored, by their path. */
  const parts = new Map<string, OpenFile>()

  const closeOpen = async (partition: number): Promise<void> => {
    const known = open.get(partition)
    open.delete(partition)
    await known?.file.close()
  }
  const ensureJournal = async (partition: number): Promise<void> => {
    await files.makeDirectory(journalPath(root, partition))
    await context.syncDirectory(`${root}/journal`)
  }
  const removeIfThere = async (path: string): Promise<void> => {
    try {
      await files.remove(path)
    } catch (error) {
      if (!isNotThere(error)) throw error
    }
  }
  const dropPart = async (path: string): Promise<void> => {
    const file = parts.get(path)
    parts.delete(path)
    await file?.close()
  }

  const beginPart = async (partition: number, path: string): Promise<OpenFile> => {
    await ensureJournal(partition)
    await dropPart(path)
    await removeIfThere(path)
    const file = await files.open(path, 'create')
    parts.set(path, file)
    return file
  }
  const restorePiece = async (
    path: string,
    file: OpenFile,
    offset: number,
    piece: Uint8Array,
  ): Promise<void> => {
    try {
      await file.write([piece], offset)
      counters.writes += 1
      counters.writtenBytes += piece.length
    } catch (error) {
      await dropPart(path)
      throw error
    }
  }

  return {
    disk: context.number,
    list: (partition) =>
      context.guarded(async () => {
        const directory = journalPath(root, partition)
        if ((await files.stat(directory)) === undefined) {
          await context.checkPresence()
          return []
        }
        const numbers = (await files.list(directory)).flatMap((name) => numberOf(name, 'log') ?? [])
        const stats = await Promise.all(
          numbers.map((segment) => files.stat(segmentPath(root, partition, segment))),
        )
        return numbers.flatMap((segment, i) => (stats[i] ? [{ segment, length: stats[i].size }] : []))
      }),

    create: (partition, segment, header) =>
      context.guarded(async () => {
        await ensureJournal(partition)
        const file = await files.open(segmentPath(root, partition, segment), 'create')
        try {
          await file.write([header], 0)
          counters.writes += 1
          counters.writtenBytes += header.length
          await Promise.all([context.syncFile(file), context.syncDirectory(journalPath(root, partition))])
          await closeOpen(partition)
        } catch (error) {
          await file.close()
          throw error
        }
        open.set(partition, { segment, file, hasFailed: false })
      }),

    append: (partition, segment, offset, pieces) =>
      context.guarded(async () => {
        const target = open.get(partition)
        assert(target?.segment === segment, 'only the segment that was made last is appended to')
        if (target.hasFailed) {
          throw fault('DISK_IO', `disk ${context.number}: segment ${segment} failed before`, {
            disk: context.number,
            segment,
          })
        }
        try {
          await target.file.write(pieces, offset)
          counters.writes += 1
          counters.writtenBytes += pieces.reduce((sum, piece) => sum + piece.length, 0)
          await context.syncFile(target.file)
        } catch (error) {
          target.hasFailed = true
          throw error
        }
      }),

    read: (partition, segment, offset, length) =>
      context.guarded(async () => {
        const into = new Uint8Array(length)
        const path = segmentPath(root, partition, segment)
        const count = await readers.use(path, (file) => file.read(into, offset))
        counters.reads += 1
        counters.readBytes += count
        return into.subarray(0, count)
      }),

    restore: (partition, segment, offset, piece, isLast) =>
      context.guarded(async () => {
        const path = segmentPath(root, partition, segment) + PART_SUFFIX
        const file = offset === 0 ? await beginPart(partition, path) : parts.get(path)
        assert(file !== undefined, 'a segment is restored from its first piece on')
        await restorePiece(path, file, offset, piece)
        if (!isLast) return
        try {
          await context.syncFile(file)
        } finally {
          await dropPart(path)
        }
        await readers.drop(segmentPath(root, partition, segment))
        await files.rename(path, segmentPath(root, partition, segment))
        await context.syncDirectory(journalPath(root, partition))
        await context.checkPresence()
      }),

    remove: (partition, segment) =>
      context.guarded(async () => {
        if (open.get(partition)?.segment === segment) await closeOpen(partition)
        await readers.drop(segmentPath(root, partition, segment))
        await removeIfThere(segmentPath(root, partition, segment))
        await removeIfThere(segmentPath(root, partition, segment) + PART_SUFFIX)
        if ((await files.stat(journalPath(root, partition))) !== undefined) {
          await context.syncDirectory(journalPath(root, partition))
        }
        await context.checkPresence()
      }),

    async close() {
      await Promise.all([...open.keys()].map(closeOpen))
      await Promise.all([...parts.keys()].map(dropPart))
    },
  }
}
