// The table of disks that counts, and the change of it that is under way: prepared, and then committed, published and counted, in the
// order of storage/table-change.ts. A change that was begun is the one that is tried again: two changes of the same version would
// contradict each other.
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { DiskTable, TableDisk } from '../storage/identity-file.ts'
import { drainingOf, type TableChange } from '../storage/table-change.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { RepairerProtocol } from './repairer.ts'
import type { Roster } from './roster.ts'
import type { SlotNotes } from './slot-notes.ts'
import { rootIn, slotOf } from './slot-roots.ts'
import type { StoreFacts } from './store-facts.ts'
import { createTableCommit, type TableCommit } from './table-commit.ts'

export interface CurrentTableOptions {
  /** As a member says it. */
  readonly table: DiskTable
  /** That the start has prepared. */
  readonly change: TableChange | undefined
  readonly facts: StoreFacts
  readonly roster: Roster
  readonly notes: SlotNotes
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  readonly repairer: ActorRef<RepairerProtocol>
  readonly log: Log
  disk(slot: number): ActorRef<DiskProtocol>
  /** Another disk is to leave, or none is any more. */
  drainChanged(): void
}

export class CurrentTable {
  readonly #options: CurrentTableOptions
  readonly #commit: TableCommit
  #table: DiskTable
  /** Prepared, and perhaps committed or published in part. */
  #change: TableChange | undefined
  /** It is known what the partitions have committed. */
  #isReconciled = false

  constructor(options: CurrentTableOptions) {
    const { table, change, facts, roster, buckets } = options
    this.#options = options
    this.#commit = createTableCommit(facts, roster, buckets)
    this.#table = table
    this.#change = change?.from.version === table.version ? change : undefined
    roster.setDraining(drainingOf(table)?.number ?? 0)
  }

  get(): DiskTable {
    return this.#table
  }

  /** Rejects as a commit does; then `finish` tries again. */
  carryOut(change: TableChange): Promise<void> {
    this.#change = change
    return this.finish()
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
      const slot = slotOf(this.#options.facts, root)
      this.#count(slot, change.left[i], change.to.disks.find(({ number }) => number === identity.number)!)
      this.#options.notes.delete(slot)
      if (change.left[i]) this.#options.log.info('disk-adopted', { slot, root, disk: identity.number })
      this.#options.disk(slot).tell('look', {})
    }
    for (const disk of change.left.slice(change.joined.length)) this.#release(disk)
    this.#countDraining()
    this.#options.repairer.tell('wake', {})
  }

  /**
   * A disk whose place was to be taken is there again: it keeps it, and the newcomer takes that of one that is lost. Without it the
   * change may never find m + 1 disks. What some partition has committed of it gets a successor.
   */
  #forgetIfBack(): void {
    const { left = [], joined = [] } = this.#change ?? {}
    const present = new Set<DiskNumber>(this.#options.roster.present().map(({ number }) => number))
    // Those behind them are drained, and are there.
    const back = left.slice(0, joined.length).find(({ number }) => present.has(number))
    if (!back) return
    this.#change = undefined
    this.#isReconciled = false
    this.#options.log.info('disk-change-dropped', { disk: back.number })
  }

  /** It was drained: its slot is nobody's, and its actor ends. */
  #release({ number }: TableDisk): void {
    const slot = this.#options.roster.find(number)?.slot
    if (slot === undefined) return
    this.#options.roster.assign(slot, { number: 0 as DiskNumber, set: 0 })
    this.#options.disk(slot).tell('look', {})
    const root = rootIn(this.#options.facts, slot)
    if (root !== undefined) {
      this.#options.notes.set(
        slot,
        `${root} was drained, and is no disk of this store any more: it may be removed`,
      )
    }
  }

  /** Those who write learn which disk they are to leave out, or that none is. */
  #countDraining(): void {
    const draining = drainingOf(this.#table)?.number ?? 0
    if (draining === this.#options.roster.draining()) return
    this.#options.roster.setDraining(draining)
    for (const bucket of this.#options.buckets) bucket.tell('diskChanged', {})
    this.#options.drainChanged()
  }

  /** The newcomer's number is in its slot; what was expected there, if it was not the disk that left, is where that was. */
  #count(slot: number, left: TableDisk | undefined, joined: TableDisk): void {
    const expected = this.#options.roster.row(slot)
    const before = left && this.#options.roster.find(left.number)
    if (before && before.slot !== slot) this.#options.roster.assign(before.slot, expected)
    this.#options.roster.assign(slot, joined)
  }
}
