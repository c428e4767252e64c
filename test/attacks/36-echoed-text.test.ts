// 36, in the documents and headers the handlers write: nothing a client said becomes a header line or markup.
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 36: echoed text')
const EVIL = '<script>alert(1)</script>\r\nSet-Cookie: x=1'
const encoded = encodeURIComponent(EVIL)

test(
  'a response override that is no header value is refused, before anything is read',
  deadline(5_000, async () => {
    const { send, store } = await createExchange()
    await send('PUT /bucket/k', { body: 'x' })
    for (const name of ['type', 'disposition', 'encoding', 'language']) {
      for (const value of ['a%0d%0aSet-Cookie:%20x=1', 'a%0ab', 'a%00b', '%7f']) {
        const answer = await send(`GET /bucket/k?response-content-${name}=${value}`)
        assert.equal([answer.status, answer.code], [400, 'InvalidArgument'])
      }
    }
    assert.is((await send('GET /bucket/k?response-expires=a%0d%0ab')).status, 400)
    assert.is((await send('GET /bucket/k?response-cache-control=a%0d%0ab')).status, 400)
    const beyond = await send('GET /bucket/k?response-content-disposition=%E2%98%83')
    assert.match(beyond.headers.get('content-disposition') ?? '', /^[\x20-\xff]+$/)
    assert.is(store.leases(), 0)
  }),
)

test(
  'nobody but a signer chooses response headers',
  deadline(5_000, async () => {
    const { send, store } = await createExchange()
    await send('PUT /bucket/k', { body: '<script>' })
    const answer = await send('GET /bucket/k?response-content-type=text%2Fhtml', { isAnonymous: true })
    assert.equal([answer.status, answer.code], [400, 'InvalidRequest'])
    assert.is(store.leases(), 0)
  }),
)

test(
  'keys, prefixes and markers come back as text in every document',
  deadline(5_000, async () => {
    const { send } = await createExchange()
    await send(`PUT /bucket/${encoded}`, { body: 'x', headers: { 'x-amz-meta-a': '=?utf-8?b?DQo=?=' } })
    const begun = await send(`POST /bucket/${encoded}?uploads`)
    const upload = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
    const answers = [
      begun,
      await send(`GET /bucket?prefix=${encoded}&delimiter=${encoded}&marker=${encoded}`),
      await send(`GET /bucket?list-type=2&prefix=${encoded}&start-after=${encoded}`),
      await send(`GET /bucket?list-type=2&continuation-token=${encoded}`),
      await send(`GET /bucket?encoding-type=${encoded}`),
      await send(`GET /bucket?uploads&prefix=${encoded}&key-marker=${encoded}&upload-id-marker=${encoded}`),
      await send(`GET /bucket/${encoded}?uploadId=${upload}`),
      await send(`GET /bucket/${encoded}none`),
      await send(`PUT /bucket/k?partNumber=${encoded}&uploadId=${upload}`),
      await send('PUT /bucket/k', { headers: { 'x-amz-copy-source': `bucket/${encoded}%` } }),
      await send(`GET /?prefix=${encoded}`),
    ]
    for (const { text, headers } of answers) {
      assert.not.match(text, '<script>')
      assert.not.match(text, '\r')
      for (const [name, value] of headers) assert.match(name + value, /^[\t\x20-\xff]*$/)
    }
    assert.is((await send(`HEAD /bucket/${encoded}`)).headers.get('x-amz-meta-a'), '=?utf-8?b?DQo=?=')
  }),
)

test.run()
