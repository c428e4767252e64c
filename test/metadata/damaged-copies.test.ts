// Copies of segments that are damaged: what is read of them and does not verify is told, once, with its place; the copy is made
// anew; and until then all that is still whole of it counts. What a crash leaves is told of nobody.
import type { DiskNumber } from '../../src/base/ids.ts'
import { DamagedCopies } from '../../src/metadata/damaged-copies.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import { createLogLines } from '../support/log-lines.ts'
import { createIndexStore, openPartition, putText, readText, type TestStore } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('damaged copies')
const LIMIT_MS = 10_000
const HEADER_BYTES = 4096
const KEYS = Array.from({ length: 6 }, (_, i) => `k${i}`)

const store = (): TestStore => ({
  disks: createSegmentDisks(6),
  indexes: [createIndexStore(), createIndexStore()],
})
const withoutIndexes = ({ disks }: TestStore): TestStore => ({
  disks,
  indexes: [createIndexStore(), createIndexStore()],
})
const fill = async (place: TestStore): Promise<Partition> => {
  const partition = await openPartition(place)
  await partition.createBucket('b', { owner: 'me', region: 'r' })
  for (const key of KEYS) await putText(partition, 'b', key, key.repeat(50))
  return partition
}
const filled = async (): Promise<TestStore> => {
  const place = store()
  await (await fill(place)).close()
  return place
}
const checkAll = async (partition: Partition): Promise<void> => {
  for (const key of KEYS) assert.is(await readText(partition, 'b', key), key.repeat(50))
}
const fileOf = ({ disks }: TestStore, disk: number, segment = 1): Uint8Array =>
  disks[disk - 1]!.files.get(segment)!
const flip = (place: TestStore, disk: number, offset: number, segment = 1): void => {
  fileOf(place, disk, segment)[offset]! ^= 0x55
}
/** Where the frames of a segment begin. */
const framesOf = (bytes: Uint8Array): number[] => {
  const buffer = Buffer.from(bytes)
  const found: number[] = []
  for (let at = buffer.indexOf('MFRM'); at !== -1; at = buffer.indexOf('MFRM', at + 1)) found.push(at)
  return found
}
const opened = async (place: TestStore) => {
  const { log, of } = createLogLines()
  const partition = await openPartition(place, { log })
  return { partition, damage: () => of('segment-damaged').map(({ fields }) => fields) }
}
/** With an empty bucket, in small segments; `asked`: how often whoever repairs was. */
const openedSmall = async (place: TestStore) => {
  let asked = 0
  const onSegmentDamaged = (): void => void asked++
  const partition = await openPartition(place, { segmentBytes: 16_000, onSegmentDamaged })
  await partition.createBucket('b', { owner: 'me', region: 'r' })
  return { partition, asked: () => asked }
}
/** Writes until there are so many. */
const sealSegments = async (partition: Partition, count: number): Promise<void> => {
  for (let i = 0; partition.segments.list().length < count; i++) {
    await putText(partition, 'b', `more${i}`, 'x'.repeat(2_000))
  }
}
const repairAll = async ({ segments }: Partition): Promise<void> => {
  for (const { segment, missing } of segments.damaged()) {
    for (let i = 0; i < missing; i++) await segments.repair(segment)
  }
  assert.equal(segments.damaged(), [])
}

/** A start finds nothing to tell of. */
const checkWhole = async (place: Parameters<typeof opened>[0]): Promise<void> => {
  const { partition, damage } = await opened(place)
  assert.equal(damage(), [])
  await partition.close()
}

test(
  'frames that one copy has garbled are told once at a start, and the copy is made anew',
  deadline(LIMIT_MS, async () => {
    const place = await filled()
    const frames = framesOf(fileOf(place, 1))
    assert.ok(frames.length >= 5)
    const whole = Buffer.from(fileOf(place, 2))
    for (const frame of frames.slice(1, 3)) flip(place, 1, frame + 100)
    const { partition, damage } = await opened(place)
    const [told, ...others] = damage()
    assert.equal(others, [])
    // The copy that was good is asked first from then on: what else is wrong with this one nobody has read.
    const { partition: number, segment, disk, reason, offset, frames: count } = told ?? {}
    assert.equal([number, segment, disk, reason, offset, count], [0, 1, 1, 'frame', frames[1], 1])
    await checkAll(partition)
    assert.equal(
      partition.segments.damaged().map(({ segment: at, missing }) => [at, missing]),
      [[1, 1]],
    )
    await repairAll(partition)
    const length = partition.segments.list()[0]!.length
    assert.equal(Buffer.from(fileOf(place, 1)), whole.subarray(0, length))
    await partition.close()
    await checkWhole(place)
  }),
)

test(
  'a copy that was damaged while its segment was written to is asked for again when that is sealed',
  deadline(LIMIT_MS, async () => {
    const place = store()
    const { partition, asked } = await openedSmall(place)
    for (const key of KEYS) await putText(partition, 'b', key, key.repeat(50))
    // Copies take turns, so of some of these bodies the damaged copy is read.
    for (const [i, key] of KEYS.entries()) {
      flip(place, 1 + (i % 3), Buffer.from(fileOf(place, 1)).lastIndexOf(key.repeat(50)) + 7)
    }
    await checkAll(partition)
    const askedBefore = asked()
    assert.ok(askedBefore > 0)
    assert.equal(partition.segments.damaged(), [], 'nothing can be made anew yet')
    await sealSegments(partition, 1)
    assert.ok(asked() > askedBefore, 'whoever repairs has to hear of it now')
    await repairAll(partition)
    await partition.close()
    await checkWhole(place)
  }),
)

