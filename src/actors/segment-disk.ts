// A disk actor as the journal sees it: every method is one ask. The journal passes over a disk that takes too long by
// its own clock; the deadlines here only bound what would never end.
//
// One thing does not go through the actor: a short read of what was synced, the body of a small object, is read from the
// file itself. Nothing is decided by it: its reader verifies the bytes, and whatever is odd about the file is a reason
// to ask the actor after all. It saves two threads the waking of each other for every small GET.
import type { Clock } from '../base/clock.ts'
import { unavailable } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import { KiB, SECOND } from '../base/units.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import type { ActorRef } from '../runtime/actor.ts'
import { segmentPath } from '../storage/layout.ts'
import { createOpenFiles } from '../storage/open-files.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { FrameMemory } from './frame-memory.ts'

const LIMIT = { withinMs: 30 * SECOND }
/** Longer reads are those of a start or a repair. */
const NEAR_BYTES_MAX = 64 * KiB
/** A disk that hangs must not hang a GET: after this the actor is asked, and after that another copy. */
const NEAR_WITHIN_MS = 1 * SECOND
/** Segments kept open for reading, of one disk: a gibibyte and more of small objects. */
const OPEN_MAX = 24

/** Short reads of the segments below one directory. */
export interface NearSegments {
  read(partition: number, segment: number, offset: number, length: number): Promise<Uint8Array>
  forget(partition: number, segment: number): void
  close(): Promise<void>
}

/** Opens segments as they are asked for and keeps the ones used last. Rejects as the file system does. */
export const createNearSegments = (files: FileSystem, root: string, clock: Clock): NearSegments => {
  const readers = createOpenFiles(files, OPEN_MAX)
  const forget = (path: string): void => {
    // What is the matter with the file its next reader will hear.
    readers.drop(path).catch(() => undefined)
  }
  return {
    async read(partition, segment, offset, length) {
      const path = segmentPath(root, partition, segment)
      // Memory of its own: small bodies are kept, and a slice of Node's pool would keep all of its neighbours.
      const bytes = Buffer.allocUnsafeSlow(length)
      const read = readers.use(path, (file) => file.read(bytes, offset))
      try {
        return bytes.subarray(0, await within(clock, read))
      } catch (error) {
        forget(path)
        throw error
      }
    },
    forget: (partition, segment) => forget(segmentPath(root, partition, segment)),
    close: () => readers.close(),
  }
}

const within = (clock: Clock, read: Promise<number>): Promise<number> =>
  new Promise((resolve, reject) => {
    const limit = clock.setTimer(NEAR_WITHIN_MS, () => reject(unavailable('ASK_TIMEOUT', 'a disk hangs')))
    read.then(resolve, reject).finally(() => limit.cancel())
  })

/** The segments of `disk`, by asking its actor, and the short reads from its directory. */
export const segmentDiskOf = (
  disk: DiskNumber,
  ref: ActorRef<DiskProtocol>,
  near: NearSegments,
  memory: FrameMemory,
): SegmentDisk => ({
  disk,
  list: (partition) => ref.ask('listSegments', { partition }, LIMIT),
  create: (partition, segment, header) =>
    ref.ask('createSegment', { partition, segment, header: new Uint8Array(header) }, LIMIT),
  async append(partition, segment, offset, pieces) {
    const frame = memory.share(pieces)
    try {
      await ref.ask('appendSegment', { partition, segment, offset, pieces: frame.pieces }, LIMIT)
    } finally {
      frame.release()
    }
  },
  async read(partition, segment, offset, length) {
    if (length <= NEAR_BYTES_MAX) {
      const bytes = await near.read(partition, segment, offset, length).catch(() => undefined)
      if (bytes?.length === length) return bytes
    }
    return ref.ask('readSegment', { partition, segment, offset, length }, LIMIT)
  },
  readMedium: (partition, segment, offset, length) =>
    ref.ask('readSegment', { partition, segment, offset, length, isMedium: true }, LIMIT),
  async restore(partition, segment, offset, piece, isLast) {
    await ref.ask('restoreSegment', { partition, segment, offset, piece, isLast }, LIMIT)
    // What is open is the copy that was replaced.
    if (isLast) near.forget(partition, segment)
  },
  remove(partition, segment) {
    near.forget(partition, segment)
    return ref.ask('removeSegment', { partition, segment }, LIMIT)
  },
})
