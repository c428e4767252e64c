// Frames: torn, late, in doubt, and on disks that fail or hang.
import type { Clock } from '../../src/base/clock.ts'
import { createIndexStore, kill, openPartition, putText, readText } from '../support/partitions.ts'
import { createSegmentDisks, type MemorySegmentDisk } from '../support/segment-disks.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('journal frames')

const open = (disks: readonly MemorySegmentDisk[], out: readonly number[] = [], options = {}) =>
  openPartition({ disks, indexes: [createIndexStore(), createIndexStore()] }, { out, ...options })
const owner = { owner: 'me', region: 'r' }

/** A partition with one object, the disks of its open segment, and that segment. */
const begin = async (options = {}) => {
  const disks = createSegmentDisks(6)
  const partition = await open(disks, [], options)
  await partition.createBucket('b', owner)
  await putText(partition, 'b', 'k', 'first')
  const segment = Math.max(...disks.flatMap(({ files }) => [...files.keys()]))
  const copies = disks.filter(({ files }) => files.has(segment))
  return { disks, partition, segment, copies }
}

/** The bytes of the last frame of a put, and the disks as they were before it. */
const withFrame = async (text: string) => {
  const { disks, partition, segment, copies } = await begin()
  const before = disks.map((disk) => disk.copy())
  const start = copies[0]!.files.get(segment)!.length
  await putText(partition, 'b', 'k', text)
  kill(partition)
  const frame = copies[0]!.files.get(segment)!.subarray(start)
  const holders = copies.map(({ disk }) => disk)
  const place = (keep: readonly number[]): MemorySegmentDisk[] => {
    const after = before.map((disk) => disk.copy())
    holders.forEach((number, i) => {
      const disk = after.find((other) => other.disk === number)!
      const length = Math.floor(frame.length * (keep[i] ?? 0))
      disk.apply({ kind: 'append', segment, offset: start, bytes: frame.subarray(0, length) })
    })
    return after
  }
  return { holders, place }
}

test(
  'history 10: a frame that is whole on one copy is shown only once it is written anew on m + 1',
  deadline(10_000, async () => {
    const { holders, place } = await withFrame('second')
    const disks = place([1, 0.5, 0])
    const first = await open(disks)
    assert.is(await readText(first, 'b', 'k'), 'second')
    kill(first)
    // The disk with the whole frame dies, and another one.
    for (const other of holders.slice(1)) {
      const second = await open(disks, [holders[0]!, other])
      assert.is(await readText(second, 'b', 'k'), 'second')
      kill(second)
    }
    // Had it not been seen, it never was.
    const unseen = await open(place([1, 0.5, 0]), [holders[0]!])
    assert.is(await readText(unseen, 'b', 'k'), 'first')
    kill(unseen)
  }),
)

test(
  'history 11: what lies after a torn frame never parses as its successor',
  seeded(20_000, async (random) => {
    const { place } = await withFrame('second')
    for (let round = 0; round < 10; round++) {
      const kept = random.below(100) / 100
      const disks = place([kept, kept, kept])
      let expected = 'first'
      for (let life = 0; life < 3; life++) {
        const partition = await open(disks)
        assert.is(await readText(partition, 'b', 'k'), expected)
        expected = `life ${round} ${life}`
        await putText(partition, 'b', 'k', expected)
        kill(partition)
      }
    }
  }),
)

test(
  'a frame in doubt that a disk put in the wrong place is no sign of a later one: the partition opens, and goes on',
  deadline(10_000, async () => {
    const { holders, place } = await withFrame('second')
    const whole = place([1, 0, 0]).find(({ disk }) => disk === holders[0])!
    const disks = place([0, 0, 0])
    const wrong = disks.find(({ disk }) => disk === holders[0])!
    for (const [segment, bytes] of whole.files) {
      const offset = wrong.files.get(segment)?.length ?? 0
      if (bytes.length === offset) continue
      const misplaced = Buffer.concat([Buffer.alloc(8_192), bytes.subarray(offset)])
      wrong.apply({ kind: 'append', segment, offset, bytes: misplaced })
    }
    let expected = 'first'
    for (let life = 0; life < 3; life++) {
      const partition = await open(disks)
      assert.is(await readText(partition, 'b', 'k'), expected)
      expected = `life ${life}`
      await putText(partition, 'b', 'k', expected)
      kill(partition)
    }
  }),
)

