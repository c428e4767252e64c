// The keeper of the table of disks: takes in a blank directory in place of a disk that was lost, and keeps every disk.json
// at the newest table. A change of the table is made in the order of storage/table-change.ts: prepared in the newcomer,
// committed by every partition, published in each disk.json, and only then it counts here. A crash anywhere leaves the
// old table or the new one. It lives on the main thread, where the locks of the directories are.
import type { Timer } from '../base/clock.ts'
import { codeOf, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { randomId } from '../base/prng.ts'
import { KiB, SECOND } from '../base/units.ts'
import type { Behavior, Context } from '../runtime/actor.ts'
import { identify, isVacant, whyOut } from '../storage/directory-role.ts'
import { applyJoin, writeIdentity, writeTable } from '../storage/forming.ts'
import { unreadableSetsOf, whyNotAdoptable } from '../storage/identity.ts'
import type { DiskIdentity, DiskTable, TableDisk } from '../storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../storage/inspect.ts'
import { IDENTITY_NAME } from '../storage/layout.ts'
import type { StartedStore } from '../storage/start.ts'
import { drainingOf, planReplacement, type TableChange } from '../storage/table-change.ts'
import { type AddAnswer, type Adding, createAdding } from './adding.ts'
import { type Claiming, createClaiming } from './claiming.ts'
import { CurrentTable } from './current-table.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import { createDiskSessions, type SeenDisk } from './disk-sessions.ts'
import { createDraining, type DrainAnswer, type Draining, type DrainTarget } from './draining.ts'
import { checkIdentity } from './identity-check.ts'
import { OlderCopies } from './older-copies.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster, type Roster, type RosterRow } from './roster.ts'
import { attachClaims } from './slot-claims.ts'
import { type SlotNote, SlotNotes } from './slot-notes.ts'
import { rootIn, slotOf, slotsWithRoot } from './slot-roots.ts'
import { bucketRefs, filesOf, PATHS, type StoreFacts } from './store-facts.ts'
import { memberIdentity } from './table-commit.ts'

export interface KeeperProtocol {
  /** Carries out the change that the start has prepared. */
  begin(m: Record<string, never>): Promise<void>
  /** The disk of this slot is out; what lies in its directory may be taken in. Said again as long as it is. */
  diskOut(m: { slot: number }): Promise<void>
  /** A disk of the store lies in this slot, whose directory is not locked: once it is, the disk is opened. Said again until then. */
  claim(m: { slot: number }): Promise<void>
  /** A write to the disk of this slot met a file system that takes none: it is out until it does. */
  unwritable(m: { slot: number; system: string }): void
  /** A disk is there: its table may be an older one. */
  diskIn(m: { slot: number }): Promise<void>
  /** All that should be on a disk that was an older copy was looked at, and is there. */
  diskVerified(m: { disk: DiskNumber }): Promise<void>
  /** See draining.ts. Rejects as a commit does when the change was begun and could not be made yet: it is tried again. */
  drain(m: DrainTarget): Promise<DrainAnswer>
  /** See adding.ts. Rejects as `drain` does. */
  add(m: { directories: readonly string[] }): Promise<AddAnswer>
  /** See identity-check.ts: the files of this slot's disk that were damaged, and are whole again. */
  checkIdentity(m: { slot: number }): Promise<readonly string[]>
  /** Looks whether the disk that is being drained can leave. */
  endDrain(m: Record<string, never>): Promise<void>
  /** The repairer begins anew and knows of no such disk any more. */
  tellSuspects(m: Record<string, never>): void
  /** The table, and why the disks of slots stay out, for the operator. */
  overview(m: Record<string, never>): { disks: readonly TableDisk[]; notes: readonly SlotNote[] }
}

/** What the start found: a StartedStore has it all. */
export type KeeperArgs = Pick<StartedStore, 'table' | 'change' | 'out' | 'relock'>

/** A change that failed is not tried again at every look. */
const RETRY_MS = 10 * SECOND
/** As long as a disk is being drained. */
const LOOK_AT_DRAIN_MS = 5 * SECOND
/** What no change can take in, or give its identity back. */
const HOPELESS: ReadonlySet<DirectoryState['content']['kind']> = new Set([
  'absent',
  'foreign',
  'unusable',
  'newer',
])
/** In place of a slot: what the start has left to do. */
const START = -1

export const keeper: Behavior<KeeperProtocol, KeeperArgs> = {
  mailbox: { messagesMax: 256, bytesMax: 64 * KiB },
  // An operator who asks does not wait for a change; changes wait for each other in `guarded`. Nor does a disk that is back: the
  // change may wait for it.
  interleave: {
    ...{ begin: 1, diskOut: 1, claim: 1, diskIn: 1, diskVerified: 1, overview: 4 },
    ...{ drain: 4, add: 4, endDrain: 1, checkIdentity: 4 },
  },
  async setup(context, args) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    const table = await newestTable(facts, args.table)
    const keeping = new Keeping(context, facts, roster, table, args)
    await keeping.start()
    keeping.begin()
    return {
      begin: () => keeping.guarded(START, () => keeping.goOn()),
      diskOut: ({ slot }) => keeping.guarded(slot, () => keeping.lookAt(slot)),
      claim: ({ slot }) => keeping.claim(slot),
      unwritable: ({ slot, system }) => keeping.unwritable(slot, system),
      diskIn: ({ slot }) => keeping.guarded(slot, () => keeping.welcome(slot)),
      diskVerified: ({ disk }) => keeping.guarded(START, () => keeping.verified(disk)),
      drain: (target) => keeping.drain(target),
      add: ({ directories }) => keeping.add(directories),
      checkIdentity: ({ slot }) => keeping.checkIdentity(slot),
      endDrain: () => keeping.guarded(START, () => keeping.endDrain()),
      tellSuspects: () => keeping.tellSuspects(),
      overview: () => keeping.overview(),
    }
  },
}

