// `moraine metadata rebuild`: the indexes from the journal alone, and nothing that was deleted comes back.
import { existsSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import type { Log } from '../../src/base/log.ts'
import type { Random } from '../../src/base/prng.ts'
import { createStore, type Store } from '../../src/index.ts'
import { formatRebuilt, rebuildMetadata } from '../../src/offline/rebuild.ts'
import { verifyStore } from '../../src/offline/verify.ts'
import { flipBytes, snapshotOf } from '../support/disk-damage.ts'
import { copyStoppedStore, namesIn, OBJECTS, type StoppedStore } from '../support/offline-stores.ts'
import { createS3Client, readObject, sha256 } from '../support/s3-client.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('rebuild')
const LIMIT_MS = 120_000
const PARITY = 2
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

/** Everything a client can see of the bucket. */
const contentOf = async (client: S3Client): Promise<unknown> => {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: 'bucket' }))
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: 'bucket' }))
  const objects = Contents.map(async ({ Key = '', ETag, Size, LastModified }) => {
    const digest = sha256(await readObject(client, 'bucket', Key))
    return { Key, ETag, Size, LastModified, digest }
  })
  return { objects: await Promise.all(objects), uploads: Uploads.map(({ Key, UploadId }) => [Key, UploadId]) }
}

/** Runs `action` with a client of a store on these disks; what the store warned of. */
const withClient = async (action: (client: S3Client) => Promise<void>): Promise<string[]> => {
  const events: string[] = []
  const note = (event: string): void => void events.push(event)
  const log: Log = { debug: () => undefined, info: note, warn: note, error: note }
  const running: Store = await createStore({ disks: store.disks, log })
  const client = createS3Client(running)
  try {
    await action(client)
  } finally {
    client.destroy()
    await running.close()
  }
  return events
}

const operate = async (client: S3Client, random: Random): Promise<void> => {
  const keys = ['a', 'a/', 'a/b', 'b', '../x', 'é', ...Object.keys(OBJECTS)]
  for (let step = 0; step < 120; step++) {
    const Key = keys[random.below(keys.length)]!
    const isDelete = random.below(3) === 0
    const size = [0, 10, 5000, 20_000, 100_000][random.below(5)]!
    if (isDelete) await client.send(new DeleteObjectCommand({ Bucket: 'bucket', Key }))
    else await client.send(new PutObjectCommand({ Bucket: 'bucket', Key, Body: random.bytes(size) }))
  }
}

const indexesOf = (): string[] =>
  store.disks.map((disk) => join(disk, 'index/0')).filter((location) => existsSync(location))

/** What may happen to an index, one way at random. */
const ruin = (location: string, random: Random): void => {
  const way = random.below(4)
  const tables = readdirSync(location).filter((name) => /\.(ldb|log)$/.test(name))
  if (way === 0) rmSync(location, { recursive: true })
  if (way === 1) for (const name of tables) flipBytes(join(location, name), random, 20)
  if (way === 2) for (const name of tables) truncateSync(join(location, name), 100)
  if (way === 3) writeFileSync(join(location, 'CURRENT'), 'nothing')
}

test(
  'after random operations, with ruined indexes and m disks missing, all that was there is there, and nothing else',
  seeded(LIMIT_MS, async (random) => {
    let before: unknown
    await withClient(async (client) => {
      await operate(client, random)
      before = await contentOf(client)
    })
    for (const location of indexesOf()) ruin(location, random)
    const missing = new Set<number>()
    while (missing.size < PARITY) missing.add(random.below(store.disks.length))
    for (const slot of missing) rmSync(store.disks[slot]!, { recursive: true })
    const rebuilt = await rebuildMetadata(store.disks)
    assert.equal([...rebuilt.missing], [...missing].map((slot) => slot + 1).sort())
    assert.is(rebuilt.indexes.length, 2)
    const [first, second] = rebuilt.indexes
    assert.equal([second!.digest, second!.records], [first!.digest, first!.records])
    const wrong: string[] = []
    await verifyStore(store.disks, {
      onFinding: ({ what, reason }) => {
        if (what !== 'disk') wrong.push(`${what} ${reason}`)
      },
    })
    assert.equal(wrong, [])
    const events = await withClient(async (client) => assert.equal(await contentOf(client), before))
    // The start found nothing to mend.
    assert.equal(
      events.filter((event) => event.startsWith('index-')),
      [],
    )
  }),
)

test(
  'the old index goes when the new one is whole, what a rebuild left that was cut off goes too',
  deadline(LIMIT_MS, async () => {
    const [first, second] = indexesOf()
    mkdirSync(`${first}.new`)
    writeFileSync(join(`${first}.new`, 'CURRENT'), 'MANIFEST-000001\n')
    writeFileSync(join(second!, 'stray'), '')
    // A third index, as of a disk that was away.
    const third = join(store.disks[4]!, 'index/0')
    mkdirSync(third)
    writeFileSync(join(third, 'CURRENT'), 'nothing')
    const rebuilt = await rebuildMetadata(store.disks)
    assert.equal(
      rebuilt.indexes.map(({ directory }) => directory),
      [first, second],
    )
    assert.equal(rebuilt.dropped, [third])
    assert.equal(indexesOf(), [first, second])
    for (const disk of store.disks) assert.equal(namesIn(disk, 'index', /new/), [])
    assert.equal(namesIn(second!, '.', /stray/), [])
    const text = formatRebuilt(rebuilt)
    assert.match(text, /^partition 0 {2}disk 1 .* \d+ records up to commit \d+ {2}made anew$/m)
    assert.match(text, /d5\/index\/0 {2}dropped/)
    const { result } = await verifyStore(store.disks, { onFinding: () => undefined })
    assert.is(result, 'whole')
  }),
)

test(
  'a store that runs, or whose journal is not whole, is left as it is',
  deadline(LIMIT_MS, async () => {
    const running = await createStore({ disks: store.disks })
    await rejectsWith('STORE_IN_USE', () => rebuildMetadata(store.disks))
    await running.close()
    for (const disk of store.disks) {
      const [oldest] = namesIn(disk, 'journal/0', /\.log$/)
      if (oldest === '1.log') rmSync(join(disk, 'journal/0', oldest))
    }
    const before = snapshotOf(store.parent)
    await rejectsWith('TOO_FEW_DISKS', () => rebuildMetadata(store.disks))
    assert.equal(snapshotOf(store.parent), before)
  }),
)

test.run()
