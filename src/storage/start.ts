// From configured directories to a store whose disks can be opened: look, plan, lock, look again (another process may have
// been faster), carry out. Whatever is refused leaves every directory as it was found.
import { fault } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { applyForm, applyJoin, applyOpen, type FilesOf, type MemberDirectory, makeRoot } from './forming.ts'
import { type OpenPlan, type OutDirectory, planStart, type StartPlan } from './identity.ts'
import { type DiskTable, KEY_BYTES, type TableDisk } from './identity-file.ts'
import { type DirectoryState, inspectDirectory } from './inspect.ts'
import type { StoreLock, TakeLock } from './lock.ts'
import { readSession } from './session-file.ts'
import type { TableChange } from './table-change.ts'

export interface StartRequest {
  /** Absolute, in the order of the configuration. */
  readonly roots: readonly string[]
  readonly filesOf: FilesOf
  readonly takeLock: TakeLock
  readonly random: Random
  readonly log: Log
  readonly parity?: number
  /** Of the metadata, for a new store. */
  readonly partitions: number
}

export interface StartedStore {
  readonly storeId: string
  /** Of this store, the same on every disk; seals what must not be readable without the disks. */
  readonly key: Uint8Array
  readonly table: DiskTable
  /** True when this start made the store, or finished making it. */
  readonly isNew: boolean
  /** Disks to be opened. */
  readonly disks: readonly MemberDirectory[]
  readonly missing: readonly TableDisk[]
  readonly out: readonly OutDirectory[]
  readonly unreadableSets: readonly number[]
  /** Of this start: higher than that of any start these disks have seen. */
  readonly session: number
  /** Prepared (step 1 is done), to be committed by every partition and then published: see table-change.ts. */
  readonly change?: TableChange
  /**
   * Locks a directory anew whose contents, the lock with them, went away while the store runs, or one that is to join. Before
   * anything is written there. Rejects with STORE_IN_USE.
   */
  relock(root: string): Promise<void>
  /** Gives up the locks. After the disks were closed. */
  release(): Promise<void>
}

const hex = (random: Random): string => Buffer.from(random.bytes(16)).toString('hex')

const inspectAll = (request: StartRequest): Promise<DirectoryState[]> =>
  Promise.all(request.roots.map((root) => inspectDirectory(request.filesOf(root), root)))

const planFrom = (request: StartRequest, directories: readonly DirectoryState[]): StartPlan =>
  planStart({
    directories,
    partitions: request.partitions,
    ...(request.parity === undefined ? {} : { parity: request.parity }),
    newId: () => hex(request.random),
    newKey: () => request.random.bytes(KEY_BYTES),
  })

/** Directories that this start is going to write to. Those with a disk first: they are the ones that may be in use. */
const rootsToLock = (plan: StartPlan, directories: readonly DirectoryState[]): string[] => {
  if (plan.kind === 'refuse') return []
  const joined = plan.kind === 'open' ? (plan.change?.joined ?? []) : []
  const roots = new Set([...plan.disks, ...joined].map(({ root }) => root))
  const order = (state: DirectoryState): number => (state.content.kind === 'disk' ? 0 : 1)
  return directories
    .filter(({ root }) => roots.has(root))
    .sort((a, b) => order(a) - order(b))
    .map(({ root }) => root)
}

