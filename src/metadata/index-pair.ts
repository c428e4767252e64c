// The two indexes of a partition and the table over them. Look-ups are synchronous: table, then index. A miss is
// believed only when both indexes agree, for shards may be removed on its word. Batches follow the journal a few times
// a second; acknowledgements do not wait for them until the table is full.
import type { Clock, Timer } from '../base/clock.ts'
import { asMoraineError, unavailable } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Recent } from '../base/recent.ts'
import { KiB, MiB } from '../base/units.ts'
import type { Entry } from './entry.ts'
import type { IndexPosition, IndexSlot } from './index-slot.ts'
import { type BinaryKey, SPACE } from './keys.ts'
import type { Table } from './table.ts'

export interface IndexPairOptions {
  readonly table: Table
  /** How many indexes there are when none is lost. */
  readonly expected: number
  readonly clock: Clock
  readonly log: Log
  /** Past it the slower index is dropped, then commits wait. */
  readonly tableBytesMax?: number
  /** An index failed, lags too far behind or is damaged, and is no longer used: reopen or clear it, then attach it. */
  readonly onLost?: (position: IndexPosition, cause: string) => void
}

const TABLE_BYTES_MAX = 16 * MiB
/** A few batches a second: each costs a sync. */
const FLUSH_DELAY_MS = 250
const FLUSH_BYTES = 4 * MiB
/** Entries that were read lately, decoded: some ten thousand. */
const KEPT_BYTES_MAX = 16 * MiB
/** What an entry takes besides its record's JSON. */
const KEPT_ENTRY_BYTES = KiB
/** Spaces of which entries are kept: every request asks for its bucket, and small hot objects are read again and again. */
const KEPT_SPACES: ReadonlySet<string> = new Set([SPACE.bucket, SPACE.current])

export class IndexPair {
  readonly #options: IndexPairOptions
  readonly #table: Table
  readonly #tableBytesMax: number
  /** Those that follow; at most two, in order of position. */
  #slots: IndexSlot[] = []
  readonly #busy = new Set<IndexSlot>()
  /** Entries as the indexes have them; a commit makes them forgotten before look-ups see it. */
  readonly #kept = new Recent<BinaryKey, Entry>(KEPT_BYTES_MAX)
  readonly #disputed = new Set<BinaryKey>()
  #timer: Timer | undefined
  #waiting: (() => void)[] = []
  #isClosed = false
  /** While it is true no index gets anything: what is in the table is not known to be synced. */
  isHeld = false
  expected: number

  constructor(options: IndexPairOptions) {
    this.#options = options
    this.expected = options.expected
    this.#table = options.table
    this.#tableBytesMax = options.tableBytesMax ?? TABLE_BYTES_MAX
  }

  slots(): readonly IndexSlot[] {
    return this.#slots
  }

  attach(slot: IndexSlot): void {
    this.#slots = [...this.#slots, slot].sort((a, b) => a.position - b.position)
    this.#table.joined(slot.appliedFrame)
    if (this.isBehind) this.follow()
  }

  /** No longer used; the caller brings it back when it is rebuilt. */
  lose(slot: IndexSlot, cause: string): void {
    if (!this.#slots.includes(slot)) return
    this.#options.log.warn('index-lost', { ...slot.where, cause })
    this.detach(slot)
    this.#options.onLost?.(slot.position, cause)
  }

  /** No longer used, because the caller says so. */
  detach(slot: IndexSlot): void {
    this.#slots = this.#slots.filter((other) => other !== slot)
    this.#settle()
  }

  /** What synced commits left under `key`. A deleted or unknown key is undefined. */
  get(key: BinaryKey): Entry | undefined {
    const inTable = this.#table.get(key)
    if (inTable) return inTable.payload === undefined ? undefined : inTable
    if (!KEPT_SPACES.has(key[0]!)) return this.#fromIndexes(key)
    // The table knows of each change before the indexes do, so what is kept is never older than they are.
    const kept = this.#kept.get(key)
    if (kept) return kept
    const entry = this.#fromIndexes(key)
    if (entry) this.#kept.set(key, entry, KEPT_ENTRY_BYTES + 2 * (entry.payload?.length ?? 0))
    return entry
  }

  /** These keys changed: the table says how. */
  forget(entries: readonly Pick<Entry, 'key'>[]): void {
    for (const { key } of entries) if (KEPT_SPACES.has(key[0]!)) this.#kept.delete(key)
  }

  #fromIndexes(key: BinaryKey): Entry | undefined {
    if (this.#disputed.has(key)) throw this.#recovering(key)
    const missed: IndexSlot[] = []
    for (const slot of this.#slots) {
      const entry = this.#ask(slot, key)
      if (entry === 'damaged') {
        // The only one too: it holds nothing that the journal does not, and is rebuilt from it.
        this.lose(slot, 'damaged')
        continue
      }
      if (entry === undefined) {
        missed.push(slot)
        continue
      }
      if (missed.length > 0) {
        // One lacks a put, or the other a delete: only the journal knows. Both are rebuilt from it, one by one.
        this.#disputed.add(key)
        for (const other of missed) this.lose(other, 'disagrees')
        throw this.#recovering(key)
      }
      return entry
    }
    if (missed.length === 0) throw unavailable('PARTITION_RECOVERING', 'no index of this partition is usable')
    return undefined
  }

  #recovering(key: BinaryKey): Error {
    return unavailable('PARTITION_RECOVERING', 'the indexes disagree; they are being rebuilt', {
      space: key[0]!,
    })
  }

