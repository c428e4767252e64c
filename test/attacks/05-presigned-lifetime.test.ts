// 5: a presigned URL is good for what was signed, as long as was signed, and for nothing else.
import { systemClock } from '../../src/base/clock.ts'
import { codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { presign } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 5')
const NOW = Date.UTC(2026, 10, 23, 12)
const SECOND = 1000
const WEEK = 604_800
let at: TestGateway
test.before(async () => {
  at = await startGateway({ options: { clock: { ...systemClock, nowMs: () => NOW } } })
})
test.after(() => at.close())

const url = (expires: number | string, ageMs = 0, method = 'DELETE') =>
  presign({ method, target: '/b/k', headers: { host: at.host }, timeMs: NOW - ageMs }, expires)
const open = (expires: number | string, ageMs = 0) => send(at, url(expires, ageMs))

test(
  'it lives to its last second, a week at most',
  deadline(5000, async () => {
    assert.is((await open(60, 60 * SECOND)).status, 204)
    assert.is((await open(WEEK, WEEK * SECOND)).status, 204)
    const late = await open(60, 61 * SECOND)
    assert.is(late.status, 403)
    assert.is(codeIn(late), 'AccessDenied')
    assert.match(late.body.toString(), 'Request has expired')
    assert.is(codeIn(await open(WEEK, WEEK * SECOND + SECOND)), 'AccessDenied')
  }),
)

test(
  'no lifetime that is none: 0, more than a week, negative, not a number',
  deadline(5000, async () => {
    assert.is((await open(0)).status, 403)
    for (const expires of [WEEK + 1, -1, '1e3', '', '0x10', '60.5', '+60', '9'.repeat(30), 'NaN', '-']) {
      const answer = await open(expires)
      assert.is(answer.status, 400, String(expires))
      assert.is(codeIn(answer), 'AuthorizationQueryParametersError')
    }
  }),
)

test(
  'a URL from the future waits, a quarter of an hour of clock difference aside',
  deadline(5000, async () => {
    assert.is((await open(60, -900 * SECOND)).status, 204)
    const early = await open(60, -901 * SECOND)
    assert.is(codeIn(early), 'AccessDenied')
    assert.match(early.body.toString(), 'Request is not yet valid')
  }),
)

test(
  'another method is not what was signed, HEAD for GET included',
  deadline(5000, async () => {
    for (const [signed, used] of [
      ['GET', 'HEAD'],
      ['HEAD', 'GET'],
      ['GET', 'PUT'],
      ['PUT', 'DELETE'],
    ] as const) {
      const answer = await send(at, { ...url(60, 0, signed), method: used })
      assert.is(answer.status, 403, `${signed} ${used}`)
      if (used !== 'HEAD') assert.is(codeIn(answer), 'SignatureDoesNotMatch')
    }
  }),
)

test(
  'parameters added, changed or repeated after signing do not match',
  deadline(5000, async () => {
    const signed = url(60)
    const targets = [
      `${signed.target}&versionId=null`,
      `${signed.target}&response-content-type=text/html`,
      signed.target.replace('X-Amz-Expires=60', 'X-Amz-Expires=6000'),
      signed.target.replace('/b/k', '/b/other'),
    ]
    for (const target of targets) {
      assert.is(codeIn(await send(at, { ...signed, target })), 'SignatureDoesNotMatch', target)
    }
    const twice = `${signed.target}&X-Amz-Expires=6000`
    assert.is(codeIn(await send(at, { ...signed, target: twice })), 'AuthorizationQueryParametersError')
  }),
)

test(
  'each of the six parameters is needed',
  deadline(5000, async () => {
    const signed = url(60)
    for (const name of ['Credential', 'Date', 'Expires', 'SignedHeaders', 'Signature']) {
      const target = signed.target.replace(new RegExp(`X-Amz-${name}=[^&]*&?`), '')
      assert.is(codeIn(await send(at, { ...signed, target })), 'AuthorizationQueryParametersError', name)
    }
  }),
)

test.run()
