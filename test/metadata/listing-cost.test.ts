// What a page costs, asked for as a client does: rows that are read from an index, counted. It may cost what is on it,
// whatever the bucket holds.
import type { Engine } from '../../src/actors/engine.ts'
import type { BucketId, UploadId } from '../../src/base/ids.ts'
import { type Entry, putEntry } from '../../src/metadata/entry.ts'
import type { IndexIterator, IndexStore } from '../../src/metadata/index-slot.ts'
import { currentKey, makeUploadId, partKey, uploadKey } from '../../src/metadata/keys.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import { newStoredVersion } from '../../src/metadata/stored.ts'
import { createDispatch } from '../../src/s3/dispatch.ts'
import { addToIndexes, createIndexStore, factsOf, openPartition } from '../support/partitions.ts'
import { readAnswer, requestOf } from '../support/s3-exchange.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('listing cost')

/** Rows that came from it, and jumps within it. */
interface CountedStore extends IndexStore {
  rows: number
  seeks: number
}

const countedStore = (): CountedStore => {
  const level = createIndexStore()
  const store: CountedStore = {
    rows: 0,
    seeks: 0,
    getSync: (key) => level.getSync(key),
    batch: (operations, options) => level.batch(operations, options),
    clear: () => level.clear(),
    iterator(range): IndexIterator {
      const iterator = level.iterator(range)
      return {
        async nextv(size) {
          const rows = await iterator.nextv(size)
          store.rows += rows.length
          return rows
        },
        seek(target) {
          store.seeks++
          iterator.seek(target)
        },
        close: () => iterator.close(),
      }
    },
  }
  return store
}

/** As much of an engine as listings ask. */
const engineOf = (partition: Partition): Engine => {
  const objects: Pick<Engine['objects'], 'list'> = { list: (request) => partition.listVersions(request) }
  const uploads: Pick<Engine['uploads'], 'get' | 'list' | 'listParts'> = {
    get: async (address) => partition.getUpload(address),
    list: (request) => partition.listUploads(request),
    listParts: (address, page) => partition.listParts(address, page),
  }
  return { objects, uploads } as Engine
}

const owner = { owner: 'me', region: 'us-east-1' }
const numbered = (count: number, width: number): string[] =>
  Array.from({ length: count }, (_, index) => String(index).padStart(width, '0'))

/** 50,000 keys in 500 folders. */
const FOLDERS = numbered(500, 3).map((name) => `f${name}/`)
const KEYS = FOLDERS.flatMap((folder) => numbered(100, 2).map((name) => folder + name))

/** Folders, and a key behind each, such that reads twice as long as the one before end at that key, and so do all after them. */
const TRAPS = [16, 32, 64, 128, 256, 512, ...Array.from({ length: 10 }, () => 1001)].flatMap(
  (rows, index) => {
    const folder = `t${String(index).padStart(2, '0')}`
    return [...numbered(rows - 1, 4).map((name) => `${folder}/${name}`), `${folder}~`]
  },
)

interface Place {
  /** What the answer says, and the rows that were read for it. */
  ask(line: string): Promise<{ text: string; count: number; rows: number; seeks: number }>
  close(): Promise<void>
}

const { size: _size, etag: _etag, ...facts } = factsOf(0)
const version = newStoredVersion(factsOf(0), 0, { kind: 'inline' })
const uploadId = (number: number): UploadId => makeUploadId(number, Buffer.alloc(18))

const uploadEntry = (bucket: BucketId, key: string, number: number): Entry => {
  const id = uploadId(number)
  return putEntry(uploadKey(bucket, key, id), { ...facts, id, key, initiatedMs: 0 })
}

const partEntry = (partNumber: number): Entry =>
  putEntry(partKey(uploadId(0), partNumber), {
    ...{ partNumber, size: 0, etag: '0'.repeat(32), modifiedMs: 0 },
    data: { kind: 'inline' },
  })

const entriesOf = (bucket: BucketId, traps: BucketId, uploads: BucketId): Entry[] => [
  ...KEYS.map((key) => putEntry(currentKey(bucket, key), version)),
  ...TRAPS.map((key) => putEntry(currentKey(traps, key), version)),
  ...KEYS.filter((key) => /[0-3]$/.test(key)).map((key, index) => uploadEntry(uploads, key, 10_000 + index)),
  ...numbered(2_000, 4).map((_, index) => uploadEntry(uploads, 'many', index)),
  ...numbered(3_000, 4).map((_, index) => partEntry(index + 1)),
]

