import type { IndexStore } from '../../src/metadata/index-slot.ts'
import {
  createIndexStore,
  factsOf,
  kill,
  openPartition,
  putText,
  readText,
  shardsData,
  type TestStore,
} from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('partition')

const store = (): TestStore => ({
  disks: createSegmentDisks(6),
  indexes: [createIndexStore(), createIndexStore()],
})
const owner = { owner: 'me', region: 'us-east-1' }

test(
  'what was put is there, and there again after a start',
  deadline(5_000, async () => {
    const place = store()
    const first = await openPartition(place)
    await first.createBucket('b', owner)
    await Promise.all([
      putText(first, 'b', 'x', 'one'),
      putText(first, 'b', 'y', 'two'),
      putText(first, 'b', 'x', 'three'),
    ])
    assert.is(await readText(first, 'b', 'x'), 'three')
    assert.is(await readText(first, 'b', 'y'), 'two')
    assert.equal(first.bucketCounters({ bucket: 'b' }), { objects: 2, bytes: 8, uploads: 0 })
    // No close: a start needs no clean end.
    kill(first)
    const second = await openPartition(place)
    assert.is(await readText(second, 'b', 'x'), 'three')
    await second.deleteVersion({ bucket: 'b', key: 'x' })
    assert.is(await readText(second, 'b', 'x'), undefined)
    kill(second)
    const third = await openPartition({
      disks: place.disks,
      indexes: [createIndexStore(), createIndexStore()],
    })
    assert.is(await readText(third, 'b', 'x'), undefined)
    assert.is(await readText(third, 'b', 'y'), 'two')
    assert.equal(third.bucketCounters({ bucket: 'b' }), { objects: 1, bytes: 3, uploads: 0 })
    await third.close()
  }),
)

test(
  'the frame that a start wrote anew is looked for where it lies now, also when that start was killed early',
  deadline(5_000, async () => {
    const place = store()
    const first = await openPartition(place)
    await first.createBucket('b', owner)
    await putText(first, 'b', 'x', 'one')
    await first.close()
    // Writes the last frame anew, acknowledges another one, and ends before either index has heard of it.
    const stalled = place.indexes.map((index) => ({
      getSync: (key: Buffer) => index!.getSync(key),
      iterator: (range: Parameters<IndexStore['iterator']>[0]) => index!.iterator(range),
      batch: () => new Promise<never>(() => undefined),
      clear: () => index!.clear(),
    }))
    const second = await openPartition({ disks: place.disks, indexes: stalled })
    await putText(second, 'b', 'y', 'two')
    kill(second)
    for (const isAgain of [false, true]) {
      const partition = await openPartition(place)
      const { data } = partition.lookUp({ bucket: 'b', key: 'x' })
      assert.is(data.kind, 'inline')
      if (data.kind !== 'inline') return
      const lengths = new Map(partition.segments.list().map(({ segment, length }) => [segment, length]))
      assert.ok(data.offset + data.length <= lengths.get(data.segment)!, `killed again: ${isAgain}`)
      kill(partition)
    }
  }),
)

test(
  'listing merges table and index, with prefixes and pages',
  deadline(5_000, async () => {
    const partition = await openPartition(store())
    await partition.createBucket('b', owner)
    const keys = ['a', 'a/b', 'a/c/1', 'a/c/2', 'b', 'c/1', 'c/2', 'ä']
    await Promise.all(keys.map((key) => putText(partition, 'b', key, key)))
    const list = async (prefix: string, delimiter: string, limit: number) => {
      const seen: string[] = []
      let after = ''
      for (;;) {
        const page = await partition.listVersions({ bucket: 'b', prefix, delimiter, after, limit })
        seen.push(...[...page.versions.map(({ key }) => key), ...page.prefixes].sort())
        if (page.next === undefined) return seen
        after = page.next
      }
    }
    for (const limit of [1, 2, 3, 1000]) {
      assert.equal(await list('', '', limit), keys)
      assert.equal(await list('', '/', limit), ['a', 'a/', 'b', 'c/', 'ä'])
      assert.equal(await list('a/', '/', limit), ['a/b', 'a/c/'])
    }
    await partition.close()
  }),
)

