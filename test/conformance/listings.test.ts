import { createExchange, OWNER } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('conformance: listings')
const KEYS = ['a b', 'dir/1', 'dir/2', 'other/x', 'p+lus', 'top', 'ümlaut']

/** What a listing answers, without what does not matter: the elements and their text, in order. */
const outline = (text: string): string =>
  text
    .replace(/^.*?<ListBucketResult[^>]*>/s, '')
    .replace('</ListBucketResult>', '')
    .replace(/<Contents><Key>([^<]*)<.*?<\/Contents>/g, '[$1]')
    .replace(/<CommonPrefixes><Prefix>([^<]*)<\/Prefix><\/CommonPrefixes>/g, '{$1}')

const check = (line: string, expected: string | { status: number; code: string }): void => {
  test(
    line,
    deadline(2_000, async () => {
      const { send } = await createExchange()
      for (const key of KEYS) await send(`PUT /bucket/${encodeURIComponent(key)}`, { body: key })
      const { status, code, text } = await send(line)
      if (typeof expected === 'string') assert.is(outline(text), expected)
      else assert.equal({ status, code }, expected)
    }),
  )
}

const NAME = '<Name>bucket</Name>'
const ALL = '[a b][dir/1][dir/2][other/x][p+lus][top][ümlaut]'
const V1 = `${NAME}<Prefix></Prefix><Marker></Marker>`
const WHOLE = '<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>'
check('GET /bucket', `${V1}${WHOLE}${ALL}`)
check('GET /bucket?list-type=1', `${V1}${WHOLE}${ALL}`)
check(
  'GET /bucket?marker=dir/2&max-keys=2',
  `${NAME}<Prefix></Prefix><Marker>dir/2</Marker><MaxKeys>2</MaxKeys><IsTruncated>true</IsTruncated>[other/x][p+lus]`,
)
check(
  'GET /bucket?delimiter=/&max-keys=2',
  `${V1}<NextMarker>dir/</NextMarker><MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>[a b]{dir/}`,
)
check(
  'GET /bucket?delimiter=/&marker=dir/',
  `${NAME}<Prefix></Prefix><Marker>dir/</Marker><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>false</IsTruncated>[p+lus][top][ümlaut]{other/}`,
)
const v2 = (count: number, own = ''): string => `${NAME}<Prefix></Prefix>${own}<KeyCount>${count}</KeyCount>`
check('GET /bucket?list-type=2', `${v2(7)}${WHOLE}${ALL}`)
check('GET /bucket?list-type=2&max-keys=5000', `${v2(7)}${WHOLE}${ALL}`)
check('GET /bucket?list-type=2&max-keys=0', `${v2(0)}<MaxKeys>0</MaxKeys><IsTruncated>false</IsTruncated>`)
check(
  'GET /bucket?list-type=2&start-after=p',
  `${v2(3, '<StartAfter>p</StartAfter>')}${WHOLE}[p+lus][top][ümlaut]`,
)
check(
  'GET /bucket?list-type=2&max-keys=3',
  `${v2(3, '<NextContinuationToken>1ZGlyLzI</NextContinuationToken>')}<MaxKeys>3</MaxKeys><IsTruncated>true</IsTruncated>[a b][dir/1][dir/2]`,
)
check(
  'GET /bucket?list-type=2&continuation-token=1ZGlyLzI&start-after=zzz',
  `${v2(4, '<ContinuationToken>1ZGlyLzI</ContinuationToken><StartAfter>zzz</StartAfter>')}${WHOLE}[other/x][p+lus][top][ümlaut]`,
)
check(
  'GET /bucket?list-type=2&delimiter=/&prefix=dir/',
  `${NAME}<Prefix>dir/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><IsTruncated>false</IsTruncated>[dir/1][dir/2]`,
)
check(
  'GET /bucket?list-type=2&encoding-type=url&start-after=a%20',
  `${v2(7, '<StartAfter>a%20</StartAfter>')}<MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>[a%20b][dir/1][dir/2][other/x][p%2Blus][top][%C3%BCmlaut]`,
)
check('GET /bucket?list-type=2&continuation-token=', { status: 400, code: 'InvalidArgument' })
check('GET /bucket?list-type=2&continuation-token=dir%2F2', { status: 400, code: 'InvalidArgument' })
check('GET /bucket?list-type=2&encoding-type=base64', { status: 400, code: 'InvalidArgument' })
check('GET /bucket?list-type=2&max-keys=-1', { status: 400, code: 'InvalidArgument' })
check('GET /bucket?list-type=2&max-keys=many', { status: 400, code: 'InvalidArgument' })
check('GET /none?list-type=2', { status: 404, code: 'NoSuchBucket' })

test(
  'an entry has all that S3 says of an object, and its owner when asked',
  deadline(2_000, async () => {
    const { send } = await createExchange()
    await send('PUT /bucket/k', { body: 'hello', headers: { 'x-amz-checksum-crc32': 'NhCmhg==' } })
    const entry = (owner: string) =>
      '<Contents><Key>k</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified>' +
      '<ETag>&quot;5d41402abc4b2a76b9719d911017c592&quot;</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>' +
      `<ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size>${owner}<StorageClass>STANDARD</StorageClass></Contents>`
    const owner = `<Owner><ID>${OWNER}</ID><DisplayName>root</DisplayName></Owner>`
    assert.ok((await send('GET /bucket')).text.includes(entry(owner)))
    assert.ok((await send('GET /bucket?list-type=2')).text.includes(entry('')))
    assert.ok((await send('GET /bucket?list-type=2&fetch-owner=true')).text.includes(entry(owner)))
  }),
)

test.run()
