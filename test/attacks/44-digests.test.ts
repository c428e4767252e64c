// 44: digests that are malformed, several, or of another body. Every way a body comes in, and nothing is left behind.
import { createHash } from 'node:crypto'
import { createExchange, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 44')

const md5 = createHash('md5').update('hello').digest('base64')
const sha256 = createHash('sha256').update('hello').digest('base64')
const sha1 = createHash('sha1').update('hello').digest('base64')

const check = (name: string, sent: Omit<Sent, 'body'>, code: string, body = 'hello'): void => {
  test(
    name,
    deadline(3_000, async () => {
      const { send } = await createExchange()
      await send('PUT /bucket/k', { body: 'before' })
      const begun = await send('POST /bucket/m?uploads')
      const upload = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
      const xml = '<Delete><Object><Key>k</Key></Object></Delete>'
      const lines: [string, string][] = [
        ['PUT /bucket/k', body],
        [`PUT /bucket/m?partNumber=1&uploadId=${upload}`, body],
        ['POST /bucket?delete', xml],
      ]
      for (const [line, content] of lines) {
        const answer = await send(line, { ...sent, body: content })
        assert.equal([answer.status, answer.code], [400, code], line)
      }
      assert.is((await send('GET /bucket/k')).text, 'before')
      assert.not.match((await send(`GET /bucket/m?uploadId=${upload}`)).text, '<Part>')
    }),
  )
}

for (const value of [
  '',
  'x',
  'aGVsbG8=',
  `${md5.slice(0, -2)}`,
  `${md5}=`,
  ` ${md5}x`,
  `${md5},${md5}`,
  md5.replace('=', 'A'),
  '*'.repeat(24),
  'A'.repeat(100_000),
]) {
  check(`Content-MD5 ${value.slice(0, 40)}`, { headers: { 'content-md5': value } }, 'InvalidDigest')
}
check('Content-MD5 of another body', { headers: { 'content-md5': md5 } }, 'BadDigest', 'hallo')
for (const value of ['', 'x', 'AAAA', 'AAAAAA=', 'AAAAAB==', 'AAAAAA==,AAAAAA==', 'AAAA\tAA==', '________']) {
  check(
    `x-amz-checksum-crc32 ${JSON.stringify(value)}`,
    { headers: { 'x-amz-checksum-crc32': value } },
    'InvalidRequest',
  )
}
check(
  'two checksums',
  { headers: { 'x-amz-checksum-sha1': sha1, 'x-amz-checksum-sha256': sha256 } },
  'InvalidRequest',
)
check(
  'two trailers',
  { trailers: { 'x-amz-checksum-sha1': sha1, 'x-amz-checksum-sha256': sha256 } },
  'InvalidRequest',
)
check(
  'a header and a trailer',
  { headers: { 'x-amz-checksum-sha1': sha1 }, trailers: { 'x-amz-checksum-sha256': sha256 } },
  'InvalidRequest',
)
check('a checksum of another body', { headers: { 'x-amz-checksum-sha256': sha256 } }, 'BadDigest', 'hallo')
check(
  'a trailing checksum of another body',
  { trailers: { 'x-amz-checksum-sha256': sha256 } },
  'BadDigest',
  'hallo',
)
check(
  'a trailing checksum that never comes',
  { trailers: { 'x-amz-checksum-sha256': '' } },
  'MalformedTrailerError',
)
check(
  'one digest right, the other wrong',
  { headers: { 'content-md5': md5, 'x-amz-checksum-crc32': 'AAAAAA==' } },
  'BadDigest',
)

test.run()
