// Which directories this process has locked, by slot, in shared memory: a disk is opened only where its directory is. The keeper
// claims a slot, because the locks are on its thread; a disk actor that finds no disk in its slot gives the claim up, because
// what comes back there may be another directory, or in somebody else's hands.

export interface SlotClaims {
  isClaimed(slot: number): boolean
  set(slot: number, isClaimed: boolean): void
}

export const createClaimsMemory = (slots: number): SharedArrayBuffer =>
  new SharedArrayBuffer(slots * Int32Array.BYTES_PER_ELEMENT)

export const attachClaims = (shared: SharedArrayBuffer): SlotClaims => {
  const cells = new Int32Array(shared)
  return {
    isClaimed: (slot) => Atomics.load(cells, slot) === 1,
    set: (slot, isClaimed) => void Atomics.store(cells, slot, isClaimed ? 1 : 0),
  }
}