const fill = async (): Promise<Place> => {
  const indexes = [countedStore(), countedStore()] as const
  const files = { disks: createSegmentDisks(6), indexes: [...indexes] }
  const first = await openPartition(files)
  const [bucket, traps, uploads] = [
    await first.createBucket('bucket', owner),
    await first.createBucket('traps', owner),
    await first.createBucket('uploads', owner),
  ]
  await first.close()
  await addToIndexes(indexes, entriesOf(bucket.id, traps.id, uploads.id))
  const partition = await openPartition(files)
  const dispatch = createDispatch({ engine: engineOf(partition), region: 'us-east-1' })
  const [index] = indexes
  return {
    async ask(line) {
      index.rows = 0
      index.seeks = 0
      const { status, text } = await readAnswer(await dispatch(requestOf(`GET ${line}`)))
      assert.is(status, 200, text)
      const count = text.match(/<Contents>|<CommonPrefixes>|<Upload>|<Part>/g)?.length ?? 0
      return { text, count, rows: index.rows, seeks: index.seeks }
    },
    close: () => partition.close(),
  }
}

let place: Place
test.before(async () => {
  place = await fill()
})
test.after(() => place.close())

/** A page without common prefixes reads one row more than it shows: to know whether there is another page. */
const checkFlat = (name: string, line: () => string, expected: { count: number; first: string }): void => {
  test(
    name,
    deadline(20_000, async () => {
      const { text, count, rows } = await place.ask(line())
      assert.is(count, expected.count)
      assert.is(/(?:<(?:Contents|Upload)><Key>|<Part><PartNumber>)([^<]*)</.exec(text)?.[1], expected.first)
      assert.ok(rows <= count + 1, `${rows} rows for ${count}`)
    }),
  )
}

const ROWS_PER_ITEM_MAX = 20

/** One with them reads a few rows of each, whatever is behind it. */
const checkRolledUp = (name: string, line: string, expected: { count: number }): void => {
  test(
    name,
    deadline(20_000, async () => {
      const { count, rows, seeks } = await place.ask(line)
      assert.is(count, expected.count)
      const itemsMax = count + 2
      assert.ok(rows <= ROWS_PER_ITEM_MAX * itemsMax, `${rows} rows for ${count}`)
      assert.ok(seeks <= itemsMax, `${seeks} seeks for ${count}`)
    }),
  )
}

const token = (key: string): string => encodeURIComponent(`1${Buffer.from(key).toString('base64url')}`)

checkFlat('the first page', () => '/bucket?list-type=2', { count: 1000, first: 'f000/00' })
checkFlat('a page from the middle, by start-after', () => '/bucket?list-type=2&start-after=f250/49', {
  count: 1000,
  first: 'f250/50',
})
checkFlat(
  'a page from the middle, by token',
  () => `/bucket?list-type=2&continuation-token=${token('f250/49')}`,
  {
    count: 1000,
    first: 'f250/50',
  },
)
checkFlat('a page from the middle, by marker', () => '/bucket?marker=f250/49&max-keys=10', {
  count: 10,
  first: 'f250/50',
})
checkFlat('the last page', () => '/bucket?list-type=2&start-after=f499/89', { count: 10, first: 'f499/90' })
checkFlat('a page below a prefix', () => '/bucket?list-type=2&prefix=f250/&start-after=f100', {
  count: 100,
  first: 'f250/00',
})
checkFlat('a page of parts', () => `/uploads/many?uploadId=${uploadId(0)}&part-number-marker=1500`, {
  count: 1000,
  first: '1501',
})
checkFlat('a page of uploads', () => '/uploads?uploads&key-marker=f250/11', { count: 1000, first: 'f250/12' })
checkFlat(
  'a page of uploads of one key',
  () => `/uploads?uploads&key-marker=many&upload-id-marker=${uploadId(1_000)}`,
  { count: 999, first: 'many' },
)

checkRolledUp('a page of folders', '/bucket?list-type=2&delimiter=/', { count: 500 })
checkRolledUp('folders from the middle', `/bucket?list-type=2&delimiter=/&max-keys=10&start-after=f250/`, {
  count: 10,
})
checkRolledUp(
  'folders from the middle of one, by token',
  `/bucket?list-type=2&delimiter=/&max-keys=10&continuation-token=${token('f250/')}`,
  { count: 10 },
)
checkRolledUp('one prefix that hides every key', '/bucket?list-type=2&delimiter=f', { count: 1 })
checkRolledUp('the keys of a folder', '/bucket?list-type=2&delimiter=/&prefix=f250/', { count: 100 })
checkRolledUp('a page of folders of uploads', '/uploads?uploads&delimiter=/&max-uploads=100', { count: 100 })
checkRolledUp('folders of uploads from the middle', '/uploads?uploads&delimiter=/&key-marker=f250/', {
  count: 1000,
})
checkRolledUp('folders with a key behind each, where longer and longer reads end', '/traps?delimiter=/', {
  count: 32,
})

test.run()
