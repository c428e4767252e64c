// An ordered walk over what synced commits left: the index, with the table merged over it chunk by chunk. It costs what
// it returns; `seek` jumps over what a listing does not want to see.
import { unavailable } from '../base/errors.ts'
import type { Entry } from './entry.ts'
import type { IndexPair } from './index-pair.ts'
import { decodeRow } from './index-row.ts'
import type { IndexIterator, IndexSlot } from './index-slot.ts'
import { type BinaryKey, keyBytes } from './keys.ts'
import type { Table } from './table.ts'

export class Scan {
  readonly #indexes: IndexPair
  readonly #table: Table
  readonly #slot: IndexSlot
  readonly #iterator: IndexIterator
  readonly #pin: number
  readonly #to: BinaryKey | undefined
  #position: BinaryKey
  #isAtEnd = false
  /** Read from the index, and behind what was returned so far. */
  #ahead: [Buffer, Buffer][] = []

  /** Keys in [from, to). Close it, whatever happens. */
  constructor(indexes: IndexPair, table: Table, from: BinaryKey, to: BinaryKey | undefined) {
    this.#indexes = indexes
    this.#table = table
    this.#slot = indexes.forScan()
    this.#position = from
    this.#to = to
    // Pinned first: what is flushed after this moment stays in the table.
    this.#pin = table.pin()
    this.#iterator = this.#slot.iterator(from, to)
  }

  /** Entries that exist, in order, `size` of the index's and as many of the table's at most; an empty array only at the end. */
  async next(size: number): Promise<Entry[]> {
    while (!this.#isAtEnd) {
      if (this.#ahead.length === 0) this.#ahead = await this.#read(size)
      const last = this.#ahead[Math.min(size, this.#ahead.length) - 1]
      const end = last ? behind(keyOf(last)) : this.#to
      const overlay = this.#table.range(this.#position, end, size)
      // A table that was filled in one go holds many pages: what this one does not need is left alone.
      const isCut = overlay.length === size
      const through = isCut ? behind(overlay.at(-1)!.key) : end
      const isPart = isCut || this.#ahead.length > size
      const merged = this.#merge(this.#take(isPart ? through : undefined), overlay)
      if (through !== undefined) this.#position = through
      this.#isAtEnd = last === undefined && !isCut
      if (merged.length > 0) return merged
    }
    return []
  }

  async #read(size: number): Promise<[Buffer, Buffer][]> {
    try {
      return await this.#iterator.nextv(size)
    } catch (error) {
      // A block that does not unpack, or a disk that does not read.
      return this.#damaged(error)
    }
  }

  /** Takes the rows before `end` from those that were read, or all. */
  #take(end: BinaryKey | undefined): [Buffer, Buffer][] {
    const rows = this.#ahead
    const count = end === undefined ? -1 : rows.findIndex((row) => keyOf(row) >= end)
    this.#ahead = count < 0 ? [] : rows.splice(count)
    return rows
  }

  #merge(rows: readonly [Buffer, Buffer][], overlay: readonly Entry[]): Entry[] {
    if (overlay.length === 0) return rows.map(([rawKey, rawValue]) => this.#decode(rawKey, rawValue))
    const merged: Entry[] = []
    let next = 0
    for (const [rawKey, rawValue] of rows) {
      const key = rawKey.toString('latin1')
      while (next < overlay.length && overlay[next]!.key < key) push(merged, overlay[next++]!)
      if (next < overlay.length && overlay[next]!.key === key) {
        push(merged, overlay[next++]!)
        continue
      }
      merged.push(this.#decode(rawKey, rawValue))
    }
    while (next < overlay.length) push(merged, overlay[next++]!)
    return merged
  }

  #decode(rawKey: Buffer, rawValue: Buffer): Entry {
    return decodeRow(rawKey, rawValue) ?? this.#damaged()
  }

  #damaged(cause?: unknown): never {
    this.#indexes.noteDamage(this.#slot)
    const message = 'an index is damaged; the other one answers the next time'
    throw unavailable('PARTITION_RECOVERING', message, {}, cause)
  }

  /** Goes on at the first key that is not before `key`, which must not be behind. */
  seek(key: BinaryKey): void {
    this.#position = key
    this.#ahead = []
    this.#isAtEnd = this.#to !== undefined && key >= this.#to
    if (!this.#isAtEnd) this.#iterator.seek(keyBytes(key))
  }

  async close(): Promise<void> {
    this.#table.unpin(this.#pin)
    await this.#iterator.close()
  }
}

const keyOf = ([rawKey]: readonly [Buffer, Buffer]): BinaryKey => rawKey.toString('latin1')

/** The first key after `key`. */
const behind = (key: BinaryKey): BinaryKey => `${key}\x00`

/** Deleted keys are in the table, not in a listing. */
const push = (merged: Entry[], entry: Entry): void => {
  if (entry.payload !== undefined) merged.push(entry)
}
