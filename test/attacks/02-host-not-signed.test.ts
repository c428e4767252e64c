// 2: a signature that does not cover the host could be used against another server or bucket.
import { codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { presign, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 2')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

test(
  'host not signed is 403, in the header and in the query',
  deadline(5000, async () => {
    const input = { method: 'GET', target: '/bucket/key', headers: { host: at.host, range: 'bytes=0-1' } }
    const header = signHeader({ ...input, signedNames: ['x-amz-content-sha256', 'x-amz-date'] })
    const query = presign({ ...input, signedNames: ['range'] })
    for (const signed of [header, query]) {
      const answer = await send(at, signed)
      assert.is(answer.status, 403)
      assert.is(codeIn(answer), 'AccessDenied')
      assert.match(answer.body.toString(), '<HeadersNotSigned>host</HeadersNotSigned>')
    }
    assert.is(at.seen.length, 0)
  }),
)

test(
  'another Host than the signed one is 403',
  deadline(5000, async () => {
    for (const signed of [signHeader, presign].map((sign) =>
      sign({ method: 'GET', target: '/bucket/key', headers: { host: at.host } }),
    )) {
      const answer = await send(at, { ...signed, headers: { ...signed.headers, host: 'elsewhere.example' } })
      assert.is(codeIn(answer), 'SignatureDoesNotMatch')
    }
  }),
)

test.run()