test(
  'an upload is completed from the parts it lists, and the others are reclaimed',
  deadline(5_000, async () => {
    const partition = await openPartition(store())
    await partition.createBucket('b', owner)
    const { size: _size, etag: _etag, ...facts } = factsOf(0)
    const { id } = await partition.createUpload({ bucket: 'b', key: 'k', facts })
    const at = { bucket: 'b', key: 'k', upload: id }
    const md5 = (digit: string) => digit.repeat(32)
    for (const [partNumber, digit] of [
      [1, 'a'],
      [2, 'b'],
      [3, 'c'],
    ] as const) {
      await partition.putPart({
        ...at,
        partNumber,
        facts: { size: 10, etag: md5(digit) },
        data: shardsData(`${partNumber}`, 10, [1, 2, 3], 2),
      })
    }
    const parts = [
      { partNumber: 1, etag: md5('a') },
      { partNumber: 3, etag: md5('c') },
    ]
    const version = await partition.completeUpload({ ...at, parts })
    assert.is(version.size, 20)
    assert.match(version.etag, /-2$/)
    assert.equal(await partition.completeUpload({ ...at, parts }), version)
    const others = [{ partNumber: 2, etag: md5('b') }]
    await rejectsWith('NoSuchUpload', () => partition.completeUpload({ ...at, parts: others }))
    assert.equal(
      partition.partsAt(version, 12, 5).map(({ start, part }) => [start, part.partNumber]),
      [[10, 3]],
    )
    await rejectsWith('NoSuchUpload', () => partition.listParts(at, { after: 0, limit: 10 }))
    const work = await partition.nextFrees(10)
    assert.equal(
      work.flatMap(({ shards }) => shards.map(({ write }) => Number(write))),
      [2],
    )
    await partition.confirmFrees(work.map(({ id: done }) => done))
    assert.is(partition.freesCount, 0)
    assert.is(
      [...partition.diskCounters().values()].every(({ shards }) => shards === 2),
      true,
    )
    await partition.deleteVersion({ bucket: 'b', key: 'k' })
    const rest = await partition.nextFrees(10)
    await partition.confirmFrees(rest.map(({ id: done }) => done))
    assert.is(partition.diskCounters().size, 0)
    await partition.deleteBucket({ bucket: 'b' })
    await partition.close()
  }),
)

test(
  'what the last commit before a start counted down to nothing stays nothing, start after start',
  deadline(10_000, async () => {
    for (const hasIndexes of [true, false]) {
      const place = store()
      const open = () =>
        openPartition(hasIndexes ? place : { ...place, indexes: [createIndexStore(), createIndexStore()] })
      const first = await open()
      await first.createBucket('b', owner)
      await putText(first, 'b', 'k', 'one')
      await first.deleteVersion({ bucket: 'b', key: 'k' })
      kill(first)
      for (let start = 0; start < 3; start++) {
        const again = await open()
        assert.equal(again.bucketCounters({ bucket: 'b' }), { objects: 0, bytes: 0, uploads: 0 })
        if (start === 2) await again.deleteBucket({ bucket: 'b' })
        kill(again)
      }
    }
  }),
)

test(
  'a bucket whose only object came with the last commit before a start is not deleted',
  deadline(5_000, async () => {
    const { disks } = store()
    const open = () => openPartition({ disks, indexes: [createIndexStore(), createIndexStore()] })
    const first = await open()
    await first.createBucket('b', owner)
    await putText(first, 'b', 'k', 'one')
    kill(first)
    const second = await open()
    await rejectsWith('BucketNotEmpty', () => second.deleteBucket({ bucket: 'b' }))
    await second.deleteVersion({ bucket: 'b', key: 'k' })
    kill(second)
    const third = await open()
    await third.deleteBucket({ bucket: 'b' })
    kill(third)
  }),
)

test.run()
