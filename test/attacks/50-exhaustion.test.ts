// 50, at the gateway: what is full says so with the right status, reads go on, and service comes back by itself.
import { fault, type MoraineError, unavailable } from '../../src/base/errors.ts'
import {
  call,
  codeIn,
  mapDispatch,
  startGateway,
  type TestGateway,
  type TestOptions,
  Wire,
} from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 50, gateway')
const open: TestGateway[] = []
const start = async (options: TestOptions): Promise<TestGateway> => {
  const at = await startGateway(options)
  open.push(at)
  return at
}
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
test.after.each(async () => {
  for (const at of open.splice(0)) await at.close()
})

test(
  'a full disk, arena or mailbox refuses writes, serves reads, and is over when it is over',
  deadline(10_000, async () => {
    const stored = new Map([['b/k', Buffer.from('kept')]])
    let failure: MoraineError | undefined
    const at = await start({
      dispatch: async (request) => {
        if (failure && request.method === 'PUT') throw failure
        return mapDispatch(stored)(request)
      },
    })
    for (const [error, status, code] of [
      [fault('DISK_FULL', 'disk 3 has nothing left'), 507, 'StorageFull'],
      [unavailable('ARENA_FULL', 'no slab'), 503, 'SlowDown'],
      [unavailable('MAILBOX_FULL', 'full'), 503, 'SlowDown'],
    ] as const) {
      failure = error
      const put = await call(at, 'PUT', '/b/k', { body: 'new' })
      assert.is(put.status, status)
      assert.is(codeIn(put), code)
      assert.not.match(put.body.toString(), 'disk 3')
      assert.is((await call(at, 'GET', '/b/k')).body.toString(), 'kept')
    }
    failure = undefined
    assert.is((await call(at, 'PUT', '/b/k', { body: 'new' })).status, 200)
  }),
)

test(
  'more requests at once than the bound hear SlowDown at once, and service goes on after them',
  deadline(10_000, async () => {
    let finish: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      finish = resolve
    })
    const at = await start({
      limits: { requestsMax: 10 },
      dispatch: async () => {
        await gate
        return { status: 200, headers: [] }
      },
    })
    const answers = Array.from({ length: 40 }, () => call(at, 'GET', '/b/k'))
    const slow = await Promise.any(answers)
    assert.is(slow.status, 503)
    assert.is(codeIn(slow), 'SlowDown')
    let refused = 0
    for (const answer of answers) void answer.then(() => refused++)
    while (refused < 30) await pause()
    assert.is(at.gateway.inFlight(), 10)
    finish()
    const statuses = (await Promise.all(answers)).map(({ status }) => status)
    assert.is(statuses.filter((status) => status === 200).length, 10)
    assert.is(statuses.filter((status) => status === 503).length, 30)
    assert.is((await call(at, 'GET', '/b/k')).status, 200)
  }),
)

test(
  'connections far beyond the bound are dropped, not kept',
  deadline(20_000, async () => {
    const at = await start({ limits: { connectionsMax: 10 } })
    const wires = Array.from({ length: 400 }, () => new Wire(at.port))
    const dropped = (): number => wires.filter((wire) => wire.closed).length
    while (dropped() < 100) await pause()
    for (const wire of wires) wire.close()
    // Until the server has seen them go, others are surplus as well: told so, or dropped.
    const status = (): Promise<number> =>
      call(at, 'GET', '/b/k').then(
        (answer) => answer.status,
        () => 0,
      )
    while ((await status()) !== 404) await pause()
  }),
)

test.run()
