// Bytes flip in every kind of file that docs/format.md names: what is read is right all the same, what was found is logged,
// and it is repaired: the next start finds nothing of it.
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { createSigner } from '../../bench/load/presign.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { emptyDirectory, filesIn, flipBytes } from '../support/disk-damage.ts'
import { waitForRedundancy } from '../support/redundancy.ts'
import { areFull } from '../support/rounds.ts'
import { bodyOf, createS3Client, inParallel, readObject, sha256 } from '../support/s3-client.ts'
import { createTemporaryDirectory, type ServerProcess, startsOf } from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('bit flips')
const LIMIT_MS = 120_000
const REPAIR_LIMIT_MS = 60_000
const BUCKET = 'flips'
const SIZES = [100, 10 * KiB, 40 * KiB, 500 * KiB, MiB, 6 * MiB + 1]
/** Deleted while the store is filled, and later: a volume with them has notes of what is garbage. */
const [GONE, GONE_LATER, GONE_SIZE] = ['gone', 'gone-later', MiB]
const INDEXES = Array.from({ length: 2 * SIZES.length }, (_, index) => index)
const NOTES = /^volumes\/\d+\.free$/

const start = startsOf(test)
const sizeOf = (index: number): number => SIZES[index % SIZES.length] ?? 0
const readAll = (client: S3Client): Promise<void> =>
  inParallel(INDEXES, 4, async (index) => {
    const found = await readObject(client, BUCKET, `${index}`)
    assert.is(sha256(found), sha256(bodyOf(index, sizeOf(index))), `object ${index}`)
  })
