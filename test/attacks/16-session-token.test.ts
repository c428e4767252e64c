// 16, as far as there are sessions: there are none, so no session token is one of ours.
import { call, codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { presign } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 16')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

test(
  'a session token, well signed, is an InvalidToken',
  deadline(5000, async () => {
    for (const token of ['token', '', 'x'.repeat(2000)]) {
      const header = await call(at, 'GET', '/b/k', { headers: { 'x-amz-security-token': token } })
      assert.is(codeIn(header), 'InvalidToken')
      const target = `/b/k?X-Amz-Security-Token=${token}`
      const query = await send(at, presign({ method: 'GET', target, headers: { host: at.host } }))
      assert.is(codeIn(query), 'InvalidToken')
    }
    assert.is(at.seen.length, 0)
  }),
)

test(
  'a session token that is not signed, or on an unknown key, gets no further',
  deadline(5000, async () => {
    const signed = presign({ method: 'GET', target: '/b/k', headers: { host: at.host } })
    const added = await send(at, { ...signed, target: `${signed.target}&X-Amz-Security-Token=x` })
    assert.is(codeIn(added), 'SignatureDoesNotMatch')
    const headers = { 'x-amz-security-token': 'x' }
    assert.is(
      codeIn(await call(at, 'GET', '/b/k', { headers, accessKeyId: 'ASIAUNKNOWN' })),
      'InvalidAccessKeyId',
    )
  }),
)

test.run()
