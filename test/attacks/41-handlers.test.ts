// 41, behind the gateway: whatever a handler reads of headers, parameters and documents it reads in time that grows with its
// length alone. The values are longer than any head may be: what takes the square of that does not come to its end.

import { sdkOperations } from '../support/aws-schemas.ts'
import { createExchange, type Exchange, requestOf, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 41: handlers')

const LONG = 300_000
const HOSTILE = [
  ' ',
  '\t ',
  ',',
  ', ',
  '"',
  '",',
  '"a" ',
  '=',
  '=?UTF-8?B?',
  '-',
  '0-,',
  '9',
  'aA',
  '%',
  '%2',
  '/',
  '../',
  '\u0080',
]
  .map((piece) => piece.repeat(Math.floor(LONG / piece.length)))
  .concat([`bytes=${' '.repeat(LONG)}x`, `"${'a'.repeat(LONG)}`, `${'9'.repeat(LONG)}x`])

const LINES: Readonly<Record<string, string>> = {
  GetObject: 'GET /bucket/k',
  PutObject: 'PUT /bucket/k',
  CreateMultipartUpload: 'POST /bucket/k?uploads',
  CopyObject: 'PUT /bucket/copy',
  ListObjectsV2: 'GET /bucket?list-type=2',
  ListMultipartUploads: 'GET /bucket?uploads',
  UploadPart: 'PUT /bucket/k?uploadId=x',
}

const namesOf = (operation: string, place: string): string[] =>
  sdkOperations()
    .filter(({ name }) => name === operation)
    .flatMap(({ members }) => members.filter((member) => member.place === place))
    .map(({ wireName }) => wireName)

const answered = async ({ dispatch, store }: Exchange, line: string, sent: Sent): Promise<void> => {
  const request = requestOf(line, sent)
  const { status, body } = await dispatch(request)
  if (typeof body === 'object' && 'close' in body) body.close()
  assert.ok(status >= 200 && status < 600)
  assert.is(store.leases(), 0)
}

test(
  'every header an operation has',
  deadline(60_000, async () => {
    const exchange = await createExchange()
    await exchange.send('PUT /bucket/k', { body: 'x' })
    for (const [operation, line] of Object.entries(LINES)) {
      const source = operation === 'CopyObject' ? { 'x-amz-copy-source': 'bucket/k' } : {}
      for (const name of [...namesOf(operation, 'header'), 'x-amz-meta-a']) {
        for (const value of HOSTILE) {
          const headers = { ...source, [name.toLowerCase()]: value }
          await answered(exchange, line, { headers, body: 'x' })
        }
      }
    }
  }),
)

test(
  'every parameter an operation has, buckets, keys, and the texts of documents',
  deadline(60_000, async () => {
    const exchange = await createExchange()
    const { text } = await exchange.send('POST /bucket/k?uploads')
    const upload = /<UploadId>([^<]+)</.exec(text)?.[1] ?? ''
    for (const value of HOSTILE) {
      const encoded = encodeURIComponent(value)
      for (const [operation, line] of Object.entries(LINES)) {
        for (const name of namesOf(operation, 'query')) {
          await answered(exchange, `${line}${line.includes('?') ? '&' : '?'}${name}=${encoded}`, {})
        }
      }
      await answered(exchange, `GET /${encoded}/k`, {})
      await answered(exchange, `GET /bucket/${encoded}`, {})
      const inXml = value.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
      for (const content of [
        `<PartNumber>${inXml}</PartNumber><ETag>x</ETag>`,
        `<PartNumber>1</PartNumber><ETag>${inXml}</ETag>`,
        `<PartNumber>1</PartNumber><ETag>x</ETag><ChecksumCRC32>${inXml}</ChecksumCRC32>`,
      ]) {
        const body = `<CompleteMultipartUpload><Part>${content}</Part></CompleteMultipartUpload>`
        await answered(exchange, `POST /bucket/k?uploadId=${upload}`, { body })
      }
    }
  }),
)

test.run()
