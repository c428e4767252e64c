// 1: an x-amz-* header that was not signed is refused, whoever added it after the signature.
import { codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { presign, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 1')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const HEADERS = [
  'x-amz-copy-source',
  'x-amz-tagging',
  'x-amz-acl',
  'x-amz-bypass-governance-retention',
  'x-amz-security-token',
  'x-amz-meta-anything',
  'x-amz-something-nobody-knows',
]

for (const [kind, sign] of [
  ['header', signHeader],
  ['presigned', presign],
] as const) {
  test(
    `${kind}: each header that was not signed is named and refused`,
    deadline(5000, async () => {
      for (const name of HEADERS) {
        for (const sent of [name, name.toUpperCase()]) {
          const signed = sign({ method: 'PUT', target: '/bucket/key', headers: { host: at.host } })
          const headers = { ...signed.headers, [sent]: '/secret/object', 'content-length': '0' }
          const answer = await send(at, { ...signed, headers })
          assert.is(answer.status, 403, name)
          assert.is(codeIn(answer), 'AccessDenied')
          assert.match(answer.body.toString(), `<HeadersNotSigned>${name}</HeadersNotSigned>`)
        }
      }
      assert.is(at.seen.length, 0)
    }),
  )

  test(
    `${kind}: the same header, signed, is not refused`,
    deadline(5000, async () => {
      const headers = { host: at.host, 'x-amz-meta-color': 'blue', 'content-length': '0' }
      const answer = await send(at, sign({ method: 'PUT', target: '/bucket/key', headers }))
      assert.is(answer.status, 200, answer.body.toString())
      assert.is(at.seen.pop()?.headers.get('x-amz-meta-color'), 'blue')
    }),
  )
}

test(
  'an unsigned x-amz-content-sha256 cannot change what was signed',
  deadline(5000, async () => {
    const signed = presign({ method: 'PUT', target: '/bucket/key', headers: { host: at.host } })
    const headers = {
      ...signed.headers,
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '0',
      'content-length': '5',
    }
    const answer = await send(at, { ...signed, headers }, '0\r\n\r\n')
    assert.is(answer.status, 403)
  }),
)

test(
  'a header that was moved into the query of a presigned URL is a header again, and signed',
  deadline(5000, async () => {
    const target = '/bucket/key?x-amz-meta-color=red&x-id=PutObject'
    const signed = presign({ method: 'PUT', target, headers: { host: at.host } })
    const headers = { ...signed.headers, 'content-length': '0' }
    assert.is((await send(at, { ...signed, headers })).status, 200)
    const request = at.seen.pop()
    assert.is(request?.headers.get('x-amz-meta-color'), 'red')
    assert.equal(request?.query, [['x-id', 'PutObject']])
    const changed = { ...signed, headers, target: signed.target.replace('red', 'blue') }
    assert.is(codeIn(await send(at, changed)), 'SignatureDoesNotMatch')
  }),
)

test.run()
