// 4: an old request is not replayed, a date cannot be two dates.
import { systemClock } from '../../src/base/clock.ts'
import { codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { amzDate, type SignInput, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 4')
const NOW = Date.UTC(2026, 10, 23, 12)
const QUARTER = 15 * 60 * 1000
let at: TestGateway
test.before(async () => {
  at = await startGateway({ options: { clock: { ...systemClock, nowMs: () => NOW } } })
})
test.after(() => at.close())

const get = (extra: Partial<SignInput>) =>
  send(
    at,
    signHeader({ method: 'DELETE', target: '/b/k', headers: { host: at.host }, timeMs: NOW, ...extra }),
  )

test(
  'a quarter of an hour either way is allowed, a second more is not',
  deadline(5000, async () => {
    for (const offset of [0, QUARTER, -QUARTER]) assert.is((await get({ timeMs: NOW + offset })).status, 204)
    for (const offset of [QUARTER + 1000, -QUARTER - 1000]) {
      const answer = await get({ timeMs: NOW + offset })
      assert.is(answer.status, 403)
      assert.is(codeIn(answer), 'RequestTimeTooSkewed')
      assert.match(answer.body.toString(), '<MaxAllowedSkewMilliseconds>900000<')
    }
  }),
)

test(
  'a scope of another day is malformed',
  deadline(5000, async () => {
    for (const scopeDay of ['20261122', '20261124', '20250101', '20261323', '2026112', 'x']) {
      assert.is(codeIn(await get({ scopeDay })), 'AuthorizationHeaderMalformed', scopeDay)
    }
  }),
)

test(
  'the Date header counts where there is no x-amz-date, and only there',
  deadline(5000, async () => {
    const names = ['date', 'host', 'x-amz-content-sha256']
    const dated = (date: string) => {
      const { headers, ...signed } = signHeader({
        method: 'DELETE',
        target: '/b/k',
        headers: { host: at.host, date },
        timeMs: NOW,
        signedNames: names,
      })
      const { 'x-amz-date': _, ...rest } = headers
      return send(at, { ...signed, headers: rest })
    }
    assert.is((await dated(new Date(NOW).toUTCString())).status, 204)
    assert.is((await dated(amzDate(NOW))).status, 204)
    assert.is(codeIn(await dated(new Date(NOW - QUARTER - 1000).toUTCString())), 'RequestTimeTooSkewed')
    for (const date of ['', 'yesterday', '1', '2026-11-23', 'Mon, 23 Nov 2026 12:00:00 +0000']) {
      assert.is(codeIn(await dated(date)), 'AccessDenied', date)
    }
    const old = new Date(NOW - 10 * QUARTER).toUTCString()
    assert.is((await get({ headers: { host: at.host, date: old } })).status, 204)
  }),
)

test(
  'an x-amz-date that is no date is refused',
  deadline(5000, async () => {
    for (const date of [
      '',
      '20261123',
      '20261123T120000',
      '20261131T120000Z',
      '20261123T126000Z',
      'x'.repeat(16),
    ]) {
      assert.is(codeIn(await get({ headers: { host: at.host, 'x-amz-date': date } })), 'AccessDenied', date)
    }
  }),
)

test.run()
