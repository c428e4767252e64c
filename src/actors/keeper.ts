// The keeper of the table of disks: takes in a blank directory in place of a disk that was lost, and keeps every disk.json
// at the newest table. A change of the table is made in the order of storage/table-change.ts: prepared in the newcomer,
// committed by every partition, published in each disk.json, and only then it counts here. A crash anywhere leaves the
// old table or the new one. It lives on the main thread, where the locks of the directories are.
//
// A change that was begun is the one that is tried again: two changes of the same version would contradict each other.
import type { Timer } from '../base/clock.ts'
import { codeOf, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { KiB, SECOND } from '../base/units.ts'
import type { ActorRef, Behavior, Context } from '../runtime/actor.ts'
import { identify, isVacant, whyOut } from '../storage/directory-role.ts'
import { applyJoin, writeIdentity, writeTable } from '../storage/forming.ts'
import { unreadableSetsOf, whyNotAdoptable } from '../storage/identity.ts'
import type { DiskIdentity, DiskTable, TableDisk } from '../storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../storage/inspect.ts'
import { IDENTITY_NAME } from '../storage/layout.ts'
import type { StartedStore } from '../storage/start.ts'
import { drainingOf, planReplacement, type TableChange } from '../storage/table-change.ts'
import { type AddAnswer, type Adding, createAdding } from './adding.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import { type Claiming, createClaiming } from './claiming.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import { createDiskSessions, type DiskSessions, type SeenDisk } from './disk-sessions.ts'
import { createDraining, type DrainAnswer, type Draining, type DrainTarget } from './draining.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster, type Roster, type RosterRow } from './roster.ts'
import { attachClaims } from './slot-claims.ts'
import { rootIn, slotOf, slotsWithRoot } from './slot-roots.ts'
import { bucketRefs, filesOf, PATHS, type StoreFacts } from './store-facts.ts'
import { createTableCommit, memberIdentity, type TableCommit } from './table-commit.ts'

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
  /** Looks whether the disk that is being drained can leave. */
  endDrain(m: Record<string, never>): Promise<void>
  /** The repairer begins anew and knows of no such disk any more. */
  tellSuspects(m: Record<string, never>): void
  /** The table, and why the disks of slots stay out, for the operator. */
  overview(m: Record<string, never>): { disks: readonly TableDisk[]; notes: readonly SlotNote[] }
}

