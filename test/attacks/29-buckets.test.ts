// 29: bucket names that are paths, addresses or someone else's. Refused for every operation, not only when created.
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 29')

const NAMES = ['..', '.', '...', '192.168.5.4', '127.0.0.1', 'xn--bucket', 'bucket-s3alias', 'bucket--ol-s3']
NAMES.push(
  'ab',
  'a'.repeat(64),
  'UPPER',
  'Bucket',
  'a..b',
  '.abc',
  'abc.',
  '-abc',
  'abc-',
  'a_b',
  '__proto__',
  'a%2Fb',
)
NAMES.push('a%00b', 'a%0d%0ab', '%C3%BCber', '.sys', 'sthree-x', 'constructor.')

test(
  'no operation takes a name that breaks the rules',
  deadline(5_000, async () => {
    const { send, store } = await createExchange()
    for (const name of NAMES) {
      const lines = ['PUT /', 'GET /', 'DELETE /'].map((line) => line + name)
      lines.push(`PUT /${name}/key`, `GET /${name}/key`, `GET /${name}?location`, `POST /${name}/key?uploads`)
      for (const line of lines) {
        const answer = await send(line)
        assert.equal([answer.status, answer.code], [400, 'InvalidBucketName'], line)
      }
      const copied = await send('PUT /bucket/key', { headers: { 'x-amz-copy-source': `${name}/key` } })
      assert.ok(copied.status === 400, name)
    }
    assert.equal((await store.buckets.list({ prefix: '', after: '', limit: 10 })).buckets.length, 1)
  }),
)

test.run()
