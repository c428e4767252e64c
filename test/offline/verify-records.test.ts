// `moraine verify`: records that contradict each other, committed to the journal as no release does.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { BucketId, DiskNumber, UploadId, WriteId } from '../../src/base/ids.ts'
import {
  bucketCounterKey,
  currentKey,
  diskCounterKey,
  FREES_COUNTER_KEY,
  partKey,
  SPACE,
  tableKey,
  uploadKey,
  writeKey,
} from '../../src/metadata/keys.ts'
import type { BucketRecord } from '../../src/metadata/records.ts'
import {
  addFree,
  addShards,
  countShards,
  newStoredVersion,
  type ShardsData,
} from '../../src/metadata/stored.ts'
import { commitTo, copyStoppedStore, type StoppedStore } from '../support/offline-stores.ts'
import { deadline, suite } from '../support/uvu.ts'
import { dataOf, finds } from '../support/verifying.ts'

const test = suite('verify records')
const LIMIT_MS = 60_000
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

type Change = Parameters<typeof commitTo>[1]

const commit = (change: Change): Promise<void> => commitTo(store.disks, change)

const bucketId = async (): Promise<BucketId> => {
  let id: BucketId | undefined
  await commit((decision) => {
    id = (decision.get(`${SPACE.bucket}bucket`)!.record as BucketRecord).id
  })
  return id!
}

const shardsDataOf = async (key: string): Promise<ShardsData> => {
  const id = await bucketId()
  let data: ShardsData | undefined
  await commit((decision) => {
    data = (decision.get(currentKey(id, key))!.record as { data: ShardsData }).data
  })
  return data!
}

const FACTS = { size: 0, etag: 'e', headers: [], metadata: [], owner: 'o', storageClass: 'STANDARD' } as const
const INLINE = { kind: 'inline' } as const

test(
  'counters that do not say what is there',
  deadline(LIMIT_MS, async () => {
    const id = await bucketId()
    await finds(store.disks, 'whole')
    await commit((decision) => {
      decision.put(`${SPACE.config}something`, { value: 1 })
      decision.count(bucketCounterKey(id), { bytes: 5 })
      decision.count(diskCounterKey(3 as DiskNumber), { shards: -1 })
      decision.count(FREES_COUNTER_KEY, { frees: 2 })
      decision.count(`${SPACE.counter}n`, { objects: 1 })
    })
    await finds(
      store.disks,
      'reduced',
      new RegExp(`^damaged counter  the counter of bucket ${id} says .*"bytes":\\d+.* counted were`),
      /^damaged counter {2}the counter of disk 3 says .*"shards":2.*counted were .*"shards":3/,
      /^damaged counter {2}the counter of what waits to be reclaimed says \{"frees":2\}, counted were \{\}/,
      /^damaged counter {2}the counter of buckets says \{"objects":2\}, counted were \{"objects":1\}/,
    )
  }),
)

test(
  'a version in a bucket that does not exist',
  deadline(LIMIT_MS, async () => {
    const id = '0011223344556677' as BucketId
    await commit((decision) => {
      decision.put(currentKey(id, 'k'), newStoredVersion(FACTS, 1, INLINE))
      decision.count(bucketCounterKey(id), { objects: 1 })
    })
    await finds(store.disks, 'reduced', /^damaged record {2}0011223344556677\/k: its bucket does not exist$/)
  }),
)

test(
  'shards whose write is held by nobody, or by another record',
  deadline(LIMIT_MS, async () => {
    const [packed, large] = [await shardsDataOf('packed'), await shardsDataOf('a/large')]
    await commit((decision) => {
      decision.delete(writeKey(packed.write))
      decision.put(writeKey(large.write), { key: 'elsewhere' })
      decision.put(writeKey('ab'.repeat(16) as WriteId), { key: 'nowhere' })
      decision.put(writeKey('cd'.repeat(16) as WriteId), { key: 'nowhere' })
    })
    await finds(
      store.disks,
      'reduced',
      new RegExp(`^damaged record  bucket/packed: nothing says where its write ${packed.write} is held$`),
      new RegExp(`^damaged record  bucket/a/large: its write ${large.write} is held elsewhere$`),
      /^damaged record {2}4 writes are said to be held by records, 3 are$/,
    )
  }),
)

