// Which set new disks widen, and which directories can become disks.
import type { DiskNumber } from '../../src/base/ids.ts'
import type { DiskTable } from '../../src/storage/identity-file.ts'
import type { DirectoryContent } from '../../src/storage/inspect.ts'
import { planWidening } from '../../src/storage/table-change.ts'
import { planSet, whyNotEmpty } from '../../src/storage/widen.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('adding disks')
const STORE = 'a'.repeat(32)

/** Sets of so many disks. */
const tableOf = (sizes: readonly number[], m = 2): DiskTable => {
  const disks = sizes.flatMap((size, set) => Array.from({ length: size }, () => set))
  return {
    ...{ version: 3, partitions: 1, m, nextDiskNumber: (disks.length + 1) as DiskNumber },
    disks: disks.map((set, position) => ({
      ...{ id: `id-${position}`, number: (position + 1) as DiskNumber, position, set },
      state: 'active' as const,
    })),
  }
}

test('new disks widen the smallest set, as long as it has room', () => {
  assert.is(planSet(tableOf([6]), 1), 0)
  assert.is(planSet(tableOf([12, 11]), 1), 1)
  assert.is(planSet(tableOf([12, 11]), 2), 1)
  assert.match(
    `${planSet(tableOf([6]), 3)}`,
    /3 disks cannot be added at once: with parity 2 .* by 2 at most/,
  )
  assert.match(
    `${planSet(tableOf([16]), 1)}`,
    /1 cannot be added: .* at most 16 disks, and the smallest .* has 16/,
  )
  assert.match(`${planSet(tableOf([15]), 2)}`, /2 cannot be added: .* has 15/)
  assert.match(`${planSet(tableOf([2], 0), 1)}`, /parity 0/)
  const full = Array.from({ length: 16 }, () => 16)
  assert.match(`${planSet(tableOf(full), 1)}`, /has 256 disks, .* would have 257: 256 are the most/)
})

test('a disk that joins gets a new number and a position behind all others, and its directory is kept', () => {
  const from = tableOf([6])
  const drained = { ...from, disks: from.disks.filter(({ position }) => position !== 2) }
  const { to, joined, left } = planWidening({ storeId: STORE, table: drained }, ['/x', '/y'], 0, () => 'new')
  assert.equal(
    to.disks.slice(5).map(({ number, position, directory }) => [number, position, directory]),
    [
      [7, 6, '/x'],
      [8, 7, '/y'],
    ],
  )
  assert.equal([to.version, to.nextDiskNumber, left], [4, 9, []] as unknown[])
  assert.equal(
    joined.map(({ root, identity }) => [root, identity.phase, identity.table === to]),
    [
      ['/x', 'joining', true],
      ['/y', 'joining', true],
    ],
  )
})

test('only an empty directory becomes a disk, or one that an add was cut off in', () => {
  const table = tableOf([6])
  const why = (content: DirectoryContent): string | undefined =>
    whyNotEmpty({ root: '/d', content }, STORE, table)
  const bare = { kind: 'bare', hasData: false, isDamaged: false, key: undefined } as const
  assert.is(why(bare), undefined)
  assert.match(why({ ...bare, hasData: true }) ?? '', /is not empty/)
  const keyOf = (storeId: string, diskId: string) =>
    ({ storeId, diskId, number: 7 as DiskNumber, key: new Uint8Array(32) }) as const
  assert.is(why({ ...bare, key: keyOf(STORE, 'x') }), undefined)
  assert.match(why({ ...bare, key: keyOf(STORE, 'id-1') }) ?? '', /left of a disk/)
  assert.match(why({ ...bare, key: keyOf('b'.repeat(32), 'x') }) ?? '', /left of a disk/)
  assert.match(why({ kind: 'absent' }) ?? '', /does not exist/)
  assert.match(why({ kind: 'foreign', name: 'x.txt' }) ?? '', /not empty: it holds x\.txt/)
  const diskOf = (storeId: string, diskId: string, phase: 'member' | 'joining', of: DiskTable) =>
    ({
      ...{ kind: 'disk' as const, key: undefined, hasData: true },
      identity: { storeId, diskId, number: 9 as DiskNumber, phase, table: of },
    }) as const
  assert.match(why(diskOf('b'.repeat(32), 'x', 'member', table)) ?? '', /another store/)
  assert.match(why(diskOf(STORE, 'id-1', 'member', table)) ?? '', /is disk 2 of this store already/)
  assert.match(why(diskOf(STORE, 'x', 'member', table)) ?? '', /was a disk of this store, number 9/)
  assert.match(why(diskOf(STORE, 'x', 'joining', table)) ?? '', /was a disk/)
  assert.is(why(diskOf(STORE, 'x', 'joining', tableOf([7]))), undefined)
})

test.run()
