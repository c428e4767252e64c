// Journal segments on one disk: `journal/P/N.log`, bytes that this file does not interpret. The journal decides what is
// true; here a segment is made durable before anybody writes to it, appended to only by the process that made it, and
// never again after something failed in it.
//
// A segment that is written to is kept a little longer than what is in it, with zeros: a frame then overwrites blocks that
// the file has already, and its sync need not wait for the file system's own journal, nor for what that has of others.
// No frame begins with a zero, so what reads a segment takes them for its end.
import { fault, unavailable } from '../base/errors.ts'
import type { OpenFile } from '../base/files.ts'
import { KiB } from '../base/units.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import type { DiskContext } from './disk-context.ts'
import { journalPath, numberOf, segmentPath } from './layout.ts'
import { createMedium } from './medium.ts'
import type { OpenFiles } from './open-files.ts'
import { isNotThere } from './shard-files.ts'
import { UNREADABLE } from './shard-reader.ts'

interface OpenSegment {
  readonly segment: number
  readonly file: OpenFile
  hasFailed: boolean
  /** Up to here the file has its blocks. */
  allocatedBytes: number
  /** Zeros are being written from `allocatedBytes` on. */
  extending: Promise<void> | undefined
  /** Of them, the sync. */
  syncingZeros: Promise<void> | undefined
}

/** A segment that stays this small (most are those of a store that was started and did little) gets no zeros. */
const EXTEND_FROM_BYTES = 64 * KiB
/** Zeros at a time: a hundred frames of one small object each; a sync that meets them takes about a millisecond longer. */
const EXTENSION_BYTES = 512 * KiB
/** The next zeros are written while there is still room for frames before them. */
const EXTEND_AHEAD_BYTES = 256 * KiB
const ZEROS = new Uint8Array(EXTENSION_BYTES)

export interface Segments extends SegmentDisk {
  close(): Promise<void>
}

const PART_SUFFIX = '.part'
/** Most segments end within the window that a start reads them through: what was set aside for the rest serves the next read. */
const SPARE_BYTES_MAX = 256 * KiB

/** Only the segment that was made last, and here, is appended to: who made this one has not heard that the disk came anew. */
const openedAnew = (segment: number): Error =>
  unavailable('TOO_FEW_DISKS', 'the disk was opened anew since the segment was begun', { segment })

