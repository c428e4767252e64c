// Which locks this process holds. The system cannot be asked: an fcntl lock never stands in the way of its own process, and
// worse, it is gone as soon as the process closes ANY descriptor of the file, one that only read it too. LevelDB opens LOCK and
// closes it again before it says "already held by process". So a lock is looked for here first, and whoever finds it held
// must not open its file: neither through LevelDB nor to look at it.
//
// A lock is known by the inode of its file, whichever name leads there.
import type { FileStat, FileSystem } from '../base/files.ts'
import { lockedPathsHere } from './files-node.ts'
import { LOCK_NAME } from './layout.ts'

/** Files of locks that this thread holds. */
const held = new Set<string>()
/** Directories of locks that this thread is about to take: their files need not be there yet. */
const taking = new Set<string>()

const placeOf = ({ device, inode }: FileStat): string => `${device}:${inode}`

/** Whether another thread of this process, or another copy of this module, holds it. */
const isLockedElsewhere = async (files: FileSystem, file: FileStat): Promise<boolean> => {
  for (const path of await lockedPathsHere(`/${LOCK_NAME}/LOCK`)) {
    const stat = await files.stat(path).catch(() => undefined)
    if (stat && placeOf(stat) === placeOf(file)) return true
  }
  return false
}

export interface HeldHere {
  /** The lock is taken. */
  keep(): Promise<void>
  /** It is given back, or was not taken. Idempotent. */
  drop(): void
}

/** Before the lock in the directory `path`, which is there, is taken; undefined when this process holds it. */
export const beginTaking = async (files: FileSystem, path: string): Promise<HeldHere | undefined> => {
  const directory = await files.stat(path)
  if (!directory) return { keep: async () => undefined, drop: () => undefined }
  const place = placeOf(directory)
  if (taking.has(place)) return undefined
  taking.add(place)
  let key: string | undefined
  const drop = (): void => {
    taking.delete(place)
    if (key !== undefined) held.delete(key)
    key = undefined
  }
  try {
    const file = await files.stat(`${path}/LOCK`)
    if (file && (held.has(placeOf(file)) || (await isLockedElsewhere(files, file)))) {
      drop()
      return undefined
    }
  } catch (error) {
    drop()
    throw error
  }
  return {
    drop,
    async keep() {
      const file = await files.stat(`${path}/LOCK`)
      taking.delete(place)
      if (!file) return
      key = placeOf(file)
      held.add(key)
    },
  }
}
