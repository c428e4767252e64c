// Counters: per bucket objects, bytes and open uploads, per disk shards and bytes, and the number of free entries. A
// frame carries the absolute values of those it changes, the first frame of a segment all of them: they are never
// counted by a scan, and a journal whose older segments are gone still has them.
import { deleteEntry, type Entry, putEntry } from './entry.ts'
import type { BinaryKey } from './keys.ts'

export type CounterName = 'objects' | 'bytes' | 'uploads' | 'shards' | 'frees'
export type Counts = Readonly<Partial<Record<CounterName, number>>>

type Values = Map<BinaryKey, Counts>

const add = (values: Values, key: BinaryKey, change: Counts): void => {
  const sum: Partial<Record<CounterName, number>> = { ...values.get(key) }
  for (const [name, by] of Object.entries(change) as [CounterName, number][]) {
    const value = (sum[name] ?? 0) + by
    if (value === 0) delete sum[name]
    else sum[name] = value
  }
  if (Object.keys(sum).length === 0) values.delete(key)
  else values.set(key, sum)
}

export class Counters {
  /** What synced frames leave. */
  #durable: Values = new Map()
  /** What queued commits will leave. */
  #decided: Values = new Map()

  load(entries: Iterable<Entry>): void {
    for (const { key, record } of entries) this.#durable.set(key, record as Counts)
    this.#decided = new Map(this.#durable)
  }

  decided(key: BinaryKey): Counts {
    return this.#decided.get(key) ?? {}
  }

  durable(key: BinaryKey): Counts {
    return this.#durable.get(key) ?? {}
  }

  all(): ReadonlyMap<BinaryKey, Counts> {
    return this.#durable
  }

  decide(key: BinaryKey, change: Counts): void {
    add(this.#decided, key, change)
  }

  /** Queued commits failed: nothing of them counts. */
  forget(): void {
    this.#decided = new Map(this.#durable)
  }

  /** The entries of a frame that carries `changes`; `isFirst` repeats every counter. */
  entriesFor(changes: Iterable<readonly [BinaryKey, Counts]>, isFirst: boolean): Entry[] {
    const next = new Map(this.#durable)
    const touched = new Set<BinaryKey>(isFirst ? next.keys() : [])
    for (const [key, change] of changes) {
      add(next, key, change)
      touched.add(key)
    }
    return [...touched].map((key) => {
      const counts = next.get(key)
      return counts ? putEntry(key, counts) : deleteEntry(key)
    })
  }

  /** The frame with these entries is synced. */
  acknowledge(entries: readonly Entry[]): void {
    for (const { key, record } of entries) {
      if (record === undefined) this.#durable.delete(key)
      else this.#durable.set(key, record as Counts)
    }
  }
}
