// What is late is learnt from a disk's peers, which disk is slow is relative to them, and what hedges may add is bounded.
import type { DiskNumber } from '../../src/base/ids.ts'
import { createReadPace } from '../../src/base/read-pace.ts'
import { KiB, MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('read pace')
const [A, B, C, D] = [1, 2, 3, 4] as DiskNumber[] as [DiskNumber, DiskNumber, DiskNumber, DiskNumber]
const PEERS = [B, C, D]

const start = () => {
  const clock = new SimulatedClock()
  const pace = createReadPace(clock)
  const read = async (disk: DiskNumber, ms: number, bytes: number = 64 * KiB): Promise<void> => {
    const { end } = pace.begin(disk, bytes)
    await clock.advance(ms)
    end(true)
  }
  const readMany = async (
    disks: readonly DiskNumber[],
    ms: number,
    count = 16,
    bytes?: number,
  ): Promise<void> => {
    for (let i = 0; i < count; i++) for (const disk of disks) await read(disk, ms, bytes)
  }
  /** What is late for a read that says nothing. */
  const lateMs = (disk: DiskNumber, bytes: number = 64 * KiB): number => {
    const { lateMs: late, end } = pace.begin(disk, bytes)
    end(false)
    return late
  }
  return { clock, pace, read, readMany, lateMs }
}

test(
  'late is half as long again as nine in ten reads of the peers, of about the same size, within bounds',
  deadline(1000, async () => {
    const { readMany, lateMs } = start()
    assert.is(lateMs(A), 1000)
    await readMany(PEERS, 20)
    // Its own pace does not count while there are peers.
    await readMany([A], 300)
    assert.is(lateMs(A), 30)
    assert.is(lateMs(B), 30)
    // Nothing is known of larger ones; smaller ones take no longer.
    assert.is(lateMs(A, MiB), 1000)
    assert.is(lateMs(A, 4 * KiB), 30)
    await readMany(PEERS, 0.1, 40)
    assert.is(lateMs(A), 2)
    await readMany([...PEERS, A], 5000, 40)
    assert.is(lateMs(A), 1000)
  }),
)

test(
  'a disk alone is measured by itself',
  deadline(1000, async () => {
    const { readMany, lateMs } = start()
    await readMany([A], 20)
    assert.is(lateMs(A), 30)
  }),
)

test(
  'two reads a hundred times late make a disk slow, one does not, nor does a store that is slow as a whole',
  deadline(1000, async () => {
    const { pace, read, readMany } = start()
    await readMany([A, ...PEERS], 10)
    await read(A, 1000)
    assert.not(pace.isSlow(A))
    await read(A, 1000)
    assert.ok(pace.isSlow(A))
    assert.not(pace.isSlow(B))
    await readMany(PEERS, 1000, 8)
    assert.not(PEERS.some(pace.isSlow))
    assert.not(pace.isSlow(A))
  }),
)

test(
  'a disk that has not answered is slow until it has',
  deadline(1000, async () => {
    const { clock, pace, readMany } = start()
    await readMany([A, ...PEERS], 10)
    const { end } = pace.begin(A, 64 * KiB)
    await clock.advance(20)
    assert.not(pace.isSlow(A))
    await clock.advance(20)
    assert.ok(pace.isSlow(A))
    assert.not(pace.mayTry(A))
    end(true)
    assert.not(pace.isSlow(A))
  }),
)

test(
  'a slow disk is tried again by one read, later each time it is in vain, and forgiven at once when it is not',
  deadline(1000, async () => {
    const { clock, pace, read, readMany } = start()
    await readMany([A, ...PEERS], 10)
    await readMany([A], 1000, 2)
    for (const waitMs of [5, 10, 20, 40, 60, 60].map((seconds) => seconds * SECOND)) {
      await clock.advance(waitMs - 1)
      assert.not(pace.mayTry(A))
      await clock.advance(1)
      assert.ok(pace.mayTry(A))
      const { end } = pace.begin(A, 64 * KiB)
      assert.not(pace.mayTry(A))
      await clock.advance(1000)
      end(true)
      assert.ok(pace.isSlow(A))
    }
    await clock.advance(MINUTE)
    await read(A, 10)
    assert.not(pace.isSlow(A))
  }),
)

test(
  'a read that fails at once says nothing of the pace',
  deadline(1000, async () => {
    const { pace, readMany, lateMs } = start()
    await readMany(PEERS, 10)
    for (let i = 0; i < 100; i++) pace.begin(B, 64 * KiB).end(false)
    assert.is(lateMs(A), 15)
  }),
)

test(
  'hedges add a twentieth to the reads, and what was saved up once',
  deadline(1000, async () => {
    const { pace, readMany } = start()
    const takeAll = (): number => {
      let taken = 0
      while (pace.takeHedge(4)) taken += 4
      return taken
    }
    assert.is(takeAll(), 64)
    await readMany([A], 1, 100)
    assert.is(takeAll(), 4)
    await readMany([A], 1, 10_000)
    assert.is(takeAll(), 64)
  }),
)

test.run()
