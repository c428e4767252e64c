// What the parts of a disk share: its files and log, its counters, its room, joined directory syncs, and the guard that
// notices when the directory is no longer the one that was opened (wiped, unmounted, moved away): a disk in that state
// must not acknowledge anything, however well its writes seem to go.
import { fault } from '../base/errors.ts'
import type { FileSystem, OpenFile } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { coalesce } from './coalesce.ts'
import { diskFault, isNoRoom } from './disk-errors.ts'
import { IDENTITY_NAME } from './layout.ts'
import type { Room } from './room.ts'

export interface DiskIds {
  readonly storeId: string
  readonly diskId: string
  readonly number: DiskNumber
}

/** Since the disk was opened. */
export interface DiskCounters {
  reads: number
  readBytes: number
  writes: number
  writtenBytes: number
  syncs: number
  corruptReads: number
  missingReads: number
  failures: number
}

export interface DiskContext extends DiskIds {
  readonly root: string
  readonly files: FileSystem
  readonly log: Log
  readonly counters: DiskCounters
  readonly room: Room
  /** fsync of a directory of this disk, joined with others of the same. */
  syncDirectory(path: string): Promise<void>
  /** Rejects with the fault DISK_GONE when this is not the directory that was opened. Joined. */
  checkPresence(): Promise<void>
  /** fdatasync, and whether the file is still linked, and the directory still ours. */
  syncFile(file: OpenFile): Promise<void>
  /** `action` with its errors as faults of this disk. */
  guarded<T>(action: () => Promise<T>): Promise<T>
}

export const newCounters = (): DiskCounters => ({
  reads: 0,
  readBytes: 0,
  writes: 0,
  writtenBytes: 0,
  syncs: 0,
  corruptReads: 0,
  missingReads: 0,
  failures: 0,
})

export interface ContextOptions extends DiskIds {
  readonly root: string
  readonly files: FileSystem
  readonly log: Log
  readonly room: Room
  /** Of the root directory when the disk was opened. */
  readonly inode: number
  readonly device: number
}

/** Each sync looks both up. */
const HOT = { isHot: true }

export const createContext = (options: ContextOptions): DiskContext => {
  const { root, files, number } = options
  const counters = newCounters()
  const gone = (what: string): Error => fault('DISK_GONE', `disk ${number}: ${what}`, { disk: number })

  const findAbsence = async (): Promise<void> => {
    const [directory, identity] = await Promise.all([
      files.stat(root, HOT),
      files.stat(`${root}/${IDENTITY_NAME}`, HOT),
    ])
    if (directory?.inode !== options.inode || directory.device !== options.device) {
      throw gone('its directory is no longer the one that was opened')
    }
    if (identity?.kind !== 'file') throw gone(`${IDENTITY_NAME} is no longer there`)
  }
  const presence = coalesce(findAbsence)
  const directories = coalesce(async (path) => {
    counters.syncs += 1
    await files.syncDirectory(path)
  })

  return {
    ...options,
    counters,
    syncDirectory: directories,
    checkPresence: () => presence(''),
    async syncFile(file) {
      counters.syncs += 1
      // Side by side, but all of them after the write: a disk that is wiped from now on is lost after it, as any may be.
      const [, stat] = await Promise.all([file.sync(), file.stat(), presence('')])
      if (stat.links === 0) throw gone('a file of it was removed while it was written')
    },
    async guarded(action) {
      try {
        return await action()
      } catch (error) {
        counters.failures += 1
        if (isNoRoom(error)) options.room.refused()
        const translated = diskFault(number, error)
        // A vanished directory shows first as ENOENT or as a failed write: say what it is.
        if (translated !== error) {
          await presence('').catch((absence: unknown) => {
            throw diskFault(number, absence)
          })
        }
        throw translated
      }
    },
  }
}
