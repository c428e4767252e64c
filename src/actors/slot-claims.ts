// Which directories this process has locked, by slot, in shared memory: a disk is opened only where its directory is. The keeper
// claims a slot, because the locks are on its thread. A claim is of a place, the directory that was there and the file in it that
// holds the lock: what is found under the same name later may be another directory, or in somebody else's hands. A disk actor that
// finds no disk, or another place, gives the claim up, and so does one whose disk went or cannot be written to any more.
import { createHash } from 'node:crypto'
import type { FileSystem } from '../base/files.ts'
import { createMemo } from '../base/memo.ts'
import { findLockPlace } from '../storage/lock-place.ts'

/** A digest of what tells one place from another: it fits into one cell, so that no reader sees the half of one. Never 0. */
export type Place = bigint

export interface SlotClaims {
  /** Whether it is the place that is locked for the slot. */
  covers(slot: number, place: Place): boolean
  set(slot: number, place: Place): void
  clear(slot: number): void
}

const NONE = 0n

export const createClaimsMemory = (slots: number): SharedArrayBuffer =>
  new SharedArrayBuffer(slots * BigInt64Array.BYTES_PER_ELEMENT)

export const attachClaims = (shared: SharedArrayBuffer): SlotClaims => {
  const cells = new BigInt64Array(shared)
  return {
    covers: (slot, place) => Atomics.load(cells, slot) === place,
    set: (slot, place) => void Atomics.store(cells, slot, place),
    clear: (slot) => void Atomics.store(cells, slot, NONE),
  }
}

/** Every disk is looked at every few seconds, and is most often where it was. */
const digestOf = createMemo(
  64,
  (place: string): Place => createHash('sha256').update(place).digest().readBigInt64LE(0) | 1n,
)

/** What lies under this name now. Rejects as the file system does. */
export const placeOf = async (files: FileSystem, root: string): Promise<Place> => {
  return digestOf(await findLockPlace(files, root))
}

/** Directories that change faster than they can be looked at are not worth more. */
const TRIES_MAX = 5

/**
 * Locks the directory; resolves to the place that is locked. `relock` is without effect where the lock is held as ever, so the place
 * that is the same before and after it is the one. Rejects as `relock` does.
 */
export const lockPlace = async (
  files: FileSystem,
  root: string,
  relock: (root: string) => Promise<void>,
): Promise<Place> => {
  // What cannot be looked at is refused by `relock`, in its words.
  let before: Place | undefined = await placeOf(files, root).catch(() => undefined)
  for (let tries = TRIES_MAX; ; tries--) {
    await relock(root)
    const place = await placeOf(files, root)
    if (place === before || tries === 0) return place
    before = place
  }
}
