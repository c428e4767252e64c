// 37: user metadata has a limit that cannot be gone around, and text beyond ASCII cannot break a header.
import { Buffer } from 'node:buffer'
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 37')

const check = (name: string, headers: Record<string, string>, status: number): void => {
  test(
    name,
    deadline(3_000, async () => {
      const { send } = await createExchange()
      await send('PUT /bucket/source', { body: 'x' })
      const lines: [string, Record<string, string>][] = [
        ['PUT /bucket/k', {}],
        ['POST /bucket/k?uploads', {}],
        ['PUT /bucket/k', { 'x-amz-copy-source': 'bucket/source', 'x-amz-metadata-directive': 'REPLACE' }],
      ]
      for (const [line, more] of lines) {
        const answer = await send(line, { headers: { ...headers, ...more } })
        assert.is(answer.status, status, answer.text)
        assert.is(answer.code, status === 200 ? '' : 'MetadataTooLarge')
      }
    }),
  )
}
const many = (count: number, size: number): Record<string, string> =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`x-amz-meta-${String(i).padStart(4, '0')}`, 'v'.repeat(size)]),
  )

check('exactly 2 KiB in one value', { 'x-amz-meta-a': 'v'.repeat(2047) }, 200)
check('one byte more', { 'x-amz-meta-a': 'v'.repeat(2048) }, 400)
check('one byte more in the name', { 'x-amz-meta-ab': 'v'.repeat(2047) }, 400)
check('exactly 2 KiB in many', many(128, 12), 200)
check('more in many', many(129, 12), 400)
check(
  'bytes count, not characters',
  { 'x-amz-meta-a': Buffer.from('é'.repeat(1024)).toString('latin1') },
  400,
)

test(
  'values beyond ASCII are encoded words when they come back',
  deadline(3_000, async () => {
    const { send } = await createExchange()
    const values = { a: 'é', b: '\u2603', c: '\u{1F600}', d: 'plain', e: '', f: '\u0080' }
    const headers = Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        `x-amz-meta-${name}`,
        Buffer.from(value).toString('latin1'),
      ]),
    )
    await send('PUT /bucket/k', { body: '', headers })
    const got = (await send('HEAD /bucket/k')).headers
    for (const [name, value] of Object.entries(values)) {
      const text = got.get(`x-amz-meta-${name}`) ?? 'none'
      assert.match(text, /^[\x20-\x7e]*$/)
      const word = /^=\?UTF-8\?B\?(.*)\?=$/.exec(text)?.[1]
      assert.is(word === undefined ? text : Buffer.from(word, 'base64').toString(), value)
    }
    // Bytes that are no UTF-8 are taken for Latin-1, not lost.
    await send('PUT /bucket/l', { body: '', headers: { 'x-amz-meta-a': '\xe9' } })
    assert.is((await send('HEAD /bucket/l')).headers.get('x-amz-meta-a'), '=?UTF-8?B?w6k=?=')
  }),
)

test.run()
