// The administration paths over a real socket: who may see what, and what is left to S3.
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AdminDependencies, createAdmin } from '../../src/admin/admin.ts'
import { fault, refusal } from '../../src/base/errors.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('admin')
const open: Server[] = []
test.after.each(() => {
  for (const server of open.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

const start = async (changes: Partial<AdminDependencies> = {}): Promise<string> => {
  const admin = createAdmin({
    isReady: () => true,
    redundancy: async () => ({ waiting: { shards: 2, bytes: 2048 } }),
    actors: () => [{ path: 'root' }],
    authenticate: async ({ headers }) => {
      if (headers.authorization === undefined) throw refusal('AccessDenied', 'Access Denied')
      const kind = headers.authorization === 'root' ? 'root' : 'anonymous'
      return { kind, canonicalId: '', displayName: '', accessKeyId: '' }
    },
    isVirtualHost: (host) => host.startsWith('bucket.'),
    ...changes,
  })
  const server = createServer((request, response) => {
    if (!admin(request, response)) response.writeHead(299).end('S3')
  })
  open.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const root = { headers: { authorization: 'root' } }

test(
  'health answers without credentials',
  deadline(2000, async () => {
    const origin = await start()
    const live = await fetch(`${origin}/-/health/live`)
    assert.is(live.status, 200)
    assert.is(live.headers.get('content-type'), 'application/json')
    assert.equal(await live.json(), { status: 'live' })
    assert.is((await fetch(`${origin}/-/health/ready?x=1`)).status, 200)
    const head = await fetch(`${origin}/-/health/ready`, { method: 'HEAD' })
    assert.equal([head.status, await head.text()], [200, ''])
  }),
)

test(
  'a server that is not ready is alive all the same',
  deadline(2000, async () => {
    const origin = await start({ isReady: () => false })
    assert.is((await fetch(`${origin}/-/health/live`)).status, 200)
    const ready = await fetch(`${origin}/-/health/ready`)
    assert.is(ready.status, 503)
    assert.is(ready.headers.get('retry-after'), '1')
  }),
)

test(
  'redundancy and actors are for the root identity alone',
  deadline(2000, async () => {
    const origin = await start()
    for (const path of ['/-/health/redundancy', '/-/actors', '/-/no/such/page']) {
      assert.is((await fetch(origin + path)).status, 403, path)
      const other = await fetch(origin + path, { headers: { authorization: 'other' } })
      assert.equal(
        [other.status, ((await other.json()) as { error: { code: string } }).error.code],
        [403, 'AccessDenied'],
      )
    }
    const redundancy = await fetch(`${origin}/-/health/redundancy`, root)
    assert.equal(await redundancy.json(), { waiting: { shards: 2, bytes: 2048 } })
    assert.equal(await (await fetch(`${origin}/-/actors`, root)).json(), [{ path: 'root' }])
    assert.is((await fetch(`${origin}/-/no/such/page`, root)).status, 404)
  }),
)

test(
  'only GET and HEAD are answered, and a body ends the connection unread',
  deadline(2000, async () => {
    const origin = await start()
    const response = await fetch(`${origin}/-/health/live`, { method: 'POST', body: 'x'.repeat(100_000) })
    assert.equal(
      [response.status, response.headers.get('allow'), response.headers.get('connection')],
      [405, 'GET, HEAD', 'close'],
    )
  }),
)

test(
  'what is broken inside is a 500 that says nothing of it',
  deadline(2000, async () => {
    const logged: unknown[] = []
    const log = {
      debug() {},
      info() {},
      warn() {},
      error: (event: string) => void logged.push(event),
    }
    const redundancy = async (): Promise<never> => {
      throw fault('DISK_IO', 'cannot read /mnt/disk3')
    }
    const origin = await start({ redundancy, log })
    const response = await fetch(`${origin}/-/health/redundancy`, root)
    assert.is(response.status, 500)
    assert.not.match(await response.text(), /disk3/)
    assert.is(logged.length, 1)
  }),
)

test(
  'everything else, and everything on a bucket’s host, is left to S3',
  deadline(2000, async () => {
    const origin = await start({ isVirtualHost: () => true })
    assert.is((await fetch(`${origin}/-/health/live`)).status, 299)
    const plain = await start()
    for (const path of ['/', '/-', '/bucket/-/health/live', '/-x/']) {
      assert.is((await fetch(plain + path)).status, 299, path)
    }
  }),
)

test.run()
