// The lock of a disk: two processes never use one store, also not from two containers that see the same directory. It is
// an empty LevelDB that stays open: its fcntl lock dies with the process, whatever way that goes, so there is no stale
// lock to clear. A store in memory needs none.
//
// LevelDB moves its LOG aside before it looks whether somebody holds the lock, and writes a new manifest when nobody
// does. A start that is refused must leave everything as it was, so what it did is taken back. No file of ours ever opens LOCK:
// see held-here.ts.
import type { ClassicLevel } from 'classic-level'
import { fault, type MoraineError } from '../base/errors.ts'
import { FileError, type FileSystem } from '../base/files.ts'
import { require } from '../base/require.ts'
import { beginTaking } from './held-here.ts'
import { readSmallFile } from './identity-file.ts'
import { LOCK_NAME } from './layout.ts'
import { findLevelDamage } from './level-files.ts'

export interface StoreLock {
  /** Something in it was damaged; nothing is lost with it. */
  readonly isRemade: boolean
  /** The store has ended. Idempotent. */
  release(): Promise<void>
  /** Nothing came of the start: gives the lock back and leaves its directory as it was found. */
  undo(): Promise<void>
}

/** Rejects with the fault STORE_IN_USE when another process, or another store of this one, holds the disk. */
export type TakeLock = (root: string) => Promise<StoreLock>

/** For disks that no other process can reach. */
export const noLock: TakeLock = async () => ({
  isRemade: false,
  release: async () => undefined,
  undo: async () => undefined,
})

type Snapshot = ReadonlyMap<string, Uint8Array> | undefined

const takeSnapshot = async (files: FileSystem, path: string): Promise<Snapshot> => {
  if ((await files.stat(path)) === undefined) return undefined
  const snapshot = new Map<string, Uint8Array>()
  for (const name of await files.list(path)) {
    // It is always empty, and to open and close it would be to let go of it.
    if (name === 'LOCK') continue
    const bytes = await readSmallFile(files, `${path}/${name}`)
    if (bytes !== undefined) snapshot.set(name, bytes)
  }
  return snapshot
}

const writeBack = async (files: FileSystem, path: string, bytes: Uint8Array): Promise<void> => {
  const file = await files.open(path, 'create')
  await file.write([bytes], 0)
  await file.close()
}

/** When nobody holds the lock: the directory as it was, or gone if it was not there. */
const restoreAll = async (files: FileSystem, path: string, snapshot: Snapshot): Promise<void> => {
  for (const name of await files.list(path)) {
    // LOCK is always empty, and removing it could hand out the lock twice.
    if (name !== 'LOCK' || snapshot === undefined) await files.remove(`${path}/${name}`)
  }
  if (snapshot === undefined) return files.remove(path)
  for (const [name, bytes] of snapshot) {
    await writeBack(files, `${path}/${name}`, bytes)
  }
}

/** When another process holds it: its LOG, which it still writes to, gets its name back. */
const restoreLog = async (files: FileSystem, path: string, snapshot: Snapshot): Promise<void> => {
  if (snapshot?.has('LOG') !== true) return
  await files.rename(`${path}/LOG.old`, `${path}/LOG`)
  const older = snapshot.get('LOG.old')
  if (older !== undefined) await writeBack(files, `${path}/LOG.old`, older)
}

const isLocked = (error: unknown): boolean =>
  (error as { cause?: { code?: unknown } }).cause?.code === 'LEVEL_LOCKED'

/** What LevelDB heard from the system. */
const reasonOf = (error: unknown): string => {
  const { cause } = error as { cause?: unknown }
  return cause instanceof Error ? ` (${cause.message})` : ''
}

const openLevel = async (path: string): Promise<ClassicLevel> => {
  // Loaded here: a store in memory has no lock.
  const { ClassicLevel } = require('classic-level') as typeof import('classic-level')
  const level = new ClassicLevel(path)
  await level.open()
  return level
}

/**
 * Nobody holds the lock, and yet it does not open: something in it is damaged. The database is empty, so what it says of
 * itself is thrown away; LOCK alone tells whether it is held, and stays.
 */
const openAnew = async (files: FileSystem, path: string, snapshot: Snapshot): Promise<ClassicLevel> => {
  try {
    for (const name of await files.list(path)) if (name !== 'LOCK') await files.remove(`${path}/${name}`)
    return await openLevel(path)
  } catch (error) {
    if (!isLocked(error)) await restoreAll(files, path, snapshot)
    throw error
  }
}

const inUse = (root: string, cause?: unknown): MoraineError =>
  fault('STORE_IN_USE', `${root} is in use by another Moraine`, {}, cause)

/** Takes a lock that no other thread of this process is known to hold. `isNew`: its directory was made for it. */
const takeLevel = async (files: FileSystem, root: string, isNew: boolean): Promise<StoreLock> => {
  const path = `${root}/${LOCK_NAME}`
  const snapshot = isNew ? undefined : await takeSnapshot(files, path)
  const refuse = async (error: unknown): Promise<never> => {
    // Made for a lock that did not come to be: on a full disk LevelDB gets no further than two empty files.
    if (isNew && !isLocked(error)) await restoreAll(files, path, undefined).catch(() => undefined)
    // What the file system says is clearer than any word of ours.
    if (error instanceof FileError) throw error
    if (!isLocked(error)) throw fault('DISK_IO', `${root} cannot be locked${reasonOf(error)}`, {}, error)
    await restoreLog(files, path, snapshot)
    throw inUse(root, error)
  }
  // Opening it mends some of that without a word.
  const damage = snapshot === undefined ? [] : await findLevelDamage(files, path).catch(() => [])
  let isRemade = damage.length > 0
  const level = await openLevel(path)
    .catch((error: unknown) => {
      if (isLocked(error) || snapshot === undefined) throw error
      isRemade = true
      return openAnew(files, path, snapshot)
    })
    .catch(refuse)
  return {
    isRemade,
    release: () => level.close(),
    async undo() {
      await level.close()
      await restoreAll(files, path, snapshot)
    },
  }
}

/** Locks in directories of this machine; `files` are the same directories for what is taken back. */
export const createLevelLock =
  (files: FileSystem): TakeLock =>
  async (root) => {
    // LevelDB would make it, but not say why it cannot.
    const path = `${root}/${LOCK_NAME}`
    const isNew = (await files.stat(path)) === undefined && (await files.makeDirectory(path))
    const here = await beginTaking(files, path)
    if (!here) throw inUse(root)
    try {
      const lock = await takeLevel(files, root, isNew)
      await here.keep()
      return {
        isRemade: lock.isRemade,
        release: () => lock.release().finally(here.drop),
        undo: () => lock.undo().finally(here.drop),
      }
    } catch (error) {
      here.drop()
      throw error
    }
  }
