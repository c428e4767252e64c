// 41: every header is read in time that grows with its length alone.
import { call, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { amzDate, presign } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 41')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const LONG = 14_000
const HOSTILE = [
  ' '.repeat(LONG),
  `a${' '.repeat(LONG)}b`,
  ','.repeat(LONG),
  '='.repeat(LONG),
  '/'.repeat(LONG),
  ';'.repeat(LONG),
  '%'.repeat(LONG),
  `${'a, '.repeat(LONG / 3)}`,
  `${'Credential='.repeat(LONG / 11)}`,
  `${'\t '.repeat(LONG / 2)}x`,
  '0'.repeat(LONG),
  'aA'.repeat(LONG / 2),
]

/** Of CPU, client included: far above what any of them takes, far below what backtracking would. */
const LIMIT_MS = 250
const timed = async (what: string, action: () => Promise<{ status: number }>): Promise<void> => {
  const from = process.cpuUsage()
  const { status } = await action()
  const { user } = process.cpuUsage(from)
  assert.ok(status >= 200 && status < 600, `${what}: ${status}`)
  assert.ok(user / 1000 < LIMIT_MS, `${what} took ${user / 1000} ms`)
}

test(
  'each header we read, with values made to hurt',
  deadline(60_000, async () => {
    const date = amzDate(Date.now())
    const base = { host: at.host, 'x-amz-date': date, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' }
    for (const value of HOSTILE) {
      const what = JSON.stringify(value.slice(0, 12))
      const get = (headers: Record<string, string>) =>
        send(at, { method: 'GET', target: '/b/k', headers: { ...base, ...headers } })
      await timed(`authorization ${what}`, () => get({ authorization: `AWS4-HMAC-SHA256 ${value}` }))
      await timed(`scheme ${what}`, () => get({ authorization: value }))
      for (const name of ['x-amz-date', 'date', 'x-amz-content-sha256', 'x-amz-security-token', 'host']) {
        await timed(`${name} ${what}`, () =>
          call(at, 'GET', '/b/k', { headers: { host: at.host, [name]: value } }),
        )
      }
      for (const name of [
        'x-amz-trailer',
        'x-amz-decoded-content-length',
        'content-type',
        'range',
        'x-amz-meta-a',
      ]) {
        const headers = {
          host: at.host,
          'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
          [name]: value,
        }
        await timed(`${name} ${what}`, () => call(at, 'PUT', '/b/k', { headers, body: '0\r\n\r\n' }))
      }
    }
  }),
)

test(
  'targets made to hurt',
  deadline(60_000, async () => {
    for (const part of ['&', '=', '%20', 'a=1&', '+', '/', '.', '%2F', 'X-Amz-Date=&', '%']) {
      const text = part.repeat(LONG / part.length)
      await timed(`query ${part}`, () => call(at, 'GET', `/b/k?${text}`))
      await timed(`path ${part}`, () => call(at, 'GET', `/b/${text.replaceAll('&', '-')}`))
    }
    const url = presign(
      { method: 'GET', target: '/b/k', headers: { host: at.host } },
      '9'.repeat(LONG - 1000),
    )
    await timed('expires', () => send(at, url))
  }),
)

test.run()
