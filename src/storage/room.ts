// How much room a disk has. Everything that writes bodies takes room before it writes and gives back what it did not use; a
// reserve stays free for what must work on a full disk: journal segments, so that DELETE and Abort can commit, what
// frees space, and administration.
//
// Room is promised for what is on its way, never for what somebody says will come: a body is admitted when all of it would
// fit now, and then takes room unit by unit. Disks that share a device each show their share of it, for the units of a stripe are
// equal; what any of them writes or has promised counts for all, so that together they never touch the reserve.
//
// The file system is asked when the estimate has become old or says no, and when the disk's actor looks after its disk.
import { assert, fault } from '../base/errors.ts'
import type { FileSpace, FileSystem } from '../base/files.ts'
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
  /** Promises `bytes`; throws the fault DISK_FULL when the reserve would be touched: by `isUpkeep`, which frees space, more than half of it. */
  take(bytes: number, isUpkeep?: boolean): Promise<Reservation>
  /** What was written without a promise: journal segments may use the reserve, but not unseen. */
  wrote(bytes: number): void
  /** The file system has none left, whatever it said: so it is until it is asked again. */
  refused(): void
}

/** What all disks of a device that are written to on this thread have written since they were opened, and will write. */
export interface DeviceTraffic {
  writtenBytes: number
  promisedBytes: number
  madeFiles: number
}

const traffics = new WeakMap<FileSystem, Map<number, DeviceTraffic>>()

/** One for all directories on a device: what one of them takes the others have no longer. */
export const trafficOn = (files: FileSystem, device: number): DeviceTraffic => {
  const devices = traffics.get(files) ?? new Map<number, DeviceTraffic>()
  traffics.set(files, devices)
  const traffic = devices.get(device) ?? newTraffic()
  devices.set(device, traffic)
  return traffic
}

const newTraffic = (): DeviceTraffic => ({ writtenBytes: 0, promisedBytes: 0, madeFiles: 0 })

export interface RoomOptions {
  readonly reserveBytes?: number
  /** Disks of this store on the device, this one included. */
  readonly sharers?: number
  /** Of the device; without it nobody else writes there. */
  readonly traffic?: DeviceTraffic
}

export const createRoom = (
  disk: number,
  ask: () => Promise<FileSpace>,
  { reserveBytes, sharers = 1, traffic = newTraffic() }: RoomOptions = {},
): Room => {
  let known: FileSpace = { totalBytes: 0, freeBytes: 0, freeInodes: 0 }
  /** The device's traffic when the file system was asked. */
  let seen = { ...traffic }

  const reserve = (): number =>
    reserveBytes ?? Math.min(RESERVE_BYTES_MAX, Math.floor(known.totalBytes / RESERVE_PARTS))
  const writtenBytes = (): number => traffic.writtenBytes - seen.writtenBytes
  /** Of the device. */
  const deviceBytes = (): number => known.freeBytes - reserve() - writtenBytes() - traffic.promisedBytes
  /** This disk's share of it: the shards of one write come to all of its disks. */
  const freeBytes = (): number => Math.floor(deviceBytes() / sharers)
  const hasInodes = (): boolean => known.freeInodes - (traffic.madeFiles - seen.madeFiles) > RESERVE_INODES
  const refresh = async (): Promise<void> => {
    // What is written while the file system answers counts twice rather than not at all.
    const before = { ...traffic }
    known = await ask()
    seen = before
  }
  /** A file of so many bytes, of which the others of its write go to the other disks of the device. */
  const fitsShare = (bytes: number): boolean => freeBytes() >= bytes && hasInodes()
  const fitsDevice = (bytes: number): boolean => deviceBytes() >= bytes && hasInodes()
  const fitsReserve = (bytes: number): boolean => deviceBytes() + reserve() / 2 >= bytes
  const refreshFor = async (bytes: number, fits: (bytes: number) => boolean): Promise<void> => {
    assert(bytes >= 0, 'room is taken in bytes')
    if (writtenBytes() > REFRESH_BYTES || !fits(bytes)) await refresh()
  }
  /** Nothing is awaited between this and the promise. */
  const requireRoom = (bytes: number, fits: (bytes: number) => boolean): void => {
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
      await refreshFor(bytes, fitsShare)
      requireRoom(bytes, fitsShare)
      traffic.madeFiles += 1
    },
    async take(bytes, isUpkeep = false) {
      const fits = isUpkeep ? fitsReserve : fitsDevice
      await refreshFor(bytes, fits)
      requireRoom(bytes, fits)
      let left = bytes
      traffic.promisedBytes += bytes
      return {
        use(used) {
          const taken = Math.min(used, left)
          left -= taken
          traffic.promisedBytes -= taken
          traffic.writtenBytes += used
        },
        release() {
          traffic.promisedBytes -= left
          left = 0
        },
      }
    },
    wrote(bytes) {
      traffic.writtenBytes += bytes
    },
    refused() {
      known = { ...known, freeBytes: 0 }
    },
  }
}
