// How much room a disk has. Everything that writes bodies takes room before it writes and gives it back afterwards; a
// reserve stays free for what must work on a full disk: journal segments, so that DELETE and Abort can commit, what
// frees space, and administration.
//
// The file system is asked only when the estimate has become old or says no, never because time passes.
import { assert, fault } from '../base/errors.ts'
import type { FileSpace } from '../base/files.ts'
import { GiB, MiB } from '../base/units.ts'

/** One part in 16 of the disk, but never more than this. */
const RESERVE_BYTES_MAX = 1 * GiB
const RESERVE_PARTS = 16
/** Files that stay possible on a disk that is full of them. */
const RESERVE_INODES = 256
/** After this much was written the file system is asked again. */
const REFRESH_BYTES = 64 * MiB
/** A disk with less than this above its reserve is not chosen for new writes: one unit more or less decides nothing. */
const ROOM_BYTES_MIN = 2 * MiB

export interface DiskSpace {
  readonly totalBytes: number
  /** Above the reserve and not yet promised to a write. */
  readonly freeBytes: number
  readonly reserveBytes: number
  /** Whether placement may choose this disk. */
  readonly hasRoom: boolean
}

export interface Reservation {
  /** `bytes` of it have become bytes of a file. */
  use(bytes: number): void
  /** Gives the rest back. Idempotent. */
  release(): void
}

export interface Room {
  /** Asks the file system. */
  refresh(): Promise<void>
  space(): DiskSpace
  /** Promises `bytes` and a file; throws the fault DISK_FULL when the reserve would be touched. */
  take(bytes: number): Promise<Reservation>
}

export const createRoom = (disk: number, ask: () => Promise<FileSpace>, reserveBytes?: number): Room => {
  let known: FileSpace = { totalBytes: 0, freeBytes: 0, freeInodes: 0 }
  let writtenBytes = 0
  let promisedBytes = 0
  /** At most; a batch of packed shards makes no file, unless it is the first of its volume. */
  let madeFiles = 0

  const reserve = (): number =>
    reserveBytes ?? Math.min(RESERVE_BYTES_MAX, Math.floor(known.totalBytes / RESERVE_PARTS))
  const freeBytes = (): number => known.freeBytes - writtenBytes - promisedBytes - reserve()
  const hasInodes = (): boolean => known.freeInodes - madeFiles > RESERVE_INODES
  const refresh = async (): Promise<void> => {
    known = await ask()
    writtenBytes = 0
    madeFiles = 0
  }

  return {
    refresh,
    space: () => ({
      totalBytes: known.totalBytes,
      freeBytes: Math.max(0, freeBytes()),
      reserveBytes: reserve(),
      hasRoom: freeBytes() >= ROOM_BYTES_MIN && hasInodes(),
    }),
    async take(bytes) {
      assert(bytes >= 0, 'room is taken in bytes')
      if (writtenBytes > REFRESH_BYTES || freeBytes() < bytes || !hasInodes()) await refresh()
      if (freeBytes() < bytes || !hasInodes()) {
        throw fault('DISK_FULL', `disk ${disk} has no room for ${bytes} bytes`, {
          disk,
          bytes,
          freeBytes: Math.max(0, freeBytes()),
          freeInodes: Math.min(known.freeInodes, Number.MAX_SAFE_INTEGER),
        })
      }
      let left = bytes
      promisedBytes += bytes
      madeFiles += 1
      return {
        use(used) {
          const taken = Math.min(used, left)
          left -= taken
          promisedBytes -= taken
          writtenBytes += used
        },
        release() {
          promisedBytes -= left
          left = 0
        },
      }
    },
  }
}
