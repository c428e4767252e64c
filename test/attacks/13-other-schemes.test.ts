// 13: other ways to say who one is, and what an answer gives away about which keys exist.
import { call, codeIn, send, startGateway, type TestGateway, textIn } from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 13')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const bare = (target: string, headers: Record<string, string> = {}) =>
  send(at, { method: 'GET', target, headers: { host: at.host, ...headers } })

test(
  'Signature Version 2 is an InvalidRequest, in the header and in the query',
  deadline(5000, async () => {
    const header = await bare('/b/k', {
      authorization: 'AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg=',
    })
    const query = await bare(
      '/b/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Expires=1893456000&Signature=vjbyPxybdZaN',
    )
    for (const answer of [header, query]) {
      assert.is(answer.status, 400)
      assert.is(codeIn(answer), 'InvalidRequest')
      assert.match(textIn(answer), 'Please use AWS4-HMAC-SHA256')
    }
  }),
)

test(
  'SigV4a is not implemented by name, other schemes are unsupported',
  deadline(5000, async () => {
    assert.is((await bare('/b/k', { authorization: 'AWS4-ECDSA-P256-SHA256 Credential=x' })).status, 501)
    for (const authorization of [
      'Bearer token',
      'Basic cm9vdDpyb290',
      'x',
      '',
      'AWS4-HMAC-SHA512 Credential=a',
    ]) {
      const answer = await bare('/b/k', { authorization })
      assert.is(answer.status, 400, authorization)
      assert.is(codeIn(answer), 'InvalidArgument')
    }
  }),
)

test(
  'nobody may do nothing: every method, every path',
  deadline(5000, async () => {
    for (const method of ['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH']) {
      for (const target of ['/', '/b', '/b/k', '/b?versions', '/b/k?uploadId=x&partNumber=1']) {
        const answer = await send(at, { method, target, headers: { host: at.host, 'content-length': '0' } })
        assert.is(answer.status, 403, `${method} ${target}`)
      }
    }
    const headers = {
      host: at.host,
      'content-type': 'multipart/form-data; boundary=x',
      'content-length': '0',
    }
    assert.is((await send(at, { method: 'POST', target: '/b', headers })).status, 403)
    assert.is(at.seen.length, 0)
  }),
)

test(
  'an unknown key and a wrong secret differ in code and canonical request alone',
  deadline(5000, async () => {
    const unknown = await call(at, 'GET', '/b/k', { accessKeyId: 'AKIAUNKNOWNUNKNOWN00' })
    const wrong = await call(at, 'GET', '/b/k', { secretAccessKey: 'wrong' })
    assert.is(unknown.status, 403)
    assert.is(wrong.status, 403)
    assert.is(codeIn(unknown), 'InvalidAccessKeyId')
    assert.is(codeIn(wrong), 'SignatureDoesNotMatch')
    const shape = (headers: ReadonlyMap<string, string>): string[] => [...headers.keys()]
    assert.equal(shape(unknown.headers), shape(wrong.headers))
    assert.not.match(unknown.body.toString(), 'CanonicalRequest')
  }),
)

test(
  'a mismatch carries what was signed, and nothing that could sign',
  deadline(5000, async () => {
    const answer = await call(at, 'GET', '/b/k?x=1', {
      secretAccessKey: 'wrong',
      headers: { host: at.host, range: 'bytes=0-1' },
    })
    const text = answer.body.toString()
    for (const name of [
      'AWSAccessKeyId',
      'StringToSign',
      'SignatureProvided',
      'StringToSignBytes',
      'CanonicalRequest',
      'CanonicalRequestBytes',
    ]) {
      assert.match(text, `<${name}>`)
    }
    assert.match(text, 'GET\n/b/k\nx=1\nhost:')
    assert.not.match(text, 'wJalrXUtnFEMI')
  }),
)

test(
  'the known causes of a mismatch are named',
  deadline(5000, async () => {
    const put = (headers: Record<string, string>, sent: Record<string, string>) =>
      import('../support/http-signing.ts').then(({ signHeader }) => {
        const signed = signHeader({
          method: 'PUT',
          target: '/b/k',
          headers: { 'content-length': '0', ...headers },
        })
        return send(at, { ...signed, headers: { ...signed.headers, ...sent } })
      })
    const port = at.host.split(':')[1]
    const cases = [
      [{ host: '127.0.0.1' }, { host: at.host }, 'signed without its port'],
      [{ host: at.host }, { host: '127.0.0.1' }, `signed with the port ${port}`],
      [
        { host: at.host, 'content-type': 'text/plain' },
        { 'content-type': 'text/plain; charset=utf-8' },
        'Content-Type was changed',
      ],
      [
        { host: at.host, 'content-type': '' },
        { 'content-type': 'application/json' },
        'Content-Type was changed',
      ],
      [
        { host: at.host, 'content-type': 'image/jpeg' },
        { 'content-type': 'application/x-www-form-urlencoded' },
        "signed as 'image/jpeg'",
      ],
      [
        { host: at.host, 'content-type': 'application/json' },
        { 'content-type': 'application/json;charset=utf-8' },
        "signed as 'application/json'",
      ],
      [
        { host: at.host, 'content-type': 'text/html; charset=utf-8' },
        { 'content-type': 'text/html;charset=UTF-8' },
        "signed as 'text/html; charset=utf-8'",
      ],
    ] as const
    for (const [signed, sent, cause] of cases) {
      const answer = await put(signed, sent)
      assert.is(codeIn(answer), 'SignatureDoesNotMatch')
      assert.match(textIn(answer), cause)
    }
    const space = await call(at, 'GET', '/b?prefix=a+b', { signedQuery: 'prefix=a%2Bb' })
    assert.match(textIn(space), 'where it means a space')
    for (const [sent, signed, cause] of [
      ['a%20b', 'a+b', "with '+' for spaces"],
      ['a%20b', 'a%2Bb', "with an encoded '+' for a space"],
      ['a%2Bb', 'a%20b', "with a space for an encoded '+'"],
    ] as const) {
      const inQuery = await call(at, 'GET', `/b?prefix=${sent}`, { signedQuery: `prefix=${signed}` })
      assert.match(textIn(inQuery), `the query was signed ${cause}`)
      if (signed === 'a+b') continue
      const inPath = await call(at, 'GET', `/b/${sent}`, { signedPath: `/b/${signed}` })
      assert.match(textIn(inPath), `the path was signed ${cause}`)
    }
  }),
)

test.run()
