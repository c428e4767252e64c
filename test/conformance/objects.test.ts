// PutObject, GetObject, HeadObject, DeleteObject: request → status, headers, body, from the examples and the rules of the
// AWS reference.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { createExchange, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('conformance: objects')

const MD5_HELLO = createHash('md5').update('hello').digest('hex')

/** Each row: name, request, status, then what the answer must hold. */
interface Expected {
  readonly status: number
  readonly code?: string
  readonly text?: string
  readonly headers?: Readonly<Record<string, string | undefined>>
}

const check = (name: string, line: string, sent: Sent, expected: Expected): void => {
  test(
    name,
    deadline(2_000, async () => {
      const { send, store } = await createExchange()
      await send('PUT /bucket/hello', {
        body: 'hello',
        headers: { 'content-type': 'text/plain', 'x-amz-meta-color': 'red', 'cache-control': 'no-store' },
      })
      const answer = await send(line, sent)
      assert.is(answer.status, expected.status, answer.text)
      assert.is(answer.code, expected.code ?? '')
      if (expected.text !== undefined) assert.is(answer.text, expected.text)
      for (const [header, value] of Object.entries(expected.headers ?? {})) {
        assert.is(answer.headers.get(header), value, header)
      }
      assert.is(store.leases(), 0)
    }),
  )
}

const OK = { status: 200, text: '', headers: { etag: `"${MD5_HELLO}"` } }
const md5 = createHash('md5').update('hello').digest('base64')
const sha1 = createHash('sha1').update('hello').digest('base64')
const sha256 = createHash('sha256').update('hello').digest('base64')

