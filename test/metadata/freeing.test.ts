// Freeing and moving: nothing is reclaimed that somebody may read, nothing is moved that is no longer there.
import type { IndexStore } from '../../src/metadata/index-slot.ts'
import { keyBytes, tableKey } from '../../src/metadata/keys.ts'
import type { ShardPlace } from '../../src/metadata/records.ts'
import {
  createIndexStore,
  factsOf,
  isKnownWrite,
  kill,
  membersOf,
  openPartition,
  putText,
  shardsData,
} from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('freeing')

const DISKS = [1, 2, 3, 4, 5, 6]
const begin = async () => {
  const place = { disks: createSegmentDisks(6), indexes: [createIndexStore(), createIndexStore()] }
  const partition = await openPartition(place)
  await partition.createBucket('b', { owner: 'me', region: 'r' })
  const put = (key: string, write: string) =>
    partition.putVersion({
      bucket: 'b',
      key,
      facts: factsOf(40_000),
      data: shardsData(write, 40_000, DISKS, 4),
    })
  return { place, partition, put }
}
const writeOf = (write: string) => write.padStart(32, '0') as never
const on = (disk: number, offset?: number): ShardPlace =>
  offset === undefined ? { disk: disk as never } : { disk: disk as never, volume: 7, offset }

test(
  'history 29: a shard whose version was deleted or overwritten meanwhile is not revived, and never in two places',
  deadline(5_000, async () => {
    const { partition, put } = await begin()
    for (const [key, write] of [
      ['deleted', '1'],
      ['replaced', '2'],
      ['moved', '3'],
    ] as const)
      await put(key, write)
    const move = (write: string, to: number) =>
      partition.relocate([{ write: writeOf(write), shard: 0, from: on(1), to: on(1, to) }])
    const results = await Promise.all([
      partition.deleteVersion({ bucket: 'b', key: 'deleted' }),
      move('1', 64),
      put('replaced', '4'),
      move('2', 128),
      // Two compactions move the same shard: the first one wins.
      move('3', 192),
      move('3', 256),
    ])
    assert.equal([results[1], results[3], results[4], results[5]], [[false], [false], [true], [false]])
    const version = partition.lookUp({ bucket: 'b', key: 'moved' })
    assert.equal(version.data.kind === 'shards' && version.data.places[0], on(1, 192))
    // What is reclaimed are the old places.
    const few = await partition.nextFrees(1)
    const work = [...few, ...(await partition.nextFrees(100))]
    assert.is(few.length, 1, 'so many that it is as many shards as were asked for, or more')
    assert.equal(
      work.flatMap(({ shards }) => shards.map(({ write, places }) => [Number(write), places[0]])),
      [
        [1, on(1)],
        [2, on(1)],
        [3, on(1)],
      ],
    )
    await partition.close()
  }),
)

test(
  'the place that a shard left is freed when nobody reads there any more, and nothing else of it',
  deadline(5_000, async () => {
    const { place, partition, put } = await begin()
    await put('k', '1')
    const lease = partition.beginRead('reader')
    const moved = { write: writeOf('1'), shard: 2, from: on(3), to: on(3, 64) }
    assert.equal(await partition.relocate([moved]), [true])
    assert.equal(await partition.nextFrees(100), [], 'somebody may still read it where it was')
    partition.endRead(lease)
    const [work] = await partition.nextFrees(100)
    assert.equal(
      work!.shards.map(({ write, places }) => [write, places]),
      [[writeOf('1'), [on(3)]]],
    )
    await partition.confirmFrees([work!.id])
    assert.is(partition.freesCount, 0)
    assert.ok(await isKnownWrite(partition, writeOf('1')))
    assert.equal((await partition.dataOfWrite(writeOf('1')))?.places[2], on(3, 64))
    const counts = [...partition.diskCounters().values()].map(({ shards }) => shards)
    assert.equal(
      counts,
      DISKS.map(() => 1),
    )
    // Nothing is left on a disk that is none any more.
    await partition.setMembers(membersOf(place.disks).filter(({ number }) => number !== 2))
    assert.equal(await partition.relocate([{ write: writeOf('1'), shard: 1, from: on(2), to: on(6) }]), [
      true,
    ])
    assert.is(partition.freesCount, 0)
    await partition.close()
  }),
)

