// Disks that are slow: one is passed over, all are waited for, and none hangs a commit for ever.
import { sleep } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import { createPrng } from '../../src/base/prng.ts'
import { SECOND } from '../../src/base/units.ts'
import { Members } from '../../src/metadata/members.ts'
import { writeCopies } from '../../src/metadata/write-copies.ts'
import { createIndexStore, kill, membersOf, openPartition, putText, readText } from '../support/partitions.ts'
import { createSegmentDisks, type MemorySegmentDisk } from '../support/segment-disks.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('write copies')

/** Every create and append of the disk takes as long as `delayMs` says then. */
const slow = (disk: MemorySegmentDisk, clock: SimulatedClock, delayMs: () => number): void => {
  Object.defineProperty(disk, 'hang', { get: () => sleep(clock, delayMs()) })
}

/** Lets time pass until `action` settles, and returns or throws what it did. */
const passing = async <T>(clock: SimulatedClock, action: Promise<T>): Promise<T> => {
  let isOver = false
  const settled = action.finally(() => {
    isOver = true
  })
  settled.catch(() => undefined)
  while (!isOver) await clock.advance(50)
  return settled
}

const open = async (clock: SimulatedClock) => {
  const disks = createSegmentDisks(6)
  const indexes = [createIndexStore(), createIndexStore()]
  const partition = await passing(clock, openPartition({ disks, indexes }, { clock, segmentBytes: 8_000 }))
  await passing(clock, partition.createBucket('b', { owner: 'me', region: 'r' }))
  return { disks, partition }
}

/** How long one write to three disks took, and how it ended; `delaysMs` by disk. */
const write = async (
  clock: SimulatedClock,
  members: Members,
  disks: readonly MemorySegmentDisk[],
  delaysMs: readonly number[],
): Promise<readonly [isSynced: boolean, tookMs: number]> => {
  const startedMs = clock.monotonicMs()
  const options = { partition: 0, members, clock, log: silentLog }
  const chosen = disks.slice(0, delaysMs.length)
  const written = writeCopies(options, chosen, ({ disk }) => sleep(clock, delaysMs[disk - 1]!))
  let tookMs = 0
  const timed = written.finally(() => {
    tookMs = clock.monotonicMs() - startedMs
  })
  return [await passing(clock, timed), tookMs]
}

const threeOf = (count: number) => {
  const clock = new SimulatedClock()
  const disks = createSegmentDisks(count)
  return { clock, disks, members: new Members(membersOf(disks), 2, clock) }
}

test(
  'a copy that lags far behind a peer is passed over after a second, when another disk can take its place',
  deadline(5_000, async () => {
    const { clock, disks, members } = threeOf(6)
    assert.equal(await write(clock, members, disks, [5, 5, 8_000]), [false, 1_000])
    assert.equal(
      disks.map(({ disk }) => members.isPassedOver(disk)),
      [false, false, true, false, false, false],
    )
  }),
)

test(
  'ten times as long as the quickest peer is no lag, nor is anything below a second',
  deadline(5_000, async () => {
    const { clock, disks, members } = threeOf(6)
    assert.equal(await write(clock, members, disks, [5, 5, 900]), [true, 900])
    assert.equal(await write(clock, members, disks, [700, 900, 4_500]), [true, 4_500])
  }),
)

test(
  'a copy that lags is waited for when nobody can take its place, and given up when it hangs',
  deadline(5_000, async () => {
    const { clock, disks, members } = threeOf(3)
    assert.equal(await write(clock, members, disks, [5, 5, 8_000]), [true, 8_000])
    assert.equal(await write(clock, members, disks, [5, 5, 60_000]), [false, 10_000])
    assert.ok(members.isPassedOver(disks[2]!.disk))
    await rejectsWith('TOO_FEW_DISKS', async () => members.choose([]))
  }),
)

test('disks that lag are taken when there are too few others, the one that was slow last at last', () => {
  const { clock, disks, members } = threeOf(6)
  for (const [i, reason] of (['lagging', 'failing', 'lagging', 'lagging'] as const).entries()) {
    members.passOver(disks[i]!.disk, reason)
    void clock.advanceToNext()
  }
  const numbers = (): number[] => members.choose([]).map(({ disk }) => disk)
  assert.equal(numbers(), [5, 6, 1])
  members.passOver(disks[4]!.disk, 'full')
  assert.equal(numbers(), [6, 1, 3])
  assert.is(members.canDoWithout([]), false)
})

test(
  'when all disks are slow, because all are busy, every commit is a matter of time',
  deadline(20_000, async () => {
    const clock = new SimulatedClock()
    const { disks, partition } = await open(clock)
    const random = createPrng(7)
    // One sync in four takes seconds, whichever disk it is: they share a device.
    for (const disk of disks)
      slow(disk, clock, () => (random.below(4) === 0 ? 1_000 + random.below(3_000) : 20))
    for (let i = 0; i < 60; i++) {
      await passing(clock, putText(partition, 'b', `k${i}`, `${i}`.padEnd(500, '.')))
      if (i % 10 === 9) await clock.advance(5 * SECOND)
    }
    for (let i = 0; i < 60; i++) assert.is((await readText(partition, 'b', `k${i}`))?.length, 500)
    kill(partition)
  }),
)

test.run()
