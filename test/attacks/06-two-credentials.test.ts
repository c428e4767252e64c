// 6 and 7: a request says once who it is from.
import { codeIn, headText, send, startGateway, type TestGateway, Wire } from '../support/http-gateway.ts'
import { presign, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attacks 6 and 7')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

test(
  '6: header and query credentials together are 400, each good by itself',
  deadline(5000, async () => {
    const url = presign({ method: 'GET', target: '/b/k', headers: { host: at.host } })
    const header = signHeader({ method: 'GET', target: url.target, headers: { host: at.host } })
    const answer = await send(at, header)
    assert.is(answer.status, 400)
    assert.is(codeIn(answer), 'InvalidArgument')
    const old = signHeader({ method: 'GET', target: '/b/k?Signature=x', headers: { host: at.host } })
    assert.is((await send(at, old)).status, 400)
    assert.is(at.seen.length, 0)
  }),
)

test(
  '7: two Authorization headers are 400, the same one twice included',
  deadline(5000, async () => {
    const signed = signHeader({ method: 'GET', target: '/b/k', headers: { host: at.host } })
    const authorization = signed.headers['authorization']
    for (const second of [authorization, 'AWS4-HMAC-SHA256 x', '']) {
      const wire = new Wire(at.port)
      wire.send(`${headText(signed).slice(0, -2)}Authorization: ${second}\r\n\r\n`)
      const answer = await wire.answer()
      assert.is(answer.status, 400)
      wire.close()
    }
    assert.is(at.seen.length, 0)
  }),
)

test.run()