test(
  'history 12: a frame read from the page cache is synced before it is shown, so a power cut takes nothing back',
  deadline(10_000, async () => {
    const { place } = await withFrame('second')
    const cached = place([1, 1, 1])
    const uncached = place([0, 0, 0])
    const first = await open(cached)
    assert.is(await readText(first, 'b', 'k'), 'second')
    kill(first)
    // Power goes: the old segment falls back to what was synced; what this start wrote was synced.
    const after = cached.map((disk, i) => {
      const copy = disk.copy()
      for (const [segment, bytes] of uncached[i]!.files)
        if (copy.files.has(segment)) copy.files.set(segment, bytes)
      return copy
    })
    const second = await open(after)
    assert.is(await readText(second, 'b', 'k'), 'second')
    kill(second)
  }),
)

test(
  'history 13: after a failed sync the segment is sealed before the frame, which begins the next one elsewhere',
  deadline(10_000, async () => {
    const { disks, partition, segment, copies } = await begin()
    copies[1]!.failure = 'EIO'
    const length = copies[1]!.files.get(segment)!.length
    await putText(partition, 'b', 'k', 'second')
    assert.is(await readText(partition, 'b', 'k'), 'second')
    assert.is(copies[1]!.files.get(segment)!.length, length)
    const [sealed] = partition.segments.list()
    assert.equal([sealed!.segment, sealed!.length], [segment, length])
    copies[1]!.failure = undefined
    kill(partition)
    const again = await open(disks, [copies[0]!.disk, copies[2]!.disk])
    assert.is(await readText(again, 'b', 'k'), 'second')
    kill(again)
  }),
)

test(
  'history 14: a frame of a thread that died lands late, in a sealed file, and is void',
  deadline(10_000, async () => {
    const { holders, place } = await withFrame('late')
    const disks = place([0, 0, 0])
    const successor = await open(disks)
    assert.is(await readText(successor, 'b', 'k'), 'first')
    await putText(successor, 'b', 'other', 'x')
    // Now the frame lands, on all copies.
    const late = place([1, 1, 1])
    for (const number of holders) {
      const file = disks.find(({ disk }) => disk === number)!
      for (const [segment, bytes] of late.find(({ disk }) => disk === number)!.files)
        file.files.set(segment, bytes)
    }
    assert.is(await readText(successor, 'b', 'k'), 'first')
    kill(successor)
    const again = await open(disks)
    assert.is(await readText(again, 'b', 'k'), 'first')
    assert.is(await readText(again, 'b', 'other'), 'x')
    kill(again)
  }),
)

test(
  'history 15: a journal disk that hangs is passed over within a second, commits go on, and it comes back',
  deadline(10_000, async () => {
    const clock = new SimulatedClock()
    const { disks, partition, segment, copies } = await begin({ clock })
    let release = (): void => undefined
    copies[2]!.hang = new Promise((resolve) => {
      release = resolve
    })
    const put = putText(partition, 'b', 'k', 'second')
    await clock.advance(990)
    assert.is(await readText(partition, 'b', 'k'), 'first')
    await clock.advance(20)
    await put
    assert.is(await readText(partition, 'b', 'k'), 'second')
    await putText(partition, 'b', 'k', 'third')
    // The old frame lands after all: in a sealed file.
    copies[2]!.hang = undefined
    release()
    await clock.advance(31_000)
    assert.is(await readText(partition, 'b', 'k'), 'third')
    for (let i = 0; i < 6; i++) {
      await partition.putConfig({ name: 'turn', value: i, onDisks: new Set(disks.map(({ disk }) => disk)) })
    }
    const newer = [...copies[2]!.files.keys()].filter((other) => other > segment)
    assert.ok(newer.length > 0, 'the disk takes segments again')
    kill(partition)
    const again = await open(disks)
    assert.is(await readText(again, 'b', 'k'), 'third')
    kill(again)
  }),
)

