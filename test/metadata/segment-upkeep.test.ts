import {
  createIndexStore,
  kill,
  openPartition,
  putText,
  readText,
  type TestStore,
} from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('segment upkeep')

const SEGMENT_BYTES = 20_000
const store = (): TestStore => ({
  disks: createSegmentDisks(6),
  indexes: [createIndexStore(), createIndexStore()],
})
const open = (place: TestStore, out: readonly number[] = []) =>
  openPartition(place, { out, segmentBytes: SEGMENT_BYTES })
const bytesOf = ({ disks }: TestStore): number =>
  disks.reduce((sum, { files }) => sum + [...files.values()].reduce((all, { length }) => all + length, 0), 0)
const drained = async (partition: Awaited<ReturnType<typeof open>>): Promise<void> => {
  while (partition.isIndexing) await new Promise((resolve) => setTimeout(resolve, 20))
}

test(
  'filling and emptying gives the space back, and what is left survives a rebuild',
  deadline(20_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    await partition.putConfig({ name: 'root', value: { sealed: 'secret' } })
    await putText(partition, 'b', 'stays', 'here')
    const first = partition.lookUp({ bucket: 'b', key: 'stays' }).sequence
    for (let i = 0; i < 60; i++) await putText(partition, 'b', `k${i}`, 'x'.repeat(2_000))
    const full = bytesOf(place)
    assert.ok(partition.segments.count >= 6)
    for (let i = 0; i < 60; i++) await partition.deleteVersion({ bucket: 'b', key: `k${i}` })
    await drained(partition)
    assert.ok((await partition.segments.dropOldest()) >= 5)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.ok(bytesOf(place) < full / 4, `${bytesOf(place)} of ${full} bytes are left`)
    assert.is(await readText(partition, 'b', 'stays'), 'here')
    assert.is(partition.lookUp({ bucket: 'b', key: 'stays' }).sequence, first)
    // Nothing to gain, nothing is written.
    for (let i = 0; i < 3; i++) {
      await drained(partition)
      await partition.segments.dropOldest()
    }
    await drained(partition)
    const settled = partition.sequence
    assert.is(await partition.segments.dropOldest(), 0)
    assert.is(partition.sequence, settled)
    kill(partition)
    const again = await open({ disks: place.disks, indexes: [createIndexStore(), createIndexStore()] })
    assert.is(await readText(again, 'b', 'stays'), 'here')
    assert.is(await readText(again, 'b', 'k1'), undefined)
    assert.equal(again.getConfig('root'), { sealed: 'secret' })
    assert.equal(again.bucketCounters({ bucket: 'b' }), { objects: 1, bytes: 4, uploads: 0 })
    await again.close()
  }),
)

test(
  'a segment that somebody may still read from is not dropped',
  deadline(20_000, async () => {
    const partition = await open(store())
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    await putText(partition, 'b', 'old', 'v'.repeat(1_000))
    const version = partition.lookUp({ bucket: 'b', key: 'old' })
    const lease = partition.beginRead('reader')
    for (let i = 0; i < 30; i++) await putText(partition, 'b', 'old', 'w'.repeat(2_000))
    await drained(partition)
    assert.is(await partition.segments.dropOldest(), 0)
    assert.is(version.data.kind, 'inline')
    if (version.data.kind === 'inline') assert.is((await partition.readInline(version.data)).length, 1_000)
    partition.endRead(lease)
    await drained(partition)
    assert.ok((await partition.segments.dropOldest()) >= 1)
    await partition.close()
  }),
)

test(
  'lost and damaged copies of segments are made anew, verified',
  deadline(20_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    for (let i = 0; i < 30; i++) await putText(partition, 'b', `k${i}`, 'x'.repeat(2_000))
    const sealed = partition.segments.list()[0]!
    const [lost, damaged, whole] = sealed.disks
    const diskOf = (number: number) => place.disks.find(({ disk }) => disk === number)!
    const bytes = Buffer.from(diskOf(whole!).files.get(sealed.segment)!).subarray(0, sealed.length)
    diskOf(lost!).files.delete(sealed.segment)
    diskOf(damaged!).files.get(sealed.segment)![9_000]! ^= 1
    assert.is(await partition.segments.verify(sealed.segment, damaged!), false)
    assert.is(await partition.segments.verify(sealed.segment, whole!), true)
    await partition.setDisk(lost!, diskOf(lost!))
    const before = partition.segments.damaged()
    assert.equal(
      before.map(({ segment, missing }) => [segment, missing]),
      [[sealed.segment, 2]],
    )
    await partition.segments.repair(sealed.segment, damaged!)
    await partition.segments.repair(sealed.segment)
    assert.equal(partition.segments.damaged(), [])
    assert.equal(Buffer.from(diskOf(damaged!).files.get(sealed.segment)!), bytes)
    await partition.close()
  }),
)

test.run()
