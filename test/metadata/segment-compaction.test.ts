// Compaction of the journal: it holds little more than what is alive, larger bodies leave it, and nothing that was replaced or
// deleted comes back.
import type { Random } from '../../src/base/prng.ts'
import { KiB, MINUTE } from '../../src/base/units.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import type { Data, VersionRecord } from '../../src/metadata/records.ts'
import { MOVED_BYTES_MIN } from '../../src/metadata/segment-compaction.ts'
import { BodyShelf } from '../support/body-shelf.ts'
import { createIndexStore, kill, openPartition, putText, type TestStore } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('segment compaction')

const SEGMENT_BYTES = 24 * KiB
/** Of each segment: with so short ones that is not little. */
const HEADER_BYTES = 4 * KiB
const newStore = (): TestStore => ({
  disks: createSegmentDisks(6),
  indexes: [createIndexStore(), createIndexStore()],
})
const emptied = ({ disks }: TestStore): TestStore => ({ ...newStore(), disks })
const open = (place: TestStore, bodies?: BodyShelf, out: readonly number[] = []): Promise<Partition> =>
  openPartition(place, { out, segmentBytes: SEGMENT_BYTES, ...(bodies && { bodies }) })
const begin = async (bodies?: BodyShelf): Promise<{ place: TestStore; partition: Partition }> => {
  const place = newStore()
  const partition = await open(place, bodies)
  await partition.createBucket('b', { owner: 'me', region: 'r' })
  return { place, partition }
}
const indexed = async (partition: Partition): Promise<void> => {
  while (partition.isIndexing || partition.isRebuilding) await new Promise((done) => setTimeout(done, 10))
}
/** Until it has come to rest. */
const compact = async (partition: Partition): Promise<number> => {
  let dropped = 0
  for (let rest = 0; rest < 2; ) {
    await indexed(partition)
    const before = partition.sequence
    dropped += await partition.segments.dropOldest()
    rest = partition.sequence === before && !partition.segments.goesOn ? rest + 1 : 0
  }
  return dropped
}
const bytesAt = async (partition: Partition, data: Data, shelf?: BodyShelf): Promise<string> => {
  if (data.kind === 'inline') return Buffer.from(await partition.readInline(data)).toString()
  assert.is(data.kind, 'shards')
  return data.kind === 'shards' ? Buffer.from(shelf!.held.get(data.write)!).toString() : ''
}
const find = (partition: Partition, key: string): VersionRecord | undefined => {
  try {
    return partition.lookUp({ bucket: 'b', key })
  } catch (error) {
    if ((error as { code?: string }).code === 'NoSuchKey') return undefined
    throw error
  }
}
const same = async (
  partition: Partition,
  texts: ReadonlyMap<string, string>,
  shelf?: BodyShelf,
): Promise<void> => {
  const request = { bucket: 'b', prefix: '', delimiter: '', after: '', limit: 1000 }
  const { versions } = await partition.listVersions(request)
  assert.equal(versions.map(({ key }) => key).sort(), [...texts.keys()].sort())
  for (const [key, text] of texts) {
    const { etag, data } = find(partition, key)!
    assert.ok(etag === text, key)
    assert.ok((await bytesAt(partition, data, shelf)) === text, key)
  }
}
const assertBound = ({ segments }: Partition): void => {
  const { aliveBytes } = segments.weigh()
  const bound = 1.3 * aliveBytes + 2 * SEGMENT_BYTES + segments.count * HEADER_BYTES
  assert.ok(segments.sealedBytes <= bound, `${segments.sealedBytes} bytes for ${aliveBytes}`)
}
const putAll = async (
  partition: Partition,
  texts: Map<string, string>,
  size: number,
  keys: readonly string[],
) => {
  for (const key of keys) {
    texts.set(key, `${key} `.repeat(Math.ceil(size / key.length)).slice(0, size))
    await putText(partition, 'b', key, texts.get(key)!)
  }
}
const keysOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${name}${i}`)
const remove = async (partition: Partition, texts: Map<string, string>, key: string): Promise<void> => {
  texts.delete(key)
  await partition.deleteVersion({ bucket: 'b', key })
}

const turnOver = async (random: Random, partition: Partition, texts: Map<string, string>): Promise<void> => {
  for (let i = 0; i < 60; i++) {
    const key = `k${random.below(80)}`
    if (random.below(3) === 0) await remove(partition, texts, key)
    else await putAll(partition, texts, 1 + random.below(4 * KiB), [key])
  }
}

test(
  'random PUTs, overwrites and DELETEs: the journal stays within its bound, and a rebuild says the same',
  seeded(120_000, async (random) => {
    const shelf = new BodyShelf()
    const { place, partition } = await begin(shelf)
    const texts = new Map<string, string>()
    for (let round = 0; round < 12; round++) {
      await turnOver(random, partition, texts)
      // While commits go on beside it.
      await Promise.all([compact(partition), turnOver(random, partition, texts)])
      await compact(partition)
      assertBound(partition)
      await same(partition, texts, shelf)
    }
    assert.ok(shelf.held.size > 0, 'larger bodies left the journal')
    kill(partition)
    const again = await open(emptied(place), shelf, [2, 5])
    await same(again, texts, shelf)
    assert.equal(again.bucketCounters({ bucket: 'b' }).objects, texts.size)
    kill(again)
  }),
)

test(
  'garbage behind what is alive is found, and when all is at rest nothing is written any more',
  deadline(60_000, async () => {
    const { place, partition } = await begin()
    const texts = new Map<string, string>()
    await putAll(partition, texts, 1000, keysOf('cold', 150))
    const cold = find(partition, 'cold0')!
    await putAll(partition, texts, 1000, keysOf('hot', 150))
    for (const key of keysOf('hot', 150)) if (key !== 'hot7') await remove(partition, texts, key)
    assert.ok(partition.segments.sealedBytes > 280_000)
    await compact(partition)
    assertBound(partition)
    const settled = partition.sequence
    assert.is(await compact(partition), 0)
    assert.is(partition.sequence, settled)
    await same(partition, texts)
    const { sequence, modifiedMs, versionId } = find(partition, 'cold0')!
    assert.equal([sequence, modifiedMs, versionId], [cold.sequence, cold.modifiedMs, cold.versionId])
    kill(partition)
    const again = await open(emptied(place))
    await same(again, texts)
    kill(again)
  }),
)

/** Some that stay, whose segments become the oldest, and what makes these worth a compaction. */
const fill = async (partition: Partition, stay: readonly string[]): Promise<Map<string, string>> => {
  const texts = new Map<string, string>()
  await putAll(partition, texts, 2 * MOVED_BYTES_MIN, stay)
  await putAll(partition, texts, 1000, keysOf('gone', 100))
  for (const key of keysOf('gone', 100)) await remove(partition, texts, key)
  await indexed(partition)
  return texts
}

test(
  'a body that leaves the journal is read right, with all that clients see of it as it was; smaller ones stay',
  deadline(60_000, async () => {
    const shelf = new BodyShelf()
    const { place, partition } = await begin(shelf)
    await putText(partition, 'b', 'small', 's'.repeat(MOVED_BYTES_MIN - 1))
    const texts = await fill(partition, ['large'])
    texts.set('small', 's'.repeat(MOVED_BYTES_MIN - 1))
    const before = find(partition, 'large')!
    await compact(partition)
    for (const opened of [partition, await open(emptied(place), shelf, [1, 3])]) {
      const { data, ...facts } = find(opened, 'large')!
      assert.equal({ ...facts, data: before.data }, before)
      assert.is(data.kind, 'shards')
      assert.is(find(opened, 'small')!.data.kind, 'inline')
      await same(opened, texts, shelf)
      if (data.kind === 'shards') assert.equal(await opened.dataOfWrite(data.write), data)
      assert.equal(opened.diskCounters().get(1 as never)!.shards, 1)
      // The same is said of it when it goes.
      if (opened === partition) continue
      await remove(opened, texts, 'large')
      const [work] = await opened.nextFrees(10)
      assert.equal(work!.shards, [data])
      await opened.confirmFrees([work!.id])
      assert.equal([...opened.diskCounters()], [])
    }
    kill(partition)
  }),
)

test(
  'parts leave the journal, too, and an upload that ends while they do takes them along',
  deadline(60_000, async () => {
    const shelf = new BodyShelf()
    const { partition } = await begin(shelf)
    const facts = { owner: 'me', headers: [], metadata: [], storageClass: 'STANDARD' as const }
    const begun = async (key: string) => {
      const { id } = await partition.createUpload({ bucket: 'b', key, facts })
      const at = { bucket: 'b', key, upload: id }
      const bytes = Buffer.alloc(MOVED_BYTES_MIN, key)
      const etag = 'ab'.repeat(16)
      const part = { partNumber: 1, facts: { size: bytes.length, etag }, data: { kind: 'inline', bytes } }
      await partition.putPart({ ...at, ...part, data: { kind: 'inline', bytes } })
      return { ...at, parts: [{ partNumber: 1, etag }] }
    }
    const [completed, aborted, kept] = [await begun('done'), await begun('gone'), await begun('kept')]
    await fill(partition, [])
    const version = await partition.completeUpload(completed)
    shelf.before = () => partition.abortUpload(aborted)
    await compact(partition)
    const [placed] = partition.partsAt(version, 0, 1)
    assert.is(placed!.part.data.kind, 'shards')
    assert.is(await bytesAt(partition, placed!.part.data, shelf), 'done'.repeat(MOVED_BYTES_MIN / 4))
    const { parts } = await partition.listParts(kept, { after: 0, limit: 10 })
    assert.equal(
      parts.map(({ data }) => data.kind),
      ['shards'],
    )
    // Of the one that was aborted nothing is left, wherever its part was.
    for (let works = await partition.nextFrees(10); works.length > 0; works = await partition.nextFrees(10)) {
      for (const { write } of works.flatMap(({ shards }) => shards)) shelf.held.delete(write)
      await partition.confirmFrees(works.map(({ id }) => id))
    }
    assert.is(shelf.held.size, 2)
    assert.is(partition.freesCount, 0)
    await partition.close()
  }),
)

test(
  'what is replaced or deleted while its body is written elsewhere is not revived, and the body is taken back',
  deadline(60_000, async () => {
    const shelf = new BodyShelf()
    const { place, partition } = await begin(shelf)
    const texts = await fill(partition, ['replaced', 'deleted', 'stays'])
    shelf.before = async () => {
      shelf.before = async () => undefined
      await putAll(partition, texts, 100, ['replaced'])
      await remove(partition, texts, 'deleted')
    }
    await compact(partition)
    assert.is(shelf.freed, 2)
    assert.is(shelf.held.size, 1)
    await same(partition, texts, shelf)
    assert.equal(await partition.nextFrees(10), [], 'what was never named is not freed by a record')
    kill(partition)
    const again = await open(emptied(place), shelf)
    await same(again, texts, shelf)
    kill(again)
  }),
)

for (const [why, set] of [
  ['no disks take it', (shelf: BodyShelf) => void Object.assign(shelf, { isOut: true })],
  ['a disk it was written to has gone', (shelf: BodyShelf) => void Object.assign(shelf, { isStale: true })],
] as const) {
  test(
    `a body stays in the journal when ${why}, and the segment goes all the same`,
    deadline(60_000, async () => {
      const shelf = new BodyShelf()
      const { partition } = await begin(shelf)
      const texts = await fill(partition, ['stays'])
      set(shelf)
      assert.ok((await compact(partition)) > 0)
      assert.is(find(partition, 'stays')!.data.kind, 'inline')
      assert.is(shelf.held.size, 0)
      await same(partition, texts, shelf)
      await partition.close()
    }),
  )
}

test(
  'a body that took too long to be written is not named by any record',
  deadline(60_000, async () => {
    const shelf = new BodyShelf()
    const place = newStore()
    const clock = new SimulatedClock()
    const run = async <T>(action: Promise<T>): Promise<T> => {
      let isDone = false
      const ended = action.finally(() => {
        isDone = true
      })
      ended.catch(() => undefined)
      while (!isDone) {
        await new Promise((resolve) => setImmediate(resolve))
        clock.advanceToNext()
      }
      return ended
    }
    const options = { segmentBytes: SEGMENT_BYTES, bodies: shelf, clock }
    const partition = await run(openPartition(place, options))
    await run(partition.createBucket('b', { owner: 'me', region: 'r' }))
    const texts = new Map<string, string>()
    await run(putAll(partition, texts, 2 * MOVED_BYTES_MIN, ['stays']))
    await run(putAll(partition, texts, 1000, keysOf('gone', 100)))
    for (const key of keysOf('gone', 100)) await run(remove(partition, texts, key))
    while (partition.isIndexing) await run(new Promise((done) => void clock.setTimer(300, () => done(0))))
    shelf.before = async () => {
      shelf.before = async () => undefined
      await new Promise((done) => void clock.setTimer(6 * MINUTE, () => done(0)))
    }
    await rejectsWith('COMMIT_EXPIRED', () => run(partition.segments.dropOldest()))
    assert.is(shelf.freed, 1)
    assert.is(find(partition, 'stays')!.data.kind, 'inline')
    kill(partition)
  }),
)

test(
  'shards that a commit names which fails are left: nobody knows whether it will be found synced',
  deadline(60_000, async () => {
    const shelf = new BodyShelf()
    const { place, partition } = await begin(shelf)
    const texts = await fill(partition, ['stays'])
    shelf.before = async () => {
      for (const disk of place.disks) disk.failure = 'EIO'
    }
    await rejectsWith('TOO_FEW_DISKS', () => partition.segments.dropOldest())
    assert.is(shelf.freed, 0)
    assert.is(shelf.held.size, 1)
    await same(partition, texts, shelf)
    kill(partition)
  }),
)

test(
  'who looked up a body before it left the journal reads it there until he ends',
  deadline(60_000, async () => {
    const shelf = new BodyShelf()
    const { partition } = await begin(shelf)
    const texts = await fill(partition, ['read'])
    const { data } = find(partition, 'read')!
    const lease = partition.beginRead('reader')
    await compact(partition)
    assert.is(find(partition, 'read')!.data.kind, 'shards')
    assert.is(data.kind, 'inline')
    assert.is(await bytesAt(partition, data), texts.get('read'))
    partition.endRead(lease)
    assert.ok((await compact(partition)) > 0)
    assertBound(partition)
    await partition.close()
  }),
)

test(
  'a check of the indexes that loses a segment to a compaction ends as partial, and finds nothing wrong',
  deadline(60_000, async () => {
    const { place, partition } = await begin()
    const texts = await fill(partition, ['stays'])
    let isArmed = true
    for (const disk of place.disks) {
      const read = disk.read.bind(disk)
      disk.read = async (...args) => {
        const isFirst = isArmed
        isArmed = false
        if (isFirst) assert.ok((await compact(partition)) > 0)
        return read(...args)
      }
    }
    const check = partition.checkIndexes()
    let piece = await check.next()
    while (!piece.isLast) piece = await check.next()
    assert.equal([isArmed, piece.wrong, piece.isPartial], [false, 0, true])
    await same(partition, texts)
    await partition.close()
  }),
)

test.run()
