// 34: nobody is told to go on before we know who they are, or when there is no use for the body.
import { headText, startGateway, type TestGateway, Wire } from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 34')
const open: TestGateway[] = []
test.after.each(async () => {
  for (const at of open.splice(0)) await at.close()
})

const head = (at: TestGateway, secretAccessKey?: string): string => {
  const headers = { host: at.host, 'content-length': '5', expect: '100-continue' }
  return headText(
    signHeader({ method: 'PUT', target: '/b/k', headers, ...(secretAccessKey ? { secretAccessKey } : {}) }),
  )
}

test(
  'a signed request is told to go on, once, when its body is wanted',
  deadline(5000, async () => {
    const at = await startGateway()
    open.push(at)
    const wire = new Wire(at.port)
    wire.send(head(at))
    while (!wire.buffer.includes('\r\n\r\n')) await new Promise((resolve) => setTimeout(resolve, 5))
    assert.is(wire.buffer.toString(), 'HTTP/1.1 100 Continue\r\n\r\n')
    wire.send('hello')
    assert.is((await wire.answer('PUT')).status, 200)
    assert.is(at.stored.get('b/k')?.toString(), 'hello')
    wire.close()
  }),
)

test(
  'a bad signature gets its refusal, no 100, and the connection ends',
  deadline(5000, async () => {
    const at = await startGateway()
    open.push(at)
    const wire = new Wire(at.port)
    wire.send(head(at, 'wrong'))
    const answer = await wire.answer('PUT')
    assert.is(answer.status, 403)
    assert.not(answer.raw.includes('100 Continue'))
    assert.ok(answer.closed)
    assert.is(at.seen.length, 0)
    wire.close()
  }),
)

test(
  'a body that nobody reads is not asked for',
  deadline(5000, async () => {
    const at = await startGateway({ dispatch: async () => ({ status: 412, headers: [], body: 'no' }) })
    open.push(at)
    const wire = new Wire(at.port)
    wire.send(head(at))
    const answer = await wire.answer('PUT')
    assert.is(answer.status, 412)
    assert.not(answer.raw.includes('100 Continue'))
    assert.ok(answer.closed)
    wire.close()
  }),
)

test.run()
