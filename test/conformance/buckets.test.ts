// Buckets: request → status, headers, body.
import { createExchange, OWNER, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('conformance: buckets')
const NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
const XML = '<?xml version="1.0" encoding="UTF-8"?>\n'

interface Expected {
  readonly status: number
  readonly code?: string
  readonly text?: string
  readonly headers?: Readonly<Record<string, string>>
}

const check = (name: string, line: string, sent: Sent, expected: Expected, region = 'us-east-1'): void => {
  test(
    name,
    deadline(2_000, async () => {
      const { send } = await createExchange(['bucket', 'full'], region)
      await send('PUT /full/k', { body: 'x' })
      const answer = await send(line, sent)
      assert.is(answer.status, expected.status, answer.text)
      assert.is(answer.code, expected.code ?? '')
      if (expected.text !== undefined) assert.is(answer.text, expected.text)
      for (const [header, value] of Object.entries(expected.headers ?? {})) {
        assert.is(answer.headers.get(header), value, header)
      }
    }),
  )
}

const configuration = (content: string): string =>
  `<CreateBucketConfiguration ${NS}>${content}</CreateBucketConfiguration>`
const location = (region: string) => ({
  body: configuration(`<LocationConstraint>${region}</LocationConstraint>`),
})

check('create', 'PUT /new-bucket', {}, { status: 200, text: '', headers: { location: '/new-bucket' } })
check('create again, in us-east-1', 'PUT /bucket', {}, { status: 200 })
check(
  'create again, elsewhere',
  'PUT /bucket',
  {},
  { status: 409, code: 'BucketAlreadyOwnedByYou' },
  'eu-west-1',
)
check('create in this region, named', 'PUT /new', location('us-east-1'), { status: 200 })
check('create in another region', 'PUT /new', location('eu-north-1'), {
  status: 400,
  code: 'IllegalLocationConstraintException',
})
check('create in no region', 'PUT /new', location('Atlantis'), {
  status: 400,
  code: 'InvalidLocationConstraint',
})
check('create in the EU', 'PUT /new', location('EU'), { status: 200 }, 'eu-west-1')
check('create without constraint, elsewhere', 'PUT /new', {}, { status: 200 }, 'eu-west-1')
check('create with an empty configuration', 'PUT /new', { body: configuration('') }, { status: 200 })
check(
  'create with another document',
  'PUT /new',
  { body: '<Delete/>' },
  { status: 400, code: 'MalformedXML' },
)
check(
  'create with half a document',
  'PUT /new',
  { body: '<CreateBucketConfiguration>' },
  { status: 400, code: 'MalformedXML' },
)
check(
  'create a directory bucket',
  'PUT /new',
  { body: configuration('<Bucket><Type>Directory</Type></Bucket>') },
  { status: 501, code: 'NotImplemented' },
)
check(
  'create with tags',
  'PUT /new',
  { body: configuration('<Tags><Tag><Key>a</Key><Value>b</Value></Tag></Tags>') },
  { status: 501, code: 'NotImplemented' },
)
check('create with a bad name', 'PUT /UPPER', {}, { status: 400, code: 'InvalidBucketName' })

check('head', 'HEAD /bucket', {}, { status: 200, text: '', headers: { 'x-amz-bucket-region': 'us-east-1' } })
check('head what is not there', 'HEAD /none', {}, { status: 404, text: '' })
check(
  'location in us-east-1',
  'GET /bucket?location',
  {},
  { status: 200, text: `${XML}<LocationConstraint ${NS}></LocationConstraint>` },
)
check(
  'location elsewhere',
  'GET /bucket?location',
  {},
  { status: 200, text: `${XML}<LocationConstraint ${NS}>eu-west-1</LocationConstraint>` },
  'eu-west-1',
)
check('delete', 'DELETE /bucket', {}, { status: 204, text: '' })
check('delete what is full', 'DELETE /full', {}, { status: 409, code: 'BucketNotEmpty' })
test(
  'delete what holds nothing but uploads that nobody ended, as aws s3 rb --force does; a full one keeps them',
  deadline(5_000, async () => {
    const { send } = await createExchange(['bucket', 'full'])
    await send('PUT /full/k', { body: 'x' })
    for (const path of ['/bucket/a', '/bucket/a', '/bucket/b/c', '/full/u'])
      await send(`POST ${path}?uploads`)
    for (let i = 0; i < 70; i++) await send(`POST /bucket/many-${i}?uploads`)
    assert.is((await send('DELETE /full')).code, 'BucketNotEmpty')
    assert.match((await send('GET /full?uploads')).text, '<Key>u</Key>')
    assert.is((await send('DELETE /bucket')).status, 204)
    assert.is((await send('GET /bucket')).code, 'NoSuchBucket')
    await send('PUT /bucket')
    assert.not.match((await send('GET /bucket?uploads')).text, '<Upload>')
  }),
)
check('delete what is not there', 'DELETE /none', {}, { status: 404, code: 'NoSuchBucket' })
check(
  'the owner expected',
  'HEAD /bucket',
  { headers: { 'x-amz-expected-bucket-owner': OWNER } },
  { status: 200 },
)
check(
  'another owner expected',
  'GET /bucket',
  { headers: { 'x-amz-expected-bucket-owner': '111122223333' } },
  { status: 403, code: 'AccessDenied' },
)

const listed = (names: readonly string[], more = ''): string =>
  `${XML}<ListAllMyBucketsResult ${NS}><Owner><ID>${OWNER}</ID><DisplayName>root</DisplayName></Owner><Buckets>${names
    .map(
      (name) =>
        `<Bucket><Name>${name}</Name><CreationDate>2026-01-02T03:04:05.000Z</CreationDate><BucketRegion>us-east-1</BucketRegion></Bucket>`,
    )
    .join('')}</Buckets>${more}</ListAllMyBucketsResult>`
check(
  'list',
  'GET /',
  {},
  { status: 200, text: listed(['bucket', 'full']), headers: { 'content-type': 'application/xml' } },
)
check('list a prefix', 'GET /?prefix=fu', {}, { status: 200, text: listed(['full'], '<Prefix>fu</Prefix>') })
check(
  'list a page',
  'GET /?max-buckets=1',
  {},
  { status: 200, text: listed(['bucket'], '<ContinuationToken>1YnVja2V0</ContinuationToken>') },
)
check(
  'list the next page',
  'GET /?max-buckets=1&continuation-token=1YnVja2V0',
  {},
  { status: 200, text: listed(['full']) },
)
check(
  'list with a token of another',
  'GET /?continuation-token=xyz',
  {},
  { status: 400, code: 'InvalidArgument' },
)
check('list none', 'GET /?max-buckets=0', {}, { status: 400, code: 'InvalidArgument' })
check('list another region', 'GET /?bucket-region=eu-west-1', {}, { status: 200, text: listed([]) })
check(
  'a method the service has not',
  'PUT /',
  {},
  { status: 405, code: 'MethodNotAllowed', headers: { allow: 'GET' } },
)
check(
  'a method a bucket has not',
  'PATCH /bucket',
  {},
  { status: 405, code: 'MethodNotAllowed', headers: { allow: 'PUT, HEAD, DELETE, GET' } },
)
check('create with a label that ends oddly', 'PUT /a.-b', {}, { status: 400, code: 'InvalidBucketName' })
check(
  'one that was made before is none that there is',
  'GET /a.-b',
  {},
  { status: 404, code: 'NoSuchBucket' },
)

test(
  'an error document names code, message, resource, request and host',
  deadline(2_000, async () => {
    const { send } = await createExchange([])
    const { text, headers } = await send('GET /no-bucket/a%3Cb')
    assert.is(headers.get('content-type'), 'application/xml')
    assert.match(
      text,
      /^<\?xml version="1.0" encoding="UTF-8"\?>\n<Error><Code>NoSuchBucket<\/Code><Message>/,
    )
    assert.match(
      text,
      '<Resource>/no-bucket/a&lt;b</Resource><RequestId>F0F0F0F000000001</RequestId><HostId>host</HostId></Error>',
    )
  }),
)

test.run()
