// What the journal yields, as an index: made anew in a directory of its own by the code that makes one at a start, so that what is
// compared with it is compared with what the store itself would do.

import type { DiskNumber } from '../base/ids.ts'
import { rebuildIndex, replayInto } from '../metadata/index-rebuild.ts'
import type { IndexPosition } from '../metadata/index-slot.ts'
import { IndexSlot } from '../metadata/index-slot.ts'
import type { Journal } from '../metadata/journal.ts'
import { type ClosableIndex, openLevelIndex } from '../storage/level-index.ts'

export interface MadeIndex {
  readonly slot: IndexSlot
  readonly store: ClosableIndex
}

/** Brings a slot up to the end of the journal, the last frame included. False when an entry of it does not verify. */
export const bringUp = async (slot: IndexSlot, journal: Journal): Promise<boolean> => {
  const last = journal.lastFrame()
  if (!(await replayInto(slot, journal.replay(slot.sequence - 1)))) return false
  return !last || replayInto(slot, [last])
}

export interface MakeIndexOptions {
  readonly partition: number
  readonly position?: IndexPosition
  readonly disk?: DiskNumber
  readonly open?: (location: string, disk?: DiskNumber) => Promise<ClosableIndex>
}

/** Makes one from nothing at `location`, where nothing is. Close it. */
export const makeIndex = async (
  journal: Journal,
  location: string,
  { partition, position = 0, disk, open = openLevelIndex }: MakeIndexOptions,
): Promise<MadeIndex> => {
  const store = await open(location, disk)
  try {
    const slot = new IndexSlot(position, store, partition)
    await rebuildIndex(slot, journal)
    const last = journal.lastFrame()
    if (last) await replayInto(slot, [last])
    return { slot, store }
  } catch (error) {
    await store.close()
    throw error
  }
}
