// Where a missing disk is looked for: in the directory of its position, also when one before it was drained.
import type { DiskNumber } from '../../src/base/ids.ts'
import type { TableDisk } from '../../src/storage/identity-file.ts'
import { slotsOfMissing } from '../../src/storage/missing-slots.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('missing slots')
const diskAt = (position: number): TableDisk => ({
  ...{ id: `${position}`.padStart(32, '0'), position, set: 0, state: 'active' },
  number: (position + 1) as DiskNumber,
})
/** Slot by the position of each missing disk; `taken` are the slots with a disk. */
const slotsOf = (positions: readonly number[], slots: number, taken: readonly number[]) =>
  [...slotsOfMissing(positions.map(diskAt), slots, (slot) => taken.includes(slot))].map(([number, slot]) => [
    number - 1,
    slot,
  ])

test('each belongs where it was', () => {
  assert.equal(slotsOf([1, 4], 6, [0, 2, 3, 5]), [
    [1, 1],
    [4, 4],
  ])
  assert.equal(slotsOf([], 3, [0, 1, 2]), [])
})

test('one past the slots, or whose slot has another disk, is in a slot that is left', () => {
  assert.equal(slotsOf([6], 6, [0, 1, 2, 3, 4]), [[6, 5]])
  assert.equal(slotsOf([3], 6, [0, 1, 3, 4, 5]), [[3, 2]])
  // No directory is given for it.
  assert.equal(slotsOf([6], 6, [0, 1, 2, 3, 4, 5]), [])
})

test.run()
