// 33: slow heads, slow bodies, slow readers, idle and half-open connections, clients that vanish.
import type { Buffer } from 'node:buffer'
import type { Chunk } from '../../src/actors/engine.ts'
import type { S3Response } from '../../src/s3/exchange.ts'
import {
  codeIn,
  headText,
  mapDispatch,
  startGateway,
  type TestGateway,
  type TestOptions,
  Wire,
} from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('attack 33')
const open: TestGateway[] = []
const start = async (options: TestOptions): Promise<TestGateway> => {
  const at = await startGateway(options)
  open.push(at)
  return at
}
test.after.each(async () => {
  for (const at of open.splice(0)) await at.close()
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const until = async (ready: () => boolean): Promise<void> => {
  while (!ready()) await sleep(5)
}
const put = (at: TestGateway, length: number): string =>
  headText(
    signHeader({
      method: 'PUT',
      target: '/b/k',
      headers: { host: at.host, 'content-length': String(length) },
    }),
  )

test(
  'a head that drips in is answered 408',
  deadline(10_000, async () => {
    const at = await start({ limits: { headersTimeoutMs: 300 } })
    const wire = new Wire(at.port)
    const text = 'GET /b/k HTTP/1.1\r\nHost: x\r\n'
    let sent = 0
    const drip = setInterval(() => wire.send(text[sent++ % text.length]!), 50)
    const answer = await wire.answer()
    clearInterval(drip)
    assert.is(answer.status, 408)
    assert.is(codeIn(answer), 'RequestTimeout')
    await wire.end()
    wire.close()
  }),
)

test(
  'a connection that never says anything is closed',
  deadline(10_000, async () => {
    const at = await start({ limits: { headersTimeoutMs: 300 } })
    const wire = new Wire(at.port)
    await wire.end()
    wire.close()
  }),
)

test(
  'a body below the minimum rate is cut, and the handler learns it',
  deadline(10_000, async () => {
    const codes: string[] = []
    const stored = new Map<string, Buffer>()
    const at = await start({
      limits: { bodyBytesPerSecondMin: 1000, bodyWindowMs: 400 },
      dispatch: (request) =>
        mapDispatch(stored)(request).catch((error: { code: string }) => {
          codes.push(error.code)
          throw error
        }),
    })
    const wire = new Wire(at.port)
    wire.send(put(at, 1000))
    const drip = setInterval(() => wire.send('x'), 20)
    const answer = await wire.answer('PUT')
    clearInterval(drip)
    assert.is(answer.status, 400)
    assert.is(codeIn(answer), 'RequestTimeout')
    assert.equal(codes, ['RequestTimeout'])
    assert.is(stored.size, 0)
    await wire.end()
    wire.close()
  }),
)

test(
  'a body that makes progress goes on for many times the window',
  deadline(10_000, async () => {
    const at = await start({ limits: { bodyBytesPerSecondMin: 1000, bodyWindowMs: 200 } })
    const wire = new Wire(at.port)
    wire.send(put(at, 20_000))
    for (let i = 0; i < 20; i++) {
      wire.send('x'.repeat(1000))
      await sleep(50)
    }
    assert.is((await wire.answer('PUT')).status, 200)
    assert.is(at.stored.get('b/k')?.length, 20_000)
    wire.close()
  }),
)

test(
  'time that the store takes does not count against the client',
  deadline(10_000, async () => {
    const at = await start({
      limits: { bodyBytesPerSecondMin: 1000, bodyWindowMs: 100 },
      dispatch: async (request) => {
        let size = 0
        for await (const chunk of request.body.chunks) {
          size += chunk.length
          await sleep(300)
        }
        return { status: 200, headers: [], body: String(size) }
      },
    })
    const wire = new Wire(at.port)
    wire.send(put(at, 10))
    wire.send('x'.repeat(10))
    assert.is((await wire.answer('PUT')).body.toString(), '10')
    wire.close()
  }),
)

test(
  'a client that vanishes in the middle of its body is an IncompleteBody, and nothing is left of it',
  deadline(10_000, async () => {
    const codes: string[] = []
    const at = await start({
      dispatch: async (request) => {
        try {
          await request.body.whole(1e6)
        } catch (error) {
          codes.push((error as { code: string }).code)
          throw error
        }
        return { status: 200, headers: [] }
      },
    })
    for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const wire = new Wire(at.port)
      wire.send(put(at, 1000))
      wire.send('part')
      const expected = at.seen.length + 1
      await until(() => at.seen.length === expected)
      wire.socket[leave]()
      await until(() => codes.length === expected)
      wire.close()
    }
    assert.equal(codes, ['IncompleteBody', 'IncompleteBody', 'IncompleteBody'])
    await until(() => at.gateway.inFlight() === 0)
  }),
)

interface Held {
  taken: number
  released: number
  closed: boolean
}

/** A gigabyte in chunks of a megabyte, and who has how many of them. */
const endless = (): { held: Held; response: S3Response } => {
  const held: Held = { taken: 0, released: 0, closed: false }
  async function* stream(): AsyncGenerator<Chunk> {
    for (let i = 0; i < 1000; i++) {
      held.taken++
      yield { bytes: new Uint8Array(1_000_000), release: () => void held.released++ }
    }
  }
  const close = (): void => {
    held.closed = true
  }
  return { held, response: { status: 200, headers: [], body: { length: 1e9, stream: stream(), close } } }
}

const get = (at: TestGateway): string =>
  headText(signHeader({ method: 'GET', target: '/b/k', headers: { host: at.host } }))

test(
  'a reader that takes nothing is cut; until then it holds two chunks at most, afterwards none',
  deadline(20_000, async () => {
    const { held, response } = endless()
    const at = await start({ limits: { writeStallMs: 500 }, dispatch: async () => response })
    const wire = new Wire(at.port)
    wire.socket.pause()
    wire.send(get(at))
    await until(() => held.taken > 0)
    await sleep(200)
    assert.ok(held.taken - held.released <= 2, `${held.taken} taken, ${held.released} released`)
    await until(() => held.closed)
    assert.is(held.released, held.taken)
    assert.is(at.gateway.inFlight(), 0)
    wire.close()
  }),
)

test(
  'a reader that vanishes gives every chunk back',
  deadline(20_000, async () => {
    const { held, response } = endless()
    const at = await start({ dispatch: async () => response })
    const wire = new Wire(at.port)
    wire.send(get(at))
    await until(() => held.taken > 3)
    wire.close()
    await until(() => held.closed && at.gateway.inFlight() === 0)
    assert.is(held.released, held.taken)
  }),
)

test(
  'wherever clients leave, nothing stays under way and nothing is held',
  seeded(30_000, async (random) => {
    let held = 0
    async function* stream(): AsyncGenerator<Chunk> {
      for (let i = 0; i < 4; i++) {
        held++
        yield { bytes: new Uint8Array(500_000), release: () => void held-- }
      }
    }
    let opened = 0
    const at = await start({
      dispatch: async (request) => {
        if (request.method === 'PUT') await request.body.whole(1e6)
        if (request.method === 'PUT') return { status: 200, headers: [] }
        opened++
        return {
          status: 200,
          headers: [],
          body: { length: 2_000_000, stream: stream(), close: () => void opened-- },
        }
      },
    })
    const expecting = { host: at.host, 'content-length': '5', expect: '100-continue' }
    const requests = [
      get(at),
      `${put(at, 70_000)}${'x'.repeat(70_000)}`,
      `${headText(signHeader({ method: 'PUT', target: '/b/k', headers: expecting }))}hello`,
      `PUT /b/k HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`,
      'PUT /b/k HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX',
      'BAD\r\n\r\n',
    ]
    const visit = async (): Promise<void> => {
      const wire = new Wire(at.port)
      let text = ''
      for (let i = random.below(6); i >= 0; i--) text += requests[random.below(requests.length)]
      const [cut, end] = [random.below(text.length), 1 + random.below(text.length)]
      wire.send(text.slice(0, Math.min(cut, end)))
      await sleep(random.below(20))
      wire.send(text.slice(Math.min(cut, end), end))
      await sleep(random.below(40))
      wire.socket[(['destroy', 'resetAndDestroy', 'end', 'pause'] as const)[random.below(4)]!]()
      await sleep(random.below(40))
      wire.close()
    }
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 15 }, visit))
    await until(() => at.gateway.inFlight() === 0 && held === 0 && opened === 0)
  }),
)

test(
  'connections beyond the bound hear SlowDown; idle ones do not keep others out below it',
  deadline(20_000, async () => {
    const at = await start({ limits: { connectionsMax: 50 } })
    const idle = Array.from({ length: 50 }, () => new Wire(at.port))
    await Promise.all(idle.map((wire) => new Promise((resolve) => wire.socket.once('connect', resolve))))
    await sleep(50)
    const late = new Wire(at.port)
    late.send(get(at))
    const answer = await late.answer()
    assert.is(answer.status, 503)
    assert.is(codeIn(answer), 'SlowDown')
    assert.ok(late.closed)
    idle[0]!.send(get(at))
    assert.is((await idle[0]!.answer()).status, 404)
    for (const wire of idle) wire.close()
    late.close()
    await sleep(50)
    const next = new Wire(at.port)
    next.send(get(at))
    assert.is((await next.answer()).status, 404)
    next.close()
  }),
)

test.run()