/** The newest table that a member says: after a restart of this actor the start's own is history. */
const newestTable = async (facts: StoreFacts, known: DiskTable): Promise<DiskTable> => {
  const states = await Promise.all(
    slotsWithRoot(facts).map(({ root }) => inspectDirectory(filesOf(facts), root)),
  )
  const tables = states.flatMap(({ content }) =>
    content.kind === 'disk' &&
    content.identity.storeId === facts.storeId &&
    content.identity.phase === 'member'
      ? [content.identity.table]
      : [],
  )
  return tables.reduce((a, b) => (b.version > a.version ? b : a), known)
}

class Keeping {
  readonly #context: Context<KeeperProtocol>
  readonly #facts: StoreFacts
  readonly #roster: Roster
  readonly #args: KeeperArgs
  readonly #table: CurrentTable
  readonly #notes: SlotNotes
  readonly #olderCopies: OlderCopies
  readonly #claiming: Claiming
  readonly #draining: Draining
  readonly #adding: Adding
  #notBeforeMs = 0
  #last: Promise<void> = Promise.resolve()
  #retry: Timer | undefined
  #drainTimer: Timer | undefined

  constructor(
    context: Context<KeeperProtocol>,
    facts: StoreFacts,
    roster: Roster,
    table: DiskTable,
    args: KeeperArgs,
  ) {
    this.#context = context
    this.#facts = facts
    this.#roster = roster
    this.#args = args
    const { clock, log } = context
    const { relock, change } = args
    const files = filesOf(facts)
    const buckets = bucketRefs(context, facts)
    const repairer = context.ref<RepairerProtocol>(PATHS.repairer)
    const notes = new SlotNotes(log)
    this.#notes = notes
    this.#claiming = createClaiming({
      ...{ files, claims: attachClaims(facts.claims), clock, relock },
      rootIn: (slot) => rootIn(facts, slot),
      note: (slot, message) => notes.staysOut(slot, message),
    })
    this.#table = new CurrentTable({
      ...{ table, change, facts, roster, notes, buckets, repairer, log },
      disk: (slot) => this.#disk(slot),
      drainChanged: () => this.#lookAtDrain(),
    })
    const changing = {
      table: () => this.#table.get(),
      carryOut: (next: TableChange) => this.#table.carryOut(next),
    }
    this.#draining = createDraining({ ...{ buckets, facts, roster, log }, ...changing })
    this.#adding = createAdding({
      ...{ facts, log, relock, newId: () => randomId(context.random) },
      ...changing,
    })
    this.#olderCopies = new OlderCopies({
      sessions: createDiskSessions({ files, session: facts.session, buckets, log }),
      ...{ roster, notes, repairer, log },
      seen: (row) => this.#seen(row),
      again: () => this.#again(),
    })
    context.defer(() => {
      this.#retry?.cancel()
      this.#drainTimer?.cancel()
    })
    this.#lookAtDrain()
  }

  /** Before anything is served. */
  start(): Promise<void> {
    for (const { root, reason } of this.#args.out) {
      const slot = slotOf(this.#facts, root)
      // After a restart of this actor it may long be back.
      if (this.#roster.row(slot).state === 'out') this.#notes.staysOut(slot, reason)
    }
    return this.#olderCopies.record(this.#roster.rows())
  }

  /** What the start has left to do, and whatever could not be done when it was its turn. */
  async goOn(): Promise<void> {
    await this.#olderCopies.recordLate()
    await this.#table.finish()
  }

  tellSuspects(): void {
    this.#olderCopies.tell()
  }

  verified(disk: DiskNumber): Promise<void> {
    return this.#olderCopies.verified(disk)
  }

  #again(): void {
    this.#retry?.cancel()
    this.#retry = this.#context.clock.setTimer(RETRY_MS, () => this.begin())
  }

  #seen({ slot, number, state, session: opening }: RosterRow): SeenDisk[] {
    const root = rootIn(this.#facts, slot)
    const member = this.#table.get().disks.find((disk) => disk.number === number)
    const isThere = state !== 'out' && member !== undefined && root !== undefined
    return isThere ? [{ slot, number, id: member.id, root, opening }] : []
  }

  begin(): void {
    this.#context.self.tell('begin', {})
  }

  overview(): { disks: readonly TableDisk[]; notes: readonly SlotNote[] } {
    return { disks: this.#table.get().disks, notes: this.#notes.list() }
  }

  /** One after another. A change that cannot be made now is made later: the disks that are out come back to it. */
  guarded(slot: number, action: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(() => this.#attempt(slot, action))
    return this.#last
  }

  async #attempt(slot: number, action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      this.#notBeforeMs = this.#context.clock.monotonicMs() + RETRY_MS
      const root = rootIn(this.#facts, slot)
      if (root !== undefined && codeOf(error) === 'TOO_FEW_DISKS') {
        const needed = this.#table.get().m + 1
        this.#notes.staysOut(
          slot,
          `${root} is taken in once ${needed} other disks of this store are present to agree`,
        )
      }
      // A disk that is out says so again; the start does not.
      if (slot === START) this.#again()
      this.#context.log.warn('disks-unchanged', { slot, code: codeOf(error), error: String(error) })
    }
  }

  async claim(slot: number): Promise<void> {
    if (this.#roster.row(slot).state !== 'out' || !(await this.#claiming.claim(slot))) return
    this.#disk(slot).tell('look', {})
  }

  unwritable(slot: number, system: string): void {
    this.#claiming.refused(slot, system)
  }

  async lookAt(slot: number): Promise<void> {
    const row = this.#roster.row(slot)
    const lost = this.#table.get().disks.find(({ number }) => number === row.number)
    if (row.state !== 'out' || this.#context.clock.monotonicMs() < this.#notBeforeMs) return
    const root = rootIn(this.#facts, slot)
    if (root === undefined) return
    const state = await inspectDirectory(filesOf(this.#facts), root)
    if (lost !== undefined && HOPELESS.has(state.content.kind)) {
      // That is what the operator must know, whatever else is away.
      this.#notes.staysOut(slot, whyOut(state, this.#facts.storeId))
      return this.#finishIfPossible()
    }
    await this.#table.finish()
    if (await this.#restoreIdentity(slot, state)) return
    if (lost === undefined || this.#roster.row(slot).number !== lost.number) return
    // It is on its way out: nothing takes its place.
    if (lost.state === 'draining') return this.#notes.staysOut(slot, whyOut(state, this.#facts.storeId))
    const store = { storeId: this.#facts.storeId, table: this.#table.get() }
    const reason = this.#whyTooFew(state) ?? whyNotAdoptable(state, lost, await this.#devices(), store)
    if (reason === undefined) await this.#adopt(slot, lost)
    else this.#notes.staysOut(slot, reason)
  }

  /** For who is no part of the change. */
  async #finishIfPossible(): Promise<void> {
    try {
      await this.#table.finish()
    } catch (error) {
      if (codeOf(error) !== 'TOO_FEW_DISKS') throw error
    }
  }

  /** True when it is a disk of the table: it will be opened, and until then there is nothing to do. */
  async #restoreIdentity(slot: number, state: DirectoryState): Promise<boolean> {
    const { storeId, storeKey } = this.#facts
    const found = identify(state, storeId)
    const member = this.#table.get().disks.find(({ id }) => id === found?.diskId)
    if (found?.storeId !== storeId || member === undefined) return false
    const isMember = state.content.kind === 'disk' && state.content.identity.phase === 'member'
    if (!isMember) {
      const { root } = state
      // A newcomer that a change left behind has an identity, and is told to be a member.
      if (state.content.kind !== 'disk')
        this.#context.log.warn('disk.identity-damaged', { slot, root, isRestored: true })
      await this.#args.relock(root)
      await writeIdentity(filesOf(this.#facts), state.root, this.#identityOf(member), storeKey)
      this.#disk(slot).tell('look', {})
    }
    return true
  }

  async welcome(slot: number): Promise<void> {
    // What was said of one that has gone again stays.
    if (this.#roster.row(slot).state === 'out') return
    this.#notes.delete(slot)
    this.#context.ref<RepairerProtocol>(PATHS.repairer).tell('wake', {})
    await this.#olderCopies.record([this.#roster.row(slot)])
    const root = rootIn(this.#facts, slot)
    if (root === undefined) return
    const { content } = await inspectDirectory(filesOf(this.#facts), root)
    if (content.kind !== 'disk' || content.identity.table.version >= this.#table.get().version) return
    const member = this.#table.get().disks.find(({ id }) => id === content.identity.diskId)
    if (member) await writeTable(filesOf(this.#facts), root, this.#identityOf(member))
  }

  async #adopt(slot: number, lost: TableDisk): Promise<void> {
    const { storeId, storeKey } = this.#facts
    const root = rootIn(this.#facts, slot)!
    const newId = (): string => randomId(this.#context.random)
    const change = planReplacement(
      { storeId, table: this.#table.get() },
      [{ root, lost: lost.number }],
      newId,
    )
    await this.#args.relock(root)
    for (const { identity } of change.joined) await applyJoin(filesOf(this.#facts), root, identity, storeKey)
    await this.#table.carryOut(change)
  }

  /** In its turn: a change of the table writes the same files. */
  checkIdentity(slot: number): Promise<readonly string[]> {
    return this.#inTurn(() => this.#checkIdentity(slot))
  }

  async #checkIdentity(slot: number): Promise<readonly string[]> {
    const [seen] = this.#seen(this.#roster.row(slot))
    const member = this.#table.get().disks.find(({ number }) => number === seen?.number)
    if (!seen || !member) return []
    const { root } = seen
    const { storeKey } = this.#facts
    const mended = await checkIdentity(filesOf(this.#facts), root, this.#identityOf(member), storeKey)
    for (const file of mended)
      this.#context.log.warn('disk.identity-damaged', { slot, root, file, isRestored: true })
    return mended
  }

  drain(target: DrainTarget): Promise<DrainAnswer> {
    return this.#answering(() => this.#draining.begin(target))
  }

  add(directories: readonly string[]): Promise<AddAnswer> {
    return this.#answering(() => this.#adding(directories))
  }

  /** What an operator asks for waits for its turn, and for a change that is under way. */
  #answering<T>(ask: () => Promise<T>): Promise<T> {
    const finishAndAsk = async (): Promise<T> => {
      await this.#table.finish().catch((error: unknown) => {
        const why = `another change of the disks is under way: ${(error as Error).message}`
        throw unavailable('TOO_FEW_DISKS', why, {}, error)
      })
      return ask()
    }
    // A change that could not be made yet is tried again, as any other.
    return this.#inTurn(finishAndAsk, () => this.#again())
  }

  /** Behind all that was asked for before, which what fails here does not hold up. */
  #inTurn<T>(ask: () => Promise<T>, onFailed = (): void => undefined): Promise<T> {
    const answer = this.#last.then(ask)
    this.#last = answer.then(() => undefined, onFailed)
    return answer
  }

  async endDrain(): Promise<void> {
    try {
      await this.#table.finish()
      await this.#draining.look()
    } finally {
      this.#lookAtDrain()
    }
  }

  #lookAtDrain(): void {
    this.#drainTimer?.cancel()
    if (!drainingOf(this.#table.get())) return
    const { clock, self } = this.#context
    this.#drainTimer = clock.setTimer(LOOK_AT_DRAIN_MS, () => void self.tell('endDrain', {}))
  }

  #whyTooFew(state: DirectoryState): string | undefined {
    if (!isVacant(state)) return undefined
    const numbers = new Set<number>(this.#roster.present().map(({ number }) => number))
    const ids = new Set(
      this.#table
        .get()
        .disks.filter(({ number }) => numbers.has(number))
        .map(({ id }) => id),
    )
    return unreadableSetsOf(this.#table.get(), ids).length === 0
      ? undefined
      : `${whyOut(state, this.#facts.storeId)}, and too few disks of this store are present to take in another`
  }

  /** By their identities and not their directories: of a disk that was unmounted just now that is a mount point. */
  async #devices(): Promise<Set<number>> {
    const stats = await Promise.all(
      this.#roster
        .present()
        .map(({ slot }) => filesOf(this.#facts).stat(`${rootIn(this.#facts, slot)!}/${IDENTITY_NAME}`)),
    )
    return new Set(stats.flatMap((stat) => (stat ? [stat.device] : [])))
  }

  #identityOf(disk: TableDisk): DiskIdentity {
    return memberIdentity(this.#facts.storeId, this.#table.get(), disk)
  }

  #disk(slot: number) {
    return this.#context.ref<DiskProtocol>(PATHS.disk(slot))
  }
}