test(
  'history 30: what compaction moved forward past its DELETE stays deleted after a rebuild',
  deadline(10_000, async () => {
    const place = { disks: createSegmentDisks(6), indexes: [createIndexStore(), createIndexStore()] }
    const partition = await openPartition(place, { segmentBytes: 12_000 })
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    await putText(partition, 'b', 'k', 'early')
    for (let i = 0; i < 20; i++) await putText(partition, 'b', `f${i}`, 'x'.repeat(1_000))
    const followed = async (): Promise<void> => {
      while (partition.isIndexing) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    // The carry and the DELETE race; whatever the order, the DELETE is acknowledged.
    for (let i = 0; i < 20; i++) await partition.deleteVersion({ bucket: 'b', key: `f${i}` })
    await followed()
    await Promise.all([partition.segments.dropOldest(), partition.deleteVersion({ bucket: 'b', key: 'k' })])
    for (let i = 0; i < 3; i++) {
      await followed()
      await partition.segments.dropOldest()
    }
    kill(partition)
    const again = await openPartition({
      disks: place.disks,
      indexes: [createIndexStore(), createIndexStore()],
    })
    const page = await again.listVersions({ bucket: 'b', prefix: '', delimiter: '', after: '', limit: 10 })
    assert.equal(page.versions, [])
    kill(again)
  }),
)

test(
  'history 31: what a reader looked up is not reclaimed before it ends, whoever deletes it',
  deadline(5_000, async () => {
    const { partition, put } = await begin()
    await put('k', '1')
    const early = partition.beginRead('gateway')
    const other = partition.beginRead('gateway')
    await put('k', '2')
    await partition.deleteVersion({ bucket: 'b', key: 'k' })
    assert.is(partition.freesCount, 2)
    assert.equal(await partition.nextFrees(100), [])
    partition.endRead(early)
    assert.equal(await partition.nextFrees(100), [])
    partition.endReadsOf('gateway')
    partition.endRead(other)
    assert.is((await partition.nextFrees(100)).length, 2)
    await partition.close()
  }),
)

test(
  'a free entry stays until its work is confirmed, across starts, and counters say what is left',
  deadline(5_000, async () => {
    const { place, partition, put } = await begin()
    await put('k', '1')
    await partition.deleteVersion({ bucket: 'b', key: 'k' })
    assert.is((await partition.nextFrees(100)).length, 1)
    assert.equal(await partition.nextFrees(100), [], 'not handed out twice')
    assert.is(await isKnownWrite(partition, writeOf('1')), true)
    assert.is(await partition.dataOfWrite(writeOf('1')), undefined)
    kill(partition)
    const again = await openPartition(place)
    assert.is(again.freesCount, 1)
    assert.equal(again.diskCounters().get(3 as never), { shards: 1, bytes: 10_048 })
    const [work] = await again.nextFrees(100)
    await again.confirmFrees([work!.id])
    assert.is(again.freesCount, 0)
    assert.is(again.diskCounters().size, 0)
    assert.is(await isKnownWrite(again, writeOf('1')), false)
    await again.close()
  }),
)

test(
  'a part that a repair moved while its upload was being reclaimed is reclaimed where it is now',
  deadline(5_000, async () => {
    const { partition } = await begin()
    const { size: _size, etag: _etag, ...facts } = factsOf(0)
    const { id: upload } = await partition.createUpload({ bucket: 'b', key: 'k', facts })
    const part = { bucket: 'b', key: 'k', upload, partNumber: 1, facts: { size: 40_000, etag: '1' } }
    await partition.putPart({ ...part, data: shardsData('5', 40_000, DISKS, 4) })
    await partition.abortUpload({ bucket: 'b', key: 'k', upload })
    const [work] = await partition.nextFrees(100)
    await partition.relocate([{ write: writeOf('5'), shard: 0, from: on(1), to: on(9, 64) }])
    await partition.confirmFrees([work!.id])
    // The upload's, and the place that the shard left.
    assert.is(partition.freesCount, 2)
    assert.is(partition.diskCounters().get(1 as never), undefined, 'nothing is counted out twice')
    const rest = await partition.nextFrees(100)
    assert.equal(
      rest.map(({ shards }) => shards[0]?.places[0]),
      [on(9, 64), on(1)],
    )
    await partition.confirmFrees(rest.map(({ id }) => id))
    assert.is(partition.freesCount, 0)
    assert.is(partition.diskCounters().size, 0)
    await partition.close()
  }),
)

test(
  'a part that waits to be reclaimed is held by nobody: aborted, not listed, or of a version that was deleted',
  deadline(5_000, async () => {
    const { partition } = await begin()
    const { size: _size, etag: _etag, ...facts } = factsOf(0)
    const md5 = 'a'.repeat(32)
    const begun = async (first: number) => {
      const { id: upload } = await partition.createUpload({ bucket: 'b', key: 'k', facts })
      const at = { bucket: 'b', key: 'k', upload }
      for (const [i, partNumber] of [1, 2].entries()) {
        const data = shardsData(`${first + i}`, 40_000, DISKS, 4)
        await partition.putPart({ ...at, partNumber, facts: { size: 40_000, etag: md5 }, data })
      }
      return at
    }
    const held = async (): Promise<number[]> => {
      const found: number[] = []
      for (let i = 1; i <= 6; i++) if (await partition.dataOfWrite(writeOf(`${i}`))) found.push(i)
      return found
    }
    const aborted = await begun(1)
    const replaced = await begun(3)
    const completed = await begun(5)
    assert.equal(await held(), [1, 2, 3, 4, 5, 6])
    await partition.abortUpload(aborted)
    assert.equal(await held(), [3, 4, 5, 6])
    await partition.completeUpload({ ...replaced, parts: [{ partNumber: 2, etag: md5 }] })
    assert.equal(await held(), [4, 5, 6])
    await partition.completeUpload({ ...completed, parts: [{ partNumber: 1, etag: md5 }] })
    assert.equal(await held(), [5])
    await partition.deleteVersion({ bucket: 'b', key: 'k' })
    assert.equal(await held(), [])
    // Wherever their shards are found, they are no orphans.
    assert.ok(await isKnownWrite(partition, writeOf('6')))
    await partition.close()
  }),
)

test(
  'history 17: parts that a completed upload did not list wait for both indexes: one may lack the list',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const indexes: (IndexStore | undefined)[] = [createIndexStore(), createIndexStore()]
    const first = await openPartition({ disks, indexes })
    await first.createBucket('b', { owner: 'me', region: 'r' })
    const { size: _size, etag: _etag, ...facts } = factsOf(0)
    const { id: upload } = await first.createUpload({ bucket: 'b', key: 'k', facts })
    for (const partNumber of [1, 2]) {
      const data = shardsData(String(partNumber), 40_000, DISKS, 4)
      const part = { partNumber, facts: { size: 40_000, etag: `${partNumber}` }, data }
      await first.putPart({ bucket: 'b', key: 'k', upload, ...part })
    }
    await first.completeUpload({ bucket: 'b', key: 'k', upload, parts: [{ partNumber: 1, etag: '1' }] })
    await first.close()
    // A bit flipped in the key of the table's page: one index has none, and the other is out.
    await indexes[1]!.batch([{ type: 'del', key: keyBytes(tableKey(upload, 0)), value: Buffer.alloc(0) }], {
      sync: true,
    })
    const alone = await openPartition({ disks, indexes: [undefined, indexes[1]] })
    assert.equal(await alone.nextFrees(100), [])
    kill(alone)
    const both = await openPartition({ disks, indexes: [indexes[0], createIndexStore()] })
    while (both.isRebuilding) await new Promise((resolve) => setTimeout(resolve, 5))
    const works = await both.nextFrees(100)
    assert.equal(
      works.flatMap(({ shards }) => shards.map(({ write }) => Number(write))),
      [2],
    )
    await both.close()
  }),
)

