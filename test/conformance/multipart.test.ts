// Multipart uploads and copies: request → status, headers, body.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { MiB } from '../../src/base/units.ts'
import { createExchange, type Exchange, OWNER, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('conformance: multipart')
/** Of the four bytes of the sum, most significant first, in Base64. */
const crc32Of = (bytes: string | Uint8Array): string => {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return sum.toString('base64')
}
const md5 = (bytes: string | Uint8Array) => createHash('md5').update(bytes).digest('hex')

const begin = async ({ send }: Exchange, headers: Sent['headers'] = {}): Promise<string> => {
  const { text } = await send('POST /bucket/k?uploads', { headers })
  return /<UploadId>([^<]+)</.exec(text)?.[1] ?? ''
}

const complete = (parts: readonly (readonly [number | string, string, string?])[], more = ''): Sent => ({
  body: `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts
    .map(
      ([number, etag, own = '']) =>
        `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etag}&quot;</ETag>${own}${more}</Part>`,
    )
    .join('')}</CompleteMultipartUpload>`,
})

test(
  'an upload from begin to end',
  deadline(5_000, async () => {
    const exchange = await createExchange()
    const { send, store } = exchange
    const begun = await send('POST /bucket/k?uploads', {
      headers: { 'content-type': 'text/plain', 'x-amz-meta-a': 'b', 'x-amz-checksum-algorithm': 'CRC32' },
    })
    assert.is(begun.headers.get('x-amz-checksum-algorithm'), 'CRC32')
    assert.is(begun.headers.get('x-amz-checksum-type'), 'COMPOSITE')
    const id = /<UploadId>([^<]+)</.exec(begun.text)?.[1] ?? ''
    assert.ok(
      begun.text.includes(
        `<Bucket>bucket</Bucket><Key>k</Key><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      ),
    )

    const bytes = Buffer.alloc(5 * MiB + 9, 'moraine ')
    const [one, two] = [bytes.subarray(0, 5 * MiB), bytes.subarray(5 * MiB)]
    const partOf = (body: Buffer): Sent => ({ body, headers: { 'x-amz-checksum-crc32': crc32Of(body) } })
    const first = await send(`PUT /bucket/k?partNumber=1&uploadId=${id}`, partOf(one))
    assert.is(first.headers.get('etag'), `"${md5(one)}"`)
    assert.ok(first.headers.has('x-amz-checksum-crc32'))
    assert.not.ok(first.headers.has('x-amz-checksum-type'))
    const second = await send(`PUT /bucket/k?partNumber=2&uploadId=${id}`, partOf(two))
    assert.is((await send('GET /bucket/k')).status, 404)

    const parts = await send(`GET /bucket/k?uploadId=${id}&max-parts=1`)
    assert.match(
      parts.text,
      '<PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>1</NextPartNumberMarker><MaxParts>1</MaxParts><IsTruncated>true</IsTruncated>',
    )
    assert.match(parts.text, `<Initiator><ID>${OWNER}</ID>`)
    assert.match(parts.text, `<ETag>&quot;${md5(one)}&quot;</ETag><Size>${one.length}</Size><ChecksumCRC32>`)
    const rest = await send(`GET /bucket/k?uploadId=${id}&part-number-marker=1`)
    assert.match(rest.text, /<IsTruncated>false<\/IsTruncated>.*<Part><PartNumber>2<\/PartNumber>/)

    const uploads = await send('GET /bucket?uploads')
    assert.match(uploads.text, `<Upload><Key>k</Key><UploadId>${id}</UploadId>`)
    assert.match(
      uploads.text,
      '<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumType>COMPOSITE</ChecksumType></Upload>',
    )

    const etag = `${md5(Buffer.concat([one, two].map((part) => Buffer.from(md5(part), 'hex'))))}-2`
    const [crcOfOne = '', crcOfTwo = ''] = [first, second].map(
      ({ headers }) => `<ChecksumCRC32>${headers.get('x-amz-checksum-crc32')}</ChecksumCRC32>`,
    )
    const missing = await send(
      `POST /bucket/k?uploadId=${id}`,
      complete([
        [1, md5(one), crcOfOne],
        [2, md5(two)],
      ]),
    )
    assert.equal([missing.status, missing.code], [400, 'InvalidRequest'])
    const done = await send(
      `POST /bucket/k?uploadId=${id}`,
      complete([
        [1, md5(one), crcOfOne],
        [2, md5(two), crcOfTwo],
      ]),
    )
    assert.is(done.status, 200, done.text)
    assert.match(
      done.text,
      `<Location>http://127.0.0.1:9000/bucket/k</Location><Bucket>bucket</Bucket><Key>k</Key><ETag>&quot;${etag}&quot;</ETag><ChecksumCRC32>`,
    )
    assert.match(done.text, '-2</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType>')

    const got = await send('GET /bucket/k', { headers: { 'x-amz-checksum-mode': 'enabled' } })
    assert.equal(got.bytes, bytes)
    assert.is(got.headers.get('etag'), `"${etag}"`)
    assert.is(got.headers.get('content-type'), 'text/plain')
    assert.is(got.headers.get('x-amz-meta-a'), 'b')
    assert.is(got.headers.get('x-amz-checksum-type'), 'COMPOSITE')
    const part = await send('GET /bucket/k?partNumber=2')
    assert.is(part.status, 206)
    assert.equal(part.bytes, two)
    assert.is(part.headers.get('x-amz-mp-parts-count'), '2')
    assert.is(part.headers.get('content-range'), `bytes ${5 * MiB}-${bytes.length - 1}/${bytes.length}`)
    const head = await send('HEAD /bucket/k?partNumber=1')
    assert.is(head.headers.get('content-length'), String(5 * MiB))
    assert.is((await send('HEAD /bucket/k?partNumber=3')).status, 416)
    assert.is(store.leases(), 0)
  }),
)

test(
  'completing again is answered as before, with another list of parts the upload is gone',
  deadline(3_000, async () => {
    const exchange = await createExchange()
    const { send } = exchange
    const id = await begin(exchange)
    await send(`PUT /bucket/k?partNumber=1&uploadId=${id}`, { body: 'one' })
    await send(`PUT /bucket/k?partNumber=2&uploadId=${id}`, { body: 'two' })
    const finished = await send(`POST /bucket/k?uploadId=${id}`, complete([[1, md5('one')]]))
    const again = await send(`POST /bucket/k?uploadId=${id}`, complete([[1, md5('one')]]))
    assert.is(again.status, 200)
    assert.is(again.text, finished.text)
    for (const [number, bytes] of [
      [2, 'two'],
      [1, 'two'],
    ] as const) {
      const other = await send(`POST /bucket/k?uploadId=${id}`, complete([[number, md5(bytes)]]))
      assert.is(other.status, 404)
      assert.is(other.code, 'NoSuchUpload')
    }
    assert.is((await send('GET /bucket/k')).text, 'one')
  }),
)

interface Step {
  readonly line: (id: string) => string
  readonly sent: Sent
  readonly status: number
  readonly code?: string
  readonly begun?: Sent['headers']
}

/** Against an upload with part 1 = 'one' and part 2 = 'two'. */
const check = (name: string, { line, sent, status, code = '', begun }: Step): void => {
  test(
    name,
    deadline(3_000, async () => {
      const exchange = await createExchange()
      const id = await begin(exchange, begun)
      const isNamed = begun?.['x-amz-checksum-algorithm'] === 'CRC32'
      for (const [number, body] of [
        [1, 'one'],
        [2, 'two'],
      ] as const) {
        const headers = isNamed ? { 'x-amz-checksum-crc32': crc32Of(body) } : {}
        await exchange.send(`PUT /bucket/k?partNumber=${number}&uploadId=${id}`, { body, headers })
      }
      const answer = await exchange.send(line(id), sent)
      assert.is(answer.status, status, answer.text)
      assert.is(answer.code, code)
    }),
  )
}

const finish = (name: string, sent: Sent, status: number, code = '', begun?: Sent['headers']): void =>
  check(name, { line: (id) => `POST /bucket/k?uploadId=${id}`, sent, status, code, ...(begun && { begun }) })
const ONE = md5('one')
const TWO = md5('two')
finish('complete with one part', complete([[1, ONE]]), 200)
finish('complete with the second part alone', complete([[2, TWO]]), 200)
finish(
  'complete with small parts',
  complete([
    [1, ONE],
    [2, TWO],
  ]),
  400,
  'EntityTooSmall',
)
finish(
  'complete in another order',
  complete([
    [2, TWO],
    [1, ONE],
  ]),
  400,
  'InvalidPartOrder',
)
finish(
  'complete with a part twice',
  complete([
    [1, ONE],
    [1, ONE],
  ]),
  400,
  'InvalidPartOrder',
)
finish('complete with another ETag', complete([[1, TWO]]), 400, 'InvalidPart')
finish('complete with an unknown part', complete([[3, ONE]]), 400, 'InvalidPart')
finish('complete with part 0', complete([[0, ONE]]), 400, 'InvalidArgument')
finish('complete without parts', complete([]), 400, 'MalformedXML')
finish('complete without a body', {}, 400, 'MalformedXML')
finish(
  'complete without ETag',
  { body: '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>' },
  400,
  'MalformedXML',
)
finish(
  'complete with another size',
  { ...complete([[1, ONE]]), headers: { 'x-amz-mp-object-size': '4' } },
  400,
  'InvalidRequest',
)
finish('complete with its size', { ...complete([[1, ONE]]), headers: { 'x-amz-mp-object-size': '3' } }, 200)
finish(
  'complete with no size at all',
  { ...complete([[1, ONE]]), headers: { 'x-amz-mp-object-size': 'three' } },
  400,
  'InvalidRequest',
)
finish('complete only if new', { ...complete([[1, ONE]]), headers: { 'if-none-match': '*' } }, 200)
finish(
  'complete only over another',
  { ...complete([[1, ONE]]), headers: { 'if-match': '"0"' } },
  404,
  'NoSuchKey',
)
finish(
  'complete with a checksum of a part nobody sent',
  complete([[1, ONE]], '<ChecksumCRC32>AAAAAA==</ChecksumCRC32>'),
  400,
  'InvalidPart',
)
finish(
  'complete with a checksum that is not built',
  complete([[1, ONE]], '<ChecksumMD5>x</ChecksumMD5>'),
  501,
  'NotImplemented',
)
const COMPOSITE = { 'x-amz-checksum-algorithm': 'CRC32' }
const CRC_OF_ONE = '<ChecksumCRC32>emyG8Q==</ChecksumCRC32>'
finish(
  'complete a composite upload with the checksums of its parts',
  complete([[1, ONE]], CRC_OF_ONE),
  200,
  '',
  COMPOSITE,
)
finish(
  'complete a composite upload without the checksum of a part',
  complete([[1, ONE]]),
  400,
  'InvalidRequest',
  COMPOSITE,
)
finish(
  'complete a composite upload with the checksum of the whole alone',
  { ...complete([[1, ONE]]), headers: { 'x-amz-checksum-crc32': 'emyG8Q==' } },
  400,
  'InvalidRequest',
  COMPOSITE,
)
finish(
  'complete a composite upload with a checksum of another algorithm',
  complete([[1, ONE]], '<ChecksumCRC32C>AAAAAA==</ChecksumCRC32C>'),
  400,
  'InvalidRequest',
  COMPOSITE,
)
finish(
  'complete a composite upload with another checksum',
  complete([[1, ONE]], '<ChecksumCRC32>AAAAAA==</ChecksumCRC32>'),
  400,
  'InvalidPart',
  COMPOSITE,
)
finish(
  'complete an upload without an algorithm with the checksum of a part',
  complete([[1, ONE]], CRC_OF_ONE),
  400,
  'InvalidPart',
)
const FULL = { 'x-amz-checksum-algorithm': 'CRC32', 'x-amz-checksum-type': 'FULL_OBJECT' }
finish(
  'complete with the checksum of the whole',
  { ...complete([[1, ONE]]), headers: { 'x-amz-checksum-crc32': 'emyG8Q==' } },
  200,
  '',
  FULL,
)
finish('complete with the checksums of neither the whole nor the parts', complete([[1, ONE]]), 200, '', FULL)
finish(
  'complete with another checksum',
  { ...complete([[1, ONE]]), headers: { 'x-amz-checksum-crc32': 'AAAAAA==' } },
  400,
  'BadDigest',
  FULL,
)
finish(
  'complete with another type',
  { ...complete([[1, ONE]]), headers: { 'x-amz-checksum-type': 'COMPOSITE' } },
  400,
  'InvalidRequest',
  FULL,
)

const NONE = {
  line: () => 'POST /bucket/k?uploadId=none',
  sent: complete([[1, ONE]]),
  status: 404,
  code: 'NoSuchUpload',
}
check('complete an unknown upload', NONE)
check('abort an unknown upload', { ...NONE, line: () => 'DELETE /bucket/k?uploadId=none' })
check('list the parts of an unknown upload', { ...NONE, line: () => 'GET /bucket/k?uploadId=none' })
check('a part of an unknown upload', { ...NONE, line: () => 'PUT /bucket/k?partNumber=1&uploadId=none' })
check('abort', { line: (id) => `DELETE /bucket/k?uploadId=${id}`, sent: {}, status: 204 })
check('abort by another key', { ...NONE, line: (id) => `DELETE /bucket/other?uploadId=${id}` })
check('a part with another algorithm', {
  line: (id) => `PUT /bucket/k?partNumber=3&uploadId=${id}`,
  sent: { body: 'x', headers: { 'x-amz-checksum-crc32': 'jNxJfQ==' } },
  status: 400,
  code: 'InvalidRequest',
  begun: { 'x-amz-checksum-algorithm': 'SHA256' },
})
check('a part without a checksum, where the whole is of those of its parts', {
  line: (id) => `PUT /bucket/k?partNumber=3&uploadId=${id}`,
  sent: { body: 'x' },
  status: 400,
  code: 'InvalidRequest',
  begun: COMPOSITE,
})
check('a part without a checksum, where the whole has one of its own', {
  line: (id) => `PUT /bucket/k?partNumber=3&uploadId=${id}`,
  sent: { body: 'x' },
  status: 200,
  begun: FULL,
})

const created = (headers: Record<string, string>, status: number, code = ''): void =>
  check(`create with ${JSON.stringify(headers)}`, {
    line: () => 'POST /bucket/new?uploads',
    sent: { headers },
    status,
    code,
  })
created({ 'x-amz-checksum-algorithm': 'sha256' }, 200)
created({ 'x-amz-checksum-algorithm': 'CRC99' }, 400, 'InvalidRequest')
created({ 'x-amz-checksum-algorithm': 'SHA512' }, 501, 'NotImplemented')
created({ 'x-amz-checksum-type': 'FULL_OBJECT' }, 400, 'InvalidRequest')
created({ 'x-amz-checksum-algorithm': 'SHA1', 'x-amz-checksum-type': 'FULL_OBJECT' }, 400, 'InvalidRequest')
created(
  { 'x-amz-checksum-algorithm': 'CRC64NVME', 'x-amz-checksum-type': 'COMPOSITE' },
  400,
  'InvalidRequest',
)
created({ 'x-amz-checksum-algorithm': 'CRC64NVME' }, 200)
created({ 'x-amz-checksum-algorithm': 'CRC32C', 'x-amz-checksum-type': 'full_object' }, 200)

test(
  'uploads are listed page by page, with their prefixes',
  deadline(3_000, async () => {
    const { send } = await createExchange()
    for (const key of ['a', 'a', 'd/1', 'd/2', 'e']) await send(`POST /bucket/${key}?uploads`)
    const keys = (text: string) => [...text.matchAll(/<Upload><Key>([^<]*)</g)].map(([, key]) => key)
    const page = await send('GET /bucket?uploads&max-uploads=1')
    assert.equal(keys(page.text), ['a'])
    const marker = /<NextUploadIdMarker>([^<]+)</.exec(page.text)?.[1]
    const next = await send(`GET /bucket?uploads&key-marker=a&upload-id-marker=${marker}&delimiter=/`)
    assert.equal(keys(next.text), ['a', 'e'])
    assert.match(next.text, '<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>')
    assert.equal(keys((await send('GET /bucket?uploads&prefix=d/')).text), ['d/1', 'd/2'])
    assert.equal(keys((await send('GET /bucket?uploads&key-marker=a')).text), ['d/1', 'd/2', 'e'])
  }),
)

const copy = (
  name: string,
  line: string,
  headers: Record<string, string>,
  status: number,
  expected = '',
): void => {
  test(
    `copy: ${name}`,
    deadline(3_000, async () => {
      const { send, store } = await createExchange()
      const kept = {
        'content-type': 'text/plain',
        'x-amz-meta-a': 'b',
        'x-amz-checksum-sha1': 'qvTGHdzF6KLavt4PO0gs2a6pQ00=',
      }
      const put = await send('PUT /bucket/source%20%2B', { body: 'hello', headers: kept })
      assert.is(put.status, 200, put.text)
      const answer = await send(line, {
        headers: { 'x-amz-copy-source': '/bucket/source%20%2B', ...headers },
      })
      assert.is(answer.status, status, answer.text)
      if (status !== 200) assert.is(answer.code, expected)
      else if (expected !== '') {
        const got = await send('GET /bucket/copy', { headers: { 'x-amz-checksum-mode': 'ENABLED' } })
        assert.is(got.text, 'hello')
        assert.is(
          ['content-type', 'x-amz-meta-a', 'x-amz-meta-c', 'x-amz-checksum-sha1', 'x-amz-checksum-crc32']
            .map((header) => got.headers.get(header) ?? '-')
            .join(' '),
          expected,
        )
        assert.match(
          answer.text,
          '<CopyObjectResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag>',
        )
      }
      assert.is(store.leases(), 0)
    }),
  )
}
const SHA1 = 'qvTGHdzF6KLavt4PO0gs2a6pQ00='
const INTO = 'PUT /bucket/copy'
copy('with everything', INTO, {}, 200, `text/plain b - ${SHA1} -`)
copy(
  'without leading slash',
  INTO,
  { 'x-amz-copy-source': 'bucket/source%20%2B' },
  200,
  `text/plain b - ${SHA1} -`,
)
copy(
  'encoded as a whole',
  INTO,
  { 'x-amz-copy-source': 'bucket%2Fsource%20%2B' },
  200,
  `text/plain b - ${SHA1} -`,
)
copy(
  'with new metadata',
  INTO,
  { 'x-amz-metadata-directive': 'REPLACE', 'x-amz-meta-c': 'd' },
  200,
  `binary/octet-stream - d ${SHA1} -`,
)
copy('with metadata that is not wanted', INTO, { 'x-amz-meta-c': 'd' }, 200, `text/plain b - ${SHA1} -`)
copy(
  'with another algorithm',
  INTO,
  { 'x-amz-checksum-algorithm': 'CRC32' },
  200,
  'text/plain b - - NhCmhg==',
)
copy('with no directive at all', INTO, { 'x-amz-metadata-directive': 'KEEP' }, 400, 'InvalidArgument')
copy('with a tag directive', INTO, { 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': '' }, 200)
copy(
  'with tags',
  INTO,
  { 'x-amz-tagging-directive': 'REPLACE', 'x-amz-tagging': 'a=b' },
  501,
  'NotImplemented',
)
copy('onto itself', 'PUT /bucket/source%20%2B', {}, 400, 'InvalidRequest')
copy(
  'onto itself with new metadata',
  'PUT /bucket/source%20%2B',
  { 'x-amz-metadata-directive': 'REPLACE' },
  200,
)
copy(
  'the null version',
  INTO,
  { 'x-amz-copy-source': 'bucket/source%20%2B?versionId=null' },
  200,
  `text/plain b - ${SHA1} -`,
)
copy(
  'another version',
  INTO,
  { 'x-amz-copy-source': 'bucket/source%20%2B?versionId=x' },
  400,
  'InvalidArgument',
)
copy('nothing', INTO, { 'x-amz-copy-source': 'bucket/none' }, 404, 'NoSuchKey')
copy('from no bucket', INTO, { 'x-amz-copy-source': 'none/none' }, 404, 'NoSuchBucket')
copy('from half a source', INTO, { 'x-amz-copy-source': 'bucket' }, 400, 'InvalidArgument')
copy('from a broken source', INTO, { 'x-amz-copy-source': 'bucket/%zz' }, 400, 'InvalidArgument')
copy('if it matches', INTO, { 'x-amz-copy-source-if-match': '"5d41402abc4b2a76b9719d911017c592"' }, 200)
copy('if another matches', INTO, { 'x-amz-copy-source-if-match': '"0"' }, 412, 'PreconditionFailed')
copy('if none matches', INTO, { 'x-amz-copy-source-if-none-match': '*' }, 412, 'PreconditionFailed')
copy(
  'if modified',
  INTO,
  { 'x-amz-copy-source-if-modified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' },
  412,
  'PreconditionFailed',
)
copy('if unmodified', INTO, { 'x-amz-copy-source-if-unmodified-since': 'Fri, 02 Jan 2026 03:04:05 GMT' }, 200)
copy('only if the target is new', INTO, { 'if-none-match': '*' }, 200)
copy('of another owner', INTO, { 'x-amz-source-expected-bucket-owner': '1' }, 403, 'AccessDenied')

test(
  'a part is copied whole or from a range',
  deadline(3_000, async () => {
    const exchange = await createExchange()
    const { send } = exchange
    const id = await begin(exchange)
    await send('PUT /bucket/source', { body: '0123456789' })
    const line = `PUT /bucket/k?partNumber=1&uploadId=${id}`
    const from = (headers: Record<string, string> = {}) =>
      send(line, { headers: { 'x-amz-copy-source': 'bucket/source', ...headers } })
    assert.match((await from()).text, `<ETag>&quot;${md5('0123456789')}&quot;</ETag></CopyPartResult>`)
    assert.match((await from({ 'x-amz-copy-source-range': 'bytes=2-4' })).text, md5('234'))
    assert.is((await from({ 'x-amz-copy-source-range': 'bytes=2-' })).code, 'InvalidArgument')
    assert.is((await from({ 'x-amz-copy-source-range': '2-4' })).code, 'InvalidArgument')
    assert.is((await from({ 'x-amz-copy-source-range': 'bytes=2-10' })).code, 'InvalidRange')
    assert.is((await from({ 'x-amz-copy-source-if-match': '"0"' })).code, 'PreconditionFailed')
    await send(`POST /bucket/k?uploadId=${id}`, complete([[1, md5('234')]]))
    assert.is((await send('GET /bucket/k')).text, '234')
  }),
)

const removal = (objects: string, more = ''): Sent => {
  const body = `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${more}${objects}</Delete>`
  return { body, headers: { 'content-md5': createHash('md5').update(body).digest('base64') } }
}
const removed = (name: string, sent: Sent, expected: string | { status: number; code: string }): void => {
  test(
    `delete many: ${name}`,
    deadline(3_000, async () => {
      const { send } = await createExchange()
      for (const key of ['a', 'b', '../x'])
        await send(`PUT /bucket/${encodeURIComponent(key)}`, { body: key })
      const { status, code, text } = await send('POST /bucket?delete', sent)
      if (typeof expected === 'string')
        assert.is(text.replace(/^.*<DeleteResult[^>]*>|<\/DeleteResult>$/gs, ''), expected)
      else assert.equal({ status, code }, expected)
    }),
  )
}
const object = (key: string, more = ''): string => `<Object><Key>${key}</Key>${more}</Object>`
const gone = (key: string): string => `<Deleted><Key>${key}</Key></Deleted>`
removed(
  'two, and one that is not there',
  removal(object('a') + object('../x') + object('none')),
  gone('a') + gone('../x') + gone('none'),
)
removed('quietly', removal(object('a'), '<Quiet>true</Quiet>'), '')
removed('one twice', removal(object('a') + object('a')), gone('a') + gone('a'))
removed('one in CDATA', removal(object('<![CDATA[a]]>')), gone('a'))
removed(
  'a version',
  removal(object('a', '<VersionId>null</VersionId>')),
  '<Deleted><Key>a</Key><VersionId>null</VersionId></Deleted>',
)
removed(
  'another version',
  removal(object('a', '<VersionId>x</VersionId>') + object('b')),
  `<Error><Key>a</Key><VersionId>x</VersionId><Code>NoSuchVersion</Code><Message>reference store: NoSuchVersion</Message></Error>${gone('b')}`,
)
removed('only this one', removal(object('a', `<ETag>"${md5('a')}"</ETag>`)), gone('a'))
removed(
  'only another',
  removal(object('a', '<ETag>"0"</ETag>') + object('b')),
  `<Error><Key>a</Key><Code>PreconditionFailed</Code><Message>reference store: PreconditionFailed</Message></Error>${gone('b')}`,
)
removed(
  'a key too long',
  removal(object('k'.repeat(1025))),
  `<Error><Key>${'k'.repeat(1025)}</Key><Code>KeyTooLongError</Code><Message>Your key is too long</Message></Error>`,
)
removed('none', removal(''), { status: 400, code: 'MalformedXML' })
removed('an empty key', removal(object('')), { status: 400, code: 'MalformedXML' })
removed('1,001', removal(object('a').repeat(1_001)), { status: 400, code: 'MalformedXML' })
removed('without a body', {}, { status: 400, code: 'MissingRequestBodyError' })
removed(
  'without a digest',
  { body: removal(object('a')).body ?? '' },
  { status: 400, code: 'InvalidRequest' },
)
removed(
  'with another digest',
  { ...removal(object('a')), headers: { 'content-md5': createHash('md5').update('x').digest('base64') } },
  { status: 400, code: 'BadDigest' },
)
removed('by size', removal(object('a', '<Size>1</Size>')), { status: 501, code: 'NotImplemented' })
removed('neither quiet nor not', removal(object('a'), '<Quiet>maybe</Quiet>'), {
  status: 400,
  code: 'MalformedXML',
})

test.run()
