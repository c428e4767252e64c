// 32: a request that two readers could read in two ways is refused, and its connection ends.
import { codeIn, headText, startGateway, type TestGateway, Wire } from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 32')
let at: TestGateway
test.before.each(async () => {
  at = await startGateway()
})
test.after.each(() => at.close())

/** The signed head of a PUT, and what the server says to it and to a second request in its wake. */
const attempt = async (text: string) => {
  const wire = new Wire(at.port)
  const second = signHeader({ method: 'DELETE', target: '/b/smuggled', headers: { host: at.host } })
  wire.send(text + headText(second))
  const answer = await wire.answer()
  await wire.end()
  const rest = wire.buffer.toString('latin1')
  wire.close()
  return { answer, rest }
}

const head = (
  extra: string[],
  { host = at.host, method = 'PUT', version = 'HTTP/1.1', target = '/b/k' } = {},
): string => {
  const { headers } = signHeader({ method: 'PUT', target: '/b/k', headers: { host } })
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `${method} ${target} ${version}\r\n${[...lines, ...extra].join('\r\n')}\r\n\r\n`
}

const refusedAndClosed = async (what: string, text: string): Promise<void> => {
  const { answer, rest } = await attempt(text)
  assert.ok([400, 403, 501].includes(answer.status), `${what}: ${answer.status}`)
  assert.is(rest, '', `${what}: something follows the refusal`)
  assert.is(at.seen.length, 0, `${what}: dispatched`)
}