  #ask(slot: IndexSlot, key: BinaryKey): Entry | undefined | 'damaged' {
    try {
      return slot.get(key)
    } catch (error) {
      const known = asMoraineError(error)
      if (known.code === 'RECORD_VERSION') throw known
      this.#options.log.warn('index-read-failed', { ...slot.where, message: known.message })
      return 'damaged'
    }
  }

  get isComplete(): boolean {
    return this.#slots.length >= this.expected
  }

  /** Something will be removed because a key is missing: that takes the word of all indexes. */
  assertAgreement(): void {
    if (this.isComplete) return
    throw unavailable(
      'PARTITION_RECOVERING',
      'an index is missing: nothing is removed on the word of the other',
    )
  }

  /** Both indexes when neither has a batch on its way and both are as of the same frame, else none. */
  restingSlots(): readonly IndexSlot[] {
    const [one, other] = this.#slots
    const rests = one && other && this.#busy.size === 0 && one.appliedFrame === other.appliedFrame
    return rests ? this.#slots : []
  }

  /** What the indexes have under `key` is not what was committed: they are made anew from the journal, `first` before the other. */
  dispute(key: BinaryKey, first: IndexSlot): void {
    this.#disputed.add(key)
    this.#kept.delete(key)
    this.lose(first, 'disagrees')
  }

  /** A dispute ends when no index that took part in it is left. */
  hasDispute(): boolean {
    return this.#disputed.size > 0
  }

  endDispute(): void {
    this.#disputed.clear()
  }

  /** The index a listing reads; `unavailable` when there is none. */
  forScan(): IndexSlot {
    const slot = this.#slots[0]
    if (!slot) throw unavailable('PARTITION_RECOVERING', 'no index of this partition is usable')
    return slot
  }

  /** A scan met an entry that does not verify. */
  noteDamage(slot: IndexSlot): void {
    this.lose(slot, 'damaged')
  }

  /** A frame entered the table. */
  follow(): void {
    if (this.#table.bytes > this.#tableBytesMax) this.#dropSlower()
    if (this.#table.bytes >= FLUSH_BYTES) this.#flush()
    else this.#timer ??= this.#options.clock.setTimer(FLUSH_DELAY_MS, () => this.#flush())
  }

  /** Resolves when the table has room for another frame. */
  async room(): Promise<void> {
    while (this.#table.bytes > this.#tableBytesMax && !this.#isClosed) {
      if (this.#slots.length === 0) throw unavailable('JOURNAL_UNAVAILABLE', 'no index follows the journal')
      this.#flush()
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  #dropSlower(): void {
    const [a, b] = this.#slots
    if (!a || !b || a.appliedFrame === b.appliedFrame) return
    this.lose(a.appliedFrame < b.appliedFrame ? a : b, 'too slow')
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.isHeld) return
    for (const slot of this.#slots) if (!this.#busy.has(slot)) void this.#flushSlot(slot)
  }

  async #flushSlot(slot: IndexSlot): Promise<void> {
    const frames = this.#table.framesAfter(slot.appliedFrame, FLUSH_BYTES)
    if (frames.length === 0) return
    this.#busy.add(slot)
    try {
      await slot.apply(frames)
    } catch (error) {
      // A failed sync leaves LevelDB read-only until it is reopened: to us it is a disk fault.
      this.lose(slot, `write failed: ${asMoraineError(error).message}`)
    }
    this.#busy.delete(slot)
    this.#settle()
  }

  /** Lets the table go of what all indexes have, wakes who waited, and goes on when more is there. */
  #settle(): void {
    if (this.#slots.length > 0) {
      this.#table.applied(Math.min(...this.#slots.map(({ appliedFrame }) => appliedFrame)))
    }
    for (const wake of this.#waiting.splice(0)) wake()
    if (this.isBehind && !this.#isClosed) this.follow()
  }

  get isBehind(): boolean {
    return this.#slots.some(({ appliedFrame }) => appliedFrame < this.#table.lastNumber)
  }

  /** Brings every index that follows up to the table's end. */
  async drain(): Promise<void> {
    while (this.isBehind && !this.#isClosed && !this.isHeld) {
      this.#flush()
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    for (const wake of this.#waiting.splice(0)) wake()
  }
}
