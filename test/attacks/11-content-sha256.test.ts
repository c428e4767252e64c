// 11: the body is the one that was signed.
import { call, codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { EMPTY_SHA256, sha256, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 11')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

test(
  'x-amz-content-sha256 must be there and mean something',
  deadline(5000, async () => {
    const signed = signHeader({
      method: 'GET',
      target: '/b/k',
      headers: { host: at.host },
      signedNames: ['host', 'x-amz-date'],
    })
    const { 'x-amz-content-sha256': _, ...headers } = signed.headers
    const missing = await send(at, { ...signed, headers })
    assert.is(missing.status, 400)
    assert.is(codeIn(missing), 'InvalidRequest')
    for (const payload of [
      '',
      'x',
      EMPTY_SHA256.slice(1),
      `${EMPTY_SHA256}0`,
      'unsigned-payload',
      'g'.repeat(64),
    ]) {
      const answer = await call(at, 'GET', '/b/k', { headers: { 'x-amz-content-sha256': payload } })
      assert.is(codeIn(answer), 'InvalidArgument', payload)
    }
  }),
)

test(
  'a body with another hash is refused, whatever its length and however it is cut',
  deadline(5000, async () => {
    const good = Buffer.alloc(200_000, 'x')
    const bad = Buffer.from(good)
    bad[150_000] = 0
    const payload = sha256(good)
    assert.is((await call(at, 'PUT', '/b/k', { body: good, payload })).status, 200)
    for (const body of [bad, good.subarray(1), 'y']) {
      const answer = await call(at, 'PUT', '/b/other', { body, payload })
      assert.is(answer.status, 400)
      assert.is(codeIn(answer), 'XAmzContentSHA256Mismatch')
    }
    assert.not(at.stored.has('b/other'))
  }),
)

test(
  'a body that is not there has the hash of nothing',
  deadline(5000, async () => {
    assert.is((await call(at, 'PUT', '/b/k', { payload: EMPTY_SHA256 })).status, 200)
    assert.is((await call(at, 'PUT', '/b/k', { payload: EMPTY_SHA256.toUpperCase() })).status, 200)
    for (const method of ['PUT', 'GET', 'DELETE']) {
      assert.is(codeIn(await call(at, method, '/b/k', { payload: sha256('x') })), 'XAmzContentSHA256Mismatch')
    }
  }),
)

test(
  'UNSIGNED-PAYLOAD is accepted over http too',
  deadline(5000, async () => {
    const answer = await call(at, 'PUT', '/b/k', { body: 'anything', payload: 'UNSIGNED-PAYLOAD' })
    assert.is(answer.status, 200)
    assert.is(at.stored.get('b/k')?.toString(), 'anything')
  }),
)

test.run()
