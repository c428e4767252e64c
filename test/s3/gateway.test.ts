import { call, codeIn, send, startGateway, type TestGateway, Wire } from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('gateway')
let at: TestGateway
test.before.each(async () => {
  at = await startGateway()
})
test.after.each(() => at.close())

test(
  'what is put is got, with request ids, Date and Server',
  deadline(5000, async () => {
    const put = await call(at, 'PUT', '/bucket/key', { body: 'hello' })
    assert.is(put.status, 200, put.body.toString())
    const got = await call(at, 'GET', '/bucket/key')
    assert.is(got.status, 200)
    assert.is(got.body.toString(), 'hello')
    assert.match(got.headers.get('x-amz-request-id')!, /^[0-9A-F]{16}$/)
    assert.ok(got.headers.get('x-amz-id-2')!.length > 20)
    assert.is(got.headers.get('server'), 'Moraine')
    assert.ok(got.headers.has('date'))
  }),
)

test(
  'an anonymous request is denied before anything is dispatched',
  deadline(5000, async () => {
    const answer = await send(at, { method: 'GET', target: '/bucket/key', headers: { host: at.host } })
    assert.is(answer.status, 403)
    assert.is(codeIn(answer), 'AccessDenied')
    assert.is(at.seen.length, 0)
  }),
)

test(
  'several requests follow one another on one connection',
  deadline(5000, async () => {
    const wire = new Wire(at.port)
    const { signHeader } = await import('../support/http-signing.ts')
    const { headText } = await import('../support/http-gateway.ts')
    for (let i = 0; i < 3; i++) {
      wire.send(
        headText(
          signHeader({
            method: 'PUT',
            target: `/b/k${i}`,
            headers: { host: at.host, 'content-length': '1' },
          }),
        ),
      )
      wire.send(String(i))
      assert.is((await wire.answer('PUT')).status, 200)
    }
    assert.not(wire.closed)
    wire.close()
  }),
)

test.run()
