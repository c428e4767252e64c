// Random operations on a partition and on a model of a few maps, with starts in between: the same answers throughout.

import type { Random } from '../../src/base/prng.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import {
  createIndexStore,
  factsOf,
  kill,
  openPartition,
  readText,
  shardsData,
} from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('partition model')

interface ModelUpload {
  readonly key: string
  readonly parts: Map<number, string>
}

/** What a partition is, in maps. */
class Model {
  readonly buckets = new Map<string, { objects: Map<string, string>; uploads: Map<string, ModelUpload> }>()

  bucket(name: string) {
    const found = this.buckets.get(name)
    if (!found) throw { code: 'NoSuchBucket' }
    return found
  }

  list(name: string, prefix: string, delimiter: string): string[] {
    const seen = new Set<string>()
    for (const key of this.bucket(name).objects.keys()) {
      if (!key.startsWith(prefix)) continue
      const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
      seen.add(at === -1 ? key : `${key.slice(0, at + delimiter.length)}*`)
    }
    return [...seen].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  }
}

const KEYS = [
  'a',
  'a/',
  'a/b',
  'a/b/c',
  'a/c',
  'b\x00',
  'b\x00c',
  '../x',
  '//',
  'ü/1',
  'ü/2',
  '\u{1f600}',
  'zz/1',
  'zz/2',
]
const BUCKETS = ['one', 'two']
const pick = <T>(random: Random, from: readonly T[]): T => from[random.below(from.length)]!
const codeOf = async <T>(action: () => Promise<T> | T): Promise<T | string> => {
  try {
    return await action()
  } catch (error) {
    return `refused: ${(error as { code: string }).code}`
  }
}

const listAll = async (
  partition: Partition,
  bucket: string,
  prefix: string,
  delimiter: string,
  limit: number,
) => {
  const seen: string[] = []
  let after = ''
  for (;;) {
    const page = await partition.listVersions({ bucket, prefix, delimiter, after, limit })
    const items = [...page.versions.map(({ key }) => key), ...page.prefixes.map((common) => `${common}*`)]
    seen.push(...items)
    if (page.next === undefined) {
      return seen.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }
    assert.is(items.length, limit, 'only the last page is short')
    after = page.next
  }
}

let writes = 0
const etagOf = (random: Random): string => Buffer.from(random.bytes(16)).toString('hex')

/** One random operation on both; returns a line for the failure message. */
const step = async (random: Random, partition: Partition, model: Model): Promise<string> => {
  const bucket = pick(random, BUCKETS)
  const key = pick(random, KEYS)
  const etag = etagOf(random)
  const same = async (name: string, real: () => Promise<unknown> | unknown, expected: () => unknown) => {
    assert.equal(await codeOf(real), await codeOf(expected), `${name} ${bucket} ${key}`)
    return `${name} ${bucket} ${key}`
  }
  const uploads = [...(model.buckets.get(bucket)?.uploads ?? [])]
  const [upload, open] =
    uploads.length > 0 ? pick(random, uploads) : ['0'.repeat(48), { key, parts: new Map() }]
  const address = { bucket, key: open.key, upload: upload as never }
  switch (random.below(12)) {
    case 0:
      return same(
        'create bucket',
        async () => void (await partition.createBucket(bucket, { owner: 'me', region: 'r' })),
        () => {
          if (model.buckets.has(bucket)) throw { code: 'BucketAlreadyOwnedByYou' }
          model.buckets.set(bucket, { objects: new Map(), uploads: new Map() })
        },
      )
    case 1:
      return same(
        'delete bucket',
        () => partition.deleteBucket({ bucket }),
        () => {
          const { objects, uploads: opened } = model.bucket(bucket)
          if (objects.size + opened.size > 0) throw { code: 'BucketNotEmpty' }
          model.buckets.delete(bucket)
        },
      )
    case 2:
      return same(
        'delete',
        () => partition.deleteVersion({ bucket, key }),
        () => void model.bucket(bucket).objects.delete(key),
      )
    case 3:
      return same(
        'create upload',
        async () => {
          const { size: _size, etag: _etag, ...facts } = factsOf(0)
          const created = await partition.createUpload({ bucket, key, facts })
          model.bucket(bucket).uploads.set(created.id, { key, parts: new Map() })
        },
        () => void model.bucket(bucket),
      )
    case 4:
    case 5: {
      const partNumber = 1 + random.below(4)
      return same(
        'put part',
        async () => {
          const size = 8 + random.below(40_000)
          const data = shardsData((++writes).toString(16), size, [1, 2, 3], 2)
          await partition.putPart({ ...address, partNumber, facts: { size, etag }, data })
        },
        () => {
          if (!model.bucket(bucket).uploads.has(upload)) throw { code: 'NoSuchUpload' }
          open.parts.set(partNumber, etag)
        },
      )
    }
    case 6: {
      const parts = [...open.parts]
        .sort(([a], [b]) => a - b)
        .filter(() => random.below(4) > 0)
        .map(([partNumber, partEtag]) => ({ partNumber, etag: partEtag as string }))
      if (parts.length === 0) return 'nothing'
      let completed = ''
      return same(
        'complete',
        async () => {
          completed = (await partition.completeUpload({ ...address, parts })).etag
        },
        () => {
          const { objects, uploads: opened } = model.bucket(bucket)
          if (!opened.delete(upload)) throw { code: 'NoSuchUpload' }
          objects.set(open.key, completed)
        },
      )
    }
    case 7:
      return same(
        'abort',
        () => partition.abortUpload(address),
        () => {
          if (!model.bucket(bucket).uploads.delete(upload)) throw { code: 'NoSuchUpload' }
        },
      )
    default: {
      const isConditional = random.below(3) === 0
      const conditions = isConditional ? { ifNoneMatch: ['*'] } : undefined
      const data =
        random.below(2) === 0
          ? { kind: 'inline' as const, bytes: Buffer.from(etag) }
          : shardsData((++writes).toString(16), 50_000, [1, 2, 3, 4, 5, 6], 4)
      return same(
        'put',
        async () =>
          void (await partition.putVersion({ bucket, key, facts: factsOf(32, etag), data, conditions })),
        () => {
          const { objects } = model.bucket(bucket)
          if (isConditional && objects.has(key)) throw { code: 'PreconditionFailed' }
          objects.set(key, etag)
        },
      )
    }
  }
}

