// 52, at the gateway: names that mean something to JavaScript mean nothing here.
import { call, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 52, gateway')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

test(
  'metadata, parameters and keys named like members of Object are just names',
  deadline(5000, async () => {
    for (const name of ['__proto__', 'constructor', 'prototype', 'toString', 'hasownproperty']) {
      const headers: Record<string, string> = {
        host: at.host,
        [`x-amz-meta-${name}`]: 'v',
        'content-length': '0',
      }
      Object.defineProperty(headers, name, { value: 'w', enumerable: true })
      const answer = await call(at, 'PUT', `/b/${name}?${name}=q`, { headers })
      assert.is(answer.status, 200, answer.body.toString())
      const request = at.seen.pop()
      assert.is(request?.headers.get(`x-amz-meta-${name.toLowerCase()}`), 'v')
      assert.is(request?.headers.get(name.toLowerCase()), 'w')
      assert.equal(request?.query, [[name, 'q']])
      assert.is(request?.key, name)
    }
    assert.is(({} as Record<string, unknown>)['v'], undefined)
    assert.is(Object.keys(Object.prototype).length, 0)
  }),
)

test.run()
