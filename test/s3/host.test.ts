import { bucketOfHost, targetOf } from '../../src/s3/host.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('host')
const path = (text: string) => targetOf(text, 'localhost:9000', undefined)
const check = (text: string, bucket: string, key: string): void =>
  assert.equal(path(text), { bucket, key, virtualHost: false }, text)

test('the first segment is the bucket, the rest is the key, literally', () => {
  check('/', '', '')
  check('/bucket', 'bucket', '')
  check('/bucket/', 'bucket', '')
  check('/bucket/key', 'bucket', 'key')
  check('/bucket//key', 'bucket', '/key')
  check('/bucket/a/../b', 'bucket', 'a/../b')
  check('/bucket/./', 'bucket', './')
  check('/bucket/..', 'bucket', '..')
  check('/../x', '..', 'x')
})

test('a key is decoded once, and a plus sign is one', () => {
  check('/bucket/a%2Fb', 'bucket', 'a/b')
  check('/bucket/a%252Fb', 'bucket', 'a%2Fb')
  check('/bucket/a+b%20c', 'bucket', 'a+b c')
  check('/bucket/%C3%BC', 'bucket', 'ü')
  check('/bucket/u%CC%88', 'bucket', 'u\u0308')
  check('/bucket/\u00c3\u00bc', 'bucket', 'ü')
  check('/bucket/%2A%00', 'bucket', '*\0')
  check('/a%2Fb/c', 'a/b', 'c')
})

test('what cannot be decoded, or has a key and no bucket, is no URI', async () => {
  for (const text of ['/b/%', '/b/%4', '/b/%zz', '/b/%FF', '/b/%ED%A0%80', '//key', 'http://h/b', '', '*']) {
    await rejectsWith('InvalidURI', () => path(text))
  }
})

test('a host under the domain names the bucket, and the path is all key', () => {
  const at = (host: string, text: string) => targetOf(text, host, 's3.example.com')
  assert.equal(at('b.s3.example.com', '/a/b'), { bucket: 'b', key: 'a/b', virtualHost: true })
  assert.equal(at('B.S3.Example.COM:9000', '/'), { bucket: 'b', key: '', virtualHost: true })
  assert.equal(at('my.dotted.s3.example.com', '//x'), { bucket: 'my.dotted', key: '/x', virtualHost: true })
  assert.equal(at('s3.example.com', '/b/k'), { bucket: 'b', key: 'k', virtualHost: false })
  assert.equal(at('xs3.example.com', '/b/k'), { bucket: 'b', key: 'k', virtualHost: false })
  assert.equal(at('127.0.0.1:9000', '/b/k'), { bucket: 'b', key: 'k', virtualHost: false })
})

test('without a domain every host is ours', () => {
  assert.is(bucketOfHost('b.s3.example.com', undefined), '')
  assert.is(bucketOfHost('b.s3.example.com', ''), '')
  assert.is(bucketOfHost('[::1]:9000', 's3.example.com'), '')
  assert.is(bucketOfHost('', 's3.example.com'), '')
})

test.run()
