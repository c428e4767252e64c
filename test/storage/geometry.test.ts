import { KiB, MiB } from '../../src/base/units.ts'
import {
  defaultParity,
  geometryOf,
  isReadable,
  isWritable,
  parityOf,
  setDisksOf,
  whyNotWritable,
} from '../../src/storage/geometry.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('geometry')

test('the default parity grows with the disks', () => {
  const parities = [1, 2, 3, 4, 7, 8, 11, 12, 16].map(defaultParity)
  assert.equal(parities, [0, 1, 1, 2, 2, 3, 3, 4, 4])
})

test('more than 16 disks form equal sets of 8 to 16, the largest that divide them', async () => {
  assert.equal([1, 6, 16, 18, 20, 24, 32, 33, 256].map(setDisksOf), [1, 6, 16, 9, 10, 12, 16, 11, 16])
  for (const disks of [0, 17, 19, 23, 31, 34, 257, 1.5])
    await rejectsWith('CONFIG_INVALID', () => setDisksOf(disks))
})

test('the operator may choose any parity that leaves a data shard', async () => {
  assert.equal(
    [parityOf(6), parityOf(6, 0), parityOf(6, 5), parityOf(24), parityOf(24, 11)],
    [2, 0, 5, 4, 11],
  )
  for (const [disks, m] of [
    [6, 6],
    [6, -1],
    [6, 1.5],
    [24, 12],
    [1, 1],
  ] as const) {
    await rejectsWith('CONFIG_INVALID', () => parityOf(disks, m))
  }
})

test('history 4: four disks with m = 2 and two out are not written to', () => {
  const check = (disks: number, m: number, usable: number): [boolean, boolean] => [
    isReadable(disks, m, usable),
    isWritable(disks, m, usable),
  ]
  assert.equal(check(4, 2, 4), [true, true])
  assert.equal(check(4, 2, 3), [true, true])
  assert.equal(check(4, 2, 2), [true, false])
  assert.equal(check(4, 2, 1), [false, false])
  assert.equal(check(6, 2, 4), [true, true])
  assert.equal(check(6, 2, 3), [false, false])
  assert.equal(check(1, 0, 1), [true, true])
  assert.equal(check(1, 0, 0), [false, false])
})

test('too few disks is unavailable, too little room a full store', () => {
  const check = (reachable: number, roomy: number): string | undefined =>
    whyNotWritable({ disks: 6, reachable, roomy }, 2)?.code
  assert.equal([check(6, 6), check(4, 4), check(6, 4)], [undefined, undefined, undefined])
  assert.equal(
    [check(3, 3), check(3, 0), check(6, 3), check(4, 0)],
    ['TOO_FEW_DISKS', 'TOO_FEW_DISKS', 'DISK_FULL', 'DISK_FULL'],
  )
})

test('k is what the usable disks leave, and less for small bodies; m never changes', () => {
  const check = (size: number, usable: number): string => {
    const { k, m } = geometryOf(size, usable, 2)
    return `${k}+${m}`
  }
  assert.equal([check(MiB, 6), check(MiB, 4), check(MiB, 3)], ['4+2', '2+2', '1+2'])
  const sizes = [1, 16 * KiB, 16 * KiB + 1, 48 * KiB, 48 * KiB + 1]
  assert.equal(
    sizes.map((size) => check(size, 6)),
    ['1+2', '1+2', '2+2', '3+2', '4+2'],
  )
})

test.run()
