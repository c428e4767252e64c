// The worked examples of AWS's own documentation, and what each part of a claim is refused for.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
import { Buffer } from 'node:buffer'
import { createAuthenticator } from '../../src/auth/authenticate.ts'
import { parseQuery } from '../../src/auth/encoding.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { EMPTY_SHA256, KEY, SECRET } from '../support/http-signing.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('authenticate')
const NOW = Date.UTC(2013, 4, 24)
const identity = { kind: 'root', canonicalId: 'a'.repeat(64), displayName: 'root', accessKeyId: KEY } as const

const authenticator = createAuthenticator({
  region: 'us-east-1',
  findCredential: (id) => (id === KEY ? { accessKeyId: KEY, secretAccessKey: SECRET, identity } : undefined),
  clock: { nowMs: () => NOW, monotonicMs: () => 0, setTimer: () => ({ cancel: () => undefined }) },
  random: systemRandom,
})

const check = (method: string, target: string, headers: Record<string, string>) => {
  const [path = '', query = ''] = target.split('?')
  const parameters = parseQuery(query)
  return authenticator.authenticate(
    { method, path, query, headers: new Map(Object.entries(headers)) },
    parameters,
  )
}

const authorization = (signedHeaders: string, signature: string): string =>
  `AWS4-HMAC-SHA256 Credential=${KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders=${signedHeaders},Signature=${signature}`
const HOST = 'examplebucket.s3.amazonaws.com'

test('the GET of an object, with a range', () => {
  const done = check('GET', '/test.txt', {
    host: HOST,
    range: 'bytes=0-9',
    'x-amz-content-sha256': EMPTY_SHA256,
    'x-amz-date': '20130524T000000Z',
    authorization: authorization(
      'host;range;x-amz-content-sha256;x-amz-date',
      'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    ),
  })
  assert.is(done.identity, identity)
  assert.equal(done.payload, { kind: 'plain', sha256: EMPTY_SHA256 })
})

test('the PUT of an object whose name has a $, dated by its Date header', () => {
  const sha256 = '44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072'
  const done = check('PUT', '/test$file.text', {
    host: HOST,
    date: 'Fri, 24 May 2013 00:00:00 GMT',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': sha256,
    authorization: authorization(
      'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
      '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
    ),
  })
  assert.equal(done.payload, { kind: 'plain', sha256 })
})

test('a query with a parameter that has no value, and one that has two', () => {
  const headers = { host: HOST, 'x-amz-content-sha256': EMPTY_SHA256, 'x-amz-date': '20130524T000000Z' }
  const signed = 'host;x-amz-content-sha256;x-amz-date'
  const lifecycle = 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543'
  const list = '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7'
  check('GET', '/?lifecycle', { ...headers, authorization: authorization(signed, lifecycle) })
  check('GET', '/?max-keys=2&prefix=J', { ...headers, authorization: authorization(signed, list) })
  check('GET', '/?prefix=J&max-keys=2', { ...headers, authorization: authorization(signed, list) })
})

test('the presigned GET of an object', () => {
  const query =
    'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'
  const done = check('GET', `/test.txt?${query}`, { host: HOST })
  assert.ok(done.presigned)
  assert.equal(done.payload, { kind: 'plain' })
})

test('the seed of signed chunks is the signature of the request', () => {
  const signature = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9'
  const done = check('PUT', '/examplebucket/chunkObject.txt', {
    host: 's3.amazonaws.com',
    'x-amz-date': '20130524T000000Z',
    'x-amz-storage-class': 'REDUCED_REDUNDANCY',
    'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '66560',
    'content-length': '66824',
    authorization: authorization(
      'content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length;x-amz-storage-class',
      signature,
    ),
  })
  assert.is(done.seed?.signature, signature)
  assert.is(done.seed?.scope, '20130524/us-east-1/s3/aws4_request')
  assert.ok(Buffer.isBuffer(done.seed?.key))
})

test.run()
