// How much room a disk has. Everything that writes bodies takes room before it writes and gives back what it did not use; a
// reserve stays free for what must work on a full disk: journal segments, so that DELETE and Abort can commit, what
// frees space, and administration.
//
// Room is promised for what is on its way, never for what somebody says will come: a body is admitted when all of it would
// fit now, and then takes room unit by unit. Disks that share a device each have their share of it: the units of a stripe
// are equal, so what one disk has under way the others have too.
//
// The file system is asked when the estimate has become old or says no, and when the disk's actor looks after its disk.
import { assert, fault } from '../base/errors.ts'
import type { FileSpace } from '../base/files.ts'
import { GiB, MiB } from '../base/units.ts'

/** One part in 16 of the device, but never more than this. */
const RESERVE_BYTES_MAX = 1 * GiB
const RESERVE_PARTS = 16
/** Files that stay possible on a disk that is full of them. */
const RESERVE_INODES = 256
/** After this much was written the file system is asked again. */
const REFRESH_BYTES = 64 * MiB
/** A disk with less than this above its reserve is not chosen for new writes: one unit more or less decides nothing. */
const ROOM_BYTES_MIN = 2 * MiB

export interface DiskSpace {
  /** Of the device, this disk's share. */
  readonly totalBytes: number
  /** Above the reserve and not yet promised to a write. */
  readonly freeBytes: number
  /** Of the device: whoever frees space needs it. */
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
  /** A file is begun that is going to take `bytes`: throws the fault DISK_FULL when they would not fit now. Promises nothing. */
  admit(bytes: number): Promise<void>
  /** Promises `bytes`; throws the fault DISK_FULL when the reserve would be touched. */
  take(bytes: number): Promise<Reservation>
  /** What was written without a promise: journal segments may use the reserve, but not unseen. */
  wrote(bytes: number): void
}

export interface RoomOptions {
  readonly reserveBytes?: number
  /** Disks of this store on the device, this one included. */
  readonly sharers?: number
}

export const createRoom = (
  disk: number,
  ask: () => Promise<FileSpace>,
  { reserveBytes, sharers = 1 }: RoomOptions = {},
): Room => {
  let known: FileSpace = { totalBytes: 0, freeBytes: 0, freeInodes: 0 }
  let writtenBytes = 0
  let promisedBytes = 0
  /** Since the file system was asked. */
  let madeFiles = 0

  const reserve = (): number =>
    reserveBytes ?? Math.min(RESERVE_BYTES_MAX, Math.floor(known.totalBytes / RESERVE_PARTS))
  const freeBytes = (): number =>
    Math.floor((known.freeBytes - reserve()) / sharers) - writtenBytes - promisedBytes
  const hasInodes = (): boolean => known.freeInodes - madeFiles * sharers > RESERVE_INODES
  const refresh = async (): Promise<void> => {
    known = await ask()
    writtenBytes = 0
    madeFiles = 0
  }
  const fits = (bytes: number): boolean => freeBytes() >= bytes && hasInodes()
  const refreshFor = async (bytes: number): Promise<void> => {
    assert(bytes >= 0, 'room is taken in bytes')
    if (writtenBytes > REFRESH_BYTES || !fits(bytes)) await refresh()
  }
  /** Nothing is awaited between this and the promise. */
  const requireRoom = (bytes: number): void => {
    if (fits(bytes)) return
    throw fault('DISK_FULL', `disk ${disk} has no room for ${bytes} bytes`, {
      disk,
      bytes,
      freeBytes: Math.max(0, freeBytes()),
      freeInodes: Math.min(known.freeInodes, Number.MAX_SAFE_INTEGER),
    })
  }

  return {
    refresh,
    space: () => ({
      totalBytes: Math.floor(known.totalBytes / sharers),
      freeBytes: Math.max(0, freeBytes()),
      reserveBytes: reserve(),
      hasRoom: freeBytes() >= ROOM_BYTES_MIN && hasInodes(),
    }),
    async admit(bytes) {
      await refreshFor(bytes)
      requireRoom(bytes)
      madeFiles += 1
    },
    async take(bytes) {
      await refreshFor(bytes)
      requireRoom(bytes)
      let left = bytes
      promisedBytes += bytes
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
    wrote(bytes) {
      writtenBytes += bytes
    },
  }
}
