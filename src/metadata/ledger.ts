// The ledger of one partition: journal, table and indexes as one ordered map from keys to records with linearizable
// commits. It knows nothing of buckets and objects; the decisions of a partition are made on top of it.
//
//   decide ──> queue ──> frame ──> journal (synced on m + 1 disks) ──> table ──> indexes, in batches
//
// A decision runs synchronously: it sees the queue, the table and the indexes, so nothing can come between what it read
// and what it writes. What it answers rests on queued commits it saw; the answer waits for them and fails with them.
import type { Clock } from '../base/clock.ts'
import { asMoraineError, type MoraineError, unavailable } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { MiB } from '../base/units.ts'
import { DISKS_ENTRY } from './configuration.ts'
import { Counters, type Counts } from './counters.ts'
import { type Commit, type CommitLimits, Decision, type Pending } from './decision.ts'
import { type Entry, entryBytes } from './entry.ts'
import type { FrameContent } from './frame.ts'
import { IndexPair } from './index-pair.ts'
import { catchUp, loadCounters, openSlots } from './index-rebuild.ts'
import { countLiveness, type IndexPosition, IndexSlot, type IndexStore } from './index-slot.ts'
import { Journal } from './journal.ts'
import { type BinaryKey, configKey } from './keys.ts'
import { type MemberDisk, Members } from './members.ts'
import { Scan } from './scan.ts'
import { type Liveness, Table } from './table.ts'

export interface LedgerOptions {
  readonly partition: number
  /** Every disk of the table of disks, those that are out without `io`. */
  readonly members: readonly MemberDisk[]
  /** m: the journal has m + 1 copies. */
  readonly parity: number
  /** Two in production. An index that is lost is given empty; one that cannot be had is left out. */
  readonly indexes: readonly (IndexStore | undefined)[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Reopen or clear the store, then call `attachIndex`. */
  readonly onIndexLost?: (position: IndexPosition, cause: string) => void
  readonly onSegmentDamaged?: () => void
  readonly segmentBytes?: number
  readonly tableBytesMax?: number
  readonly queueCommitsMax?: number
  readonly queueBytesMax?: number
}

const QUEUE_COMMITS_MAX = 8192
const QUEUE_BYTES_MAX = 16 * MiB
/** A frame is one write per disk: long enough to carry a group, short enough not to hold up the next. */
const FRAME_COMMITS_MAX = 1024
const FRAME_CONTENT_BYTES_MAX = 4 * MiB

export class Ledger {
  readonly #options: LedgerOptions
  readonly members: Members
  readonly journal: Journal
  readonly table = new Table()
  readonly indexes: IndexPair
  readonly counters = new Counters()
  readonly #pending = new Map<BinaryKey, Pending>()
  #queue: Commit[] = []
  #queueBytes = 0
  /** In the frame that is being written. */
  #writing: readonly Commit[] = []
  /** Sequence of the last synced commit. */
  #durable = 0
  #next = 1
  /** The last frame of the journal while there are too few disks to write it anew. */
  #unwritten: FrameContent | undefined
  #isPumping = false
  #isClosed = false
  /** Catching up reads segments: none is dropped meanwhile. */
  #rebuilds = 0

  private constructor(options: LedgerOptions, members: Members, journal: Journal) {
    this.#options = options
    this.members = members
    this.journal = journal
    const { clock, log, onIndexLost: onLost, tableBytesMax } = options
    this.indexes = new IndexPair({
      table: this.table,
      // Two on two disks: a store of one disk has one.
      expected: Math.min(options.indexes.length, members.staying().length),
      clock,
      log,
      ...(onLost && { onLost }),
      ...(tableBytesMax !== undefined && { tableBytesMax }),
    })
  }

  /**
   * Finds the journal, brings an index up to it, and writes the last frame anew into a new segment, synced: nothing is
   * served before. The second index follows in the background when it has to be rebuilt.
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { partition, clock, random, log, segmentBytes, onSegmentDamaged } = options
    const members = new Members(options.members, options.parity, clock)
    const journal = await Journal.find({
      partition,
      members,
      clock,
      random,
      log,
      ...(segmentBytes !== undefined && { segmentBytes }),
      ...(onSegmentDamaged && { onSegmentDamaged }),
    })
    const ledger = new Ledger(options, members, journal)
    await ledger.#start()
    return ledger
  }

  async #start(): Promise<void> {
    const { partition, indexes, log } = this.#options
    const last = this.journal.lastFrame()
    this.#durable = last ? last.firstSequence - 1 : 0
    const { ready, later } = await openSlots(indexes, { partition, journal: this.journal, last, log })
    for (const slot of ready) this.indexes.attach(slot)
    await loadCounters(this.counters, ready[0]!)
    if (last) {
      this.#assertTable(last)
      // Decisions count on what the last frame says as well, which no index may have yet.
      this.counters.acknowledge(last.counters)
      this.counters.forget()
      await this.#rewriteAtStart(last)
    } else {
      this.journal.endStart()
    }
    this.#next = this.#durable + 1
    for (const slot of later) void this.#rebuild(slot)
  }

  /**
   * A change of the table of disks that was committed may count already, as a disk that is away now was told: then what was
   * acknowledged since is seen only when enough disks of the new table are here. Nothing has been written yet.
   */
  #assertTable(last: FrameContent): void {
    const key = configKey(DISKS_ENTRY)
    const entry = last.commits.flat().findLast((one) => one.key === key) ?? this.indexes.get(key)
    const { value } = (entry?.record ?? {}) as { value?: { disks?: readonly MemberDisk[] } }
    if (value?.disks) this.members.assertQuorum(this.journal.listed(), value.disks)
  }