test(
  'a completed upload without the record of a part, and one whose table is not whole',
  deadline(LIMIT_MS, async () => {
    const data = await dataOf(store.disks, 'parts')
    if (data.kind !== 'parts') throw new Error('no parts')
    const upload = data.upload as UploadId
    await commit((decision) => decision.delete(partKey(upload, 2)))
    await finds(store.disks, 'lost', /^lost object {2}bucket\/parts: part 2 has no record$/)
    await commit(
      (decision) => void decision.put(tableKey(upload, 0), { start: 0, parts: [[1, 5 * 2 ** 20]] }),
    )
    await finds(store.disks, 'lost', /^lost object {2}bucket\/parts: the table of its parts is not whole$/)
  }),
)

test(
  'a part that neither an object nor an open upload has',
  deadline(LIMIT_MS, async () => {
    const upload = 'ab'.repeat(24) as UploadId
    const part = { partNumber: 7, size: 0, etag: 'e', modifiedMs: 1, data: INLINE }
    await commit((decision) => void decision.put(partKey(upload, 7), part))
    await finds(
      store.disks,
      'reduced',
      new RegExp(`^damaged record  part 7 of the unknown upload ${upload}: neither`),
    )
    // One of an open upload is as good as an object.
    const id = await bucketId()
    await commit((decision) => {
      decision.put(uploadKey(id, 'k', upload), { id: upload, key: 'k' })
      decision.count(bucketCounterKey(id), { uploads: 1 })
    })
    await finds(store.disks, 'whole')
  }),
)

test(
  'shards that wait to be reclaimed may be gone, those of a record may not',
  deadline(LIMIT_MS, async () => {
    const id = await bucketId()
    const places = [1, 2, 3].map((disk) => ({ disk: disk as DiskNumber }))
    const data = (write: string): ShardsData => ({
      ...{ kind: 'shards', write: write.repeat(16) as WriteId, set: 0, k: 1, m: 2, size: 5_000_000, places },
    })
    await commit((decision) => {
      addShards(decision, 'gone', data('ab'))
      addFree(decision, { kind: 'shards', data: data('ab') })
    })
    await finds(store.disks, 'whole')
    const upload = 'cd'.repeat(24) as UploadId
    await commit((decision) => {
      const part = { partNumber: 1, size: 5_000_000, etag: 'e', modifiedMs: 1, data: data('cd') }
      decision.put(partKey(upload, 1), part)
      addShards(decision, partKey(upload, 1), data('cd'))
      addFree(decision, { kind: 'upload', upload })
    })
    await finds(store.disks, 'whole')
    // A part that its completed upload did not list.
    const parts = await dataOf(store.disks, 'parts')
    if (parts.kind !== 'parts') throw new Error('no parts')
    const unlisted = partKey(parts.upload as UploadId, 9)
    await commit((decision) => {
      decision.put(unlisted, { partNumber: 9, size: 5_000_000, etag: 'e', modifiedMs: 1, data: data('12') })
      addShards(decision, unlisted, data('12'))
      addFree(decision, { kind: 'unlisted', upload: parts.upload })
    })
    await finds(store.disks, 'whole')
    await commit((decision) => {
      const at = currentKey(id, 'new')
      decision.put(at, newStoredVersion({ ...FACTS, size: 5_000_000 }, 1, data('ef')))
      addShards(decision, at, data('ef'))
      decision.count(bucketCounterKey(id), { objects: 1, bytes: 5_000_000 })
    })
    await finds(
      store.disks,
      'lost',
      ...[0, 1, 2].map((index) => new RegExp(`shards/ef/.*shard ${index} of bucket/new is missing$`)),
      /^lost object {2}bucket\/new: 0 whole shards are left, 1 are needed$/,
    )
  }),
)

test(
  'shards on a disk that left the store',
  deadline(LIMIT_MS, async () => {
    const data = await shardsDataOf('packed')
    const places = data.places.map((place, index) =>
      index === 0 ? { ...place, disk: 99 as DiskNumber } : place,
    )
    const id = await bucketId()
    await commit((decision) => {
      const record = decision.get(currentKey(id, 'packed'))?.record as { data: ShardsData }
      decision.put(currentKey(id, 'packed'), { ...record, data: { ...data, places } })
      countShards(decision, data, -1)
      countShards(decision, { ...data, places }, 1)
    })
    const { disk } = data.places[0]!
    await finds(
      store.disks,
      'reduced',
      /^damaged disk {2}disk 99 {2}1 shards should be on this disk, which left the store/,
      new RegExp(`^note orphan  disk ${disk}  ${join(store.disks[disk - 1]!, 'volumes')}/\\d+.vol  at `),
    )
  }),
)

test.run()
