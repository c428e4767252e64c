import { parseCopySource } from '../../src/s3/copy-source.ts'
import { checkKey, checkNewBucketName, isBucketName } from '../../src/s3/names.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('names')

test('bucket names', () => {
  for (const name of ['abc', 'a.b-c', '123', '1.2.3', 'a'.repeat(63), 'my.bucket.01', 'a-.-b']) {
    assert.ok(isBucketName(name), name)
  }
  const wrong = [
    '',
    'ab',
    'a'.repeat(64),
    'Abc',
    'a_b',
    '-ab',
    'ab-',
    '.ab',
    'ab.',
    'a..b',
    '192.168.5.4',
    'a b',
  ]
  wrong.push(
    'xn--abc',
    'sthree-abc',
    'amzn-s3-demo-abc',
    'abc-s3alias',
    'abc--ol-s3',
    'abc.mrap',
    'abc--x-s3',
  )
  wrong.push('abc--table-s3', 'bücket', 'abc\n', '..', 'a/b', '\u0000ab')
  for (const name of wrong) assert.not.ok(isBucketName(name), name)
})

test('a new bucket has labels that begin and end with a letter or a digit', async () => {
  for (const name of ['a.b-c', 'a-b.c', 'a--b']) checkNewBucketName(name)
  for (const name of ['a.-b', 'a-.b', 'a-.-b']) {
    await rejectsWith('InvalidBucketName', () => checkNewBucketName(name))
  }
})

test('keys are bounded in bytes, not in characters', async () => {
  checkKey('k'.repeat(1024))
  checkKey('é'.repeat(512))
  checkKey('\u{1F600}'.repeat(256))
  checkKey('../\u0000\\')
  await rejectsWith('KeyTooLongError', () => checkKey('k'.repeat(1025)))
  await rejectsWith('KeyTooLongError', () => checkKey('é'.repeat(513)))
  await rejectsWith('InvalidURI', () => checkKey('a\uD800'))
  await rejectsWith('InvalidURI', () => checkKey('\uDC00a'))
})

test('a copy source is taken apart before it is decoded, once', async () => {
  const check = (value: string, bucket: string, key: string, versionId?: string): void =>
    assert.equal(parseCopySource(value), { bucket, key, ...(versionId !== undefined && { versionId }) })
  check('/bucket/key', 'bucket', 'key')
  check('bucket/a/b', 'bucket', 'a/b')
  check('bucket%2Fa%2Fb', 'bucket', 'a/b')
  check('bucket/a%252Fb', 'bucket', 'a%2Fb')
  check('bucket//a', 'bucket', '/a')
  check('bucket/a+b', 'bucket', 'a+b')
  check('bucket/../x', 'bucket', '../x')
  check('bucket/a?versionId=1', 'bucket', 'a', '1')
  check('bucket/a%3FversionId=1', 'bucket', 'a?versionId=1')
  check('bucket/a?versionId=1?versionId=2', 'bucket', 'a?versionId=1', '2')
  check('bucket/a?b', 'bucket', 'a?b')
  // UTF-8 that was not encoded, as node:http hands it over: never the key "Ã©".
  check(Buffer.from('bucket/é').toString('latin1'), 'bucket', 'é')
  for (const value of [
    '',
    '/',
    'bucket',
    'bucket/',
    '/bucket',
    '//key',
    'bucket/%',
    'bucket/%ff',
    'bucket/\xe9',
  ]) {
    await rejectsWith('InvalidArgument', () => parseCopySource(value))
  }
  await rejectsWith('InvalidBucketName', () => parseCopySource('BUCKET/key'))
  await rejectsWith('KeyTooLongError', () => parseCopySource(`bucket/${'k'.repeat(1025)}`))
})

test.run()
