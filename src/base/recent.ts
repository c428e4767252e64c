// What was used lately, up to a weight: two generations, of which the older one is dropped whole when the younger one is
// full. A look-up or a change costs one or two of a Map, there is no list to keep in order, and what is used again stays.
//
// Invariant: what is kept weighs at most `weightMax`; one entry that weighs more than half of it is not kept at all.

export class Recent<K, V> {
  readonly #generationMax: number
  #young = new Map<K, { value: V; weight: number }>()
  #old: ReadonlyMap<K, { value: V; weight: number }> = new Map()
  #weight = 0
  /** Keys that are still in the older generation and must not be found there. */
  #removed = new Set<K>()

  constructor(weightMax: number) {
    this.#generationMax = weightMax / 2
  }

  get(key: K): V | undefined {
    const found = this.#young.get(key)
    if (found) return found.value
    const older = this.#removed.has(key) ? undefined : this.#old.get(key)
    if (older) this.set(key, older.value, older.weight)
    return older?.value
  }

  set(key: K, value: V, weight: number): void {
    if (weight > this.#generationMax) {
      this.delete(key)
      return
    }
    if (this.#weight + weight > this.#generationMax) {
      this.#old = this.#young
      this.#young = new Map()
      this.#removed = new Set()
      this.#weight = 0
    }
    this.#weight += weight - (this.#young.get(key)?.weight ?? 0)
    this.#young.set(key, { value, weight })
  }

  delete(key: K): void {
    this.#weight -= this.#young.get(key)?.weight ?? 0
    this.#young.delete(key)
    if (this.#old.has(key)) this.#removed.add(key)
  }
}
