import type { DiskNumber, WriteId } from '../../src/base/ids.ts'
import { createPrng } from '../../src/base/prng.ts'
import { GiB, MiB } from '../../src/base/units.ts'
import {
  type DiskView,
  placeWrite,
  rankDisks,
  requireWritable,
  whyNotServing,
} from '../../src/storage/placement.ts'
import { randomWriteId } from '../support/stripes.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('placement')
const random = createPrng(5)

/** One letter per disk: o usable, s slow, f full, d being drained, x out; a space begins the next set. */
const draw = (picture: string, capacities: readonly number[] = []): DiskView[] => {
  let set = 0
  const disks: DiskView[] = []
  for (const letter of picture) {
    if (letter === ' ') set += 1
    else {
      disks.push({
        number: (disks.length + 1) as DiskNumber,
        set,
        capacityBytes: capacities[disks.length] ?? GiB,
        isReachable: letter !== 'x',
        isDraining: letter === 'd',
        isSlow: letter === 's',
        hasRoom: 'osd'.includes(letter),
        freeBytes: GiB,
      })
    }
  }
  return disks
}

const place = (picture: string, m: number, write: WriteId = randomWriteId(random)): string => {
  const placed = placeWrite(write, 10 * MiB, m, draw(picture))
  assert.is(new Set(placed.disks).size, placed.k + placed.m, 'no disk holds two shards of a write')
  return `${placed.set}: ${placed.k}+${placed.m} on ${[...placed.disks].sort((a, b) => a - b).join('')}`
}

test('a write goes to every usable disk of a set', () => {
  assert.is(place('oooooo', 2), '0: 4+2 on 123456')
  assert.is(place('oxooxo', 2), '0: 2+2 on 1346')
  assert.is(place('oooffo', 2), '0: 2+2 on 1236')
  assert.is(place('xfoooo', 2), '0: 2+2 on 3456')
  assert.is(place('o', 0), '0: 1+0 on 1')
})

test('slow disks are passed over as if they were out, unless too few are left without them', () => {
  assert.is(place('osoooo', 2), '0: 3+2 on 13456')
  assert.is(place('ossooo', 2), '0: 2+2 on 1456')
  assert.is(place('osssoo', 2), '0: 4+2 on 123456')
  assert.is(place('xsooos', 2), '0: 3+2 on 23456')
  assert.is(place('s', 0), '0: 1+0 on 1')
})

test('a disk that is being drained gets nothing, and its set is one disk smaller', async () => {
  assert.is(place('odoooo', 2), '0: 3+2 on 13456')
  assert.is(place('odooox', 2), '0: 2+2 on 1345')
  assert.is(place('odooxx', 2), '0: 1+2 on 134')
  await rejectsWith('TOO_FEW_DISKS', () => place('odxxxo', 2))
  const reduced = (picture: string): boolean =>
    placeWrite(randomWriteId(random), 10 * MiB, 2, draw(picture)).isReduced
  assert.equal([reduced('odoooo'), reduced('odooox'), reduced('oxoooo')], [false, true, true])
  assert.is(whyNotServing(2, draw('odooxx')), undefined)
  assert.match(whyNotServing(2, draw('odoxxx')) ?? '', 'read everything')
})

test('a set that cannot take it is passed over; when none can, the reason is the nearest to a remedy', async () => {
  assert.is(place('oxxx oooo', 2), '1: 2+2 on 5678')
  assert.is(place('ooff oooo', 1), '1: 3+1 on 5678')
  await rejectsWith('TOO_FEW_DISKS', () => place('oooxxx', 2))
  await rejectsWith('DISK_FULL', () => place('ooofff', 2))
  await rejectsWith('DISK_FULL', () => place('oxxx offf', 2))
  await rejectsWith('TOO_FEW_DISKS', () => place('oxxx oxxx', 2))
})

/** Disks of one set with so many MiB free each. */
const placeIn = (sizeMiB: number, m: number, freeMiB: readonly number[]): string => {
  const disks = draw('o'.repeat(freeMiB.length)).map((disk, i) => ({ ...disk, freeBytes: freeMiB[i]! * MiB }))
  const { k, disks: chosen } = placeWrite(randomWriteId(random), sizeMiB * MiB, m, disks)
  return `${k}+${m} on ${[...chosen].sort((a, b) => a - b).join('')}`
}

test('a body goes to disks that have room for their shards of all of it', async () => {
  assert.is(placeIn(40, 2, [11, 11, 11, 11, 11, 11]), '4+2 on 123456')
  // A shard takes a little more than a quarter of 40 MiB, and with two disks less it is a half.
  assert.is(placeIn(40, 2, [30, 30, 10, 30, 10, 30]), '2+2 on 1246')
  await rejectsWith('DISK_FULL', () => placeIn(40, 2, [10, 10, 10, 10, 10, 10]))
  // Five would do, but their shards are larger, and then three are not enough.
  await rejectsWith('DISK_FULL', () => placeIn(40, 2, [30, 30, 30, 11, 11, 10]))
})

test('what goes to the journal alone is refused as a write to shards is', async () => {
  requireWritable(2, draw('oooooo'))
  requireWritable(2, draw('oxoofo'))
  requireWritable(2, draw('oxxx oooo'))
  await rejectsWith('DISK_FULL', () => requireWritable(2, draw('offfoo')))
  await rejectsWith('TOO_FEW_DISKS', () => requireWritable(2, draw('oxxxoo')))
})

test('the same write is placed the same way, and others spread over disks and shard indexes', () => {
  const disks = draw('oooooo')
  const write = randomWriteId(random)
  assert.equal(placeWrite(write, MiB, 2, disks), placeWrite(write, MiB, 2, disks))
  const firsts = new Map<number, number>()
  for (let i = 0; i < 6_000; i++) {
    const first = rankDisks(randomWriteId(random), disks)[0]!.number
    firsts.set(first, (firsts.get(first) ?? 0) + 1)
  }
  for (const count of firsts.values()) assert.ok(count > 850 && count < 1_150, `${[...firsts.values()]}`)
})

test('sets win in proportion to their capacity', () => {
  const disks = draw('oo oo', [GiB, GiB, 3 * GiB, 3 * GiB])
  let larger = 0
  for (let i = 0; i < 4_000; i++) larger += placeWrite(randomWriteId(random), MiB, 1, disks).set
  assert.ok(larger > 2_850 && larger < 3_150, `${larger} of 4000, 3000 expected`)
})

test('a store serves while every set can be read and one can be written; a full one does', () => {
  const check = (picture: string, m: number, words: RegExp | undefined): void => {
    const reason = whyNotServing(m, draw(picture))
    if (words === undefined) assert.is(reason, undefined, picture)
    else assert.match(reason ?? '', words, picture)
  }
  check('oooooo', 2, undefined)
  check('oxooxo', 2, undefined)
  check('osssxx', 2, undefined)
  check('oxxxoo', 2, /to read/)
  // Two of four with a parity of two: whole in every read, and a new version would have nothing to lose.
  check('ooxx', 2, /to write/)
  check('ox', 1, /to write/)
  check('x', 0, /to read/)
  check('ffffff', 2, undefined)
  check('ooofxx', 2, undefined)
  check('oooo ooxx', 1, /to read/)
  check('oooo ooox', 1, undefined)
})

test.run()
