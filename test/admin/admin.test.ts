// The administration paths behind the real gateway: who may see what, and what is left to S3.
import type { DrainTarget } from '../../src/actors/draining.ts'
import type { Redundancy } from '../../src/actors/inspector.ts'
import type { Demand } from '../../src/actors/scrub-tour.ts'
import type { ScrubStatus } from '../../src/actors/scrubber.ts'
import { createAdmin, type DiskControl, type ScrubControl } from '../../src/admin/admin.ts'
import { systemClock } from '../../src/base/clock.ts'
import { fault, unavailable } from '../../src/base/errors.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { createGateway, type Gateway } from '../../src/s3/gateway.ts'
import { KEY, REGION, SECRET, signHeader } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('admin')
const open: Gateway[] = []
test.after.each(async () => {
  for (const gateway of open.splice(0)) await gateway.close({ drainMs: 0 })
})

const identity = { kind: 'root', canonicalId: '0'.repeat(64), displayName: 'root', accessKeyId: KEY } as const

const STATE: Redundancy = {
  waiting: { shards: 2, bytes: 2048 },
  disks: [{ position: 1, directory: '/mnt/disk1', state: 'out', message: 'it is not mounted' }],
  unused: [],
  notServed: [],
}

const IDLE: ScrubStatus = { state: 'idle', periodMs: 0, bytesPerSecond: 1, demands: [] }
const SCRUB: ScrubControl = {
  status: async () => IDLE,
  pause: async () => undefined,
  resume: async () => undefined,
  begin: async () => undefined,
  demand: async () => 1,
}

const REFUSE = async () => ({ kind: 'refused', message: 'it is a test' }) as const

interface Stage {
  get(path: string, headers?: Record<string, string>, method?: string): Promise<Response>
  /** The same, signed by root. */
  signed(path: string, method?: string): Promise<Response>
}

const start = async (
  changes: {
    whyNotReady?: string
    redundancy?: () => Promise<Redundancy>
    domain?: string
    scrub?: Partial<ScrubControl>
    disks?: Partial<DiskControl>
  } = {},
): Promise<Stage> => {
  const gateway = createGateway({
    dispatch: async () => ({ status: 299, headers: [] }),
    findCredential: (accessKeyId) =>
      accessKeyId === KEY ? { accessKeyId, secretAccessKey: SECRET, identity } : undefined,
    region: REGION,
    ...(changes.domain !== undefined && { domain: changes.domain }),
    authorize: () => undefined,
    adminHandler: createAdmin({
      whyNotReady: () => changes.whyNotReady,
      redundancy: changes.redundancy ?? (async () => STATE),
      actors: async () => [{ path: 'root' }],
      scrub: { ...SCRUB, ...changes.scrub },
      disks: { drain: REFUSE, add: REFUSE, ...changes.disks },
    }),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  })
  open.push(gateway)
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 })
  const get: Stage['get'] = (path, headers = {}, method = 'GET') =>
    fetch(`http://127.0.0.1:${port}${path}`, { method, headers })
  return {
    get,
    signed(path, method = 'GET') {
      const { headers } = signHeader({ method, target: path, headers: { host: `127.0.0.1:${port}` } })
      return get(path, headers, method)
    },
  }
}

test(
  'health answers without credentials',
  deadline(2000, async () => {
    const { get } = await start()
    const live = await get('/-/health/live')
    assert.is(live.status, 200)
    assert.is(live.headers.get('content-type'), 'application/json')
    assert.equal(await live.json(), { status: 'live' })
    const head = await get('/-/health/ready', {}, 'HEAD')
    assert.equal([head.status, await head.text()], [200, ''])
  }),
)

test(
  'a server that is not ready is alive all the same',
  deadline(2000, async () => {
    const { get } = await start({ whyNotReady: 'it is a test' })
    assert.is((await get('/-/health/live')).status, 200)
    const ready = await get('/-/health/ready')
    assert.equal([ready.status, ready.headers.get('retry-after')], [503, '1'])
    assert.equal(await ready.json(), { status: 'not ready', reason: 'it is a test' })
  }),
)

test(
  'redundancy and actors are for the root identity alone',
  deadline(2000, async () => {
    const { get, signed } = await start()
    for (const path of ['/-/health/redundancy', '/-/actors', '/-/no/such/page', '/-/']) {
      assert.is((await get(path)).status, 403, path)
    }
    const redundancy = await signed('/-/health/redundancy')
    assert.equal(await redundancy.json(), STATE)
    assert.equal(await (await signed('/-/actors')).json(), [{ path: 'root' }])
    assert.is((await signed('/-/no/such/page')).status, 404)
  }),
)

test(
  'a wrong signature is refused like anywhere else',
  deadline(2000, async () => {
    const { get } = await start()
    const authorization = `AWS4-HMAC-SHA256 Credential=${KEY}/20200101/${REGION}/s3/aws4_request, SignedHeaders=host, Signature=00`
    const answer = await get('/-/actors', { authorization })
    assert.ok(answer.status >= 400 && answer.status < 500)
    assert.not.match(await answer.text(), /"path"/)
  }),
)

test(
  'only GET and HEAD are answered',
  deadline(2000, async () => {
    const { get } = await start()
    const answer = await get('/-/health/live', {}, 'DELETE')
    assert.match(await answer.text(), /<Code>MethodNotAllowed</)
    assert.is(answer.headers.get('allow'), 'GET, HEAD')
  }),
)