/** A stopped store with all objects, which each test gets a copy of. */
let original: Promise<ServerProcess> | undefined
const fill = async (): Promise<ServerProcess> => {
  const server = await start({})
  const client = createS3Client(server)
  const put = async (Key: string, Body: Uint8Array): Promise<void> => {
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key, Body }))
  }
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
  await inParallel(INDEXES, 4, (index) => put(`${index}`, bodyOf(index, sizeOf(index))))
  for (const key of [GONE, GONE_LATER]) await put(key, bodyOf(100, GONE_SIZE))
  await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: GONE }))
  await untilTrue('what was deleted is noted', () =>
    disksOf(server).every((disk) => filesIn(disk).some((name) => NOTES.test(name))),
  )
  client.destroy()
  await server.stop()
  // What its indexes had in their logs the next start puts into tables.
  await (await start({ data: server.data, credentials: server.credentials })).stop()
  return server
}
/** What the server does by itself it does soon. */
const untilTrue = async (what: string, isTrue: () => boolean): Promise<void> => {
  for (let waitedMs = 0; !isTrue(); waitedMs += 50) {
    assert.ok(waitedMs < REPAIR_LIMIT_MS, what)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
const filled = async (): Promise<Pick<ServerProcess, 'data' | 'credentials'>> => {
  original ??= fill()
  const { data, credentials } = await original
  const copy = createTemporaryDirectory('flips')
  cpSync(data, copy, { recursive: true })
  return { data: copy, credentials }
}
const disksOf = (server: Pick<ServerProcess, 'data'>): string[] =>
  [1, 2, 3, 4, 5, 6].map((number) => join(server.data, `d${number}`))
/** Flips bytes in every file of that kind on these disks; there must be some. */
const damage = (disks: readonly string[], kind: RegExp, perFile: number): void => {
  const random = createPrng(7)
  let count = 0
  for (const disk of disks) {
    for (const file of filesIn(disk).filter((name) => kind.test(name))) {
      flipBytes(join(disk, file), random, perFile)
      count++
    }
  }
  assert.ok(count > 0, `there is no file like ${kind}`)
}

test(
  'packed and large shards: read right while running, logged, and repaired, what nobody reads by the scrub',
  deadline(LIMIT_MS, async () => {
    const server = await start(await filled())
    const client = createS3Client(server)
    const disks = disksOf(server)
    for (const kind of [/^volumes\/\d+\.vol$/, /^shards\//]) damage(disks.slice(0, 2), kind, 6)
    await readAll(client)
    for (const name of ['volumes', 'shards']) {
      assert.match(
        server.stderr(),
        new RegExp(`"file":"${name}/[^"]+","offset":\\d+.*"msg":"disk.corrupt"`),
        name,
      )
    }
    // What was found is repaired; a second reading finds the rest that the first had no need to touch.
    await waitForRedundancy(server, REPAIR_LIMIT_MS)
    await readAll(client)
    await waitForRedundancy(server, REPAIR_LIMIT_MS)
    const { presign } = createSigner({ ...server, nowMs: Date.now() })
    const asked = await fetch(server.endpoint + presign('POST', '/-/scrub/demand', [['bucket', BUCKET]]), {
      method: 'POST',
    })
    assert.is(asked.status, 202)
    await untilTrue('the scrub has looked at all', () => /"msg":"scrub-done"/.test(server.stderr()))
    await waitForRedundancy(server, REPAIR_LIMIT_MS)
    await server.stop()
    const logged = server.stderr().length
    const again = await start({ data: server.data, credentials: server.credentials })
    await readAll(createS3Client(again))
    assert.ok(logged > 0)
    assert.not.match(again.stderr(), /corrupt/, 'what was read was repaired')
  }),
)

/** The kinds of files that a start reads. The first of them are what most of the others resemble. */
const READ_AT_STARTS = [
  ['the journal', /^journal\//, 300, /"segment-damaged"/],
  ['the tables of an index', /^index\/.*\.ldb$/, 100, /"index-file-damaged"/],
  ['disk.json', /^disk\.json$/, 4, /"disk\.identity-damaged"/],
  ['session', /^session$/, 4, /"session-damaged"/],
  ['the log of an index', /^index\/.*\.log$/, 4, /"index-file-damaged"/],
  ['the manifest of an index', /^index\/.*\/MANIFEST/, 4, /"index-file-damaged"/],
  ['CURRENT of an index', /^index\/.*\/CURRENT$/, 1, /"index-file-damaged"/],
  ['store.key', /^store\.key$/, 4, /"disk\.identity-damaged"/],
  ['the lock', /^lock\/(CURRENT|MANIFEST)/, 4, /"disk\.lock-damaged"/],
] as const
/** What is damaged at one start: each kind alone, or two kinds at a time of the first of them. */
const AT_ONE_START = areFull
  ? READ_AT_STARTS.map((one) => [one])
  : [
      [READ_AT_STARTS[0], READ_AT_STARTS[2]],
      [READ_AT_STARTS[1], READ_AT_STARTS[3]],
    ]
for (const kinds of AT_ONE_START) {
  test(
    `${kinds.map(([what]) => what).join(' and ')}: found at the start, logged, repaired, and everything reads right`,
    deadline(LIMIT_MS, async () => {
      const server = await filled()
      for (const [, kind, flips] of kinds) {
        const disks = disksOf(server).filter((disk) => filesIn(disk).some((name) => kind.test(name)))
        damage(disks.slice(0, 1), kind, flips)
      }
      const again = await start(server)
      await readAll(createS3Client(again))
      const Body = bodyOf(99, 40 * KiB)
      const client = createS3Client(again, { maxAttempts: 5 })
      await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: 'new', Body }))
      await waitForRedundancy(again, REPAIR_LIMIT_MS)
      await again.stop()
      for (const [, , , event] of kinds) assert.match(again.stderr(), event)
      const third = await start(server)
      await readAll(createS3Client(third))
      assert.is(sha256(await readObject(createS3Client(third), BUCKET, 'new')), sha256(Body))
      for (const [, , , event] of kinds)
        assert.not.match(third.stderr(), event, 'what was found was repaired')
    }),
  )
}

test(
  'notes of what was freed: found when more is freed in their volume, logged, and everything reads right',
  deadline(LIMIT_MS, async () => {
    const server = await filled()
    damage(disksOf(server), NOTES, 4)
    const again = await start(server)
    const client = createS3Client(again)
    await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: GONE_LATER }))
    await untilTrue('it is told', () => /"disk\.notes-damaged"/.test(again.stderr()))
    assert.match(again.stderr(), /"file":"volumes\/\d+\.free","offset":\d+/)
    await readAll(client)
  }),
)

test(
  'a flipped byte on each of two disks and two more disks empty is too much: an error, never wrong bytes',
  deadline(LIMIT_MS, async () => {
    const server = await start(await filled())
    const disks = disksOf(server)
    damage(disks.slice(0, 2), /^(volumes|shards)\//, 40)
    for (const disk of disks.slice(2, 4)) emptyDirectory(disk)
    const client = createS3Client(server)
    // What cannot be read is waited for before it is an error.
    await inParallel(INDEXES, 8, async (index) => {
      const found = await readObject(client, BUCKET, `${index}`).catch(() => undefined)
      if (found) assert.is(sha256(found), sha256(bodyOf(index, sizeOf(index))))
    })
    assert.ok(server.isRunning())
  }),
)

test.run()
