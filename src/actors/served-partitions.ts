// Which partitions are served, in shared memory: each bucket actor says it of its own, and whoever is asked whether the store is
// ready need not ask them.

export interface ServedPartitions {
  set(partition: number, isServed: boolean): void
  /** Those whose buckets answer 503 just now. */
  countShut(): number
}

/** None is served before its actor says so. */
export const createServedMemory = (partitions: number): SharedArrayBuffer =>
  new SharedArrayBuffer(partitions * Int32Array.BYTES_PER_ELEMENT)

export const attachServed = (shared: SharedArrayBuffer): ServedPartitions => {
  const cells = new Int32Array(shared)
  return {
    set: (partition, isServed) => void Atomics.store(cells, partition, isServed ? 1 : 0),
    countShut: () => [...cells.keys()].filter((partition) => Atomics.load(cells, partition) === 0).length,
  }
}
