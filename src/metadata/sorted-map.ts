// A map from binary keys that can also be walked in order: the table over the index is looked up by key and merged
// into listings. Keys live in sorted chunks of bounded length, so that an insertion moves a few hundred of them at most.
import type { BinaryKey } from './keys.ts'

const CHUNK_LENGTH_MAX = 512

/** Position of the first element that is not before `key`. */
const lowerBound = (length: number, isBefore: (index: number) => boolean): number => {
  let low = 0
  let high = length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(middle)) low = middle + 1
    else high = middle
  }
  return low
}

export class SortedMap<V> {
  readonly #values = new Map<BinaryKey, V>()
  /** None is empty. */
  readonly #chunks: BinaryKey[][] = []

  get size(): number {
    return this.#values.size
  }

  get(key: BinaryKey): V | undefined {
    return this.#values.get(key)
  }

  set(key: BinaryKey, value: V): void {
    if (!this.#values.has(key)) this.#insert(key)
    this.#values.set(key, value)
  }

  delete(key: BinaryKey): void {
    if (!this.#values.delete(key)) return
    const index = this.#chunkOf(key)
    const chunk = this.#chunks[index]!
    chunk.splice(
      lowerBound(chunk.length, (i) => chunk[i]! < key),
      1,
    )
    if (chunk.length === 0) this.#chunks.splice(index, 1)
  }

  /** Keys in [from, to) in order, `limit` at most. */
  keys(from: BinaryKey, to: BinaryKey | undefined, limit: number): BinaryKey[] {
    const found: BinaryKey[] = []
    if (this.#chunks.length === 0) return found
    let index = this.#chunkOf(from)
    let chunk = this.#chunks[index]
    let at = chunk ? lowerBound(chunk.length, (i) => chunk![i]! < from) : 0
    while (chunk && found.length < limit) {
      if (at === chunk.length) {
        chunk = this.#chunks[++index]
        at = 0
        continue
      }
      const key = chunk[at++]!
      if (to !== undefined && key >= to) break
      found.push(key)
    }
    return found
  }

  /** The last chunk that begins at or before `key`, or the first. */
  #chunkOf(key: BinaryKey): number {
    const after = lowerBound(this.#chunks.length, (i) => this.#chunks[i]![0]! <= key)
    return Math.max(0, after - 1)
  }

  #insert(key: BinaryKey): void {
    if (this.#chunks.length === 0) {
      this.#chunks.push([key])
      return
    }
    const index = this.#chunkOf(key)
    const chunk = this.#chunks[index]!
    chunk.splice(
      lowerBound(chunk.length, (i) => chunk[i]! < key),
      0,
      key,
    )
    if (chunk.length > CHUNK_LENGTH_MAX) this.#chunks.splice(index + 1, 0, chunk.splice(chunk.length >>> 1))
  }
}
