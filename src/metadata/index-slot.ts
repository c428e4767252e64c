// One of the two indexes of a partition: an ordered store of binary keys that follows the journal in synced batches.
// Each batch carries its own `applied` mark, so that the mark never claims more than the batches that reached the disk.
//
// The store is any abstract-level database opened with `keyEncoding: 'buffer'` and `valueEncoding: 'buffer'`:
// classic-level in production, memory-level in memory and in simulation.
import type { DiskNumber } from '../base/ids.ts'
import { MiB } from '../base/units.ts'
import { decodeEnvelope, type Entry, encodeEnvelope } from './entry.ts'
import { type BinaryKey, keyBytes, SPACE } from './keys.ts'
import type { Liveness, TableFrame } from './table.ts'

export interface IndexOperation {
  readonly type: 'put' | 'del'
  readonly key: Buffer
  readonly value: Buffer
}

export interface IndexIterator {
  /** Up to `size` entries; an empty array at the end. */
  nextv(size: number): Promise<[Buffer, Buffer][]>
  seek(target: Buffer): void
  close(): Promise<void>
}

export interface IndexStore {
  /** Where it is, for the operator. */
  readonly disk?: DiskNumber
  getSync(key: Buffer): Buffer | undefined
  batch(operations: IndexOperation[], options: { sync: boolean }): Promise<void>
  iterator(range: { gte: Buffer; lt?: Buffer; highWaterMarkBytes?: number }): IndexIterator
  clear(): Promise<void>
  /**
   * Reads the files that it is made of from the medium, one after another, as long as who asks goes on. Absent where there are none.
   * One that is not what was written is told; the store must not be read from any more then, as it may end the process.
   */
  verifyFiles?(): AsyncGenerator<VerifiedFile>
}

export interface VerifiedFile {
  readonly file: string
  readonly bytes: number
  /** Where the damage begins; undefined when it is whole. */
  readonly damagedAt?: number
}

/** Which index: 0 or 1. */
export type IndexPosition = 0 | 1

interface Mark {
  readonly format: 1
  readonly partition: number
  /** Every commit up to this one is in the index. */
  readonly sequence: number
  /**
   * What the index took in after this commit may still be in the database's own log, which is dropped record by record,
   * without a word, where a bit of it flipped: a start compares it with the journal.
   */
  readonly settled: number
  /** [segment, live entries, live bytes] */
  readonly live: readonly (readonly [number, number, number])[]
}

const MARK_KEY = `${SPACE.mark}applied`
const MARK_BYTES = keyBytes(MARK_KEY)

/** A page of a listing in one trip to LevelDB's thread: 1,000 versions of some 400 bytes. */
const READ_AHEAD_BYTES = MiB

/** Twice what classic-level keeps in its log before it turns it into tables, with as much again for the one before. */
const LOG_BYTES_MAX = 16 * MiB

export class IndexSlot {
  readonly position: IndexPosition
  readonly #store: IndexStore
  readonly #partition: number
  /** Last commit in the index; -1 when it holds nothing that can be believed. */
  sequence = -1
  /** Everything up to this commit has long been in tables; see `Mark`. */
  settled = 0
  /** Of the last batches, oldest first: the sequence before each, and the bytes it put into the log. */
  #recent: { before: number; bytes: number }[] = []
  #recentBytes = 0
  /** Last commit that was written, claimed or not. */
  #written = 0
  /** Number of the last table frame in the index. */
  appliedFrame = 0
  live = new Map<number, Liveness>()
  #isForgotten = false

  constructor(position: IndexPosition, store: IndexStore, partition: number) {
    this.position = position
    this.#store = store
    this.#partition = partition
  }

