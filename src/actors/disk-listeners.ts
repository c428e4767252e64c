// Which partitions are told of disks that come and go, in shared memory: those that have looked at the roster and so might hold
// something old. One that is being started looks for itself, one that was stopped has no use for it: a message to either would
// be late work or a dead letter.
//
// A disk changes its row of the roster first and then looks here, a partition is put down here first and then looks at the roster:
// whichever is first, the change is seen.

export interface DiskListeners {
  /** Before the roster is read; `false` when what was read is needed no longer. */
  listen(partition: number, isListening: boolean): void
  /** After the roster was changed. */
  partitions(): number[]
}

export const createListenersMemory = (partitions: number): SharedArrayBuffer =>
  new SharedArrayBuffer(partitions * Int32Array.BYTES_PER_ELEMENT)

export const attachListeners = (shared: SharedArrayBuffer): DiskListeners => {
  const cells = new Int32Array(shared)
  return {
    listen: (partition, isListening) => void Atomics.store(cells, partition, isListening ? 1 : 0),
    partitions: () => [...cells.keys()].filter((partition) => Atomics.load(cells, partition) === 1),
  }
}
