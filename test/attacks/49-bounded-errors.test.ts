// 49: an error is of bounded size, whatever it quotes, and a flood of bad signatures costs a bounded amount each.
import { codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { presign, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 49')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

/** Four kilobytes of canonical request, thrice as much as hex, and what surrounds them. */
const ERROR_MAX = 64 * 1024

test(
  'errors that quote what was sent stay small',
  deadline(10_000, async () => {
    const long = 'x'.repeat(12_000)
    const base = { method: 'GET', headers: { host: at.host } }
    const answers = [
      send(at, signHeader({ ...base, target: `/b/${long}`, secretAccessKey: 'wrong' })),
      send(at, signHeader({ ...base, target: `/b/k?${'%26'.repeat(4000)}`, secretAccessKey: 'wrong' })),
      send(at, signHeader({ ...base, target: '/b/k', accessKeyId: long })),
      send(at, signHeader({ ...base, target: '/b/k', region: long })),
      send(at, signHeader({ ...base, target: '/b/k', service: long })),
      send(at, signHeader({ ...base, target: '/b/k', terminator: long })),
      send(at, signHeader({ ...base, target: '/b/k', scopeDay: long })),
      send(
        at,
        signHeader({ ...base, target: '/b/k', headers: { host: at.host, 'x-amz-content-sha256': long } }),
      ),
      send(at, presign({ ...base, target: '/b/k' }, long)),
      send(at, { ...base, target: '/b/k', headers: { host: at.host, authorization: long } }),
      send(at, { ...base, target: `/b/k?X-Amz-Signature=1&X-Amz-${long}=1&X-Amz-${long}=2` }),
    ]
    for (const answer of await Promise.all(answers)) {
      assert.ok(answer.status >= 400, String(answer.status))
      assert.ok(answer.body.length < ERROR_MAX, `${codeIn(answer)}: ${answer.body.length}`)
    }
  }),
)

test(
  'unsigned headers are named within bounds',
  deadline(5000, async () => {
    const signed = signHeader({ method: 'GET', target: '/b/k', headers: { host: at.host } })
    const many = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`x-amz-meta-header-number-${i}`, '']),
    )
    const answer = await send(at, { ...signed, headers: { ...signed.headers, ...many } })
    assert.is(codeIn(answer), 'AccessDenied')
    assert.ok(answer.body.length < 2048)
  }),
)

test(
  'diagnoses are rationed: a flood of bad signatures gets its refusals without them',
  deadline(20_000, async () => {
    const bad = () =>
      send(
        at,
        signHeader({ method: 'GET', target: '/b/a%20b', signedPath: '/b/a b', headers: { host: at.host } }),
      )
    let diagnosed = 0
    const from = performance.now()
    for (let i = 0; i < 300; i++) {
      const answer = await bad()
      assert.is(codeIn(answer), 'SignatureDoesNotMatch')
      if (answer.body.includes('<Diagnosis>')) diagnosed++
    }
    const seconds = (performance.now() - from) / 1000
    assert.ok(diagnosed > 0 && diagnosed <= 50 * (Math.ceil(seconds) + 1), `${diagnosed} in ${seconds} s`)
  }),
)

test.run()
