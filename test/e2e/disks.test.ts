// Disks that lose their contents, come back, and lie on other devices: objects stay whole, writes go on, and what is
// missing is rebuilt until any two others may go.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { KiB, MiB } from '../../src/base/units.ts'
import { emptyDirectory, filesIn } from '../support/disk-damage.ts'
import { readRedundancy, waitForRedundancy } from '../support/redundancy.ts'
import { roundsOf } from '../support/rounds.ts'
import { bodyOf, createS3Client, inParallel, readObject, sha256 } from '../support/s3-client.ts'
import { createTemporaryDirectory, startsOf } from '../support/server-process.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const test = suite('disks')
const LIMIT_MS = 180_000
const REPAIR_LIMIT_MS = 90_000
/** Between two requests of the load: what counts is what is under way when the disks go, not how much. */
const PACE_MS = 30

const start = startsOf(test)

/** Inline, packed and large in turn. */
const sizeOf = (index: number): number =>
  [100, 12 * KiB, 40 * KiB, 300 * KiB, 2 * MiB, 6 * MiB][index % 6] ?? 0
const BUCKET = 'disks'

const put = async (client: S3Client, index: number, size = sizeOf(index)): Promise<void> => {
  const Body = bodyOf(index, size)
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${index}`, Body }))
}
const check = async (client: S3Client, index: number, size = sizeOf(index)): Promise<void> => {
  const found = await readObject(client, BUCKET, `${index}`)
  assert.is(sha256(found), sha256(bodyOf(index, size)), `object ${index}`)
}
const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))
const range = (first: number, count: number): number[] =>
  Array.from({ length: count }, (_, index) => first + index)

test(
  'two disks emptied under load: all reads whole, writes go on, redundancy returns, then two others may go',
  deadline(LIMIT_MS, async () => {
    const server = await start({})
    const disk = (number: number): string => join(server.data, `d${number}`)
    // The SDK retries a 503, as a PUT that meets a dying disk is told to.
    const client = createS3Client(server, { maxAttempts: 5 })
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
    const before = range(0, 24)
    await inParallel(before, 8, (index) => put(client, index))

    let isOver = false
    const during: number[] = []
    const writing = async (): Promise<void> => {
      for (let index = 1000; !isOver; index++) {
        await put(client, index)
        during.push(index)
        await pause(PACE_MS)
      }
    }
    const reading = async (): Promise<void> => {
      for (let turn = 0; !isOver; turn++) {
        await check(client, before[turn % before.length] ?? 0)
        await pause(PACE_MS)
      }
    }
    const losing = async (): Promise<number> => {
      try {
        await pause(500)
        for (const number of [2, 5]) emptyDirectory(disk(number))
        await pause(1500)
        const countAtLoss = during.length
        await pause(2500)
        return countAtLoss
      } finally {
        isOver = true
      }
    }
    const [countAtLoss] = await Promise.all([losing(), writing(), reading()])
    assert.ok(during.length > countAtLoss, 'writes go on')
    await inParallel([...before, ...during], 8, (index) => check(client, index))

    await waitForRedundancy(server, REPAIR_LIMIT_MS)
    const after = range(5000, roundsOf(100, 1000))
    await inParallel(after, 16, (index) => put(client, index, 20 * KiB))
    await waitForRedundancy(server, REPAIR_LIMIT_MS)
    for (const number of [2, 5]) assert.ok(filesIn(disk(number)).length > 3, `disk ${number} is in use again`)

    assert.is((await server.stop()).code, 0)
    for (const number of [1, 4]) emptyDirectory(disk(number))
    const again = await start({ data: server.data, credentials: server.credentials })
    const reader = createS3Client(again)
    await inParallel([...before, ...during], 8, (index) => check(reader, index))
    await inParallel(after, 16, (index) => check(reader, index, 20 * KiB))
  }),
)

test(
  'redundancy shows what waits while a disk is out, and that nothing does when it is full',
  deadline(LIMIT_MS, async () => {
    const server = await start({})
    const client = createS3Client(server, { maxAttempts: 5 })
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
    await inParallel(range(0, 30), 8, (index) => put(client, index, 2 * MiB))
    const full = await waitForRedundancy(server, REPAIR_LIMIT_MS)
    assert.is(full.disks.length, 6)
    await server.stop()
    emptyDirectory(join(server.data, 'd3'))
    const again = await start({ data: server.data, credentials: server.credentials })
    const { waiting } = await readRedundancy(again)
    // Repair may have begun, but not have moved 60 MiB before the first question.
    assert.ok(waiting.shards > 0 && waiting.bytes > 0, JSON.stringify(waiting))
    await waitForRedundancy(again, REPAIR_LIMIT_MS)
  }),
)

const deviceOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.dev
/** A directory for what is temporary on another device than that of this run. */
const otherDevice = ['/dev/shm', '/tmp'].find(
  (path) => ![undefined, deviceOf(createTemporaryDirectory())].includes(deviceOf(path)),
)
const needsOtherDevice = needing(test, 'second file system at /dev/shm', otherDevice !== undefined)

needsOtherDevice(
  'an empty directory on another device stays out, with a message',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory('data')
    const disks = range(1, 6).map((number) => join(data, `d${number}`))
    const first = await start({ disks })
    const client = createS3Client(first)
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
    await inParallel(range(0, 12), 4, (index) => put(client, index))
    await first.stop()
    const elsewhere = mkdtempSync(join(otherDevice!, 'moraine-test-'))
    try {
      const moved = [...disks.slice(0, 5), elsewhere]
      const second = await start({ disks: moved, credentials: first.credentials })
      await inParallel(range(0, 12), 4, (index) => check(createS3Client(second), index))
      const { disks: states } = await readRedundancy(second)
      assert.is(states[5]?.state, 'out')
      assert.match(states[5]?.message ?? '', /device/)
      assert.ok(second.stderr().includes(elsewhere))
      assert.equal(filesIn(elsewhere), [])
    } finally {
      rmSync(elsewhere, { recursive: true })
    }
  }),
)

test(
  'with more disks gone than the parity allows, reads that cannot be whole fail and nothing wrong is answered',
  deadline(LIMIT_MS, async () => {
    const server = await start({})
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
    await inParallel(range(0, 12), 4, (index) => put(client, index, 300 * KiB))
    for (const number of [1, 2, 3]) emptyDirectory(join(server.data, `d${number}`))
    await inParallel(range(0, 12), 6, async (index) => {
      try {
        const found = await readObject(client, BUCKET, `${index}`)
        assert.is(sha256(found), sha256(bodyOf(index, 300 * KiB)))
      } catch (error) {
        const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } }
        assert.ok(($metadata?.httpStatusCode ?? 500) >= 500, name)
      }
    })
    assert.ok(server.isRunning())
  }),
)

test.run()
