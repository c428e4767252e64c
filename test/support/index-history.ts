// An index as it was after each of its batches. What it held then is reckoned once, and given to any number of partitions: what
// these write lies over it.
import type { IndexOperation, IndexStore } from '../../src/metadata/index-slot.ts'
import { digestOf } from './contents.ts'

type Row = readonly [key: Buffer, value: Buffer]

const sorted = (rows: Iterable<Row>): Row[] => [...rows].sort(([a], [b]) => Buffer.compare(a, b))

const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')

/** An index store over rows that are sorted, and stay as they are. */
export const createSnapshotIndex = (below: readonly Row[]): IndexStore => {
  let rows = below
  let changed: Map<string, Row> | undefined
  let found: Map<string, Row> | undefined
  const byName = (): Map<string, Row> => {
    found ??= changed ?? new Map(rows.map((row) => [nameOf(row[0]), row]))
    return found
  }
  const all = (): readonly Row[] => {
    if (changed) rows = sorted(changed.values())
    found = changed ?? found
    changed = undefined
    return rows
  }
  return {
    getSync: (key) => byName().get(nameOf(key))?.[1],
    async batch(operations) {
      changed = new Map(byName())
      for (const { type, key, value } of operations) {
        if (type === 'put') changed.set(nameOf(key), [key, value])
        else changed.delete(nameOf(key))
      }
      found = changed
    },
    iterator({ gte, lt }) {
      const held = all()
      let at = held.findIndex(([key]) => Buffer.compare(key, gte) >= 0)
      if (at < 0) at = held.length
      return {
        async nextv(size) {
          const start = at
          while (at < held.length && at - start < size) {
            if (lt && Buffer.compare(held[at]![0], lt) >= 0) break
            at++
          }
          return held.slice(start, at) as [Buffer, Buffer][]
        },
        seek(target) {
          at = held.findIndex(([key]) => Buffer.compare(key, target) >= 0)
          if (at < 0) at = held.length
        },
        close: async () => undefined,
      }
    },
    async clear() {
      rows = []
      changed = undefined
      found = undefined
    },
  }
}

interface Snapshot {
  readonly rows: readonly Row[]
  readonly digest: string
}

export class IndexHistory {
  readonly #batches: readonly (readonly IndexOperation[])[]
  readonly #snapshots = new Map<number, Snapshot>()

  constructor(batches: readonly (readonly IndexOperation[])[]) {
    this.#batches = batches
  }

  #at(count: number): Snapshot {
    const known = this.#snapshots.get(count)
    if (known) return known
    const held = new Map<string, Row>()
    for (const { type, key, value } of this.#batches.slice(0, count).flat()) {
      if (type === 'put') held.set(nameOf(key), [key, value])
      else held.delete(nameOf(key))
    }
    const rows = sorted(held.values())
    const told = rows.flatMap(([key, value]) => [Buffer.from(`${key.length} ${value.length} `), key, value])
    const snapshot = { rows, digest: digestOf(Buffer.concat(told)) }
    this.#snapshots.set(count, snapshot)
    return snapshot
  }

  /** Of what it held after so many batches. */
  digestAt(count: number): string {
    return this.#at(count).digest
  }

  storeAt(count: number): IndexStore {
    return createSnapshotIndex(this.#at(count).rows)
  }
}