check('a PUT answers the ETag', 'PUT /bucket/k', { body: 'hello' }, OK)
check('Content-MD5 that holds', 'PUT /bucket/k', { body: 'hello', headers: { 'content-md5': md5 } }, OK)
check(
  'Content-MD5 of another body',
  'PUT /bucket/k',
  { body: 'hallo', headers: { 'content-md5': md5 } },
  { status: 400, code: 'BadDigest' },
)
check(
  'Content-MD5 of another length',
  'PUT /bucket/k',
  { body: 'hello', headers: { 'content-md5': 'aGVsbG8=' } },
  { status: 400, code: 'InvalidDigest' },
)
for (const [name, value] of [
  ['crc32', 'NhCmhg=='],
  ['crc32c', 'mnG7TA=='],
  ['crc64nvme', 'M3eFcAZSQlc='],
  ['sha1', sha1],
  ['sha256', sha256],
] as const) {
  const header = `x-amz-checksum-${name}`
  check(
    `${name} in a header`,
    'PUT /bucket/k',
    { body: 'hello', headers: { [header]: value } },
    {
      status: 200,
      headers: { [header]: value, 'x-amz-checksum-type': 'FULL_OBJECT' },
    },
  )
  check(
    `${name} in a trailer`,
    'PUT /bucket/k',
    { body: 'hello', trailers: { [header]: value } },
    {
      status: 200,
      headers: { [header]: value },
    },
  )
  check(
    `${name} of another body`,
    'PUT /bucket/k',
    { body: 'hallo', headers: { [header]: value } },
    { status: 400, code: 'BadDigest' },
  )
  check(
    `${name} of another body, in a trailer`,
    'PUT /bucket/k',
    { body: 'hallo', trailers: { [header]: value } },
    { status: 400, code: 'BadDigest' },
  )
}
check(
  'a checksum that is announced and does not come',
  'PUT /bucket/k',
  { body: 'hello', trailers: { 'x-amz-checksum-crc32': '' } },
  { status: 400, code: 'MalformedTrailerError' },
)
check(
  'a malformed checksum',
  'PUT /bucket/k',
  { body: 'hello', headers: { 'x-amz-checksum-crc32': 'NhCmhg' } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'a malformed checksum in a trailer',
  'PUT /bucket/k',
  { body: 'hello', trailers: { 'x-amz-checksum-crc32': 'x' } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'two checksums',
  'PUT /bucket/k',
  { body: 'hello', headers: { 'x-amz-checksum-sha1': sha1, 'x-amz-checksum-sha256': sha256 } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'a header and a trailer',
  'PUT /bucket/k',
  { body: 'hello', headers: { 'x-amz-checksum-sha1': sha1 }, trailers: { 'x-amz-checksum-sha1': sha1 } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'the algorithm alone',
  'PUT /bucket/k',
  { body: 'hello', headers: { 'x-amz-sdk-checksum-algorithm': 'SHA1' } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'another algorithm than announced',
  'PUT /bucket/k',
  { body: 'hello', headers: { 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-sha256': sha256 } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'a trailer that is no checksum',
  'PUT /bucket/k',
  { body: 'hello', trailers: { 'x-amz-color': 'red' } },
  { status: 400, code: 'InvalidRequest' },
)
check(
  'no length',
  'PUT /bucket/k',
  { body: '', size: undefined },
  { status: 411, code: 'MissingContentLength' },
)
check(
  'too large',
  'PUT /bucket/k',
  { body: 'hello', size: 5 * 2 ** 30 + 1 },
  { status: 400, code: 'EntityTooLarge' },
)
check(
  'fewer bytes than announced',
  'PUT /bucket/k',
  { body: 'hello', size: 6 },
  { status: 400, code: 'IncompleteBody' },
)
check(
  'a part number without upload',
  'PUT /bucket/k?partNumber=1',
  { body: 'hello' },
  { status: 400, code: 'InvalidArgument' },
)
check('no bucket', 'PUT /no-bucket/k', { body: 'hello' }, { status: 404, code: 'NoSuchBucket' })
check(
  'PUT only if new, and it is',
  'PUT /bucket/new',
  { body: 'hello', headers: { 'if-none-match': '*' } },
  OK,
)
check(
  'PUT only if new, and it is not',
  'PUT /bucket/hello',
  { body: 'hello', headers: { 'if-none-match': '*' } },
  { status: 412, code: 'PreconditionFailed' },
)
check(
  'PUT only over this one',
  'PUT /bucket/hello',
  { body: 'hello', headers: { 'if-match': `"${MD5_HELLO}"` } },
  OK,
)
check(
  'PUT only over another',
  'PUT /bucket/hello',
  { body: 'hello', headers: { 'if-match': '"0"' } },
  { status: 412, code: 'PreconditionFailed' },
)
check(
  'PUT only over what is not there',
  'PUT /bucket/new',
  { body: 'hello', headers: { 'if-match': '*' } },
  { status: 404, code: 'NoSuchKey' },
)
check(
  'PUT unless it has this tag',
  'PUT /bucket/hello',
  { body: 'hello', headers: { 'if-none-match': '"0"' } },
  { status: 501, code: 'NotImplemented' },
)

const WHOLE = {
  'content-type': 'text/plain',
  'cache-control': 'no-store',
  'x-amz-meta-color': 'red',
  etag: `"${MD5_HELLO}"`,
  'last-modified': 'Fri, 02 Jan 2026 03:04:05 GMT',
  'accept-ranges': 'bytes',
}
check(
  'GET',
  'GET /bucket/hello',
  {},
  { status: 200, text: 'hello', headers: { ...WHOLE, 'content-range': undefined } },
)
check(
  'HEAD',
  'HEAD /bucket/hello',
  {},
  { status: 200, text: '', headers: { ...WHOLE, 'content-length': '5' } },
)
check('GET the null version', 'GET /bucket/hello?versionId=null', {}, { status: 200, text: 'hello' })
for (const versionId of ['abc', 'NULL', '']) {
  const refused = { status: 400, code: 'InvalidArgument' }
  check(`GET version "${versionId}"`, `GET /bucket/hello?versionId=${versionId}`, {}, refused)
  check(`DELETE version "${versionId}"`, `DELETE /bucket/hello?versionId=${versionId}`, {}, refused)
  check(
    `HEAD version "${versionId}"`,
    `HEAD /bucket/hello?versionId=${versionId}`,
    {},
    { status: 400, text: '' },
  )
}
check('DELETE the null version', 'DELETE /bucket/hello?versionId=null', {}, { status: 204 })
check(
  'GET the tags of an object, which can have none',
  'GET /bucket/hello?tagging',
  {},
  {
    status: 200,
    text: '<?xml version="1.0" encoding="UTF-8"?>\n<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet></TagSet></Tagging>',
    headers: { 'content-type': 'application/xml' },
  },
)
check('GET the tags of nothing', 'GET /bucket/none?tagging', {}, { status: 404, code: 'NoSuchKey' })
check('GET tags from no bucket', 'GET /no-bucket/none?tagging', {}, { status: 404, code: 'NoSuchBucket' })
check(
  'GET the tags of another version',
  'GET /bucket/hello?tagging&versionId=x',
  {},
  { status: 400, code: 'InvalidArgument' },
)
for (const method of ['PUT', 'DELETE']) {
  check(`${method} tags`, `${method} /bucket/hello?tagging`, {}, { status: 501, code: 'NotImplemented' })
}
check('GET what is not there', 'GET /bucket/none', {}, { status: 404, code: 'NoSuchKey' })
check('HEAD what is not there', 'HEAD /bucket/none', {}, { status: 404, text: '' })
check('GET from no bucket', 'GET /no-bucket/none', {}, { status: 404, code: 'NoSuchBucket' })

const part = (range: string, text: string) => ({ status: 206, text, headers: { 'content-range': range } })
const whole = { status: 200, text: 'hello', headers: { 'content-range': undefined } }
const range = (value: string, expected: Expected, headers: Record<string, string> = {}): void => {
  check(
    `Range ${value} ${JSON.stringify(headers)}`,
    'GET /bucket/hello',
    { headers: { range: value, ...headers } },
    expected,
  )
}
range('bytes=0-0', part('bytes 0-0/5', 'h'))
range('bytes=1-3', part('bytes 1-3/5', 'ell'))
range('bytes=1-', part('bytes 1-4/5', 'ello'))
range('bytes=-2', part('bytes 3-4/5', 'lo'))
range('bytes=-99', part('bytes 0-4/5', 'hello'))
range('bytes=0-999999999999999999999', part('bytes 0-4/5', 'hello'))
range('bytes=5-', { status: 416, code: 'InvalidRange', headers: { 'content-range': 'bytes */5' } })
range('bytes=-0', { status: 416, code: 'InvalidRange' })
range('bytes=3-1', whole)
range('bytes=0-1,3-4', whole)
range('lines=0-1', whole)
range('bytes=9e99-', whole)
range('bytes=1-3', part('bytes 1-3/5', 'ell'), { 'if-range': `"${MD5_HELLO}"` })
range('bytes=1-3', whole, { 'if-range': '"0"' })
range('bytes=1-3', whole, { 'if-range': 'Fri, 02 Jan 2026 03:04:06 GMT' })
range('bytes=1-3', part('bytes 1-3/5', 'ell'), { 'if-range': 'Fri, 02 Jan 2026 03:04:05 GMT' })
check(
  'HEAD with a range',
  'HEAD /bucket/hello',
  { headers: { range: 'bytes=1-2' } },
  { status: 206, headers: { 'content-length': '2', 'content-range': 'bytes 1-2/5' } },
)
check('part 1 of a plain object', 'GET /bucket/hello?partNumber=1', {}, part('bytes 0-4/5', 'hello'))
check(
  'part 2 of a plain object',
  'GET /bucket/hello?partNumber=2',
  {},
  { status: 416, code: 'InvalidPartNumber' },
)
check('part 0', 'GET /bucket/hello?partNumber=0', {}, { status: 400, code: 'InvalidArgument' })
check(
  'a part and a range',
  'GET /bucket/hello?partNumber=1',
  { headers: { range: 'bytes=0-1' } },
  { status: 400, code: 'InvalidRequest' },
)

const ETAG = `"${MD5_HELLO}"`
const BEFORE = 'Fri, 02 Jan 2026 03:04:04 GMT'
const SAME = 'Fri, 02 Jan 2026 03:04:05 GMT'
const condition = (headers: Record<string, string>, status: number): void => {
  for (const method of ['GET', 'HEAD']) {
    const code = status === 412 && method === 'GET' ? 'PreconditionFailed' : ''
    const etag = status === 412 ? undefined : ETAG
    check(
      `${method} ${JSON.stringify(headers)}`,
      `${method} /bucket/hello`,
      { headers },
      { status, code, headers: { etag } },
    )
  }
}
condition({ 'if-match': ETAG }, 200)
condition({ 'if-match': MD5_HELLO }, 200)
condition({ 'if-match': `"0", ${ETAG}` }, 200)
condition({ 'if-match': '*' }, 200)
condition({ 'if-match': '"0"' }, 412)
condition({ 'if-none-match': ETAG }, 304)
condition({ 'if-none-match': `W/${ETAG}` }, 304)
condition({ 'if-none-match': '*' }, 304)
condition({ 'if-none-match': '"0"' }, 200)
condition({ 'if-modified-since': SAME }, 304)
condition({ 'if-modified-since': BEFORE }, 200)
condition({ 'if-modified-since': 'yesterday' }, 200)
condition({ 'if-unmodified-since': SAME }, 200)
condition({ 'if-unmodified-since': BEFORE }, 412)
condition({ 'if-match': ETAG, 'if-unmodified-since': BEFORE }, 200)
condition({ 'if-none-match': ETAG, 'if-modified-since': BEFORE }, 304)
condition({ 'if-none-match': '"0"', 'if-modified-since': SAME }, 200)

check(
  'response overrides',
  'GET /bucket/hello?response-content-type=text%2Fcsv&response-content-disposition=attachment%3B%20filename%3D%22a.csv%22&response-expires=0&response-content-language=de&response-content-encoding=gzip&response-cache-control=private',
  {},
  {
    status: 200,
    headers: {
      'content-type': 'text/csv',
      'content-disposition': 'attachment; filename="a.csv"',
      expires: '0',
      'content-language': 'de',
      'content-encoding': 'gzip',
      'cache-control': 'private',
    },
  },
)
check('DELETE', 'DELETE /bucket/hello', {}, { status: 204, text: '' })
check('DELETE what is not there', 'DELETE /bucket/none', {}, { status: 204, text: '' })
check('DELETE only this one', 'DELETE /bucket/hello', { headers: { 'if-match': ETAG } }, { status: 204 })
check(
  'DELETE only another',
  'DELETE /bucket/hello',
  { headers: { 'if-match': '"0"' } },
  { status: 412, code: 'PreconditionFailed' },
)
check('another method', 'PATCH /bucket/hello', {}, { status: 405, code: 'MethodNotAllowed' })

test(
  'what was put comes back: bytes, type by default, checksum on demand',
  deadline(2_000, async () => {
    const { send } = await createExchange()
    const body = Buffer.alloc(200_000, 'abc')
    await send('PUT /bucket/big', { body, headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } })
    assert.is((await send('GET /bucket/big')).status, 404, 'a body that failed leaves nothing')
    await send('PUT /bucket/big', { body, headers: { 'content-encoding': 'aws-chunked,gzip' } })
    const got = await send('GET /bucket/big', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    assert.equal(got.bytes, body)
    assert.is(got.headers.get('content-type'), 'binary/octet-stream')
    assert.is(got.headers.get('content-encoding'), 'gzip')
    await send('PUT /bucket/sum', {
      body: 'hello',
      headers: { 'x-amz-checksum-crc32': 'NhCmhg==', 'content-encoding': 'aws-chunked' },
    })
    const sum = await send('HEAD /bucket/sum', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })
    assert.is(sum.headers.get('x-amz-checksum-crc32'), 'NhCmhg==')
    assert.is(sum.headers.get('x-amz-checksum-type'), 'FULL_OBJECT')
    assert.is(sum.headers.get('content-encoding'), undefined)
    assert.is((await send('GET /bucket/sum')).headers.get('x-amz-checksum-crc32'), undefined)
  }),
)

test(
  'metadata beyond ASCII comes back as encoded words, standard headers as their bytes',
  deadline(2_000, async () => {
    const { send } = await createExchange()
    const wire = (text: string) => Buffer.from(text, 'utf8').toString('latin1')
    await send('PUT /bucket/k', {
      body: '',
      headers: {
        'x-amz-meta-name': wire('Zürich'),
        'x-amz-meta-word': '=?UTF-8?Q?Z=C3=BCrich?=',
        'content-disposition': wire('inline; filename="ü"'),
      },
    })
    const { headers } = await send('HEAD /bucket/k')
    assert.is(headers.get('x-amz-meta-name'), '=?UTF-8?B?WsO8cmljaA==?=')
    assert.is(headers.get('x-amz-meta-word'), '=?UTF-8?Q?Z=C3=BCrich?=')
    assert.is(headers.get('content-disposition'), wire('inline; filename="ü"'))
  }),
)

test.run()
