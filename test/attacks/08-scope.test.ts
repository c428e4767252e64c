// 8: a signature for another region, service or protocol is not one for us.
import { call, codeIn, send, startGateway, type TestGateway, textIn } from '../support/http-gateway.ts'
import { presign } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 8')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const WRONG = [
  [{ region: 'eu-west-1' }, "the region 'eu-west-1' is wrong; expecting 'us-east-1'"],
  [{ region: 'US-EAST-1' }, "the region 'US-EAST-1' is wrong"],
  [{ region: '' }, 'is wrong'],
  [{ service: 'iam' }, 'incorrect service "iam"'],
  [{ service: 'S3' }, 'incorrect service "S3"'],
  [{ terminator: 'aws3_request' }, 'incorrect terminal "aws3_request"'],
  [{ terminator: '' }, 'incorrect terminal ""'],
] as const

test(
  'region, service and terminator must be ours, in the header and in the query',
  deadline(5000, async () => {
    for (const [wrong, message] of WRONG) {
      const answer = await call(at, 'GET', '/b/k', wrong)
      assert.is(answer.status, 400)
      assert.is(codeIn(answer), 'AuthorizationHeaderMalformed')
      assert.match(textIn(answer), message)
      const url = await send(
        at,
        presign({ method: 'GET', target: '/b/k', headers: { host: at.host }, ...wrong }),
      )
      assert.is(url.status, 400)
      assert.is(codeIn(url), 'AuthorizationQueryParametersError')
      assert.match(textIn(url), message)
    }
    assert.is(at.seen.length, 0)
  }),
)

test(
  'a wrong region names the right one',
  deadline(5000, async () => {
    const answer = await call(at, 'GET', '/b/k', { region: 'eu-west-1' })
    assert.match(textIn(answer), '<Region>us-east-1</Region>')
    // An answer to HEAD has no document.
    for (const { headers } of [answer, await call(at, 'HEAD', '/b/k', { region: 'eu-west-1' })]) {
      assert.is(headers.get('x-amz-bucket-region'), 'us-east-1')
    }
  }),
)

test(
  'an Authorization header that is no list of three components is malformed',
  deadline(5000, async () => {
    const values = [
      'AWS4-HMAC-SHA256',
      'AWS4-HMAC-SHA256 ',
      'AWS4-HMAC-SHA256 Credential',
      'AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/s3/aws4_request',
      'AWS4-HMAC-SHA256 Credential=a, Credential=b, SignedHeaders=host, Signature=x',
      'AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=x, More=y',
      'AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=x',
    ]
    for (const authorization of values) {
      const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
      const headers = {
        host: at.host,
        'x-amz-date': date,
        'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
        authorization,
      }
      const answer = await send(at, { method: 'GET', target: '/b/k', headers })
      assert.is(codeIn(answer), 'AuthorizationHeaderMalformed', authorization)
    }
  }),
)

test.run()
