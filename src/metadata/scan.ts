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

  /** Entries that exist, in order, about `size` of them; an empty array only at the end. */
  async next(size: number): Promise<Entry[]> {
    while (!this.#isAtEnd) {
      const rows = await this.#rows(size)
      const last = rows.at(-1)
      const end = last ? `${last[0].toString('latin1')}\x00` : this.#to
      const merged = this.#merge(rows, this.#table.range(this.#position, end, Number.POSITIVE_INFINITY))
      if (last) this.#position = end!
      else this.#isAtEnd = true
      if (merged.length > 0) return merged
    }
    return []
  }

  async #rows(size: number): Promise<[Buffer, Buffer][]> {
    try {
      return await this.#iterator.nextv(size)
    } catch (error) {
      // A block that does not unpack, or a disk that does not read.
      return this.#damaged(error)
    }
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
    this.#isAtEnd = this.#to !== undefined && key >= this.#to
    if (!this.#isAtEnd) this.#iterator.seek(keyBytes(key))
  }

  async close(): Promise<void> {
    this.#table.unpin(this.#pin)
    await this.#iterator.close()
  }
}

/** Deleted keys are in the table, not in a listing. */
const push = (merged: Entry[], entry: Entry): void => {
  if (entry.payload !== undefined) merged.push(entry)
}
