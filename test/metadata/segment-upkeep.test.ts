import {
  createIndexStore,
  kill,
  membersOf,
  openPartition,
  putText,
  readText,
  type TestStore,
} from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

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
/** All there, each opened anew when the session is another one. */
const inSession = ({ disks }: TestStore, session: number) =>
  membersOf(disks).map((member) => ({ ...member, session }))
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
  'the open segment is sealed and dropped when it is the only one, and most of it is dead',
  deadline(20_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    await putText(partition, 'b', 'stays', 'here')
    assert.not(partition.segments.mayDrop)
    for (let i = 0; i < 3; i++) await putText(partition, 'b', 'k', 'x'.repeat(2_000))
    await partition.deleteVersion({ bucket: 'b', key: 'k' })
    assert.is(partition.segments.count, 0)
    const before = bytesOf(place)
    await drained(partition)
    assert.ok(partition.segments.mayDrop)
    assert.ok((await partition.segments.dropOldest()) >= 1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.ok(bytesOf(place) < (before * 2) / 3, `${bytesOf(place)} of ${before} bytes are left`)
    assert.is(await readText(partition, 'b', 'stays'), 'here')
    // It comes to rest.
    for (let i = 0; i < 3; i++) {
      await drained(partition)
      await partition.segments.dropOldest()
    }
    await drained(partition)
    const settled = partition.sequence
    assert.is(await partition.segments.dropOldest(), 0)
    assert.is(partition.sequence, settled)
    await partition.close()
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
  'disks whose actors all died are written to again as soon as they are there, in a new segment',
  deadline(5_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    for (const disk of place.disks) disk.failure = 'THREAD_EXITED'
    await rejectsWith('TOO_FEW_DISKS', () => putText(partition, 'b', 'k', 'refused'))
    for (const disk of place.disks) disk.failure = undefined
    await partition.setMembers(inSession(place, 1))
    await putText(partition, 'b', 'k', 'one')
    // Nothing failed this time: what had the segment open is gone all the same.
    await partition.setMembers(inSession(place, 2))
    const operations: string[] = []
    for (const disk of place.disks) {
      disk.recorder = {
        begin: (_, { kind }) => {
          operations.push(kind)
          return () => undefined
        },
      }
    }
    await putText(partition, 'b', 'k', 'two')
    assert.equal(operations.slice(0, 6), ['create', 'create', 'create', 'append', 'append', 'append'])
    assert.is(await readText(partition, 'b', 'k'), 'two')
    await partition.close()
  }),
)

test(
  'a disk that comes back without what was open on it holds no copy of that',
  deadline(5_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    await putText(partition, 'b', 'k', 'one')
    const segment = Math.max(...place.disks.flatMap(({ files }) => [...files.keys()]))
    const disk = place.disks.find(({ files }) => files.has(segment))!
    disk.files.delete(segment)
    await partition.setMembers(inSession(place, 1))
    // Seals it.
    await putText(partition, 'b', 'k', 'two')
    const missing = (): number =>
      partition.segments.damaged().find((damage) => damage.segment === segment)?.missing ?? 0
    while (missing() === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.is(missing(), 1)
    assert.is(await partition.segments.repair(segment, disk.disk), disk.disk)
    assert.is(missing(), 0)
    assert.ok(disk.files.has(segment))
    await partition.close()
  }),
)

test(
  'a copy on a disk that is a member no more is not among those that can be verified',
  deadline(5_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    // Seals the first segment.
    await partition.setMembers(inSession(place, 1))
    await putText(partition, 'b', 'k', 'one')
    const before = partition.segments.list()[0]!
    const [gone] = before.disks
    await partition.setMembers(inSession(place, 1).filter(({ number }) => number !== gone))
    const after = partition.segments.list().find(({ segment }) => segment === before.segment)!
    assert.equal(
      after.disks,
      before.disks.filter((disk) => disk !== gone),
    )
    await partition.close()
  }),
)

test(
  'a segment that is being made when its disks come is not taken for a void one',
  deadline(5_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    await partition.setMembers(inSession(place, 1))
    let makeLast = (): void => undefined
    place.disks[5]!.hang = new Promise((resolve) => {
      makeLast = resolve
    })
    const put = putText(partition, 'b', 'k', 'v')
    await new Promise((resolve) => setTimeout(resolve, 20))
    await partition.setMembers(inSession(place, 2))
    makeLast()
    await put
    await new Promise((resolve) => setTimeout(resolve, 20))
    const newest = Math.max(...place.disks.flatMap(({ files }) => [...files.keys()]))
    assert.is(place.disks.filter(({ files }) => files.has(newest)).length, 3)
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
    assert.equal(await partition.segments.verify(sealed.segment, damaged!), { how: 'corrupt' })
    assert.equal(await partition.segments.verify(sealed.segment, whole!), { how: 'whole' })
    // What goes while it is read is neither damaged nor unreadable.
    const leaving = diskOf(whole!)
    const without = inSession(place, 0).filter(({ number }) => number !== whole)
    leaving.readMedium = async () => {
      await partition.setMembers(without)
      throw new Error('gone')
    }
    assert.equal(await partition.segments.verify(sealed.segment, whole!), { how: 'gone' })
    await partition.setMembers(inSession(place, 0))
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

test(
  'an old state of a segment does not count as a copy, however many zeros it ends in',
  deadline(20_000, async () => {
    const place = store()
    const partition = await open(place)
    await partition.createBucket('b', { owner: 'me', region: 'r' })
    for (let i = 0; i < 30; i++) await putText(partition, 'b', `k${i}`, 'x'.repeat(2_000))
    const { segment, length, disks } = partition.segments.list()[0]!
    const old = place.disks.find(({ disk }) => disk === disks[0])!
    const bytes = old.files.get(segment)!
    old.files.set(
      segment,
      Uint8Array.from(Buffer.concat([bytes.subarray(0, length / 2), Buffer.alloc(length)])),
    )
    // It comes back while the store runs …
    await partition.setDisk(old.disk, undefined)
    await partition.setDisk(old.disk, old)
    const missingIn = (opened: typeof partition): number[] =>
      opened.segments
        .damaged()
        .filter((damage) => damage.segment === segment)
        .map(({ missing }) => missing)
    assert.equal(missingIn(partition), [1])
    await partition.close()
    // … or is there at a start.
    const again = await open(place)
    assert.equal(missingIn(again), [1])
    await again.segments.repair(segment)
    assert.equal(missingIn(again), [])
    await again.close()
  }),
)

test.run()
