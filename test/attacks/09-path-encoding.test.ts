// 9: one path, one key: what was signed is what is served, however it is spelled on the wire.
import { call, codeIn, send, startGateway, type TestGateway, textIn } from '../support/http-gateway.ts'
import { type SignInput, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 9')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const keyOf = async (target: string, extra: Partial<SignInput> = {}): Promise<string> => {
  const answer = await call(at, 'DELETE', target, extra)
  return answer.status === 204 ? (at.seen.pop()?.key ?? '') : codeIn(answer)
}

test(
  'a path is decoded once, and nothing of it is normalized',
  deadline(5000, async () => {
    const cases = [
      ['/b/plain', 'plain'],
      ['/b/a%20b', 'a b'],
      ['/b/a%2520b', 'a%20b'],
      ['/b//x', '/x'],
      ['/b/./x', './x'],
      ['/b/../x', '../x'],
      ['/b/x/', 'x/'],
      ['/b/x%20', 'x '],
      ['/b/%C3%BC', 'ü'],
      ['/b/u%CC%88', 'u\u0308'],
      ['/b/%2A', '*'],
      ['/b/a%2Bb', 'a+b'],
    ] as const
    for (const [target, key] of cases) assert.is(await keyOf(target), key, target)
  }),
)

test(
  'a path that is spelled unlike signers spell it verifies with either spelling, and names the same key',
  deadline(5000, async () => {
    // Sent raw; signed encoded, or as sent.
    for (const [sent, encoded, key] of [
      ["/b/it's(1)!", '/b/it%27s%281%29%21', "it's(1)!"],
      ['/b/a+b', '/b/a%2Bb', 'a+b'],
      ['/b/%c3%bc', '/b/%C3%BC', 'ü'],
      ['/b/%61', '/b/a', 'a'],
      ['/b/a%2Fb', '/b/a/b', 'a/b'],
    ] as const) {
      assert.is(await keyOf(sent, { signedPath: encoded }), key, sent)
      assert.is(await keyOf(sent), key, sent)
    }
  }),
)

test(
  'another key than the signed one never verifies',
  deadline(5000, async () => {
    for (const [sent, signed] of [
      ['/b/a+b', '/b/a%20b'],
      ['/b/a%20b', '/b/a%2Bb'],
      ['/b/a%2520b', '/b/a%20b'],
      ['/b/a%20b', '/b/a%2520b'],
      ['/b/x', '/b//x'],
      ['/b/../c/x', '/c/x'],
      ['/b/./x', '/b/x'],
      ['/b/x%20', '/b/x'],
      ['/b/%C3%BC', '/b/u%CC%88'],
      ['/b/x/', '/b/x'],
    ] as const) {
      assert.is(await keyOf(sent, { signedPath: signed }), 'SignatureDoesNotMatch', sent)
    }
  }),
)

test(
  'the answer names what happened to the path',
  deadline(5000, async () => {
    for (const [sent, signed, cause] of [
      ['/b/a+b', '/b/a%20b', 'signed with a space'],
      ['/b/a%20b', '/b/a+b', "with a '+' for a space"],
      ['/b/a%20b', '/b/a%2520b', 'encoded once more to be signed'],
      ['/b/a%2520b', '/b/a%20b', 'encoded once more after'],
      ['/b/a%20b', '/b/a b', 'without being encoded'],
    ] as const) {
      const answer = await call(at, 'GET', sent, { signedPath: signed })
      assert.match(textIn(answer), cause)
    }
  }),
)

test(
  'a path that is no text is 400, signed or not',
  deadline(5000, async () => {
    for (const target of ['/b/%', '/b/%zz', '/b/%FF%FE', '/b/%ED%A0%80', '/b/%C0%AF']) {
      assert.is(await keyOf(target), 'InvalidURI', target)
      const signed = signHeader({ method: 'GET', target, headers: { host: at.host } })
      const { authorization: _, ...headers } = signed.headers
      assert.is(codeIn(await send(at, { ...signed, headers })), 'InvalidURI', target)
    }
  }),
)

test.run()
