// 36: nothing a client said becomes a line of our answer's head, or markup in its body.
import type { S3Response } from '../../src/s3/exchange.ts'
import {
  call,
  codeIn,
  headText,
  send,
  startGateway,
  type TestGateway,
  Wire,
} from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 36')
const open: TestGateway[] = []
const start = async (response?: S3Response): Promise<TestGateway> => {
  const at = await startGateway(response ? { dispatch: async () => response } : {})
  open.push(at)
  return at
}
test.after.each(async () => {
  for (const at of open.splice(0)) await at.close()
})

test(
  'a header that a handler lets through with a line break is a 500, not two headers',
  deadline(5000, async () => {
    for (const value of ['a\r\nSet-Cookie: x=1', 'a\nb', 'a\rb', 'a\0b', 'snow \u2603']) {
      const at = await start({ status: 200, headers: [['x-amz-meta-a', value]], body: 'x' })
      const answer = await call(at, 'GET', '/b/k')
      assert.is(answer.status, 500, JSON.stringify(value))
      assert.not(answer.headers.has('set-cookie'))
      assert.is(codeIn(answer), 'InternalError')
    }
    const at = await start({ status: 200, headers: [['x-a\r\nSet-Cookie', 'v']], body: 'x' })
    assert.is((await call(at, 'GET', '/b/k')).status, 500)
  }),
)

test(
  'line breaks in metadata on the wire end the request',
  deadline(5000, async () => {
    const at = await start()
    for (const text of ['a\rb', 'a\n b', 'a\0b']) {
      const wire = new Wire(at.port)
      const signed = signHeader({
        method: 'PUT',
        target: '/b/k',
        headers: { host: at.host, 'x-amz-meta-a': text },
      })
      wire.send(headText(signed))
      assert.is((await wire.answer()).status, 400, JSON.stringify(text))
      wire.close()
    }
    assert.is(at.seen.length, 0)
  }),
)

test(
  'response-* parameters count only when they are signed',
  deadline(5000, async () => {
    const at = await start()
    const target = '/b/k?response-content-type=text/html'
    const anonymous = await send(at, { method: 'GET', target, headers: { host: at.host } })
    assert.is(anonymous.status, 403)
    const signed = signHeader({ method: 'GET', target: '/b/k', headers: { host: at.host } })
    assert.is((await send(at, { ...signed, target })).status, 403)
    assert.is(at.seen.length, 0)
  }),
)

test(
  'a key with markup or line breaks in it comes back escaped',
  deadline(5000, async () => {
    const at = await start()
    const target = '/b/%3Cscript%3Ealert(1)%3C/script%3E%0D%0ASet-Cookie:%20x=1'
    const answer = await send(at, { method: 'GET', target, headers: { host: at.host } })
    assert.is(answer.status, 403)
    assert.not.match(answer.body.toString(), '<script>')
    assert.not(answer.headers.has('set-cookie'))
  }),
)

test.run()
