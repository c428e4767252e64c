import { bodyLengthOf, expectsContinue, keepsConnection, parseHead } from '../../src/http/head.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('head')
const head = (...lines: string[]): string => lines.join('\r\n')

test('method, target, version and headers, names in lower case, values without blanks around them', () => {
  const { method, target, minor, headers } = parseHead(
    head('PUT /b/k?x=%20 HTTP/1.1', 'Host: a:1', 'X-Amz-Meta-A: \t b c \t', 'x-empty:', 'ETAG:"x"'),
  )
  assert.equal([method, target, minor], ['PUT', '/b/k?x=%20', 1])
  assert.equal(
    [...headers],
    [
      ['host', 'a:1'],
      ['x-amz-meta-a', 'b c'],
      ['x-empty', ''],
      ['etag', '"x"'],
    ],
  )
  assert.is(parseHead('GET /%C3%A4 HTTP/1.0').minor, 0)
})

test('a value that only other alphabets call blank is part of the value', () => {
  const { headers } = parseHead(head('GET / HTTP/1.1', 'a: \xa0b\xa0'))
  assert.is(headers.get('a'), '\xa0b\xa0')
})

test('what comes twice is a list, but for what may come once', async () => {
  assert.is(parseHead(head('GET / HTTP/1.1', 'A: 1', 'a: 2')).headers.get('a'), '1,2')
  for (const name of [
    'Host',
    'Content-Length',
    'Transfer-Encoding',
    'Authorization',
    'X-Amz-Content-Sha256',
  ]) {
    await rejectsWith('BadRequest', () =>
      parseHead(head('GET / HTTP/1.1', `${name}: 1`, `${name.toLowerCase()}: 1`)),
    )
  }
})

test('what is not HTTP/1 to the letter is refused', async () => {
  const lines = ['', 'GET', 'GET /', 'GET  HTTP/1.1', 'get / HTTP/1.1', 'GET / HTTP/1.2', 'GET / HTTP/2.0']
  lines.push(
    'GET / http/1.1',
    'GET / HTTP/1.1 ',
    ' GET / HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /\x7f HTTP/1.1',
  )
  lines.push(
    'GET /\t HTTP/1.1',
    'GET /\xc3\xa4 HTTP/1.1',
    'GET a HTTP/1.1',
    'GET *a HTTP/1.1',
    'GET /\0 HTTP/1.1',
    'GET\t/ HTTP/1.1',
    'CONNECT a:1 HTTP/1.1',
    'PRI * HTTP/2.0',
  )
  for (const line of lines) await rejectsWith('BadRequest', () => parseHead(line))
  const fields = [
    'a',
    ': b',
    'a : b',
    ' a: b',
    'a: b\rc: d',
    'a: b\nc: d',
    'a: \0',
    'a: \x0b',
    'a b: c',
    'ä: b',
  ]
  for (const field of fields) {
    await rejectsWith('BadRequest', () => parseHead(head('GET / HTTP/1.1', 'x: y', field, 'z: z')))
  }
  const many = Array.from({ length: 257 }, (_, i) => `a${i}: b`)
  await rejectsWith('RequestHeaderSectionTooLarge', () => parseHead(head('GET / HTTP/1.1', ...many)))
  assert.is(parseHead(head('GET / HTTP/1.1', ...many.slice(1))).headers.size, 256)
})

test('a host is a name or an address, and perhaps a port', async () => {
  for (const host of [
    '',
    'a',
    'a_b.c-d:9000',
    'b.s3.example.com',
    '127.0.0.1:1',
    '[::1]:9000',
    '[fe80::1]',
    'a:',
  ]) {
    assert.is(parseHead(head('GET / HTTP/1.1', `Host: ${host}`)).headers.get('host'), host)
  }
  for (const host of [
    'a b',
    'a/b',
    'a?b',
    'a#b',
    'u@a',
    'a:b',
    'a:1:2',
    '[::1',
    '::1',
    'a\\b',
    'a"b',
    '\xe4',
    'a:123456',
  ]) {
    await rejectsWith('BadRequest', () => parseHead(head('GET / HTTP/1.1', `Host: ${host}`)))
  }
})

test('how long the body is', async () => {
  const lengthOf = (version: string, ...fields: string[]) =>
    bodyLengthOf(parseHead(head(`PUT / ${version}`, ...fields)))
  assert.is(lengthOf('HTTP/1.1'), 0)
  assert.is(lengthOf('HTTP/1.1', 'Content-Length: 0'), 0)
  assert.is(lengthOf('HTTP/1.0', 'Content-Length: 5497558138880'), 5497558138880)
  assert.is(lengthOf('HTTP/1.1', 'Transfer-Encoding: Chunked'), 'chunked')
  for (const length of ['', '-1', '+1', '0x1', '1.0', '1e3', '1 1', '1,1', '9999999999999999', '\xb2']) {
    await rejectsWith('BadRequest', () => lengthOf('HTTP/1.1', `Content-Length: ${length}`))
  }
  for (const coding of ['', 'identity', 'gzip, chunked', 'chunked, chunked', 'chunked;q=1', 'xchunked']) {
    await rejectsWith('BadRequest', () => lengthOf('HTTP/1.1', `Transfer-Encoding: ${coding}`))
  }
  await rejectsWith('BadRequest', () => lengthOf('HTTP/1.0', 'Transfer-Encoding: chunked'))
  await rejectsWith('BadRequest', () =>
    lengthOf('HTTP/1.1', 'Transfer-Encoding: chunked', 'Content-Length: 1'),
  )
})

test('who keeps the connection, and who waits for 100 Continue', () => {
  const keeps = (version: string, ...fields: string[]) =>
    keepsConnection(parseHead(head(`GET / ${version}`, ...fields)))
  assert.ok(keeps('HTTP/1.1'))
  assert.not(keeps('HTTP/1.1', 'Connection: Close'))
  assert.not(keeps('HTTP/1.1', 'Connection: te, close'))
  assert.not(keeps('HTTP/1.0'))
  assert.ok(keeps('HTTP/1.0', 'Connection: keep-alive'))
  const expects = (version: string, value: string) =>
    expectsContinue(parseHead(head(`PUT / ${version}`, `Expect: ${value}`)))
  assert.ok(expects('HTTP/1.1', '100-Continue'))
  assert.not(expects('HTTP/1.0', '100-continue'))
  assert.not(expects('HTTP/1.1', 'something'))
})

test(
  'whatever comes, it is read or refused',
  seeded(20_000, (random) => {
    for (let round = 0; round < 20_000; round++) {
      const length = random.below(80)
      // Mostly from the characters that heads are made of.
      const alphabet = ' \t\r\n:;,/?GETHP1.0aA\0\x7f\xff'
      let text = random.below(2) === 0 ? 'GET / HTTP/1.1\r\n' : ''
      for (let i = 0; i < length; i++) text += alphabet[random.below(alphabet.length)]
      try {
        const { headers } = parseHead(text)
        for (const [name, value] of headers) {
          assert.match(name, /^[!#$%&'*+\-.^_`|~0-9a-z]+$/)
          assert.not.match(value, /[\r\n\0]|^[ \t]|[ \t]$/)
        }
      } catch (error) {
        assert.ok(['BadRequest', 'RequestHeaderSectionTooLarge'].includes((error as { code: string }).code))
      }
    }
  }),
)

test.run()
