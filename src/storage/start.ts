// From configured directories to a store whose disks can be opened: look, plan, lock, look again (another process may have
// been faster), carry out. Whatever is refused leaves every directory as it was found.
import { FileError } from '../base/files.ts'
import type { Log } from '../base/log.ts'
import { type Random, randomId } from '../base/prng.ts'
import {
  applyJoin,
  applyOpen,
  beginForming,
  type FilesOf,
  finishForming,
  type MemberDirectory,
  unform,
} from './forming.ts'
import {
  type FormPlan,
  type OpenPlan,
  type OutDirectory,
  planStart,
  planWithout,
  requireReadable,
  type StartPlan,
  whyNotGiven,
} from './identity.ts'
import { type DiskTable, KEY_BYTES, type TableDisk } from './identity-file.ts'
import { type DirectoryState, inspectDirectory } from './inspect.ts'
import { IDENTITY_NAME, KEY_NAME } from './layout.ts'
import type { TakeLock } from './lock.ts'
import { readSession } from './session-file.ts'
import { describe, isOfDirectory, joinFailures, StartLocks, Undo } from './start-locks.ts'
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
  /** Of this start: higher than that of any start these disks have seen. */
  readonly session: number
  /** Prepared (step 1 is done), to be committed by every partition and then published: see table-change.ts. */
  readonly change?: TableChange
  /**
   * Locks a directory that came back while the store runs, whose contents went away, the lock with them, or that is to join. Before
   * anything is written there; without effect where the lock is held as ever. Rejects with STORE_IN_USE, DISK_READ_ONLY or DISK_IO.
   */
  relock(root: string): Promise<void>
  /** Gives up the locks. After the disks were closed. */
  release(): Promise<void>
}

const inspectAll = (request: StartRequest): Promise<DirectoryState[]> =>
  Promise.all(request.roots.map((root) => inspectDirectory(request.filesOf(root), root)))

