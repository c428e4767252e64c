// When a disk may be drained: the others of its set keep the parity, are there, and have the room.
import type { DiskNumber } from '../../src/base/ids.ts'
import { GiB, KiB, MiB } from '../../src/base/units.ts'
import { type DrainRequest, drainBytes, whyNotDrainable } from '../../src/storage/drain.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('which disk may be drained')

/** One letter per disk: o there, x out; the first is to go. */
const request = (picture: string, m: number, changes: Partial<DrainRequest> = {}): DrainRequest => ({
  number: 1 as DiskNumber,
  m,
  disks: [...picture].map((letter, i) => ({
    number: (i + 1) as DiskNumber,
    isPresent: letter === 'o',
    freeBytes: GiB,
  })),
  ...{ shards: 1000, bytes: 400 * MiB, segmentBytes: 64 * MiB },
  ...changes,
})

test('the parity stays what it is, or the disk stays', () => {
  assert.is(whyNotDrainable(request('oooooo', 2)), undefined)
  assert.is(whyNotDrainable(request('oooo', 2, { bytes: 100 * MiB })), undefined)
  assert.match(
    whyNotDrainable(request('ooo', 2)) ?? '',
    /its set has 3 disks with parity 2 \(1\+2\), without it 2 would be left, and parity 2 needs 3 at least/,
  )
  assert.match(whyNotDrainable(request('o', 0)) ?? '', /1 disks with parity 0 \(1\+0\), without it 0/)
  assert.is(whyNotDrainable(request('oo', 0)), undefined)
})

test('the others are there; the disk itself need not be', () => {
  assert.is(whyNotDrainable(request('xooooo', 2)), undefined)
  assert.match(whyNotDrainable(request('oxooox', 2)) ?? '', /2 of the 5 other disks .*\(number 2, 6\)/)
})

test('what has to move fits on the others', () => {
  // 4+2 becomes 3+2: each of five disks gets a third of what was on the sixth.
  const free = (freeBytes: number): DrainRequest => {
    const drained = request('oooooo', 2, { shards: 0 })
    return { ...drained, disks: drained.disks.map((disk) => ({ ...disk, freeBytes })) }
  }
  assert.is(drainBytes(free(0)), Math.ceil((400 * MiB * 5) / 3) + 64 * MiB)
  assert.is(drainBytes({ ...free(0), shards: 3 }), Math.ceil(((400 * MiB + 24 * KiB) * 5) / 3) + 64 * MiB)
  assert.is(whyNotDrainable(free(147 * MiB)), undefined)
  assert.match(
    whyNotDrainable(free(146 * MiB)) ?? '',
    /up to 730\.7 MiB would have to be written to the 5 other disks of its set, which have 730\.0 MiB free/,
  )
})

test.run()
