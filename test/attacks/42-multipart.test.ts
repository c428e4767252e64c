// 42: part numbers, lists and upload ids made to confuse.
import { createHash } from 'node:crypto'
import { createExchange, type Exchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 42')
const ETAG = createHash('md5').update('one').digest('hex')

const begin = async ({ send }: Exchange, key = 'k', bucket = 'bucket'): Promise<string> => {
  const { text } = await send(`POST /${bucket}/${key}?uploads`)
  return /<UploadId>([^<]+)</.exec(text)?.[1] ?? ''
}
const list = (...parts: readonly (readonly [string, string])[]): string =>
  `<CompleteMultipartUpload>${parts
    .map(([number, etag]) => `<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
    .join('')}</CompleteMultipartUpload>`

test(
  'a part number is a plain number from 1 to 10,000',
  deadline(5_000, async () => {
    const exchange = await createExchange()
    const upload = await begin(exchange)
    for (const number of [
      '0',
      '-1',
      '10001',
      '1e308',
      '1e1',
      '1.0',
      '01',
      '+1',
      '%201',
      '0x1',
      '',
      'NaN',
      '1,2',
      '٣',
    ]) {
      const put = await exchange.send(
        `PUT /bucket/k?uploadId=${upload}&partNumber=${encodeURIComponent(number)}`,
        { body: 'one' },
      )
      assert.equal([put.status, put.code], [400, 'InvalidArgument'], number)
      if (number === '%201' || number === '') continue
      const done = await exchange.send(`POST /bucket/k?uploadId=${upload}`, { body: list([number, ETAG]) })
      assert.equal([done.status, done.code], [400, 'InvalidArgument'], number)
    }
    assert.is(
      (await exchange.send(`PUT /bucket/k?uploadId=${upload}`, { body: 'one' })).code,
      'InvalidArgument',
    )
    assert.is(
      (await exchange.send(`PUT /bucket/k?uploadId=${upload}&partNumber=10000`, { body: 'one' })).status,
      200,
    )
  }),
)

test(
  'a part without bytes may be the last one, not one before it',
  deadline(5_000, async () => {
    const exchange = await createExchange()
    const upload = await begin(exchange)
    const empty = createHash('md5').update('').digest('hex')
    await exchange.send(`PUT /bucket/k?uploadId=${upload}&partNumber=1`, { body: '' })
    await exchange.send(`PUT /bucket/k?uploadId=${upload}&partNumber=2`, { body: 'one' })
    const complete = (body: string) => exchange.send(`POST /bucket/k?uploadId=${upload}`, { body })
    assert.is((await complete(list(['1', empty], ['2', ETAG]))).code, 'EntityTooSmall')
    assert.is((await complete(list(['1', empty], ['1', empty]))).code, 'InvalidPartOrder')
    assert.is((await complete(list(['2', ETAG], ['1', empty]))).code, 'InvalidPartOrder')
    assert.is((await complete(list(['1', ETAG]))).code, 'InvalidPart')
    assert.is((await complete(list(['1', empty]))).status, 200)
    assert.is((await exchange.send('GET /bucket/k')).headers.get('etag')?.endsWith('-1"'), true)
  }),
)

test(
  'completing twice answers the same; completing after an abort, or aborting after that, does not',
  deadline(5_000, async () => {
    const exchange = await createExchange()
    const upload = await begin(exchange)
    await exchange.send(`PUT /bucket/k?uploadId=${upload}&partNumber=1`, { body: 'one' })
    const complete = () => exchange.send(`POST /bucket/k?uploadId=${upload}`, { body: list(['1', ETAG]) })
    const first = await complete()
    assert.is((await complete()).text, first.text)
    assert.is((await exchange.send(`DELETE /bucket/k?uploadId=${upload}`)).code, 'NoSuchUpload')
    assert.is((await exchange.send('GET /bucket/k')).text, 'one')

    const other = await begin(exchange)
    await exchange.send(`PUT /bucket/k?uploadId=${other}&partNumber=1`, { body: 'two' })
    const [aborted, completed] = await Promise.all([
      exchange.send(`DELETE /bucket/k?uploadId=${other}`),
      exchange.send(`POST /bucket/k?uploadId=${other}`, {
        body: list(['1', createHash('md5').update('two').digest('hex')]),
      }),
    ])
    const won = [aborted.status === 204, completed.status === 200]
    assert.is(won.filter(Boolean).length, 1, 'one of the two happened')
    assert.is((await exchange.send('GET /bucket/k')).text, won[1] ? 'two' : 'one')
    assert.is(
      (await exchange.send(`PUT /bucket/k?uploadId=${other}&partNumber=1`, { body: 'x' })).code,
      'NoSuchUpload',
    )
  }),
)

test(
  "another's upload id is no upload here, and an id is never a path",
  deadline(5_000, async () => {
    const exchange = await createExchange(['bucket', 'other'])
    const upload = await begin(exchange)
    await exchange.send(`PUT /bucket/k?uploadId=${upload}&partNumber=1`, { body: 'one' })
    const body = list(['1', ETAG])
    const tries = [
      `/bucket/k2?uploadId=${upload}`,
      `/other/k?uploadId=${upload}`,
      '/bucket/k?uploadId=',
      '/bucket/k?uploadId=..%2F..%2Fetc',
      '/bucket/k?uploadId=%00',
      `/bucket/k?uploadId=${'x'.repeat(5_000)}`,
      `/bucket/k?uploadId=${upload}%20`,
    ]
    for (const target of tries) {
      assert.is((await exchange.send(`POST ${target}`, { body })).code, 'NoSuchUpload', target)
      assert.is((await exchange.send(`GET ${target}`)).code, 'NoSuchUpload', target)
      assert.is((await exchange.send(`DELETE ${target}`)).code, 'NoSuchUpload', target)
      assert.is(
        (await exchange.send(`PUT ${target}&partNumber=1`, { body: 'x' })).code,
        'NoSuchUpload',
        target,
      )
    }
    assert.is((await exchange.send(`POST /bucket/k?uploadId=${upload}`, { body })).status, 200)
  }),
)

test.run()
