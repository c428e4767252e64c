// 3: a SignedHeaders list that no signer makes: missing headers, duplicates, another order, upper case.
import { codeIn, send, startGateway, type TestGateway, textIn } from '../support/http-gateway.ts'
import { presign, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 3')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const BASE = ['host', 'x-amz-content-sha256', 'x-amz-date']
const answerTo = (names: string[]) =>
  send(
    at,
    signHeader({ method: 'GET', target: '/bucket/key', headers: { host: at.host }, signedNames: names }),
  )
const presignedAnswerTo = (names: string[]) =>
  send(at, presign({ method: 'GET', target: '/bucket/key', headers: { host: at.host }, signedNames: names }))

test(
  'a signed header that is not in the request does not match, though it was signed as empty',
  deadline(5000, async () => {
    const answer = await answerTo(['absent', ...BASE])
    assert.is(answer.status, 403)
    assert.is(codeIn(answer), 'SignatureDoesNotMatch')
    assert.match(textIn(answer), "the signed header 'absent' is not in the request")
    assert.is(codeIn(await presignedAnswerTo(['absent', 'host'])), 'SignatureDoesNotMatch')
  }),
)

test(
  'duplicates, another order, upper case and empty names are malformed',
  deadline(5000, async () => {
    const lists = [
      ['host', ...BASE],
      [...BASE].reverse(),
      ['Host', 'x-amz-content-sha256', 'x-amz-date'],
      ['', ...BASE],
      [...BASE, ''],
    ]
    for (const names of lists) {
      const answer = await answerTo(names)
      assert.is(answer.status, 400, names.join(';'))
      assert.is(codeIn(answer), 'AuthorizationHeaderMalformed')
    }
    for (const names of [['host', 'host'], ['Host'], ['host', ''], ['range', 'host']]) {
      assert.is(codeIn(await presignedAnswerTo(names)), 'AuthorizationQueryParametersError', names.join(';'))
    }
  }),
)

test.run()
