// What breaks again and again is not started for ever: the supervisors give up, one after the other, the program ends with the
// exit code that says so, and whoever starts it again finds the store as it was.
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { createS3Client, readObject } from '../support/s3-client.ts'
import { startProcess } from '../support/server-process.ts'
import { startStormed } from '../support/thread-storm.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('gave up')
const LIMIT_MS = 240_000
/** Exit code of a program that has an internal fault, after sysexits.h. */
const GAVE_UP = 70

test(
  'a gateway whose thread dies again and again: the root gives up, the program ends with 70, and the store is whole',
  deadline(LIMIT_MS, async () => {
    const server = await startStormed(4, 'as it is')
    const client = createS3Client(server)
    await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
    await client.send(new PutObjectCommand({ Bucket: 'bucket', Key: 'key', Body: 'body' }))
    client.destroy()
    const kill = async (): Promise<never> => {
      for (;;) await server.order({ kind: 'end', place: 'gateways', how: 'throw' })
    }
    // The last order is not answered.
    await kill().catch(() => undefined)
    const ending = await server.ended
    assert.equal(ending, { code: GAVE_UP, signal: null }, server.stderr().slice(-3000))
    assert.match(server.stderr(), /"the store gave up"/)
    await server.close()
    const again = await startProcess({ data: server.data, credentials: server.credentials })
    const reader = createS3Client(again)
    assert.is(Buffer.from(await readObject(reader, 'bucket', 'key')).toString(), 'body')
    reader.destroy()
    assert.is((await again.stop()).code, 0)
  }),
)

test.run()