const compare = async (random: Random, partition: Partition, model: Model): Promise<void> => {
  for (const bucket of BUCKETS) {
    const known = model.buckets.get(bucket)
    if (!known) {
      assert.is(await codeOf(() => partition.getBucket(bucket)), 'refused: NoSuchBucket')
      continue
    }
    for (const key of KEYS) {
      const real = await codeOf(() => partition.lookUp({ bucket, key }))
      const etag = known.objects.get(key)
      if (typeof real === 'string') assert.is(etag, undefined, `${key}: ${real}`)
      else {
        assert.is(real.etag, etag, key)
        if (real.data.kind === 'inline') assert.is(await readText(partition, bucket, key), etag)
      }
    }
    for (const [prefix, delimiter] of [
      ['', ''],
      ['', '/'],
      ['a', '/'],
      ['a/', '/'],
      ['b', '\x00'],
      ['zz', ''],
    ] as const) {
      const expected = model.list(bucket, prefix, delimiter)
      assert.equal(await listAll(partition, bucket, prefix, delimiter, 1 + random.below(5)), expected)
    }
    const { objects, uploads } = partition.bucketCounters({ bucket })
    assert.equal([objects, uploads], [known.objects.size, known.uploads.size])
    const listed: string[] = []
    let after = { key: '', upload: '' }
    for (;;) {
      const page = await partition.listUploads({ bucket, prefix: '', delimiter: '', after, limit: 2 })
      listed.push(...page.uploads.map(({ id }) => id))
      if (!page.next) break
      after = page.next
    }
    const order = [...known.uploads].sort(
      ([a, { key: x }], [b, { key: y }]) =>
        Buffer.compare(Buffer.from(x), Buffer.from(y)) || (a < b ? -1 : 1),
    )
    assert.equal(
      listed,
      order.map(([id]) => id),
    )
  }
}

test(
  'random operations, starts, lost indexes and lost disks give the answers of a few maps',
  seeded(60_000, async (random) => {
    const disks = createSegmentDisks(6)
    const stores = [createIndexStore(), createIndexStore()]
    const model = new Model()
    const open = (out: readonly number[]) =>
      openPartition({ disks, indexes: stores }, { out, segmentBytes: 30_000 })
    let partition = await open([])
    for (let round = 0; round < 25; round++) {
      const trace: string[] = []
      try {
        for (let i = 0; i < 25; i++) trace.push(await step(random, partition, model))
        await compare(random, partition, model)
      } catch (error) {
        if (error instanceof Error) error.message += `\n${trace.join('\n')}`
        throw error
      }
      const work = await partition.nextFrees(20)
      const done = work.filter(() => random.below(2) === 0)
      await partition.confirmFrees(done.map(({ id }) => id))
      partition.giveBackFrees(work.map(({ id }) => id))
      if (random.below(3) === 0) await partition.segments.dropOldest()
      if (random.below(2) === 0) continue
      if (random.below(2) === 0) await partition.close()
      else kill(partition)
      if (random.below(3) === 0) stores[random.below(2)] = createIndexStore()
      partition = await open(pick(random, [[], [1, 2], [3], [5, 6], [2, 4]]))
      await compare(random, partition, model)
    }
    // Empty it: nothing is left of anything.
    for (const [bucket, { objects, uploads }] of model.buckets) {
      for (const key of objects.keys()) await partition.deleteVersion({ bucket, key })
      for (const [upload, { key }] of uploads) {
        await partition.abortUpload({ bucket, key, upload: upload as never })
      }
      await partition.deleteBucket({ bucket })
    }
    // Parts that no table lists take the word of both indexes.
    while (partition.isRebuilding) await new Promise((resolve) => setTimeout(resolve, 5))
    while (partition.freesCount > 0) {
      const work = await partition.nextFrees(50)
      assert.ok(work.length > 0, 'what waits is handed out')
      await partition.confirmFrees(work.map(({ id }) => id))
    }
    assert.equal([...partition.diskCounters()], [])
    await partition.close()
  }),
)

test.run()
