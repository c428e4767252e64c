// A stopped store, held as a start would hold it: its disks are recognised by the same rules and locked with the same locks, so
// that no store is started on them meanwhile, and the same sentence says why it cannot be. In the end the locks are given
// back as if nobody had had them; nothing else is written.
import { fault } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import { silentLog } from '../base/log.ts'
import { systemRandom } from '../base/prng.ts'
import { nodeFiles } from '../storage/files-node.ts'
import type { OpenPlan } from '../storage/identity.ts'
import { type DirectoryState, inspectDirectory } from '../storage/inspect.ts'
import { createLevelLock, type TakeLock } from '../storage/lock.ts'
import { planLocked, type StartRequest } from '../storage/start.ts'
import { StartLocks, Undo } from '../storage/start-locks.ts'
import type { KnownStore } from './known-store.ts'

export interface HeldStore extends Omit<KnownStore, 'states'> {
  /** What a start would do with these directories. */
  readonly plan: OpenPlan
  /** Each directory as it was found, by its path. */
  readonly states: ReadonlyMap<string, DirectoryState>
}

/** Rejects when no directory holds a disk of a store: a start would make one. */
const checkExists = async (files: FileSystem, roots: readonly string[]): Promise<void> => {
  const states = await Promise.all(roots.map((root) => inspectDirectory(files, root)))
  if (states.some(({ content }) => content.kind === 'disk' || content.kind === 'newer')) return
  throw fault('DISK_FORMAT', `no disk of a store can be read in ${roots.join(', ')}`)
}

/**
 * Runs `action` while the store is held. Rejects, with everything left as it was, as a start would: with STORE_IN_USE when it
 * runs, TOO_FEW_DISKS when more than m of its disks are away.
 */
export const withHeldStore = async <T>(
  roots: readonly string[],
  action: (store: HeldStore) => Promise<T>,
  files: FileSystem = nodeFiles,
  takeLock: TakeLock = createLevelLock(files),
): Promise<T> => {
  await checkExists(files, roots)
  const request: StartRequest = {
    ...{ roots, filesOf: () => files, takeLock },
    ...{ random: systemRandom, log: silentLog, partitions: 1 },
  }
  const undo = new Undo()
  try {
    const { plan, seen } = await planLocked(request, new StartLocks(request), undo)
    if (plan.kind === 'form') throw fault('DISK_FORMAT', 'the first start of this store did not finish')
    const { storeId, key, table } = plan
    const rootOf = new Map(plan.disks.map(({ root, identity }) => [identity.number, root]))
    const states = new Map(seen.map((state) => [state.root, state]))
    return await action({ plan, states, storeId, key, table, rootOf })
  } finally {
    await undo.run(silentLog)
  }
}
