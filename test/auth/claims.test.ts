// What a client repeats before its signature is read once. Here the same words come twice, and the second time something
// else about the request has changed: each is judged anew all the same.
import { createAuthenticator } from '../../src/auth/authenticate.ts'
import { parseQuery } from '../../src/auth/encoding.ts'
import { codeOf } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { KEY, presign, SECRET, type Signed, signHeader } from '../support/http-signing.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('claims')
const START = Date.UTC(2026, 10, 23, 12)
const SECOND = 1000
const HOST = { host: 'h' }
const identity = { kind: 'root', canonicalId: 'a'.repeat(64), displayName: 'root', accessKeyId: KEY } as const

/** An authenticator with a clock of its own, and what it says to a request: `ok`, or the code of its refusal. */
const create = () => {
  const time = { ms: START }
  const authenticator = createAuthenticator({
    region: 'us-east-1',
    findCredential: (id) =>
      id === KEY ? { accessKeyId: KEY, secretAccessKey: SECRET, identity } : undefined,
    clock: { nowMs: () => time.ms, monotonicMs: () => 0, setTimer: () => ({ cancel: () => undefined }) },
    random: systemRandom,
  })
  const judge = ({ method, target, headers }: Signed, more: Record<string, string> = {}): string => {
    const [path = '', query = ''] = target.split('?')
    const all = new Map([...Object.entries(headers), ...Object.entries(more)])
    const request = { method, path, query, headers: new Map([...HOSTS, ...all]) }
    try {
      authenticator.authenticate(request, parseQuery(query))
      return 'ok'
    } catch (error) {
      return codeOf(error)
    }
  }
  return { time, judge }
}
const HOSTS = Object.entries(HOST)

const url = (target = '/b/k', accessKeyId = KEY) =>
  presign({ method: 'GET', target, headers: HOST, timeMs: START, accessKeyId }, 60)
const signed = (target = '/b/k') => signHeader({ method: 'GET', target, headers: HOST, timeMs: START })

/** The same with another signature, or another text around it. */
const changed = (request: Signed, change: (text: string) => string): Signed => ({
  ...request,
  target: change(request.target),
  headers: Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      name === 'authorization' ? change(value) : value,
    ]),
  ),
})

test('the urls of one second are told apart by what they name and by their signatures', () => {
  const { judge } = create()
  for (let i = 0; i < 200; i++) assert.is(judge(url(`/b/k${i}`)), 'ok')
  const foreign = changed(url('/b/k1'), (target) => target.replace(/[0-9a-f]{64}$/, url('/b/k2').signature))
  assert.is(judge(foreign), 'SignatureDoesNotMatch')
  assert.is(judge(changed(url(), (target) => target.replace('/b/k', '/b/other'))), 'SignatureDoesNotMatch')
  assert.is(judge(url()), 'ok')
  assert.is(judge(url('/b/k', 'NOBODY')), 'InvalidAccessKeyId')
})

test('a url that was good expires all the same', () => {
  const { judge, time } = create()
  assert.is(judge(url()), 'ok')
  time.ms = START + 60 * SECOND
  assert.is(judge(url()), 'ok')
  time.ms += SECOND
  assert.is(judge(url()), 'AccessDenied')
  time.ms = START - 16 * 60 * SECOND
  assert.is(judge(url()), 'AccessDenied')
})

test('each request is asked anew for the headers it has, and for a second credential', () => {
  const { judge } = create()
  for (const request of [url(), signed()]) {
    assert.is(judge(request), 'ok')
    assert.is(judge(request, { 'x-amz-acl': 'private' }), 'AccessDenied')
    assert.is(judge(request), 'ok')
  }
  assert.is(judge(url(), { authorization: signed().headers['authorization']! }), 'InvalidArgument')
  assert.is(judge(url(), { 'x-amz-security-token': 'token' }), 'AccessDenied')
})

test('a parameter beside the signature counts wherever it stands', () => {
  const { judge } = create()
  assert.is(judge(url('/b/k?x-id=GetObject')), 'ok')
  // One more of what is there already, before the signature and after it.
  const twice = (place: (target: string) => string) => judge(changed(url(), place))
  const date = `X-Amz-Date=20261123T120000Z`
  for (let i = 0; i < 2; i++) {
    assert.is(
      twice((target) => `${target}&${date}`),
      'AuthorizationQueryParametersError',
    )
    assert.is(
      twice((target) => target.replace('?', `?${date}&`)),
      'AuthorizationQueryParametersError',
    )
    assert.is(
      twice((target) => target.replace('?', `?X-Amz-Signature=${'0'.repeat(64)}&`)),
      'AuthorizationQueryParametersError',
    )
    assert.is(
      twice((target) => target.replace('?', '?Signature=a&')),
      'InvalidArgument',
    )
  }
})

test('a header is only as good as the whole of it', () => {
  const { judge, time } = create()
  const good = signed()
  assert.is(judge(good), 'ok')
  const digits = (to: string) => judge(changed(good, (text) => text.replace(/[0-9a-f]{64}$/, to)))
  assert.is(digits('0'.repeat(64)), 'SignatureDoesNotMatch')
  assert.is(digits(good.signature.toUpperCase()), 'ok')
  assert.is(digits(`Signature=${good.signature}`), 'SignatureDoesNotMatch')
  assert.is(digits(`${good.signature}${good.signature}`), 'SignatureDoesNotMatch')
  assert.is(digits(`${good.signature},Signature=${good.signature}`), 'AuthorizationHeaderMalformed')
  assert.is(
    judge(changed(good, (text) => text.replace('Signature=', 'XSignature='))),
    'AuthorizationHeaderMalformed',
  )
  assert.is(judge(changed(good, (text) => text.replace(/, ?/g, ' , '))), 'ok')
  time.ms = START + 16 * 60 * SECOND
  assert.is(judge(good), 'RequestTimeTooSkewed')
})

test.run()