test(
  'a process that stood still for a minute passes over no disk: their answers had only not been heard',
  deadline(10_000, async () => {
    const clock = new SimulatedClock()
    let stoodMs = 0
    const standing: Clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs() + stoodMs,
      setTimer: (delayMs, action) => clock.setTimer(delayMs, action),
    }
    const { disks, partition, copies } = await begin({ clock: standing })
    // No disk to spare: a single one that is passed over would end the writes for half a minute.
    for (const disk of disks) if (!copies.includes(disk)) disk.failure = 'EIO'
    let release = (): void => undefined
    const hang = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const copy of copies.slice(1)) copy.hang = hang
    const put = putText(partition, 'b', 'k', 'second')
    await clock.advance(500)
    stoodMs = 60_000
    await clock.advance(600)
    for (const copy of copies) copy.hang = undefined
    release()
    await put
    await putText(partition, 'b', 'k', 'third')
    assert.is(await readText(partition, 'b', 'k'), 'third')
    kill(partition)
  }),
)

test(
  'a frame that no m + 1 disks take fails with all that is queued, and does not come back once another is acknowledged',
  deadline(10_000, async () => {
    const { disks, partition, copies } = await begin()
    for (const disk of disks) if (disk !== copies[0]) disk.failure = 'EIO'
    await rejectsWith('TOO_FEW_DISKS', () => putText(partition, 'b', 'k', 'refused'))
    assert.is(await readText(partition, 'b', 'k'), 'first')
    for (const disk of disks) {
      disk.failure = undefined
      await partition.setDisk(disk.disk, disk)
    }
    await putText(partition, 'b', 'other', 'x')
    kill(partition)
    const again = await open(disks)
    assert.is(await readText(again, 'b', 'k'), 'first')
    assert.is(await readText(again, 'b', 'other'), 'x')
    kill(again)
  }),
)

test(
  'full disks answer DISK_FULL, and writes go on when there is room again',
  deadline(10_000, async () => {
    const clock = new SimulatedClock()
    const { disks, partition } = await begin({ clock })
    for (const disk of disks) disk.failure = 'ENOSPC'
    await rejectsWith('DISK_FULL', () => putText(partition, 'b', 'k', 'x'))
    for (const disk of disks) disk.failure = undefined
    await clock.advance(2_500)
    await putText(partition, 'b', 'k', 'second')
    assert.is(await readText(partition, 'b', 'k'), 'second')
    await partition.close()
  }),
)

test(
  'a flipped bit in the middle of the newest segment is absorbed by another copy, on all copies the start is refused',
  deadline(10_000, async () => {
    const { disks, partition, segment, copies } = await begin()
    await putText(partition, 'b', 'k', 'second')
    await putText(partition, 'b', 'k', 'third')
    kill(partition)
    const flipped = disks.map((disk) => disk.copy())
    const damage = (number: number): void => {
      flipped.find(({ disk }) => disk === number)!.files.get(segment)![4_096 + 70]! ^= 4
    }
    damage(copies[0]!.disk)
    const again = await open(flipped)
    assert.is(await readText(again, 'b', 'k'), 'third')
    kill(again)
    const worse = disks.map((disk) => disk.copy())
    for (const { disk } of copies)
      worse.find((other) => other.disk === disk)!.files.get(segment)![4_096 + 70]! ^= 4
    await rejectsWith('METADATA_CORRUPT', () => open(worse))
  }),
)

test.run()
