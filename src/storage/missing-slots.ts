// In which of the directories that were given each missing disk is looked for.
import type { DiskNumber } from '../base/ids.ts'
import type { TableDisk } from './identity-file.ts'

/** Missing disks belong where they were, else into a slot that is left. `isTaken`: a present disk was found there. */
export const slotsOfMissing = (
  missing: readonly TableDisk[],
  slots: number,
  isTaken: (slot: number) => boolean,
): ReadonlyMap<DiskNumber, number> => {
  // Positions are those of the first start: without a disk that was drained there are fewer slots.
  const waiting = missing.filter(({ position }) => isTaken(position) || position >= slots)
  const slotOf = new Map<DiskNumber, number>()
  for (let slot = 0; slot < slots; slot++) {
    if (isTaken(slot)) continue
    const disk = missing.find(({ position }) => position === slot) ?? waiting.shift()
    if (disk) slotOf.set(disk.number, slot)
  }
  return slotOf
}