test(
  'an aborted upload of many parts is reclaimed piece by piece',
  deadline(20_000, async () => {
    const { partition } = await begin()
    const { size: _size, etag: _etag, ...facts } = factsOf(0)
    const { id: upload } = await partition.createUpload({ bucket: 'b', key: 'k', facts })
    const count = 600
    await Promise.all(
      Array.from({ length: count }, (_, i) =>
        partition.putPart({
          bucket: 'b',
          key: 'k',
          upload,
          partNumber: i + 1,
          facts: { size: 40_000, etag: 'x' },
          data: shardsData(`${i + 1}`, 40_000, DISKS, 4),
        }),
      ),
    )
    await partition.abortUpload({ bucket: 'b', key: 'k', upload })
    const seen = new Set<string>()
    while (partition.freesCount > 0) {
      const work = await partition.nextFrees(100)
      assert.ok(work.length > 0, 'what waits is handed out')
      for (const { shards } of work) for (const { write } of shards) seen.add(write)
      await partition.confirmFrees(work.map(({ id }) => id))
    }
    assert.is(seen.size, count)
    assert.is(partition.diskCounters().size, 0)
    await partition.deleteBucket({ bucket: 'b' })
    await partition.close()
  }),
)

test(
  'every shard on a disk is found for repair, in bounded pages, and counted by the place it moved to',
  deadline(5_000, async () => {
    const { partition, put } = await begin()
    for (let i = 1; i <= 25; i++) await put(`k${i}`, `${i}`)
    const found: number[] = []
    let cursor = ''
    do {
      const page = await partition.shardsOn(2 as never, cursor, 10)
      for (const { data, shard } of page.shards) {
        found.push(Number(data.write))
        assert.is(shard, 1)
        await partition.relocate([{ write: data.write, shard, from: on(2), to: on(9) }])
      }
      cursor = page.next ?? ''
    } while (cursor !== '')
    assert.is(found.length, 25)
    assert.is(partition.diskCounters().get(2 as never), undefined)
    assert.is(partition.diskCounters().get(9 as never)?.shards, 25)
    const version = partition.lookUp({ bucket: 'b', key: 'k3' })
    assert.is(
      version.sequence < partition.sequence - 20,
      true,
      'a move does not change the order of versions',
    )
    await partition.close()
  }),
)

test.run()