/** What a start has done that a refusal takes back, last first. */
class Undo {
  readonly #actions: (() => Promise<void>)[] = []
  add(action: () => Promise<void>): void {
    this.#actions.push(action)
  }
  async run(): Promise<void> {
    for (const action of this.#actions.reverse()) await action()
  }
}

/** Makes the directories above and including `root` that are missing, and removes them again on undo. */
const makeMissing = async (files: FileSystem, root: string, undo: Undo): Promise<void> => {
  const missing: string[] = []
  for (let path = root; path !== '' && (await files.stat(path)) === undefined; ) {
    missing.unshift(path)
    path = path.slice(0, path.lastIndexOf('/'))
  }
  for (const path of missing) {
    undo.add(async () => {
      if ((await files.stat(path)) !== undefined && (await files.list(path)).length === 0) {
        await files.remove(path)
      }
    })
  }
  await makeRoot(files, root)
}

const describe = (error: unknown, root: string): unknown => {
  const code = (error as { code?: string }).code ?? ''
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOENT', 'ENOSPC'].includes(code)) return error
  return fault('DISK_READ_ONLY', `${root} cannot be written to (${code})`, { system: code }, error)
}

const lockAll = async (
  request: StartRequest,
  roots: readonly string[],
  undo: Undo,
): Promise<Map<string, StoreLock>> => {
  const locks = new Map<string, StoreLock>()
  for (const root of roots) {
    try {
      await makeMissing(request.filesOf(root), root, undo)
      const lock = await request.takeLock(root)
      undo.add(() => lock.undo())
      locks.set(root, lock)
    } catch (error) {
      throw describe(error, root)
    }
  }
  return locks
}

const holdLocks = (
  takeLock: TakeLock,
  locks: Map<string, StoreLock>,
): Pick<StartedStore, 'relock' | 'release'> => ({
  async relock(root) {
    // The old one guards files that are gone; it must go first, for it has the same name.
    await locks.get(root)?.release()
    locks.delete(root)
    locks.set(root, await takeLock(root))
  },
  async release() {
    await Promise.all([...locks.values()].map((lock) => lock.release()))
  },
})

const nextSession = async ({ filesOf }: StartRequest, { disks }: OpenPlan): Promise<number> => {
  const seen = disks.map(({ root, identity }) => readSession(filesOf(root), root, identity.diskId))
  return 1 + Math.max(0, ...(await Promise.all(seen)))
}

const openStore = async (
  request: StartRequest,
  plan: OpenPlan,
  seen: readonly DirectoryState[],
): Promise<void> => {
  for (const { root, content } of seen) {
    const isWhole = content.kind === 'disk' && content.key !== undefined
    if (isWhole || !plan.disks.some((disk) => disk.root === root)) continue
    request.log.warn('disk.identity-damaged', { root, isRestored: true })
  }
  for (const { root, reason } of plan.out) request.log.warn('disk.out', { root, reason })
  // Of a disk that no directory was given for nothing else would say that it is away.
  if (request.roots.length < plan.table.disks.length) {
    const positions = plan.missing.map(({ position }) => position + 1).join(', ')
    const given = request.roots.length
    request.log.warn('disks.missing', { positions, disks: plan.table.disks.length, directories: given })
  }
  await applyOpen(request.filesOf, plan)
  for (const { root, identity } of plan.change?.joined ?? []) {
    request.log.info('disk.joining', { root, disk: identity.number })
    await applyJoin(request.filesOf(root), root, identity, plan.key)
  }
}

const apply = async (
  request: StartRequest,
  plan: Exclude<StartPlan, { kind: 'refuse' }>,
  seen: readonly DirectoryState[],
  held: Pick<StartedStore, 'relock' | 'release'>,
): Promise<StartedStore> => {
  const { storeId, key, table } = plan
  if (plan.kind === 'form') {
    const disks = await applyForm(request.filesOf, plan)
    const none = { missing: [], out: [], unreadableSets: [], session: 1 }
    return { storeId, key, table, isNew: true, disks, ...none, ...held }
  }
  const session = await nextSession(request, plan)
  await openStore(request, plan, seen)
  const { disks, missing, out, unreadableSets, change } = plan
  const pending = change === undefined ? {} : { change }
  return {
    storeId,
    key,
    table,
    isNew: false,
    disks,
    missing,
    out,
    unreadableSets,
    session,
    ...pending,
    ...held,
  }
}

/**
 * Recognises, locks and prepares the disks of a store, or forms a new one. When it resolves, the locks are held and every
 * present disk's identity is up to date. Rejects, with everything left as it was, with CONFIG_INVALID, DISK_FORMAT,
 * RECORD_VERSION, STORE_IN_USE or DISK_READ_ONLY and a message for the operator.
 */
export const startStore = async (request: StartRequest): Promise<StartedStore> => {
  const seen = await inspectAll(request)
  const first = planFrom(request, seen)
  if (first.kind === 'refuse') throw first.error
  const undo = new Undo()
  let locks: Map<string, StoreLock>
  let plan: StartPlan
  let again: readonly DirectoryState[]
  try {
    locks = await lockAll(request, rootsToLock(first, seen), undo)
    again = await inspectAll(request)
    plan = planFrom(request, again)
    if (plan.kind === 'refuse') throw plan.error
    const wanted = new Set(rootsToLock(first, seen))
    if (rootsToLock(plan, again).some((root) => !wanted.has(root))) {
      throw fault('STORE_IN_USE', 'the disks changed while the store was starting')
    }
  } catch (error) {
    await undo.run()
    throw error
  }
  const held = holdLocks(request.takeLock, locks)
  try {
    return await apply(request, plan, again, held)
  } catch (error) {
    await held.release()
    throw error
  }
}
