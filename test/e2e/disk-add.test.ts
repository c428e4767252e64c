// Disks are added by the command to a store that runs, is killed right after, and found again; what cannot be a disk is refused.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { KiB, MiB } from '../../src/base/units.ts'
import { readRedundancy } from '../support/redundancy.ts'
import { bodyOf, createS3Client, inParallel, readObject, sha256 } from '../support/s3-client.ts'
import { createTemporaryDirectory, runProgram, startsOf } from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('adding disks to a server')
const LIMIT_MS = 120_000
const BUCKET = 'added'
const start = startsOf(test)
const sizeOf = (index: number): number => [100, 40 * KiB, MiB][index % 3] ?? 0
const put = async (client: S3Client, index: number): Promise<void> => {
  const Body = bodyOf(index, sizeOf(index))
  await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: `${index}`, Body }))
}
const check = async (client: S3Client, index: number): Promise<void> => {
  const found = await readObject(client, BUCKET, `${index}`)
  assert.is(sha256(found), sha256(bodyOf(index, sizeOf(index))), `object ${index}`)
}
const range = (first: number, count: number): number[] => Array.from({ length: count }, (_, i) => first + i)

test(
  'd7 is added while the server runs, found by itself after kill -9, and d8 while it is stopped',
  deadline(LIMIT_MS, async () => {
    const data = createTemporaryDirectory('data')
    const credentials = { accessKeyId: 'TESTADD', secretAccessKey: 'a-secret-of-this-test' }
    const environment = {
      MORAINE_ROOT_ACCESS_KEY: credentials.accessKeyId,
      MORAINE_ROOT_SECRET_KEY: credentials.secretAccessKey,
    }
    const run = (...args: string[]) => runProgram([...args, '--data', data], { environment })
    const server = await start({ data, credentials })
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: BUCKET }))
    await inParallel(range(0, 9), 3, (index) => put(client, index))
    const port = ['--port', `${server.port}`]
    const absent = await run('disk', 'add', join(data, 'd7'), ...port)
    assert.equal([absent.code, /d7 does not exist/.test(absent.stderr)], [2, true], absent.stderr)
    mkdirSync(join(data, 'd7'))
    const added = await run('disk', 'add', join(data, 'd7'), ...port)
    assert.match(added.stdout, /disk 7 .*d7\) was added: .* 7 disks with 5\+2/, added.stderr)
    await inParallel(range(9, 9), 3, (index) => put(client, index))
    await server.kill()

    const six = await start({ disks: range(1, 6).map((number) => join(data, `d${number}`)), credentials })
    assert.match(six.stderr(), /disk 7 was added as [^ ]*d7, and that directory is not among those/)
    await six.stop()
    mkdirSync(join(data, 'd8'))
    const stopped = await run('disk', 'add', join(data, 'd8'))
    assert.match(stopped.stdout, /disk 8 .* 8 disks with 6\+2/, stopped.stderr)
    const again = await start({ data, credentials })
    const reader = createS3Client(again)
    await inParallel(range(18, 9), 3, (index) => put(reader, index))
    await inParallel(range(0, 27), 3, (index) => check(reader, index))
    const { disks } = await readRedundancy(again)
    assert.equal(
      disks.map(({ position, state }) => [position, state]),
      range(1, 8).map((position) => [position, 'present']),
    )
    await again.stop()
    const verified = await run('verify')
    assert.is(verified.code, 0, verified.stdout)
  }),
)

test.run()