test(
  'two ways to say how long the body is',
  deadline(10_000, async () => {
    const body = '5\r\nhello\r\n0\r\n\r\n'
    const cases: [string, string[]][] = [
      ['CL and TE', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
      ['TE and CL', ['Transfer-Encoding: chunked', 'Content-Length: 5']],
      ['TE: xchunked', ['Transfer-Encoding: xchunked']],
      ['TE: chunked, identity', ['Transfer-Encoding: chunked, identity']],
      ['TE: identity', ['Transfer-Encoding: identity']],
      ['TE twice', ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity']],
      ['CL twice', ['Content-Length: 5', 'Content-Length: 6']],
      ['CL twice the same', ['Content-Length: 5', 'Content-Length: 5']],
      ['CL list', ['Content-Length: 5, 5']],
      ['CL negative', ['Content-Length: -5']],
      ['CL with a sign', ['Content-Length: +5']],
      ['CL in hex', ['Content-Length: 0x5']],
      ['CL too long', ['Content-Length: 99999999999999999999999']],
      ['space before the colon', ['Content-Length : 5']],
      ['TE with a space before the colon', ['Transfer-Encoding : chunked']],
      ['TE with a tab', ['Transfer-Encoding:\tchunked\x0b']],
    ]
    for (const [what, extra] of cases) await refusedAndClosed(what, head(extra) + body)
  }),
)

test(
  'lines that end oddly, fold, or hold no header',
  deadline(10_000, async () => {
    await refusedAndClosed('LF only', head([]).replace(/\r\n/g, '\n'))
    await refusedAndClosed('bare CR', head(['x-a: b\rContent-Length: 5']))
    await refusedAndClosed('obs-fold', head(['x-a: b', ' Content-Length: 5']))
    await refusedAndClosed('no colon', head(['nonsense']))
    await refusedAndClosed('no name', head([': value']))
    await refusedAndClosed('NUL', head(['x-a: b\0c']))
    await refusedAndClosed('space in a name', head(['x a: b']))
  }),
)

test(
  'request lines that are none of ours',
  deadline(10_000, async () => {
    await refusedAndClosed('lower case method', head([], { method: 'get' }))
    await refusedAndClosed('unknown method', head([], { method: 'FROBNICATE' }))
    await refusedAndClosed('HTTP/3.0', head([], { version: 'HTTP/3.0' }))
    await refusedAndClosed('no version', 'GET /b/k\r\n\r\n')
    await refusedAndClosed('space in the target', head([], { target: '/b/k with space' }))
    await refusedAndClosed('no Host', head([]).replace(/host: [^\r]*\r\n/, ''))
  }),
)

test(
  'absolute form, asterisk and fragment name nothing here',
  deadline(10_000, async () => {
    for (const target of ['http://elsewhere.example/b/k', `http://${at.host}/b/k`, '*', '/b/k#x']) {
      const wire = new Wire(at.port)
      wire.send(head(['Content-Length: 0'], { target, method: target === '*' ? 'OPTIONS' : 'PUT' }))
      const answer = await wire.answer()
      assert.is(answer.status, 400, target)
      assert.is(codeIn(answer), target === '/b/k#x' || target[0] !== '/' ? 'InvalidURI' : '')
      wire.close()
    }
    assert.is(at.seen.length, 0)
  }),
)

test(
  'Host twice is refused, whichever of them was signed',
  deadline(10_000, async () => {
    for (const host of ['elsewhere.example', at.host]) {
      const wire = new Wire(at.port)
      wire.send(head([`Host: ${host}`, 'Content-Length: 0']))
      assert.is((await wire.answer()).status, 400)
      wire.close()
    }
    assert.is(at.seen.length, 0)
  }),
)

test(
  'heads that are too long or too many',
  deadline(10_000, async () => {
    const long = await attempt(head([`x-a: ${'b'.repeat(65_536)}`]))
    assert.is(long.answer.status, 400)
    assert.is(codeIn(long.answer), 'RequestHeaderSectionTooLarge')
    assert.is(long.rest, '')
    const many = new Wire(at.port)
    many.send(head([...Array.from({ length: 1000 }, (_, i) => `a${i}: 1`), 'Content-Length: 0']))
    const answer = await many.answer()
    assert.is(answer.status, 400)
    assert.is(codeIn(answer), 'RequestHeaderSectionTooLarge')
    many.close()
    assert.is(at.seen.length, 0)
  }),
)

test(
  'a header without a value is a header',
  deadline(10_000, async () => {
    const wire = new Wire(at.port)
    wire.send(head(['x-a:', 'Content-Length: 0']))
    assert.is((await wire.answer()).status, 200)
    assert.is(at.seen[0]?.headers.get('x-a'), '')
    wire.close()
  }),
)

test(
  'HTTP/1.0 is answered and closed, or kept when it asks for that',
  deadline(10_000, async () => {
    const plain = await attempt(head(['Content-Length: 0'], { version: 'HTTP/1.0' }))
    assert.is(plain.answer.status, 200)
    assert.is(plain.rest, '')
    const wire = new Wire(at.port)
    const text = head(['Content-Length: 0', 'Connection: keep-alive'], { version: 'HTTP/1.0' })
    wire.send(text)
    assert.is((await wire.answer()).status, 200)
    wire.send(text)
    assert.is((await wire.answer()).status, 200)
    wire.close()
  }),
)

test(
  'pipelined requests are answered in order; after one that cannot be read nothing is',
  deadline(10_000, async () => {
    const wire = new Wire(at.port)
    const one = headText(signHeader({ method: 'DELETE', target: '/b/1', headers: { host: at.host } }))
    const missing = headText(signHeader({ method: 'GET', target: '/b/2', headers: { host: at.host } }))
    wire.send(one + missing + one)
    assert.is((await wire.answer()).status, 204)
    assert.is((await wire.answer()).status, 404)
    assert.is((await wire.answer()).status, 204)
    const before = at.seen.length
    wire.send(`BAD\r\n\r\n${one}`)
    assert.is((await wire.answer()).status, 400)
    await wire.end()
    assert.is(wire.buffer.length, 0)
    assert.is(at.seen.length, before)
    wire.close()
  }),
)

test(
  'an answer under way is never mixed with the refusal of what follows it',
  deadline(10_000, async () => {
    await at.close()
    let finish: () => void = () => undefined
    at = await startGateway({
      dispatch: async () => {
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        return { status: 200, headers: [], body: 'whole' }
      },
    })
    const wire = new Wire(at.port)
    const one = headText(signHeader({ method: 'GET', target: '/b/1', headers: { host: at.host } }))
    wire.send(one)
    while (at.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    wire.send(`BAD\r\n\r\n${one}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
    finish()
    const answer = await wire.answer()
    assert.is(answer.body.toString(), 'whole')
    const refusal = await wire.answer()
    assert.is(refusal.status, 400)
    assert.ok(refusal.closed)
    assert.is(wire.buffer.length, 0)
    assert.is(at.seen.length, 1)
    wire.close()
  }),
)

test(
  'a body whose transfer coding breaks off ends the request and the connection',
  deadline(10_000, async () => {
    const wire = new Wire(at.port)
    const headers = {
      host: at.host,
      'transfer-encoding': 'chunked',
      'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
      'x-amz-decoded-content-length': '5',
    }
    wire.send(headText(signHeader({ method: 'PUT', target: '/b/1', headers })))
    while (at.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    wire.send('5\r\n5\r\nhe\r\nnonsense')
    const answer = await wire.answer()
    assert.is(codeIn(answer), 'IncompleteBody')
    await wire.end()
    assert.is(at.stored.size, 0)
    wire.close()
  }),
)

test.run()