const planFrom = (request: StartRequest, directories: readonly DirectoryState[]): StartPlan =>
  planStart({
    directories,
    partitions: request.partitions,
    ...(request.parity === undefined ? {} : { parity: request.parity }),
    newId: () => randomId(request.random),
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

const nextSession = async ({ filesOf }: StartRequest, { disks }: OpenPlan): Promise<number> => {
  const seen = disks.map(({ root, identity }) => readSession(filesOf(root), root, identity.diskId))
  return 1 + Math.max(0, ...(await Promise.all(seen)))
}

/**
 * Writes what is to be written before the store may be opened. Resolves to the plan that came of it: a disk that could not be
 * brought up to date is out.
 */
const openStore = async (
  request: StartRequest,
  plan: OpenPlan,
  seen: readonly DirectoryState[],
): Promise<OpenPlan> => {
  for (const { root, content } of seen) {
    const isWhole = content.kind === 'disk' && content.key !== undefined
    if (isWhole || !plan.disks.some((disk) => disk.root === root)) continue
    const file = content.kind === 'disk' ? KEY_NAME : IDENTITY_NAME
    request.log.warn('disk.identity-damaged', { root, file, isRestored: true })
  }
  const opened = await renewStale(request, plan)
  for (const { root, reason } of opened.out) request.log.warn('disk.out', { root, reason })
  // Of a disk that no directory was given for nothing else would say that it is away.
  if (request.roots.length < plan.table.disks.length) {
    const positions = opened.missing.map(({ position }) => position + 1).join(', ')
    const given = request.roots.length
    const message = opened.missing.flatMap((disk) => whyNotGiven(disk, request.roots) ?? []).join('; ')
    const counts = { positions, disks: plan.table.disks.length, directories: given }
    request.log.warn('disks.missing', { ...counts, ...(message !== '' && { message }) })
  }
  const joining = await prepareJoining(request, opened)
  for (const { root, reason } of joining.out.slice(opened.out.length)) {
    request.log.warn('disk.out', { root, reason })
  }
  return joining
}

/**
 * A newcomer that cannot be written to keeps no store from starting: nothing is changed then, and the keeper, who looks at each
 * directory without a disk again and again, takes in those that can be.
 */
const prepareJoining = async (request: StartRequest, plan: OpenPlan): Promise<OpenPlan> => {
  const { change, ...unchanged } = plan
  const failed: OutDirectory[] = []
  for (const { root, identity } of change?.joined ?? []) {
    request.log.info('disk.joining', { root, disk: identity.number })
    try {
      await applyJoin(request.filesOf(root), root, identity, plan.key)
    } catch (thrown) {
      const error = describe(thrown, root)
      if (!isOfDirectory(error)) throw error
      failed.push({ root, reason: `${error.message}: its disk is out` })
    }
  }
  return failed.length === 0 ? plan : { ...unchanged, out: [...plan.out, ...failed] }
}

const renewStale = async ({ filesOf }: StartRequest, plan: OpenPlan): Promise<OpenPlan> => {
  const failed: OutDirectory[] = []
  for (const { root, error: thrown } of await applyOpen(filesOf, plan)) {
    const error = describe(thrown, root)
    if (!isOfDirectory(error)) throw error
    failed.push({ root, reason: `${error.message}: its disk is out` })
  }
  if (failed.length === 0) return plan
  const opened = planWithout(plan, failed)
  requireReadable(opened)
  return opened
}

/** Where it cannot be begun it is taken back: who is refused is told the directory, and may choose others. */
const formStore = async (
  { filesOf, log }: StartRequest,
  plan: FormPlan,
  seen: readonly DirectoryState[],
): Promise<MemberDirectory[]> => {
  const explain = (thrown: unknown): never => {
    const { path } = thrown instanceof FileError ? thrown : { path: '' }
    const at = plan.disks.find(({ root }) => path.startsWith(`${root}/`))
    throw at ? describe(thrown, at.root) : thrown
  }
  await beginForming(filesOf, plan).catch(async (thrown: unknown) => {
    for (const { root, content } of seen) {
      // What an earlier start has begun, or is left of an older disk, is not ours to remove.
      const isBlank = content.kind === 'absent' || (content.kind === 'bare' && content.key === undefined)
      if (!isBlank) continue
      await unform(filesOf(root), root).catch((error: unknown) =>
        log.warn('start-not-undone', { root, error }),
      )
    }
    return explain(thrown)
  })
  // From here on a start goes on with it.
  return finishForming(filesOf, plan).catch(explain)
}

const apply = async (
  request: StartRequest,
  { plan, seen, session }: LockedPlan,
  locks: StartLocks,
): Promise<StartedStore> => {
  const { storeId, key, table } = plan
  const held = { relock: (root: string) => locks.relock(root), release: () => locks.release() }
  if (plan.kind === 'form') {
    const disks = await formStore(request, plan, seen)
    return { storeId, key, table, isNew: true, disks, missing: [], out: [], session, ...held }
  }
  const { disks, missing, out, change } = await openStore(request, plan, seen)
  const pending = change === undefined ? {} : { change }
  return { storeId, key, table, isNew: false, disks, missing, out, session, ...pending, ...held }
}

/** A directory that cannot be locked is none that the plan may count on, whatever can be read in it. */
const withoutFailed = (
  seen: readonly DirectoryState[],
  { failures }: StartLocks,
): readonly DirectoryState[] =>
  seen.map((state) => {
    const failure = failures.get(state.root)
    return failure ? { ...state, content: { kind: 'unwritable', message: failure.message } } : state
  })

interface LockedPlan {
  readonly plan: Exclude<StartPlan, { kind: 'refuse' }>
  readonly seen: readonly DirectoryState[]
  readonly session: number
}

/**
 * Looks, plans and locks until a plan stands whose directories were all looked at after they were locked: another process may
 * have been faster. A store that is known goes on without directories that cannot be written to, as it would without their disks; a
 * new one is formed in all of them or not at all. Each round locks a directory or finds that it cannot be.
 */
export const planLocked = async (
  request: StartRequest,
  locks: StartLocks,
  undo: Undo,
): Promise<LockedPlan> => {
  for (;;) {
    const seen = await inspectAll(request)
    const failures = [...locks.failures.values()]
    const plan = planFrom(request, withoutFailed(seen, locks))
    if (plan.kind !== 'open' && failures.length > 0) throw joinFailures(failures)
    if (plan.kind === 'refuse') throw plan.error
    const untried = rootsToLock(plan, seen).filter((root) => locks.isUntried(root))
    if (untried.length > 0) {
      await locks.takeAll(untried, undo).catch(async (error: unknown) => {
        // Names that lead to one directory could not be told from two as long as it was not there.
        const now = planFrom(request, await inspectAll(request))
        throw now.kind === 'refuse' ? now.error : error
      })
      continue
    }
    // Last: that somebody else holds them is the better news of the two.
    if (plan.kind === 'open') requireReadable(plan)
    return { plan, seen, session: plan.kind === 'open' ? await nextSession(request, plan) : 1 }
  }
}

/**
 * Recognises, locks and prepares the disks of a store, or forms a new one. When it resolves, the locks are held and every
 * present disk's identity is up to date. Rejects, with everything left as it was, with CONFIG_INVALID, DISK_FORMAT,
 * RECORD_VERSION, STORE_IN_USE, TOO_FEW_DISKS or DISK_READ_ONLY and a message for the operator.
 */
export const startStore = async (request: StartRequest): Promise<StartedStore> => {
  const locks = new StartLocks(request)
  const undo = new Undo()
  let planned: LockedPlan
  try {
    planned = await planLocked(request, locks, undo)
  } catch (error) {
    await undo.run(request.log)
    throw error
  }
  try {
    return await apply(request, planned, locks)
  } catch (error) {
    await undo.run(request.log)
    throw error
  }
}
