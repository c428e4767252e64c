// 43: lengths that are too large, or not true.
import { codeIn, send as sendSigned } from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { startReferenceServer } from '../support/reference-server.ts'
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
  'on the wire, too: no length is rounded to one that could be meant',
  deadline(20_000, async () => {
    const server = await startReferenceServer()
    const { host, port } = new URL(server.endpoint)
    const { accessKeyId, secretAccessKey } = server.credentials
    const put = async (target: string, length: string) => {
      const headers = { host, 'content-length': length, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
      const signed = signHeader({ method: 'PUT', target, headers, accessKeyId, secretAccessKey })
      return sendSigned({ port: Number(port) }, signed)
    }
    try {
      assert.is((await put('/bucket', '0')).status, 200)
      for (const length of ['5368709121', '999999999999999']) {
        const answer = await put('/bucket/k', length)
        assert.equal([answer.status, codeIn(answer)], [400, 'EntityTooLarge'], length)
        assert.ok(answer.closed, 'and the body is not waited for')
      }
      for (const length of ['9007199254740991', '9007199254740993', '18446744073709551617']) {
        const answer = await put('/bucket/k', length)
        assert.equal([answer.status, codeIn(answer), answer.closed], [400, 'BadRequest', true], length)
      }
    } finally {
      await server.close()
    }
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
