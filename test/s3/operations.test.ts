// The table of operations against the AWS SDK: every operation it exports is recognised by name from the request it
// would send.
import { OPERATIONS } from '../../src/s3/operations.ts'
import { neededAccess, type RequestHead, route } from '../../src/s3/router.ts'
import { type SdkOperation, sdkOperations } from '../support/aws-schemas.ts'
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('operations')

/** Ours alone: a browser's form and its preflight are no operations of the SDK. */
const OWN = new Set(['PostObject', 'PreflightBucket', 'PreflightObject'])

/** The least the SDK sends for an operation; `x-id` is left out where a client may leave it out. */
const headOf = ({ name, method, path, query, members }: SdkOperation): RequestHead => {
  const sample = (wireName: string) => (wireName === 'x-amz-copy-source' ? 'bucket/source' : '1')
  const required = members.filter(({ isRequired }) => isRequired)
  const fixed = query.filter(([key]) => key !== 'x-id' || name === 'ListDirectoryBuckets')
  return {
    method,
    bucket:
      name === 'WriteGetObjectResponse' ? name : required.some((m) => m.name === 'Bucket') ? 'bucket' : '',
    key: path.includes('{Key+}') ? 'some/key' : '',
    query: [
      ...fixed,
      ...required.filter((m) => m.place === 'query').map((m) => [m.wireName, sample(m.wireName)] as const),
    ],
    headers: new Map(
      required.filter((m) => m.place === 'header').map((m) => [m.wireName, sample(m.wireName)] as const),
    ),
  }
}

test('every operation of the SDK is recognised by name', () => {
  const operations = sdkOperations()
  assert.ok(operations.length > 100)
  for (const operation of operations) assert.is(route(headOf(operation)).name, operation.name)
})

test('the table names nothing the SDK does not know', () => {
  const known = new Set(sdkOperations().map(({ name }) => name))
  for (const { name } of OPERATIONS) assert.ok(known.has(name) || OWN.has(name), name)
  assert.is(OPERATIONS.length, known.size + OWN.size)
})

test(
  'what is not built answers NotImplemented by name, and nothing else does',
  deadline(5_000, async () => {
    const built = new Set(OPERATIONS.filter(({ handler }) => handler).map(({ name }) => name))
    assert.is(built.size, 21)
    const { send } = await createExchange()
    for (const operation of sdkOperations()) {
      const { method, bucket, key, query, headers } = headOf(operation)
      const search = query.map(([name, value]) => `${name}=${value}`).join('&')
      const answer = await send(`${method} /${bucket}${key && `/${key}`}?${search}`, {
        headers: Object.fromEntries(headers),
      })
      if (built.has(operation.name)) assert.is.not(answer.status, 501, operation.name)
      else {
        assert.is(answer.status, 501, operation.name)
        assert.match(answer.text, `<Operation>${operation.name}</Operation>`)
      }
    }
  }),
)

const check = (line: string, expected: string, headers: Record<string, string> = {}): void => {
  const [method = '', path = ''] = line.split(' ')
  const [where = '', search = ''] = path.split('?')
  const [, bucket = '', ...key] = where.split('/')
  const query = search
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => [pair.split('=')[0] ?? '', pair.split('=')[1] ?? ''] as const)
  const head = { method, bucket, key: key.join('/'), query, headers: new Map(Object.entries(headers)) }
  assert.is(route(head).name, expected, line)
}

test('a sub-resource decides, wherever it stands and whatever stands beside it', () => {
  check('GET /bucket?prefix=a&acl', 'GetBucketAcl')
  check('GET /bucket?color=red', 'ListObjects')
  check('GET /bucket?list-type=2&color=red', 'ListObjectsV2')
  check('GET /bucket?list-type=3', 'ListObjects')
  check('GET /bucket/key?color=red', 'GetObject')
  check('GET /bucket/key?location', 'GetObject')
  check('GET /bucket?uploadId=x', 'ListObjects')
  check('GET /bucket?analytics&id=x', 'GetBucketAnalyticsConfiguration')
  check('GET /bucket?analytics', 'ListBucketAnalyticsConfigurations')
  check('PUT /bucket/key', 'CopyObject', { 'x-amz-copy-source': 'a/b' })
  check('PUT /bucket/key?uploadId=u&partNumber=1', 'UploadPartCopy', { 'x-amz-copy-source': 'a/b' })
  check('PUT /bucket/key?partNumber=1', 'PutObject')
  check('POST /bucket', 'PostObject')
  check('OPTIONS /bucket/key', 'PreflightObject')
})

test('what no operation is is refused', async () => {
  const head = { method: 'GET', bucket: 'bucket', key: '', query: [], headers: new Map() }
  for (const wrong of [
    { method: 'PATCH' },
    { method: 'get' },
    { method: 'POST', key: 'k' },
    { method: 'DELETE', query: [['acl', '']] as const },
    { method: 'PUT', bucket: '' },
  ]) {
    await rejectsWith('MethodNotAllowed', () => route({ ...head, ...wrong }))
  }
  await rejectsWith('InvalidBucketName', () => route({ ...head, bucket: '..' }))
  await rejectsWith('KeyTooLongError', () => route({ ...head, key: 'k'.repeat(1025) }))
})

test('a copy needs the right to read its source', () => {
  const headers = new Map([['x-amz-copy-source', '/source/%2e%2e/x?versionId=7']])
  const head = { method: 'PUT', bucket: 'bucket', key: 'k', query: [], headers }
  assert.equal(neededAccess(route(head), head), [
    { action: 's3:PutObject', bucket: 'bucket', key: 'k' },
    { action: 's3:GetObjectVersion', bucket: 'source', key: '../x' },
  ])
  const list = { method: 'GET', bucket: 'bucket', key: '', query: [], headers: new Map() }
  assert.equal(neededAccess(route(list), list), [{ action: 's3:ListBucket', bucket: 'bucket', key: '' }])
})

test.run()