  /**
   * The last frame may be in doubt: as the first of a new segment it no longer is. With too few disks for that the
   * partition is read-only: the frame is shown from where it is, no index gets it, and the next commit tries again.
   */
  async #rewriteAtStart(last: FrameContent): Promise<void> {
    try {
      await this.#rewrite(last)
    } catch (error) {
      const { code } = asMoraineError(error)
      if (code !== 'TOO_FEW_DISKS' && code !== 'DISK_FULL') throw error
      this.#options.log.warn('partition-read-only', { partition: this.#options.partition, code })
      this.#unwritten = last
      this.indexes.isHeld = true
      this.#enter(last, this.#previousOf(last))
    }
  }

  async #rewrite(last: FrameContent): Promise<void> {
    const commits = last.commits.map((entries) =>
      entries.map((entry) => ({ ...entry, body: entry.body && { ...entry.body } })),
    )
    // Every counter, and those that the frame took down to nothing: older frames still say otherwise.
    const touched = last.counters.map(({ key }) => [key, {}] as const)
    const content: FrameContent = {
      firstSequence: last.firstSequence,
      commits,
      counters: this.counters.entriesFor(touched, true),
    }
    const previousOf = this.#previousOf(content)
    await this.journal.append(() => content)
    this.#unwritten = undefined
    this.indexes.isHeld = false
    this.#enter(content, previousOf)
    this.journal.endStart()
  }

  /** What each entry of a frame replaces, those of its own frame included. */
  #previousOf(content: FrameContent): (entry: Entry) => Entry | undefined {
    const previous = new Map<Entry, Entry | undefined>()
    const seen = new Map<BinaryKey, Entry>()
    for (const entry of content.commits.flat()) {
      previous.set(entry, seen.get(entry.key) ?? this.indexes.get(entry.key))
      seen.set(entry.key, entry)
    }
    return (entry) => previous.get(entry)
  }

  /** What synced commits left under `key`. */
  get(key: BinaryKey): Entry | undefined {
    return this.indexes.get(key)
  }

  pending(key: BinaryKey): Pending | undefined {
    return this.#pending.get(key)
  }

  counted(key: BinaryKey): Counts {
    return this.counters.decided(key)
  }

  scan(from: BinaryKey, to: BinaryKey | undefined): Scan {
    return new Scan(this.indexes, this.table, from, to)
  }

  /** Sequence of the last commit that a look-up can see. */
  get durableSequence(): number {
    return this.#durable
  }

  /**
   * Runs `action` at once and resolves when what it changed, and all it rests on, is synced. What it throws waits for
   * what it rests on too, and gives way to that failure.
   */
  async decide<T>(action: (decision: Decision) => T, limits: CommitLimits = {}): Promise<T> {
    this.#admit(limits)
    const decision = new Decision(this, this.#next)
    let result: T
    try {
      result = action(decision)
    } catch (error) {
      await decision.settled()
      throw error
    }
    if (decision.changes.size === 0) await decision.settled()
    else await this.#enqueue(decision)
    return result
  }

  /** Resolves when everything that is queued now is synced or has failed. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#writing, ...this.#queue].map(({ promise }) => promise))
  }

  /** A commit of nothing: it makes the next segment count. */
  async appendNothing(): Promise<void> {
    await this.#enqueue(new Decision(this, this.#next))
  }

  #admit({ deadlineMs, isValid }: CommitLimits): void {
    const { clock, queueCommitsMax, queueBytesMax } = this.#options
    if (this.#isClosed) throw unavailable('ACTOR_STOPPED', 'the partition is closed')
    if (deadlineMs !== undefined && clock.monotonicMs() > deadlineMs) {
      throw unavailable('COMMIT_EXPIRED', 'the commit came after its deadline')
    }
    if (isValid && !isValid()) {
      throw unavailable('COMMIT_EXPIRED', 'a disk was replaced or restarted since it was written to')
    }
    const isFull =
      this.#queue.length >= (queueCommitsMax ?? QUEUE_COMMITS_MAX) ||
      this.#queueBytes >= (queueBytesMax ?? QUEUE_BYTES_MAX)
    if (isFull) throw unavailable('MAILBOX_FULL', 'too many commits wait for the journal')
  }

  #enqueue(decision: Decision): Promise<void> {
    const changes = [...decision.changes.values()]
    let resolve = (): void => undefined
    let reject = (_: MoraineError): void => undefined
    const promise = new Promise<void>((onDone, onFailed) => {
      resolve = onDone
      reject = onFailed
    })
    const commit: Commit = {
      entries: changes.map(({ entry }) => entry),
      previous: changes.map(({ previous }) => previous),
      counts: decision.counts,
      bytes: changes.reduce((sum, { entry }) => sum + entryBytes(entry), 0),
      promise,
      resolve,
      reject,
    }
    this.#next++
    for (const entry of commit.entries) this.#pending.set(entry.key, { entry, commit })
    for (const [key, change] of commit.counts) this.counters.decide(key, change)
    this.#queue.push(commit)
    this.#queueBytes += commit.bytes
    if (!this.#isPumping) {
      this.#isPumping = true
      // All that is decided in this turn joins the first frame.
      queueMicrotask(() => void this.#pump())
    }
    return promise
  }

  async #pump(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#takeGroup()
      this.#writing = group
      try {
        await this.indexes.room()
        if (this.#unwritten) await this.#rewrite(this.#unwritten)
        await this.#write(group)
      } catch (error) {
        this.#fail(group, asMoraineError(error))
      }
    }
    this.#writing = []
    this.#isPumping = false
  }

  #takeGroup(): Commit[] {
    let count = 0
    let bytes = 0
    while (count < this.#queue.length && count < FRAME_COMMITS_MAX) {
      bytes += this.#queue[count]!.bytes
      if (count > 0 && bytes > FRAME_CONTENT_BYTES_MAX) break
      count++
    }
    const group = this.#queue.splice(0, count)
    for (const commit of group) this.#queueBytes -= commit.bytes
    return group
  }

  async #write(group: readonly Commit[]): Promise<void> {
    const commits = group.map(({ entries }) => entries)
    const changes = group.flatMap(({ counts }) => counts)
    let content: FrameContent | undefined
    await this.journal.append((isFirst) => {
      const counters = this.counters.entriesFor(changes, isFirst)
      content = { firstSequence: this.#durable + 1, commits, counters }
      return content
    })
    this.counters.acknowledge(content!.counters)
    const previous = new Map<Entry, Entry | undefined>()
    for (const commit of group)
      commit.entries.forEach((entry, i) => void previous.set(entry, commit.previous[i]))
    this.#enter(content!, (entry) => previous.get(entry))
    for (const commit of group) {
      for (const entry of commit.entries) {
        if (this.#pending.get(entry.key)?.entry === entry) this.#pending.delete(entry.key)
      }
      commit.resolve()
    }
  }

  /** A synced frame enters the table; from now on look-ups see it. */
  #enter(content: FrameContent, previousOf: (entry: Entry) => Entry | undefined): void {
    const liveness = new Map<number, Liveness>()
    const entries = content.commits.flat()
    for (const entry of entries) countLiveness(liveness, entry, previousOf(entry))
    this.#durable = content.firstSequence + content.commits.length - 1
    this.indexes.forget(entries)
    this.table.add([...entries, ...content.counters], this.#durable, liveness)
    this.indexes.follow()
  }

  /** The frame cannot be synced: it fails, and with it everything queued, for that may rest on it. */
  #fail(group: readonly Commit[], error: MoraineError): void {
    const failed = [...group, ...this.#queue]
    this.#queue = []
    this.#queueBytes = 0
    this.#pending.clear()
    this.counters.forget()
    this.#next = this.#durable + 1
    this.#options.log.warn('commits-failed', { code: error.code, count: failed.length })
    for (const commit of failed) commit.reject(error)
  }

  /** Brings a reopened or emptied index up to the journal in the background, then it follows again. */
  async attachIndex(position: IndexPosition, store: IndexStore): Promise<void> {
    const following = this.indexes.slots().find((slot) => slot.position === position)
    if (following) this.indexes.detach(following)
    await this.#rebuild(new IndexSlot(position, store, this.#options.partition))
  }

  async #rebuild(slot: IndexSlot): Promise<void> {
    this.#rebuilds++
    try {
      await catchUp(slot, this)
      if (this.#isClosed) return
      this.#options.log.info('index-follows', slot.where)
      if (this.indexes.hasDispute()) {
        // This one comes from the journal. The other was party to the dispute: it is rebuilt next.
        for (const other of this.indexes.slots()) if (other !== slot) this.indexes.lose(other, 'disputed')
        this.indexes.endDispute()
      }
    } catch (error) {
      const cause = asMoraineError(error).message
      this.#options.log.error('index-rebuild-failed', { ...slot.where, cause })
      if (!this.#isClosed) this.#options.onIndexLost?.(slot.position, `rebuild failed: ${cause}`)
    } finally {
      this.#rebuilds--
    }
  }

  /** As many as there are disks for: the last but one may have left. */
  expectIndexes(): void {
    this.indexes.expected = Math.min(this.#options.indexes.length, this.members.staying().length)
  }

  get isRebuilding(): boolean {
    return this.#rebuilds > 0
  }

  get log(): Log {
    return this.#options.log
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Refuses new commits, waits for the queue and brings the indexes up to date. Nothing at the next start needs it. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.settled()
    await this.indexes.drain()
    this.indexes.close()
  }
}