export const createSegments = (context: DiskContext, readers: OpenFiles): Segments => {
  const { root, files, room } = context
  const medium = createMedium(files)
  /** The segment of each partition that this process appends to. */
  const open = new Map<number, OpenSegment>()
  /** Copies being restored, by their path. */
  const parts = new Map<string, OpenFile>()
  /** What a read that ended early was read into; the next one takes it. */
  let spare: Uint8Array | undefined
  /** What was asked for before, on a disk that hung, may come to its end behind it. */
  let isClosed = false

  const failedBefore = (segment: number): Error => {
    const disk = context.number
    return fault('DISK_IO', `disk ${disk}: segment ${segment} failed before`, { disk, segment })
  }
  const countWrite = (bytes: number): void => {
    context.counters.writes += 1
    context.counters.writtenBytes += bytes
    room.wrote(bytes)
  }
  const closeOpen = async (partition: number): Promise<void> => {
    const known = open.get(partition)
    open.delete(partition)
    await known?.extending
    await known?.file.close()
  }
  const writeZeros = async (target: OpenSegment): Promise<void> => {
    try {
      await target.file.write([ZEROS], target.allocatedBytes)
    } catch {
      // No room to spare: frames are written without it, and say so when there is none left for them either.
      target.allocatedBytes = Number.POSITIVE_INFINITY
      return
    }
    target.syncingZeros = target.file.sync().then(
      () => {
        target.allocatedBytes += ZEROS.length
      },
      () => {
        // After a failed sync nothing in the file can be relied on: the next frame goes elsewhere.
        target.hasFailed = true
      },
    )
    await target.syncingZeros
    target.syncingZeros = undefined
  }
  /** Of two syncs of a file at a time the system tells only one that a write was lost: that of the zeros speaks for both. */
  const assertZerosSynced = async (target: OpenSegment): Promise<void> => {
    await target.syncingZeros
    if (target.hasFailed) throw failedBefore(target.segment)
  }
  /** Keeps blocks ahead of `end`, where the last frame ended. */
  const extend = (target: OpenSegment, end: number): void => {
    target.allocatedBytes = Math.max(target.allocatedBytes, end)
    if (end < EXTEND_FROM_BYTES || target.extending || target.hasFailed) return
    if (target.allocatedBytes - end > EXTEND_AHEAD_BYTES) return
    countWrite(ZEROS.length)
    target.extending = writeZeros(target).finally(() => {
      target.extending = undefined
    })
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

  const leave = async (file: OpenFile): Promise<never> => {
    await file.close()
    throw unavailable('TOO_FEW_DISKS', 'the disk was closed while a segment was begun')
  }

  const beginPart = async (partition: number, path: string): Promise<OpenFile> => {
    await ensureJournal(partition)
    await dropPart(path)
    await removeIfThere(path)
    const file = await files.open(path, 'create')
    if (isClosed) await leave(file)
    // Who was told that it takes too long may have begun again before this one came to its end.
    await dropPart(path)
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
      countWrite(piece.length)
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
          countWrite(header.length)
          await Promise.all([context.syncFile(file), context.syncDirectory(journalPath(root, partition))])
          await closeOpen(partition)
          if (isClosed) await leave(file)
        } catch (error) {
          await file.close()
          throw error
        }
        open.set(partition, {
          segment,
          file,
          hasFailed: false,
          allocatedBytes: header.length,
          extending: undefined,
          syncingZeros: undefined,
        })
      }),

    append: (partition, segment, offset, pieces) =>
      context.guarded(async () => {
        const target = open.get(partition)
        if (target?.segment !== segment) throw openedAnew(segment)
        if (target.hasFailed) throw failedBefore(segment)
        const length = pieces.reduce((sum, piece) => sum + piece.length, 0)
        // Zeros on their way must not land on a frame.
        if (offset + length > target.allocatedBytes) await target.extending
        try {
          await target.file.write(pieces, offset)
          countWrite(length)
          await context.syncFile(target.file)
          await assertZerosSynced(target)
        } catch (error) {
          target.hasFailed = true
          throw error
        }
        extend(target, offset + length)
      }),

    read: (partition, segment, offset, length) =>
      context.guarded(async () => {
        const into = spare && spare.length >= length ? spare : new Uint8Array(length)
        spare = undefined
        const path = segmentPath(root, partition, segment)
        const count = await readers.use(path, (file) => file.read(into.subarray(0, length), offset))
        context.counters.reads += 1
        context.counters.readBytes += count
        if (count === into.length) return into
        if (into.length <= SPARE_BYTES_MAX) spare = into
        return into.slice(0, count)
      }),

    readMedium: (partition, segment, offset, length) =>
      context.guarded(async () => {
        context.counters.reads += 1
        try {
          const bytes = await medium.read(segmentPath(root, partition, segment), offset, length)
          context.counters.readBytes += bytes.length
          return bytes
        } catch (error) {
          // One sector that is lost is mended from other copies; a disk that fails says so at other occasions, too.
          if (!UNREADABLE.has((error as { code?: string }).code ?? '')) throw error
          return new Uint8Array(0)
        }
      }),

    restore: (partition, segment, offset, piece, isLast) =>
      context.guarded(async () => {
        const path = segmentPath(root, partition, segment) + PART_SUFFIX
        const file = offset === 0 ? await beginPart(partition, path) : parts.get(path)
        if (file === undefined) throw openedAnew(segment)
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
      isClosed = true
      await Promise.all([...open.keys()].map(closeOpen))
      await Promise.all([...parts.keys()].map(dropPart))
    },
  }
}