export interface SlotNote {
  readonly slot: number
  readonly message: string
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
    ...{ drain: 4, add: 4, endDrain: 1 },
  },
  async setup(context, args) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    const table = await newestTable(facts, args.table)
    const keeping = new Keeping(context, facts, roster, table, args)
    for (const { root, reason } of args.out) {
      const slot = slotOf(facts, root)
      // After a restart of this actor it may long be back.
      if (roster.row(slot).state === 'out') keeping.note(slot, reason)
    }
    await keeping.recordSessions(roster.rows())
    keeping.begin()
    return {
      begin: () =>
        keeping.guarded(START, async () => {
          await keeping.recordLate()
          await keeping.finish()
        }),
      diskOut: ({ slot }) => keeping.guarded(slot, () => keeping.lookAt(slot)),
      claim: ({ slot }) => keeping.claim(slot),
      unwritable: ({ slot, system }) => keeping.unwritable(slot, system),
      diskIn: ({ slot }) => keeping.guarded(slot, () => keeping.welcome(slot)),
      diskVerified: ({ disk }) => keeping.guarded(START, () => keeping.verified(disk)),
      drain: (target) => keeping.drain(target),
      add: ({ directories }) => keeping.add(directories),
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
  #table: DiskTable
  /** Prepared, and perhaps committed or published in part. */
  #change: TableChange | undefined
  /** It is known what the partitions have committed. */
  #isReconciled = false
  readonly #notes = new Map<number, string>()
  #notBeforeMs = 0
  readonly #claiming: Claiming
  #retry: Timer | undefined
  #last: Promise<void> = Promise.resolve()
  readonly #sessions: DiskSessions
  /** The sessions of the disks are not recorded yet. */
  #isToRecord = false
  /** Older copies that are not looked over yet. */
  readonly #suspects = new Set<DiskNumber>()
  readonly #commit: TableCommit
  readonly #draining: Draining
  readonly #adding: Adding
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
    this.#table = table
    const { clock } = context
    this.#claiming = createClaiming({
      ...{ files: filesOf(facts), claims: attachClaims(facts.claims), clock },
      rootIn: (slot) => rootIn(facts, slot),
      relock: args.relock,
      note: (slot, message) => this.note(slot, message),
    })
    const { change } = args
    this.#change = change?.from.version === table.version ? change : undefined
    context.defer(() => {
      this.#retry?.cancel()
      this.#drainTimer?.cancel()
    })
    this.#commit = createTableCommit(facts, roster, this.#buckets())
    const changing = {
      table: () => this.#table,
      carryOut: (next: TableChange) => {
        this.#change = next
        return this.finish()
      },
    }
    this.#draining = createDraining({
      ...{ buckets: this.#buckets(), facts, roster, log: context.log },
      ...changing,
    })
    this.#adding = createAdding({
      ...{ facts, log: context.log, relock: args.relock, newId: () => this.#newId() },
      ...changing,
    })
    roster.setDraining(drainingOf(table)?.number ?? 0)
    this.#lookAtDrain()
    const { session } = facts
    const files = filesOf(facts)
    this.#sessions = createDiskSessions({ files, session, buckets: this.#buckets(), log: context.log })
  }

  /** Before anything is served, and for each disk that comes. An older copy of a disk is looked over, and says so until then. */
  async recordSessions(rows: readonly RosterRow[]): Promise<void> {
    const older = await this.#sessions.record(rows.flatMap((row) => this.#seen(row)))
    if (older === undefined) {
      this.#isToRecord = true
      this.#again()
      return
    }
    for (const disk of older) {
      this.#notes.set(
        disk.slot,
        `${disk.root} holds an older copy of its disk: what it lacks is being made anew`,
      )
      this.#suspects.add(disk.number)
    }
    this.tellSuspects()
  }

  /** What no partition could be asked for is asked again: until then nobody writes, for the same reason. */
  async recordLate(): Promise<void> {
    if (!this.#isToRecord) return
    this.#isToRecord = false
    await this.recordSessions(this.#roster.rows())
  }

  #again(): void {
    this.#retry?.cancel()
    this.#retry = this.#context.clock.setTimer(RETRY_MS, () => this.begin())
  }

  tellSuspects(): void {
    const repairer = this.#context.ref<RepairerProtocol>(PATHS.repairer)
    for (const disk of this.#suspects) repairer.tell('suspect', { disk })
  }

  async verified(number: DiskNumber): Promise<void> {
    const row = this.#roster.find(number)
    for (const disk of row ? this.#seen(row) : []) {
      if (!(await this.#sessions.confirm(disk))) {
        // Nobody can be told: it stays a suspect, and is looked over again.
        this.tellSuspects()
        return
      }
      this.#notes.delete(disk.slot)
      this.#context.log.info('disk-verified', { slot: disk.slot, disk: number })
    }
    this.#suspects.delete(number)
  }

  #seen({ slot, number, state }: RosterRow): SeenDisk[] {
    const root = rootIn(this.#facts, slot)
    const member = this.#table.disks.find((disk) => disk.number === number)
    return state === 'out' || !member || root === undefined ? [] : [{ slot, number, id: member.id, root }]
  }

  begin(): void {
    this.#context.self.tell('begin', {})
  }

  overview(): { disks: readonly TableDisk[]; notes: readonly SlotNote[] } {
    const notes = [...this.#notes].map(([slot, message]) => ({ slot, message }))
    return { disks: this.#table.disks, notes }
  }

  /** Says why a slot stays out: once in the log, always to who asks. */
  note(slot: number, message: string): void {
    if (this.#notes.get(slot) === message) return
    this.#notes.set(slot, message)
    this.#context.log.warn('disk-stays-out', { slot, message })
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
        const needed = this.#table.m + 1
        this.note(slot, `${root} is taken in once ${needed} other disks of this store are present to agree`)
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
    const lost = this.#table.disks.find(({ number }) => number === row.number)
    if (row.state !== 'out' || this.#context.clock.monotonicMs() < this.#notBeforeMs) return
    const root = rootIn(this.#facts, slot)
    if (root === undefined) return
    const state = await inspectDirectory(filesOf(this.#facts), root)
    if (lost !== undefined && HOPELESS.has(state.content.kind)) {
      // That is what the operator must know, whatever else is away.
      this.note(slot, whyOut(state))
      return this.#finishIfPossible()
    }
    await this.finish()
    if (await this.#restoreIdentity(slot, state)) return
    if (lost === undefined || this.#roster.row(slot).number !== lost.number) return
    // It is on its way out: nothing takes its place.
    if (lost.state === 'draining') return this.note(slot, whyOut(state))
    const reason = this.#whyTooFew(state) ?? whyNotAdoptable(state, lost, await this.#devices(), this.#table)
    if (reason === undefined) await this.#adopt(slot, lost)
    else this.note(slot, reason)
  }

  /** For who is no part of the change. */
  async #finishIfPossible(): Promise<void> {
    try {
      await this.finish()
    } catch (error) {
      if (codeOf(error) !== 'TOO_FEW_DISKS') throw error
    }
  }

  /** True when it is a disk of the table: it will be opened, and until then there is nothing to do. */
  async #restoreIdentity(slot: number, state: DirectoryState): Promise<boolean> {
    const { storeId, storeKey } = this.#facts
    const found = identify(state, storeId)
    const member = this.#table.disks.find(({ id }) => id === found?.diskId)
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
    await this.recordSessions([this.#roster.row(slot)])
    const root = rootIn(this.#facts, slot)
    if (root === undefined) return
    const { content } = await inspectDirectory(filesOf(this.#facts), root)
    if (content.kind !== 'disk' || content.identity.table.version >= this.#table.version) return
    const member = this.#table.disks.find(({ id }) => id === content.identity.diskId)
    if (member) await writeTable(filesOf(this.#facts), root, this.#identityOf(member))
  }

  #newId(): string {
    return Buffer.from(this.#context.random.bytes(16)).toString('hex')
  }

  async #adopt(slot: number, lost: TableDisk): Promise<void> {
    const { storeId, storeKey } = this.#facts
    const root = rootIn(this.#facts, slot)!
    const newId = (): string => this.#newId()
    const change = planReplacement({ storeId, table: this.#table }, [{ root, lost: lost.number }], newId)
    await this.#args.relock(root)
    for (const { identity } of change.joined) await applyJoin(filesOf(this.#facts), root, identity, storeKey)
    this.#change = change
    await this.finish()
  }

  drain(target: DrainTarget): Promise<DrainAnswer> {
    return this.#answering(() => this.#draining.begin(target))
  }

  add(directories: readonly string[]): Promise<AddAnswer> {
    return this.#answering(() => this.#adding(directories))
  }

  /** What an operator asks for waits for its turn, and for a change that is under way. */
  #answering<T>(ask: () => Promise<T>): Promise<T> {
    const answer = this.#last.then(async () => {
      await this.finish().catch((error: unknown) => {
        const why = `another change of the disks is under way: ${(error as Error).message}`
        throw unavailable('TOO_FEW_DISKS', why, {}, error)
      })
      return ask()
    })
    // A change that could not be made yet is tried again, as any other.
    this.#last = answer.then(
      () => undefined,
      () => this.#again(),
    )
    return answer
  }

  async endDrain(): Promise<void> {
    try {
      await this.finish()
      await this.#draining.look()
    } finally {
      this.#lookAtDrain()
    }
  }

  #lookAtDrain(): void {
    this.#drainTimer?.cancel()
    if (!drainingOf(this.#table)) return
    const { clock, self } = this.#context
    this.#drainTimer = clock.setTimer(LOOK_AT_DRAIN_MS, () => void self.tell('endDrain', {}))
  }

  /** Carries on with the change that was prepared, if there is one: commit, publish, count. */
  async finish(): Promise<void> {
    if (this.#change === undefined && this.#isReconciled) return
    this.#forgetIfBack()
    this.#change = await this.#commit.reconcile(this.#table, this.#change)
    this.#isReconciled = true
    const change = this.#change
    if (change === undefined) return
    await this.#commit.commit(change)
    await this.#commit.publish(change)
    this.#table = change.to
    this.#change = undefined
    for (const [i, { root, identity }] of change.joined.entries()) {
      const slot = slotOf(this.#facts, root)
      this.#count(slot, change.left[i], change.to.disks.find(({ number }) => number === identity.number)!)
      this.#notes.delete(slot)
      if (change.left[i]) this.#context.log.info('disk-adopted', { slot, root, disk: identity.number })
      this.#disk(slot).tell('look', {})
    }
    for (const disk of change.left.slice(change.joined.length)) this.#release(disk)
    this.#countDraining()
    this.#context.ref<RepairerProtocol>(PATHS.repairer).tell('wake', {})
  }

  /**
   * A disk whose place was to be taken is there again: it keeps it, and the newcomer takes that of one that is lost. Without it the
   * change may never find m + 1 disks. What some partition has committed of it gets a successor.
   */
  #forgetIfBack(): void {
    const { left = [], joined = [] } = this.#change ?? {}
    const present = new Set<DiskNumber>(this.#present().map(({ number }) => number))
    // Those behind them are drained, and are there.
    const back = left.slice(0, joined.length).find(({ number }) => present.has(number))
    if (!back) return
    this.#change = undefined
    this.#isReconciled = false
    this.#context.log.info('disk-change-dropped', { disk: back.number })
  }

  /** It was drained: its slot is nobody's, and its actor ends. */
  #release({ number }: TableDisk): void {
    const slot = this.#roster.find(number)?.slot
    if (slot === undefined) return
    this.#roster.assign(slot, { number: 0 as DiskNumber, set: 0 })
    this.#disk(slot).tell('look', {})
    const root = rootIn(this.#facts, slot)
    if (root !== undefined) {
      this.#notes.set(slot, `${root} was drained, and is no disk of this store any more: it may be removed`)
    }
  }

  /** Those who write learn which disk they are to leave out, or that none is. */
  #countDraining(): void {
    const draining = drainingOf(this.#table)?.number ?? 0
    if (draining === this.#roster.draining()) return
    this.#roster.setDraining(draining)
    for (const bucket of this.#buckets()) bucket.tell('diskChanged', {})
    this.#lookAtDrain()
  }

  /** The newcomer's number is in its slot; what was expected there, if it was not the disk that left, is where that was. */
  #count(slot: number, left: TableDisk | undefined, joined: TableDisk): void {
    const expected = this.#roster.row(slot)
    const before = left && this.#roster.find(left.number)
    if (before && before.slot !== slot) this.#roster.assign(before.slot, expected)
    this.#roster.assign(slot, joined)
  }

  #whyTooFew(state: DirectoryState): string | undefined {
    if (!isVacant(state)) return undefined
    const numbers = new Set<number>(this.#present().map(({ number }) => number))
    const ids = new Set(this.#table.disks.filter(({ number }) => numbers.has(number)).map(({ id }) => id))
    return unreadableSetsOf(this.#table, ids).length === 0
      ? undefined
      : `${whyOut(state)}, and too few disks of this store are present to take in another`
  }

  #present(): RosterRow[] {
    return this.#roster.rows().filter(({ state }) => state !== 'out')
  }

  /** By their identities and not their directories: of a disk that was unmounted just now that is a mount point. */
  async #devices(): Promise<Set<number>> {
    const stats = await Promise.all(
      this.#present().map(({ slot }) =>
        filesOf(this.#facts).stat(`${rootIn(this.#facts, slot)!}/${IDENTITY_NAME}`),
      ),
    )
    return new Set(stats.flatMap((stat) => (stat ? [stat.device] : [])))
  }

  #identityOf(disk: TableDisk): DiskIdentity {
    return memberIdentity(this.#facts.storeId, this.#table, disk)
  }

  #buckets(): ActorRef<BucketProtocol>[] {
    return bucketRefs(this.#context, this.#facts)
  }

  #disk(slot: number) {
    return this.#context.ref<DiskProtocol>(PATHS.disk(slot))
  }
}
