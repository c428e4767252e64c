// The directory of each slot: those that the store was started with, and those that were added since, which every thread learns from
// shared memory. A store has a few slots more than directories, so that disks can be added while it runs; each is given one once.
//
//   slot behind the given ones (4 KiB):  length, 0 for none · the path, UTF-8
import type { StoreFacts } from './store-facts.ts'

/** Disks that can be added between two starts. */
export const SPARE_SLOTS = 4
const SLOT_BYTES = 4096
const PATH_BYTES_MAX = SLOT_BYTES - 4

export const createAddedMemory = (spareSlots: number): SharedArrayBuffer =>
  new SharedArrayBuffer(spareSlots * SLOT_BYTES)

type Roots = Pick<StoreFacts, 'roots' | 'added' | 'firstSpareSlot'>

/** The directory of the slot; undefined when it has none. */
export const rootIn = ({ roots, added, firstSpareSlot }: Roots, slot: number): string | undefined => {
  const spare = slot - firstSpareSlot
  if (spare < 0) return roots[slot]
  const start = spare * SLOT_BYTES
  if (start >= added.byteLength) return undefined
  const length = Atomics.load(new Int32Array(added, start, 1), 0)
  if (length === 0) return undefined
  return Buffer.from(new Uint8Array(added, start + 4, length)).toString('utf8')
}

/** Slots that have a directory, in their order. */
export const slotsWithRoot = (facts: Roots): { slot: number; root: string }[] => {
  const slots = facts.firstSpareSlot + facts.added.byteLength / SLOT_BYTES
  return Array.from({ length: slots }, (_, slot) => slot).flatMap((slot) => {
    const root = rootIn(facts, slot)
    return root === undefined ? [] : [{ slot, root }]
  })
}

/** -1 for a directory that is none of the store's. */
export const slotOf = (facts: Roots, root: string): number =>
  slotsWithRoot(facts).find((known) => known.root === root)?.slot ?? -1

/** How many more directories there is a slot for. */
export const countSpare = (facts: Roots): number =>
  Array.from({ length: facts.added.byteLength / SLOT_BYTES }, (_, i) => facts.firstSpareSlot + i).filter(
    (slot) => rootIn(facts, slot) === undefined,
  ).length

/** Gives a slot to the directory; the keeper alone does. Undefined when none is left, or the path is too long. */
export const giveSlot = (facts: Roots, root: string): number | undefined => {
  const path = new TextEncoder().encode(root)
  if (path.length > PATH_BYTES_MAX) return undefined
  const known = slotOf(facts, root)
  if (known !== -1) return known
  for (let spare = 0; spare < facts.added.byteLength / SLOT_BYTES; spare++) {
    const start = spare * SLOT_BYTES
    const length = new Int32Array(facts.added, start, 1)
    if (Atomics.load(length, 0) !== 0) continue
    new Uint8Array(facts.added, start + 4, path.length).set(path)
    // Last: who sees a length sees the path.
    Atomics.store(length, 0, path.length)
    return facts.firstSpareSlot + spare
  }
  return undefined
}
