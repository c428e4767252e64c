// Every member of the SDK's request types, for every operation that is built: it works, its default is accepted, or it
// is NotImplemented by name. The table is complete by test: a member a new SDK brings fails until it has a line.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { OPERATIONS } from '../../src/s3/operations.ts'
import { type Member, sdkOperations } from '../support/aws-schemas.ts'
import { createExchange, type Exchange, OWNER, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('unsupported')

interface Verdict {
  /** Values that are served as they should be; with `status` where that is not success. */
  readonly works?: readonly string[]
  readonly status?: number
  /** Values that ask for what happens anyway. */
  readonly isDefault?: readonly string[]
  /** Values that are NotImplemented, with the member's name. */
  readonly refused?: readonly string[]
  /** The request itself, not a wish beside it. */
  readonly isGiven?: true
}

const MD5 = createHash('md5').update('hello').digest('base64')
const ETAG = `"${createHash('md5').update('hello').digest('hex')}"`
const DATE = 'Fri, 02 Jan 2026 03:04:05 GMT'
const refused = (...values: string[]): Verdict => ({ refused: values })
const works = (...values: string[]): Verdict => ({ works: values })

const COMMON: Readonly<Record<string, Verdict>> = {
  Bucket: { isGiven: true },
  Key: { isGiven: true },
  Body: { isGiven: true },
  ContentLength: { isGiven: true },
  UploadId: { isGiven: true },
  CopySource: { isGiven: true },
  Metadata: works('blue'),
  CacheControl: works('no-cache'),
  ContentDisposition: works('inline'),
  ContentEncoding: works('gzip'),
  ContentLanguage: works('de'),
  ContentType: works('text/plain'),
  Expires: works(DATE),
  ContentMD5: works(MD5),
  ChecksumCRC32: works('NhCmhg=='),
  ChecksumCRC32C: works('mnG7TA=='),
  ChecksumCRC64NVME: works('M3eFcAZSQlc='),
  ChecksumSHA1: works(createHash('sha1').update('hello').digest('base64')),
  ChecksumSHA256: works(createHash('sha256').update('hello').digest('base64')),
  ChecksumMD5: refused(MD5),
  ChecksumSHA512: refused('x'),
  ChecksumXXHASH3: refused('x'),
  ChecksumXXHASH64: refused('x'),
  ChecksumXXHASH128: refused('x'),
  ChecksumMode: works('ENABLED'),
  IfMatch: works(ETAG, '*'),
  IfNoneMatch: { works: ['*'], status: 412 },
  ACL: {
    isDefault: ['private', 'bucket-owner-full-control'],
    refused: ['public-read', 'authenticated-read'],
  },
  GrantFullControl: refused('id=x'),
  GrantRead: refused('id=x'),
  GrantReadACP: refused('id=x'),
  GrantWrite: refused('id=x'),
  GrantWriteACP: refused('id=x'),
  WriteOffsetBytes: refused('5'),
  ServerSideEncryption: refused('AES256', 'aws:kms'),
  SSECustomerAlgorithm: refused('AES256'),
  SSECustomerKey: refused('x'),
  SSECustomerKeyMD5: refused('x'),
  CopySourceSSECustomerAlgorithm: refused('AES256'),
  CopySourceSSECustomerKey: refused('x'),
  CopySourceSSECustomerKeyMD5: refused('x'),
  SSEKMSKeyId: refused('x'),
  SSEKMSEncryptionContext: refused('x'),
  BucketKeyEnabled: { isDefault: ['false'], refused: ['true'] },
  StorageClass: { isDefault: ['STANDARD'], refused: ['GLACIER', 'STANDARD_IA'] },
  WebsiteRedirectLocation: refused('/elsewhere'),
  RequestPayer: refused('requester'),
  Tagging: { isDefault: [''], refused: ['a=b'] },
  ObjectLockMode: refused('GOVERNANCE'),
  ObjectLockRetainUntilDate: refused('2030-01-01T00:00:00Z'),
  ObjectLockLegalHoldStatus: { isDefault: ['OFF'], refused: ['ON'] },
  ObjectLockEventHold: { isDefault: ['OFF'], refused: ['ON'] },
  ObjectLockEventHoldDurationDays: refused('1'),
  ObjectLockEventHoldDurationYears: refused('1'),
  ObjectLockEnabledForBucket: { isDefault: ['false'], refused: ['true'] },
  ObjectOwnership: { isDefault: ['BucketOwnerEnforced'], refused: ['ObjectWriter'] },
  BucketNamespace: { isDefault: ['global'], refused: ['account-regional'] },
  ExpectedBucketOwner: works(OWNER),
  ExpectedSourceBucketOwner: works(OWNER),
  MFA: refused('serial 123456'),
  BypassGovernanceRetention: { isDefault: ['false'], refused: ['true'] },
  IfMatchLastModifiedTime: refused(DATE),
  IfMatchSize: refused('5'),
  IfMatchInitiatedTime: refused(DATE),
  MetadataDirective: works('COPY', 'REPLACE'),
  TaggingDirective: works('COPY', 'REPLACE'),
  AnnotationDirective: { isDefault: ['COPY', 'EXCLUDE'] },
  CopySourceIfMatch: works(ETAG),
  CopySourceIfNoneMatch: works('"0"'),
  CopySourceIfModifiedSince: works('Thu, 01 Jan 2026 03:04:05 GMT'),
  CopySourceIfUnmodifiedSince: works(DATE),
  CopySourceRange: works('bytes=1-2'),
  IfModifiedSince: { works: [DATE], status: 304 },
  IfUnmodifiedSince: works(DATE),
  Range: { works: ['bytes=1-2'], status: 206 },
  ResponseCacheControl: works('no-store'),
  ResponseContentDisposition: works('inline'),
  ResponseContentEncoding: works('gzip'),
  ResponseContentLanguage: works('de'),
  ResponseContentType: works('text/plain'),
  ResponseExpires: works(DATE),
  VersionId: works('null'),
  PartNumber: { works: ['1'], status: 206 },
  Delimiter: works('/'),
  EncodingType: works('url'),
  Marker: works('a'),
  MaxKeys: works('5'),
  Prefix: works('k'),
  ContinuationToken: works('1YQ'),
  FetchOwner: works('true', 'false'),
  StartAfter: works('a'),
  OptionalObjectAttributes: { isDefault: ['RestoreStatus'], refused: ['Color'] },
  MaxBuckets: works('5'),
  BucketRegion: works('us-east-1'),
  KeyMarker: works('a'),
  UploadIdMarker: works('a'),
  MaxUploads: works('5'),
  MaxParts: works('5'),
  PartNumberMarker: works('0'),
  MpuObjectSize: works('5'),
  'CreateBucketConfiguration.LocationConstraint': works('us-east-1'),
  'CreateBucketConfiguration.Location.Type': refused('AvailabilityZone'),
  'CreateBucketConfiguration.Location.Name': refused('usw2-az1'),
  'CreateBucketConfiguration.Bucket.DataRedundancy': refused('SingleAvailabilityZone'),
  'CreateBucketConfiguration.Bucket.Type': refused('Directory'),
  'CreateBucketConfiguration.Tags[].Key': refused('a'),
  'CreateBucketConfiguration.Tags[].Value': refused('b'),
  'Delete.Objects[].Key': works('k'),
  'Delete.Objects[].VersionId': works('null'),
  'Delete.Objects[].ETag': works(ETAG),
  'Delete.Objects[].LastModifiedTime': refused(DATE),
  'Delete.Objects[].Size': refused('5'),
  'Delete.Quiet': works('true', 'false'),
  'MultipartUpload.Parts[].ETag': works(ETAG),
  'MultipartUpload.Parts[].PartNumber': works('1'),
}

/** Where a member means something else, or the request must be another for it. */
const OF_OPERATION: Readonly<Record<string, Verdict>> = {
  'PutObject.ChecksumAlgorithm': { works: ['CRC32'], status: 400, refused: ['SHA512', 'XXHASH64', 'MD5'] },
  'UploadPart.ChecksumAlgorithm': { works: ['CRC32'], status: 400, refused: ['SHA512'] },
  'DeleteObjects.ChecksumAlgorithm': { works: ['CRC32'], status: 400, refused: ['SHA512'] },
  'CopyObject.ChecksumAlgorithm': { works: ['SHA256'], refused: ['SHA512', 'MD5'] },
  'CreateMultipartUpload.ChecksumAlgorithm': { works: ['SHA256'], refused: ['XXHASH3'] },
  'CreateMultipartUpload.ChecksumType': { works: ['COMPOSITE'], status: 400 },
  'GetObject.IfNoneMatch': { works: [ETAG], status: 304 },
  'HeadObject.IfNoneMatch': { works: [ETAG], status: 304 },
  'UploadPart.PartNumber': works('1'),
  'UploadPartCopy.PartNumber': works('1'),
  'CompleteMultipartUpload.ChecksumType': works('COMPOSITE'),
  'CompleteMultipartUpload.IfNoneMatch': { works: ['*'], status: 412 },
  // The upload was begun with CRC32, so it is that one or a refusal that says why.
  'CompleteMultipartUpload.ChecksumCRC32': works('FKTmaw==-1'),
  ...Object.fromEntries(
    ['CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'].map((name) => [
      `CompleteMultipartUpload.Checksum${name}`,
      { ...COMMON[`Checksum${name}`], status: 400 },
    ]),
  ),
  'CompleteMultipartUpload.MultipartUpload.Parts[].ChecksumCRC32': works('NhCmhg=='),
  ...Object.fromEntries(
    ['CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'].map((name) => [
      `CompleteMultipartUpload.MultipartUpload.Parts[].Checksum${name}`,
      { ...COMMON[`Checksum${name}`], status: 400 },
    ]),
  ),
  ...Object.fromEntries(
    ['MD5', 'SHA512', 'XXHASH3', 'XXHASH64', 'XXHASH128'].map((name) => [
      `CompleteMultipartUpload.MultipartUpload.Parts[].Checksum${name}`,
      refused('x'),
    ]),
  ),
}

const verdictOf = (operation: string, { path }: Member): Verdict | undefined =>
  OF_OPERATION[`${operation}.${path}`] ?? COMMON[path]

/** A request that succeeds, as text where a member can be added. */
interface Baseline {
  readonly line: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly xml?: (added: string, at: string) => string
}

const at = (wanted: string, added: string, path: string): string => (path === wanted ? added : '')
const baselines = (upload: string): Readonly<Record<string, Baseline>> => ({
  CreateBucket: {
    line: 'PUT /another',
    xml: (added) => `<CreateBucketConfiguration>${added}</CreateBucketConfiguration>`,
  },
  HeadBucket: { line: 'HEAD /bucket' },
  GetBucketLocation: { line: 'GET /bucket?location' },
  ListBuckets: { line: 'GET /?' },
  DeleteBucket: { line: 'DELETE /empty' },
  PutObject: { line: 'PUT /bucket/k', body: 'hello' },
  GetObject: { line: 'GET /bucket/k' },
  HeadObject: { line: 'HEAD /bucket/k' },
  GetObjectTagging: { line: 'GET /bucket/k?tagging' },
  DeleteObject: { line: 'DELETE /bucket/k' },
  DeleteObjects: {
    line: 'POST /bucket?delete',
    xml: (added, path) =>
      `<Delete><Object>${path === 'Delete.Objects[].Key' ? '' : '<Key>k</Key>'}${path.includes('[]') ? added : ''}</Object>${at('Delete.Quiet', added, path)}</Delete>`,
  },
  CopyObject: { line: 'PUT /bucket/target', headers: { 'x-amz-copy-source': 'bucket/k' } },
  ListObjects: { line: 'GET /bucket' },
  ListObjectsV2: { line: 'GET /bucket?list-type=2' },
  CreateMultipartUpload: { line: 'POST /bucket/k?uploads' },
  UploadPart: { line: `PUT /bucket/k?uploadId=${upload.replace('crc', 'plain')}`, body: 'hello' },
  UploadPartCopy: { line: `PUT /bucket/k?uploadId=${upload}`, headers: { 'x-amz-copy-source': 'bucket/k' } },
  CompleteMultipartUpload: {
    line: `POST /bucket/k?uploadId=${upload}`,
    xml: (added, path) => {
      const number = path.endsWith('.PartNumber') ? '' : '<PartNumber>1</PartNumber>'
      const etag = path.endsWith('.ETag') ? '' : `<ETag>${ETAG}</ETag>`
      const crc = path.includes('[].Checksum') ? '' : '<ChecksumCRC32>NhCmhg==</ChecksumCRC32>'
      return `<CompleteMultipartUpload><Part>${number}${etag}${crc}${added}</Part></CompleteMultipartUpload>`
    },
  },
  AbortMultipartUpload: { line: `DELETE /bucket/k?uploadId=${upload}` },
  ListParts: { line: `GET /bucket/k?uploadId=${upload}` },
  ListMultipartUploads: { line: 'GET /bucket?uploads' },
})

/** `Location.Type` as nested elements; a list's member gets its own element around it. */
const nested = ({ path, wireName }: Member, value: string): string => {
  const text = `<${wireName}>${value.replaceAll('"', '&quot;')}</${wireName}>`
  const inner = path.split('.').slice(1, -1)
  if (inner.some((name) => name === 'Objects[]' || name === 'Parts[]')) return text
  return inner.reduceRight((content, name) => {
    const item = name.endsWith('[]') ? `<Tag>${content}</Tag>` : content
    const tag = name.replace('[]', '')
    return `<${tag}>${item}</${tag}>`
  }, text)
}

const requestWith = (name: string, member: Member, value: string, baseline: Baseline): [string, Sent] => {
  const headers: Record<string, string> = { ...baseline.headers }
  let { line } = baseline
  let added = ''
  if (member.place === 'header') headers[member.wireName] = value
  else if (member.place === 'prefix-headers') headers[`${member.wireName}a`] = value
  else if (member.place === 'query')
    line += `${line.includes('?') ? '&' : '?'}${member.wireName}=${encodeURIComponent(value)}`
  else added = nested(member, value)
  if (name.startsWith('UploadPart') && member.name !== 'PartNumber') line += '&partNumber=1'
  const body = baseline.xml?.(added, member.path) ?? baseline.body ?? ''
  if (name === 'DeleteObjects') headers['content-md5'] = createHash('md5').update(body).digest('base64')
  return [line, { headers, body: Buffer.from(body) }]
}

const prepare = async (name: string): Promise<{ exchange: Exchange; baseline: Baseline }> => {
  const exchange = await createExchange(['bucket', 'empty'])
  await exchange.send('PUT /bucket/k', { body: 'hello' })
  await exchange.send('PUT /bucket/target', { body: 'hello' })
  const headers: Record<string, string> = name === 'UploadPart' ? {} : { 'x-amz-checksum-algorithm': 'CRC32' }
  const { text } = await exchange.send('POST /bucket/k?uploads', { headers })
  const upload = /<UploadId>([^<]+)</.exec(text)?.[1] ?? ''
  const part = { body: 'hello', headers: { 'x-amz-checksum-crc32': 'NhCmhg==' } }
  await exchange.send(`PUT /bucket/k?partNumber=1&uploadId=${upload}`, part)
  const baseline = baselines(upload)[name]
  assert.ok(baseline, `${name} has a baseline`)
  return { exchange, baseline: baseline as Baseline }
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300

for (const operation of sdkOperations()) {
  if (OPERATIONS.find(({ name }) => name === operation.name)?.handler === undefined) continue
  test(
    `every member of ${operation.name} works, is the default, or is NotImplemented by name`,
    deadline(10_000, async () => {
      for (const member of operation.members) {
        const verdict = verdictOf(operation.name, member)
        const label = `${operation.name}.${member.path}`
        assert.ok(verdict, `${label} has a verdict`)
        const {
          works: working = [],
          isDefault = [],
          refused: refusedValues = [],
          status,
        } = verdict as Verdict
        const ask = async (value: string) => {
          const { exchange, baseline } = await prepare(operation.name)
          const [line, sent] = requestWith(operation.name, member, value, baseline)
          return exchange.send(line, sent)
        }
        for (const value of working) {
          const answer = await ask(value)
          if (status === undefined) assert.ok(isSuccess(answer.status), `${label}=${value}: ${answer.text}`)
          else assert.is(answer.status, status, `${label}=${value}: ${answer.text}`)
        }
        for (const value of isDefault) {
          const answer = await ask(value)
          assert.ok(isSuccess(answer.status), `${label}=${value}: ${answer.text}`)
        }
        for (const value of refusedValues) {
          const answer = await ask(value)
          assert.is(answer.status, 501, `${label}=${value}: ${answer.text}`)
          if (operation.method === 'HEAD') continue
          const [, named = ''] = /<(?:Header|Query|Element)>([^<]*)</.exec(answer.text) ?? []
          const names = [member.wireName, ...member.path.split(/\.|\[\]/)]
          assert.ok(names.includes(named), `${label}=${value} names ${named}`)
        }
      }
    }),
  )
}

test(
  'a storage class that does not exist is a mistake, not a feature to come',
  deadline(2_000, async () => {
    const { send } = await createExchange()
    const headers = { 'x-amz-storage-class': 'MARBLE' }
    assert.is((await send('PUT /bucket/k', { body: 'x', headers })).code, 'InvalidStorageClass')
  }),
)

test(
  'what no AWS type names is ignored',
  deadline(2_000, async () => {
    const { send } = await createExchange()
    const headers = {
      'x-amz-color': 'red',
      'x-color': 'red',
      'x-amz-mfa': '1',
      'x-amz-object-ownership': 'ObjectWriter',
    }
    assert.is((await send('PUT /bucket/k?color=red', { body: 'x', headers })).status, 200)
    const encryption = { 'x-amz-server-side-encryption': 'AES256' }
    assert.is((await send('GET /bucket/k', { headers: encryption })).status, 200)
    const tagging = { 'x-amz-tagging': 'a=b' }
    assert.is((await send('DELETE /bucket/k', { headers: tagging })).status, 204)
  }),
)

test.run()
