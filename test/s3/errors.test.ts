import {
  FAULT_CODES,
  fault,
  MoraineError,
  REFUSAL_CODES,
  refusal,
  UNAVAILABLE_CODES,
  unavailable,
} from '../../src/base/errors.ts'
import { errorResponse, toS3Error } from '../../src/s3/errors.ts'
import { parseXml } from '../../src/s3/xml-parse.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('errors')
const context = { requestId: 'R1', hostId: 'H1', method: 'GET', resource: '/b/k' }

test('a refusal reaches the client with its code, its message and its elements', () => {
  for (const code of REFUSAL_CODES) {
    const error = toS3Error(refusal(code, 'why', { BucketName: 'b', internal: 'x' }))
    assert.is(error.code, code)
    assert.is(error.message, 'why')
    assert.equal(error.detail, { BucketName: 'b' })
    assert.ok((error.status >= 400 && error.status < 500) || error.status === 501 || error.status === 304)
  }
})

test('the bucket, key or upload that is not there is named as S3 names it', () => {
  const named = (error: Error): string => String(errorResponse(error, context).body)
  assert.match(named(refusal('NoSuchKey', '', { key: 'é/k' })), '<Key>é/k</Key>')
  assert.match(named(refusal('NoSuchBucket', '', { bucket: 'b' })), '<BucketName>b</BucketName>')
  assert.match(named(refusal('NoSuchUpload', '', { upload: 'u' })), '<UploadId>u</UploadId>')
})

test('what may be tried again is a 503 with Retry-After', () => {
  for (const code of UNAVAILABLE_CODES) {
    const response = errorResponse(unavailable(code, 'disk 3 is slow', { Disk: 3 }), context)
    assert.is(response.status, 503)
    assert.is(new Map(response.headers).get('retry-after'), '1')
    assert.not.match(String(response.body), 'disk')
    assert.not.match(String(response.body), 'Disk')
  }
  assert.is(toS3Error(unavailable('MAILBOX_FULL', '')).code, 'SlowDown')
  assert.is(toS3Error(unavailable('ARENA_FULL', '')).code, 'SlowDown')
  assert.is(toS3Error(unavailable('ASK_TIMEOUT', '')).code, 'ServiceUnavailable')
})

test('nothing from inside reaches a client', () => {
  const secrets = [
    ...FAULT_CODES.map((code) => fault(code, 'at /disk/3', { Path: '/disk/3' })),
    new TypeError('undefined is not /disk/3'),
    new MoraineError('bug', 'ASSERTION', '/disk/3'),
    '/disk/3',
    null,
    undefined,
    { code: 'NoSuchKey', message: '/disk/3' },
  ]
  for (const secret of secrets) {
    const { status, body } = errorResponse(secret, context)
    assert.ok(status === 500 || status === 507)
    assert.not.match(String(body), '/disk/3')
  }
  assert.is(toS3Error(fault('DISK_FULL', '')).status, 507)
})

test('the document is well formed whatever the request was, and bounded', () => {
  const resource = `/b/${'<&\u0001'.repeat(10_000)}`
  const { body } = errorResponse(refusal('NoSuchKey', 'a < b', { Key: '<&' }), { ...context, resource })
  const root = parseXml(Buffer.from(String(body)))
  assert.equal(
    root.children.map(({ name }) => name),
    ['Code', 'Message', 'Key', 'Resource', 'RequestId', 'HostId'],
  )
  assert.ok(String(body).length < 40_000)
})

test('HEAD and 304 have no body', () => {
  assert.is(errorResponse(refusal('NoSuchKey', ''), { ...context, method: 'HEAD' }).body, undefined)
  assert.is(errorResponse(refusal('NotModified', ''), context).body, undefined)
})

test.run()
