// 35, at the gateway: a Range header of any size and form costs nothing before somebody reads it, and arrives as it was
// sent. What it selects is the handler's to say.
import { call, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 35, gateway')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
  at.stored.set('b/k', Buffer.from('hello'))
})
test.after(() => at.close())

test(
  'overlapping by the thousand, malformed and huge ranges pass through unread',
  deadline(5000, async () => {
    const ranges = [
      'bytes=0-,0-,0-',
      'bytes=-0',
      'bytes=9e99-',
      `bytes=${'0-,'.repeat(1000)}`,
      'bytes=-',
      'x',
      '',
    ]
    for (const range of ranges) {
      const answer = await call(at, 'GET', '/b/k', { headers: { host: at.host, range } })
      assert.is(answer.status, 200)
      assert.is(at.seen.pop()?.headers.get('range'), range)
    }
  }),
)

test.run()
