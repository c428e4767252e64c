// 30: `a` beside `a/b`: where keys are paths one of the two cannot be. Here neither knows of the other.
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 30')

test(
  'a key and the keys that begin with it live side by side, in any order',
  deadline(5_000, async () => {
    for (const keys of [
      ['a', 'a/', 'a/b', 'a/b/c'],
      ['a/b/c', 'a/b', 'a/', 'a'],
    ]) {
      const { send } = await createExchange()
      for (const key of keys) assert.is((await send(`PUT /bucket/${key}`, { body: key })).status, 200)
      for (const key of keys) assert.is((await send(`GET /bucket/${key}`)).text, key)
      const rolled = await send('GET /bucket?list-type=2&delimiter=/')
      assert.match(rolled.text, '<Key>a</Key>')
      assert.match(rolled.text, '<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>')
      assert.is((await send('DELETE /bucket/a/b')).status, 204)
      assert.is((await send('GET /bucket/a/b')).status, 404)
      for (const key of ['a', 'a/', 'a/b/c']) assert.is((await send(`GET /bucket/${key}`)).text, key)
      assert.is((await send('DELETE /bucket')).code, 'BucketNotEmpty')
    }
  }),
)

test.run()
