// 43: lengths that are too large, or not true.
import { createExchange } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 43')

test(
  'a length beyond the largest object is refused before a byte is read',
  deadline(5_000, async () => {
    const { send } = await createExchange()
    const begun = await send('POST /bucket/m?uploads')
    const upload = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
    for (const size of [5 * 2 ** 30 + 1, 2 ** 40, 2 ** 53 + 2, Number.POSITIVE_INFINITY]) {
      for (const line of ['PUT /bucket/k', `PUT /bucket/m?partNumber=1&uploadId=${upload}`]) {
        const answer = await send(line, { body: 'x', size })
        assert.equal([answer.status, answer.code], [400, 'EntityTooLarge'])
      }
    }
    assert.is((await send('GET /bucket/k')).status, 404)
  }),
)

test(
  'a body shorter or longer than its length leaves nothing',
  deadline(5_000, async () => {
    const { send } = await createExchange()
    await send('PUT /bucket/k', { body: 'before' })
    for (const size of [0, 4, 6]) {
      assert.equal((await send('PUT /bucket/k', { body: 'hello', size })).code, 'IncompleteBody')
      assert.is((await send('GET /bucket/k')).text, 'before')
    }
  }),
)

test(
  'an object size that is claimed and not true is refused',
  deadline(5_000, async () => {
    const { send } = await createExchange()
    const begun = await send('POST /bucket/m?uploads')
    const upload = /<UploadId>([^<]+)</.exec(begun.text)?.[1]
    const put = await send(`PUT /bucket/m?partNumber=1&uploadId=${upload}`, { body: 'one' })
    const body = `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>${put.headers.get('etag')}</ETag></Part></CompleteMultipartUpload>`
    for (const size of ['4', '-3', '3.0', '1e999', '9007199254740993', '']) {
      const answer = await send(`POST /bucket/m?uploadId=${upload}`, {
        body,
        headers: { 'x-amz-mp-object-size': size },
      })
      assert.equal([answer.status, answer.code], [400, 'InvalidRequest'], size)
    }
  }),
)

test.run()
