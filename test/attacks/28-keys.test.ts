// 28: keys that are paths elsewhere. Here each is one string: stored literally, or refused with a 400 and stored nowhere.
import { Buffer } from 'node:buffer'
import { createExchange, requestOf } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 28')

const KEYS = [
  '../x',
  '..',
  '.',
  '/x',
  'a//b',
  'a/../../etc',
  '\\',
  '..\\..\\x',
  '\u0000',
  'a\u0000b',
  '\u0001',
  '\r\nSet-Cookie: x=1',
  '%00',
  '%2e%2e%2fx',
  'CON',
  'NUL.txt',
  '.sys/',
  '.minio.sys/config',
  '$(rm -rf)',
  'C:\\x',
  '/'.repeat(500),
  `${'d/'.repeat(500)}x`,
  'k'.repeat(1024),
  'é'.repeat(512),
  ' leading and trailing ',
  'a\u0308',
  'ä',
  '\uFFFE\uFFFF',
]

test(
  'every strange key is itself and no other',
  deadline(10_000, async () => {
    const { send } = await createExchange()
    const path = (key: string): string => `/bucket/${encodeURIComponent(key)}`
    for (const key of KEYS)
      assert.is((await send(`PUT ${path(key)}`, { body: `of ${key}` })).status, 200, key)
    for (const key of KEYS) assert.is((await send(`GET ${path(key)}`)).text, `of ${key}`)
    const { text } = await send('GET /bucket?list-type=2&encoding-type=url')
    const listed = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key = '']) => decodeURIComponent(key))
    assert.equal(
      listed,
      [...KEYS].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
    )
    for (const key of KEYS) assert.is((await send(`DELETE ${path(key)}`)).status, 204)
    assert.is((await send('DELETE /bucket')).status, 204)
  }),
)

test(
  'keys that are too long, or no text, are refused wherever they come in',
  deadline(5_000, async () => {
    const { send, dispatch } = await createExchange()
    await send('PUT /bucket/source', { body: 'x' })
    const long = 'k'.repeat(1025)
    for (const method of ['PUT', 'GET', 'DELETE']) {
      const answer = await send(`${method} /bucket/${long}`, { body: 'x' })
      assert.equal([answer.status, answer.code], [400, 'KeyTooLongError'])
    }
    assert.is((await send(`POST /bucket/${long}?uploads`)).code, 'KeyTooLongError')
    const source = { 'x-amz-copy-source': `bucket/${long}` }
    assert.is((await send('PUT /bucket/k', { headers: source })).code, 'KeyTooLongError')
    // No URL can carry a lone surrogate; whoever hands one on is told.
    const answer = await dispatch({ ...requestOf('GET /bucket/x'), key: 'a\uD800' })
    assert.is(answer.status, 400)
  }),
)

test.run()