  /** For the operator: which index of which partition, and where it is. */
  get where(): { partition: number; index: IndexPosition; disk?: DiskNumber } {
    const { disk } = this.#store
    return { partition: this.#partition, index: this.position, ...(disk !== undefined && { disk }) }
  }

  /** Reads the mark. An index without a good one is rebuilt. */
  open(): void {
    if (this.#isForgotten) return
    const raw = this.#store.getSync(MARK_BYTES)
    const mark = raw && (decodeEnvelope(MARK_KEY, MARK_BYTES, raw)?.record as Mark | undefined)
    if (mark?.format !== 1 || mark.partition !== this.#partition) return
    this.sequence = mark.sequence
    this.settled = mark.settled
    this.#written = mark.sequence
    this.live = new Map(mark.live.map(([segment, entries, bytes]) => [segment, { entries, bytes }]))
  }

  /** The entry under `key`; undefined for none, 'damaged' when what is there does not verify. */
  get(key: BinaryKey): Entry | undefined | 'damaged' {
    const bytes = keyBytes(key)
    const raw = this.#store.getSync(bytes)
    return raw && (decodeEnvelope(key, bytes, raw) ?? 'damaged')
  }

  iterator(from: BinaryKey, to: BinaryKey | undefined): IndexIterator {
    const range = { gte: keyBytes(from), highWaterMarkBytes: READ_AHEAD_BYTES }
    return this.#store.iterator(to === undefined ? range : { ...range, lt: keyBytes(to) })
  }

  /** What it holds is not believed, whatever its mark says: it is cleared before it is used again. */
  forget(): void {
    this.#isForgotten = true
    this.sequence = -1
    this.settled = 0
    this.#recent = []
    this.#recentBytes = 0
    this.#written = 0
    this.live = new Map()
  }

  /** See `IndexStore`; undefined in memory. */
  verifyFiles(): AsyncGenerator<VerifiedFile> | undefined {
    return this.#store.verifyFiles?.()
  }

  async clear(): Promise<void> {
    this.forget()
    await this.#store.clear()
    this.#isForgotten = false
  }

  /** One synced batch: the frames, and the mark that says so. */
  async apply(frames: readonly TableFrame[]): Promise<void> {
    const last = frames.at(-1)
    if (!last) return
    const newest = new Map<BinaryKey, Entry>()
    const live = new Map([...this.live].map(([segment, { entries, bytes }]) => [segment, { entries, bytes }]))
    for (const frame of frames) {
      for (const entry of frame.entries) newest.set(entry.key, entry)
      for (const [segment, change] of frame.liveness) addLiveness(live, segment, change)
    }
    await this.#write(newest.values(), last.lastSequence, live)
    this.appliedFrame = last.number
  }

  /** As `apply`, for what comes from the journal at a start. */
  async applyEntries(newest: Iterable<Entry>, sequence: number, live: Map<number, Liveness>): Promise<void> {
    await this.#write(newest, sequence, live)
  }

  /** Part of a rebuild up to commit `through`: the mark claims nothing yet. */
  async applyUnclaimed(newest: Iterable<Entry>, through: number): Promise<void> {
    await this.#write(newest, -1, new Map())
    this.#written = through
  }

  async #write(newest: Iterable<Entry>, sequence: number, live: Map<number, Liveness>): Promise<void> {
    const operations: IndexOperation[] = []
    for (const entry of newest) {
      operations.push(
        entry.payload === undefined
          ? { type: 'del', key: keyBytes(entry.key), value: NOTHING }
          : { type: 'put', key: keyBytes(entry.key), value: encodeEnvelope(entry) },
      )
    }
    this.#settle(operations)
    operations.push({ type: 'put', key: MARK_BYTES, value: this.#encodeMark(sequence, live) })
    await this.#store.batch(operations, { sync: true })
    this.sequence = Math.max(this.sequence, sequence)
    this.#written = Math.max(this.#written, sequence)
    this.live = live
  }

  /** Lets go of batches that so much was written after that the database's log no longer holds them. */
  #settle(operations: readonly IndexOperation[]): void {
    const bytes = operations.reduce((sum, { key, value }) => sum + key.length + value.length, 0)
    this.#recent.push({ before: this.#written, bytes })
    this.#recentBytes += bytes
    while (this.#recentBytes - this.#recent[0]!.bytes > LOG_BYTES_MAX) {
      this.#recentBytes -= this.#recent.shift()!.bytes
    }
    // After a start the log may hold more than this process wrote: its mark stands until enough came after it.
    if (this.#recentBytes > LOG_BYTES_MAX) this.settled = Math.max(this.settled, this.#recent[0]!.before)
  }

  #encodeMark(sequence: number, live: ReadonlyMap<number, Liveness>): Buffer {
    const mark: Mark = {
      format: 1,
      partition: this.#partition,
      sequence,
      settled: this.settled,
      live: [...live].map(([segment, { entries, bytes }]) => [segment, entries, bytes]),
    }
    const payload = Buffer.from(JSON.stringify(mark))
    const entry = {
      key: MARK_KEY,
      record: mark,
      payload,
      recordVersion: 1,
      sequence: 0,
      segment: 0,
      body: undefined,
    }
    return encodeEnvelope(entry)
  }
}

const NOTHING = Buffer.alloc(0)

export const addLiveness = (live: Map<number, Liveness>, segment: number, change: Liveness): void => {
  const now = live.get(segment) ?? { entries: 0, bytes: 0 }
  const next = { entries: now.entries + change.entries, bytes: now.bytes + change.bytes }
  if (next.entries === 0 && next.bytes === 0) live.delete(segment)
  else live.set(segment, next)
}

/** Counters do not keep a segment alive: the first frame of every segment repeats them all. */
export const keepsAlive = (key: BinaryKey): boolean => key[0] !== SPACE.counter

/** What an entry weighs in the segment that holds it. */
export const liveBytes = (entry: Entry): number =>
  entry.key.length + (entry.payload?.length ?? 0) + (entry.body?.length ?? 0)

/** What replacing `previous` by `entry` changes. */
export const countLiveness = (
  live: Map<number, Liveness>,
  entry: Entry,
  previous: Entry | undefined,
): void => {
  if (!keepsAlive(entry.key)) return
  if (previous?.payload !== undefined) {
    addLiveness(live, previous.segment, { entries: -1, bytes: -liveBytes(previous) })
  }
  if (entry.payload !== undefined) addLiveness(live, entry.segment, { entries: 1, bytes: liveBytes(entry) })
}