test(
  'what is broken inside is a 500 that says nothing of it',
  deadline(2000, async () => {
    const redundancy = async (): Promise<never> => {
      throw fault('DISK_IO', 'cannot read /mnt/disk3')
    }
    const { signed } = await start({ redundancy })
    const answer = await signed('/-/health/redundancy')
    assert.is(answer.status, 500)
    assert.not.match(await answer.text(), /disk3/)
  }),
)

test(
  'everything that is not below /-/ is left to S3',
  deadline(2000, async () => {
    const { signed } = await start()
    for (const path of ['/', '/-x/health', '/bucket/-/health/live']) {
      assert.is((await signed(path)).status, 299, path)
    }
  }),
)

test(
  'a disk is drained when root says so, by its number or its directory',
  deadline(2000, async () => {
    const targets: DrainTarget[] = []
    const counts = { disks: 6, parity: 2, shards: 7, bytes: 8 }
    const answer = { kind: 'begun', number: 3 as DiskNumber, directory: '/mnt/d 3', ...counts } as const
    const { get, signed } = await start({
      disks: {
        async drain(target) {
          targets.push(target)
          if (!('disk' in target)) return answer
          if (target.disk === 4) throw unavailable('TOO_FEW_DISKS', 'two more are needed')
          return { kind: 'refused', message: 'it would lower the parity' }
        },
      },
    })
    assert.is((await get('/-/disks/drain?disk=3', {}, 'POST')).status, 403)
    assert.match(await (await signed('/-/disks/drain?disk=3')).text(), /<Code>MethodNotAllowed</)
    for (const query of ['', '?disk=', '?disk=x', '?disk=3&directory=%2Fmnt']) {
      assert.is((await signed(`/-/disks/drain${query}`, 'POST')).status, 400, query)
    }
    assert.equal(targets, [])
    const begun = await signed('/-/disks/drain?directory=%2Fmnt%2Fd%203', 'POST')
    assert.equal([begun.status, await begun.json()], [202, answer])
    const refused = await signed('/-/disks/drain?disk=3', 'POST')
    assert.equal([refused.status, await refused.json()], [409, { error: 'it would lower the parity' }])
    const waits = await signed('/-/disks/drain?disk=4', 'POST')
    assert.equal([waits.status, await waits.json()], [503, { error: 'two more are needed' }])
    assert.equal(targets, [{ directory: '/mnt/d 3' }, { disk: 3 }, { disk: 4 }])
  }),
)

test(
  'disks are added when root says so, one or several',
  deadline(2000, async () => {
    const asked: (readonly string[])[] = []
    const added = { kind: 'added', disks: [], set: 0, size: 7, parity: 2, directories: [] } as const
    const add = async (directories: readonly string[]) => {
      asked.push(directories)
      return added
    }
    const { get, signed } = await start({ disks: { add } })
    assert.is((await get('/-/disks/add?directory=%2Fmnt', {}, 'POST')).status, 403)
    for (const query of ['', '?directory=', '?disk=7']) {
      assert.is((await signed(`/-/disks/add${query}`, 'POST')).status, 400, query)
    }
    const answer = await signed('/-/disks/add?directory=%2Fa&directory=%2Fb', 'POST')
    assert.equal([answer.status, await answer.json(), asked], [202, added, [['/a', '/b']]])
  }),
)

test(
  'the scrub is shown to root, and does what root says',
  deadline(2000, async () => {
    const done: string[] = []
    const demands: Demand[] = []
    const { get, signed } = await start({
      scrub: {
        pause: async () => void done.push('pause'),
        resume: async () => void done.push('resume'),
        begin: async () => void done.push('begin'),
        demand: async (demand) => demands.push(demand),
      },
    })
    assert.is((await get('/-/scrub')).status, 403)
    assert.equal(await (await signed('/-/scrub')).json(), IDLE)
    for (const action of ['pause', 'resume', 'begin']) {
      assert.is((await get(`/-/scrub/${action}`, {}, 'POST')).status, 403)
      const looked = await signed(`/-/scrub/${action}`)
      assert.is(looked.status, 405, 'looking changes nothing')
      assert.is(looked.headers.get('allow'), 'POST')
      assert.equal(await (await signed(`/-/scrub/${action}`, 'POST')).json(), IDLE)
    }
    assert.equal(done, ['pause', 'resume', 'begin'])

    const good = ['bucket=b', 'bucket=b&key=a%2F..%2Fb', 'disk=7']
    for (const [i, query] of good.entries()) {
      const answer = await signed(`/-/scrub/demand?${query}`, 'POST')
      assert.equal([answer.status, await answer.json()], [202, { number: i + 1 }], query)
    }
    assert.equal(demands, [
      { kind: 'bucket', bucket: 'b' },
      { kind: 'object', bucket: 'b', key: 'a/../b' },
      { kind: 'disk', disk: 7 },
    ])
    for (const query of ['', 'key=a', 'bucket=', 'disk=x', 'disk=-1', 'disk=1&bucket=b', 'tour=1']) {
      assert.is((await signed(`/-/scrub/demand?${query}`, 'POST')).status, 400, query)
    }
    assert.is(demands.length, 3)
  }),
)

test.run()
