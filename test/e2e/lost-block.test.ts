// A body whose first blocks are whole and a later one is beyond recovery: the status is out already, so the connection
// ends short of its Content-Length and every client sees an error. Fewer bytes are never taken for a whole body.
import { closeSync, openSync, statSync, writeSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { createSigner } from '../../bench/load/presign.ts'
import { MiB } from '../../src/base/units.ts'
import { filesIn } from '../support/disk-damage.ts'
import { awsEnvironment, hasBoto3, runBoto3 } from '../support/foreign.ts'
import { bodyOf, createS3Client } from '../support/s3-client.ts'
import { createTemporaryDirectory, type ServerProcess, startProcess } from '../support/server-process.ts'
import { assert, deadline, needing, suite } from '../support/uvu.ts'

const test = suite('lost block')
const LIMIT_MS = 60_000
const SIZE = 24 * MiB
let server: ServerProcess

test.before(async () => {
  server = await startProcess()
  const client = createS3Client(server)
  await client.send(new CreateBucketCommand({ Bucket: 'lost' }))
  await client.send(new PutObjectCommand({ Bucket: 'lost', Key: 'body', Body: bodyOf(1, SIZE) }))
  // The last quarter of the shards on three disks of six, where two is what the parity can stand in for.
  for (const number of [1, 2, 3]) {
    const disk = join(server.data, `d${number}`)
    for (const name of filesIn(disk).filter((file) => file.startsWith('shards/'))) {
      const { size } = statSync(join(disk, name))
      const file = openSync(join(disk, name), 'r+')
      writeSync(file, Buffer.alloc(Math.floor(size / 4), 0xee), 0, undefined, Math.floor((size * 3) / 4))
      closeSync(file)
    }
  }
})
test.after(async () => {
  await server.stop()
})

test(
  'on the wire: 200, the full Content-Length, the right bytes as far as they go, and a connection cut short',
  deadline(LIMIT_MS, async () => {
    const { presign } = createSigner({ ...server, nowMs: Date.now() })
    const seen = await new Promise<{ status: number; length: number; bytes: Buffer; isWhole: boolean }>(
      (resolve) => {
        const outgoing = request(server.endpoint + presign('GET', '/lost/body'), (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('error', () => undefined)
          response.on('close', () =>
            resolve({
              status: response.statusCode ?? 0,
              length: Number(response.headers['content-length']),
              bytes: Buffer.concat(chunks),
              isWhole: response.complete,
            }),
          )
        })
        outgoing.end()
      },
    )
    assert.equal([seen.status, seen.length, seen.isWhole], [200, SIZE, false])
    assert.ok(seen.bytes.length > 0 && seen.bytes.length < SIZE)
    assert.ok(seen.bytes.equals(bodyOf(1, SIZE).subarray(0, seen.bytes.length)), 'what came was right')
  }),
)

test(
  'the SDK for JavaScript reports an error',
  deadline(LIMIT_MS, async () => {
    const client = createS3Client(server)
    const outcome = await client
      .send(new GetObjectCommand({ Bucket: 'lost', Key: 'body' }))
      .then(({ Body }) => Body?.transformToByteArray())
      .then(
        (bytes) => `took ${bytes?.length} bytes for a whole body`,
        () => 'an error',
      )
    assert.is(outcome, 'an error')
    assert.ok(server.isRunning())
  }),
)

needing(
  test,
  'current boto3',
  hasBoto3(),
)(
  'boto3 reports an error',
  deadline(LIMIT_MS, async () => {
    const options = { cwd: createTemporaryDirectory(), environment: awsEnvironment(server) }
    const { stdout } = await runBoto3(server.endpoint, ['cut-short', 'lost', 'body'], options)
    assert.match(stdout, /Error/)
  }),
)

test.run()
