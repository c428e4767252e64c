// Stories that the simulation once found, told as short as they can be: each ends with full redundancy and everything compared.
import { assert, deadline, suite } from '../support/uvu.ts'
import { simulate } from './campaign/simulate.ts'
import type { DiskFault, Item } from './campaign/story.ts'

const test = suite('stories')
const LIMIT_MS = 120_000

const QUIET: Item = { kind: 'quiet' }
const RESTART: Item = { kind: 'store fault', what: 'kill', seed: 0 }
const wait = (ms: number): Item => ({ kind: 'wait', ms })
const put = (key: string, size: number): Item => ({
  ...{ kind: 'client', action: 'put', bucket: 'lasting', key, size, seed: size },
})
const hurt = (what: DiskFault, slot: number, forMs = 0, other = slot): Item => ({
  ...{ kind: 'disk fault', what, slot, other, forMs, seed: 1 },
})

const endsWell = async (items: readonly Item[], disks = 4): Promise<void> => {
  const { failure } = await simulate({ seed: 1, disks, partitions: 1, items })
  assert.is(failure?.message, undefined)
}

test(
  'a disk that comes back, in another slot, before a newcomer has taken its place keeps it',
  deadline(LIMIT_MS, () =>
    endsWell([
      put('a', 100_000),
      hurt('swapped', 1, 0, 2),
      wait(10_000),
      QUIET,
      hurt('emptied', 1),
      hurt('not mounted', 2, 30_000),
      RESTART,
      wait(60_000),
      put('b', 100_000),
      QUIET,
    ]),
  ),
)

test(
  'what a full disk could not note as freed is freed when it has room, although others woke the reclaimer meanwhile',
  deadline(LIMIT_MS, () =>
    endsWell(
      [
        put('a', 50_000),
        hurt('full', 1, 35_000),
        put('a', 700),
        hurt('emptied', 3, 500),
        wait(17_000),
        put('b', 700),
        put('b', 800),
        QUIET,
      ],
      5,
    ),
  ),
)

test.run()