test(
  'of a disk that comes back without a copy that counted, whoever repairs hears',
  deadline(LIMIT_MS, async () => {
    const place = store()
    const { partition, asked } = await openedSmall(place)
    await sealSegments(partition, 2)
    const { segment, disks } = partition.segments.list()[0]!
    const disk = disks[0]!
    const io = place.disks[disk - 1]!
    await partition.setDisk(disk, undefined)
    await partition.setDisk(disk, io)
    assert.is(asked(), 0, 'all is there')
    await partition.setDisk(disk, undefined)
    io.files.delete(segment)
    await partition.setDisk(disk, io)
    assert.is(asked(), 1)
    assert.equal(
      partition.segments.damaged().map((damage) => [damage.segment, damage.missing]),
      [[segment, 1]],
    )
    await repairAll(partition)
    await partition.close()
  }),
)

test(
  'a copy without its header, and one that is not there, are told and made anew',
  deadline(LIMIT_MS, async () => {
    const place = await filled()
    flip(place, 1, 30)
    place.disks[1]!.files.delete(1)
    const { partition, damage } = await opened(place)
    assert.equal(
      damage().map(({ segment, disk, reason }) => [segment, disk, reason]),
      [
        [1, 1, 'header'],
        [1, 2, 'missing'],
      ],
    )
    await checkAll(partition)
    await repairAll(partition)
    await partition.close()
    await checkWhole(place)
  }),
)

test(
  'a last frame that is torn is no damage, one that is garbled is told, and neither costs the copy',
  deadline(LIMIT_MS, async () => {
    const place = await filled()
    const bytes = fileOf(place, 1)
    const last = framesOf(bytes).at(-1)!
    for (const torn of [
      bytes.subarray(0, last),
      bytes.subarray(0, last + 40),
      Buffer.concat([bytes.subarray(0, last + 70), Buffer.alloc(5_000)]),
    ]) {
      const copy = { disks: place.disks.map((disk) => disk.copy()), indexes: withoutIndexes(place).indexes }
      copy.disks[0]!.files.set(1, Uint8Array.from(torn))
      const { partition, damage } = await opened(copy)
      assert.equal(damage(), [])
      assert.equal(partition.segments.damaged(), [])
      await checkAll(partition)
      await partition.close()
    }
    flip(place, 1, last + 90)
    const { partition, damage } = await opened(place)
    assert.equal(
      damage().map(({ disk, reason, offset }) => [disk, reason, offset]),
      [[1, 'frame', last]],
    )
    assert.equal(partition.segments.damaged(), [])
    await checkAll(partition)
    await partition.close()
  }),
)

test(
  'damage that a rebuild of the indexes meets in a sealed segment is told',
  deadline(LIMIT_MS, async () => {
    const place = await filled()
    // Another start, and segment 1 is sealed.
    await (await openPartition(place)).close()
    flip(place, 1, framesOf(fileOf(place, 1))[2]! + 70)
    const { partition, damage } = await opened(withoutIndexes(place))
    assert.equal(
      damage().map(({ segment, disk, reason }) => [segment, disk, reason]),
      [[1, 1, 'frame']],
    )
    await checkAll(partition)
    await repairAll(partition)
    await partition.close()
  }),
)

test(
  'bodies that are damaged on one copy here and on another there are read as long as any copy has them, and told once',
  deadline(LIMIT_MS, async () => {
    const place = await filled()
    await (await openPartition(place)).close()
    // Its ETag is the same text.
    const bodies = KEYS.map((key) => Buffer.from(fileOf(place, 1)).lastIndexOf(key.repeat(50)))
    // Copies take turns, so of each some are read.
    const diskOf = (body: number): number => 1 + (bodies.indexOf(body) % 2)
    for (const body of bodies) flip(place, diskOf(body), body + 7)
    place.disks[2]!.files.delete(1)
    const { partition, damage } = await opened(place)
    for (let i = 0; i < 3; i++) await checkAll(partition)
    const [missing, ...damaged] = damage()
    assert.equal([missing?.['disk'], missing?.['reason']], [3, 'missing'])
    assert.equal(damaged.map(({ disk, reason }) => [disk, reason]).sort(), [
      [1, 'body'],
      [2, 'body'],
    ])
    for (const { disk, offset } of damaged) assert.is(diskOf(offset as number), disk)
    await repairAll(partition)
    await partition.close()
    assert.equal(fileOf(place, 1), fileOf(place, 3))
    assert.equal(fileOf(place, 2), fileOf(place, 3))
    assert.ok(fileOf(place, 1).length > HEADER_BYTES)
  }),
)

test('a copy is told once, until it is made anew', () => {
  const { log, of } = createLogLines()
  const copies = new DamagedCopies(0, log)
  const disk = 3 as DiskNumber
  assert.equal(
    [copies.note(1, { disk, reason: 'body' }), copies.note(1, { disk, reason: 'frame' })],
    [true, false],
  )
  assert.equal([copies.of(1), copies.has(2, disk)], [[disk], false])
  copies.restored(1, disk)
  assert.ok(copies.note(1, { disk, reason: 'frame' }))
  assert.equal(
    of('segment-damaged').map(({ level, fields }) => [level, fields]),
    ['body', 'frame'].map((reason) => ['warn', { partition: 0, segment: 1, disk, reason }]),
  )
})

test.run()
