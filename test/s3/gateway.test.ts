import { Buffer } from 'node:buffer'
import { request as httpRequest } from 'node:http'
import type { Chunk } from '../../src/actors/engine.ts'
import { unavailable } from '../../src/base/errors.ts'
import type { S3Request, S3Response } from '../../src/s3/exchange.ts'
import {
  call,
  codeIn,
  headText,
  send,
  startGateway,
  type TestGateway,
  type TestOptions,
  Wire,
} from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('gateway')
const open: TestGateway[] = []
const start = async (options: TestOptions = {}): Promise<TestGateway> => {
  const at = await startGateway(options)
  open.push(at)
  return at
}
test.after.each(async () => {
  for (const at of open.splice(0)) await at.close()
})

const signed = (
  at: TestGateway,
  method: string,
  target: string,
  headers: Record<string, string> = {},
): string => headText(signHeader({ method, target, headers: { host: at.host, ...headers } }))
const tick = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** A dispatch that answers when it is told to. */
const gated = () => {
  let finish: () => void = () => undefined
  const gate = new Promise<void>((resolve) => {
    finish = resolve
  })
  const dispatch = async (): Promise<S3Response> => {
    await gate
    return { status: 200, headers: [], body: 'done' }
  }
  return { dispatch, finish: () => finish() }
}

test(
  'what is put is got, with request ids, Date and Server',
  deadline(5000, async () => {
    const at = await start()
    assert.is((await call(at, 'PUT', '/bucket/key', { body: 'hello' })).status, 200)
    const got = await call(at, 'GET', '/bucket/key')
    assert.is(got.status, 200)
    assert.is(got.body.toString(), 'hello')
    assert.match(got.headers.get('x-amz-request-id')!, /^[0-9A-F]{16}$/)
    assert.ok(got.headers.get('x-amz-id-2')!.length > 20)
    assert.is(got.headers.get('server'), 'Moraine')
    assert.ok(got.headers.has('date'))
    const head = await call(at, 'HEAD', '/bucket/key')
    assert.is(head.headers.get('content-length'), '5')
    const anonymous = await call(at, 'GET', '/bucket/key', { headers: { authorization: 'Bearer x' } })
    const { body, headers } = anonymous
    assert.match(body.toString(), `<RequestId>${headers.get('x-amz-request-id')}</RequestId>`)
    assert.match(body.toString(), `<HostId>${headers.get('x-amz-id-2')}</HostId>`)
    assert.not.equal(head.headers.get('x-amz-request-id'), got.headers.get('x-amz-request-id'))
  }),
)

test(
  'an answer behind one that ended the connection is not under way for ever, nor is what it holds',
  deadline(5000, async () => {
    let held = 0
    const chunk = (): Chunk => {
      held++
      return { bytes: Buffer.alloc(1000), release: () => void held-- }
    }
    let opened = 0
    const dispatch = async (): Promise<S3Response> => {
      opened++
      const stream = (async function* () {
        for (let i = 0; i < 3; i++) yield chunk()
      })()
      return { status: 200, headers: [], body: { length: 3000, stream, close: () => void opened-- } }
    }
    const at = await start({ dispatch })
    const get = signed(at, 'GET', '/bucket/key')
    for (const first of [
      'GET / HTTP/1.1\r\n\r\n',
      get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
    ]) {
      const wire = new Wire(at.port)
      wire.send(first + get + get)
      await wire.end()
      wire.close()
    }
    while (at.gateway.inFlight() > 0 || held > 0 || opened > 0) await tick()
    assert.is((await call(at, 'GET', '/bucket/key')).status, 200)
  }),
)

test(
  'a connection is kept, for 75 seconds of rest unless it is told another',
  deadline(5000, async () => {
    const at = await start()
    const wire = new Wire(at.port)
    for (let i = 0; i < 3; i++) {
      wire.send(`${signed(at, 'PUT', `/b/k${i}`, { 'content-length': '1' })}${i}`)
      const answer = await wire.answer('PUT')
      assert.is(answer.status, 200)
      assert.is(answer.headers.get('keep-alive'), 'timeout=75')
    }
    wire.close()
    const brief = await start({ limits: { keepAliveMs: 100 } })
    const resting = new Wire(brief.port)
    resting.send(signed(brief, 'GET', '/b/k'))
    await resting.answer()
    await resting.end()
    resting.close()
  }),
)

test(
  'a virtual host names the bucket, and /-/ is then a key',
  deadline(5000, async () => {
    const options = { domain: 's3.test', adminHandler: async () => ({ status: 299, headers: [] }) }
    const at = await start({ options })
    await call(at, 'DELETE', '/-/health/live', { headers: { host: 'my.bucket.s3.test:9000' } })
    assert.is(at.seen[0]?.bucket, 'my.bucket')
    assert.is(at.seen[0]?.key, '-/health/live')
    assert.is(
      (await send(at, { method: 'GET', target: '/-/health/live', headers: { host: 's3.test' } })).status,
      299,
    )
    assert.is(at.seen.length, 1)
  }),
)

test(
  'the admin handler sees who asks; without one /-/ is a bucket nobody has',
  deadline(5000, async () => {
    const asked: S3Request[] = []
    const adminHandler = async (request: S3Request): Promise<S3Response> => {
      asked.push(request)
      return { status: 200, headers: [], body: 'fine' }
    }
    const at = await start({ options: { adminHandler } })
    assert.is(
      (await send(at, { method: 'GET', target: '/-/health/live', headers: { host: at.host } })).status,
      200,
    )
    assert.is((await call(at, 'GET', '/-/actors')).status, 200)
    assert.is((await call(at, 'GET', '/-/actors', { secretAccessKey: 'wrong' })).status, 403)
    assert.equal(
      asked.map(({ key, identity }) => [key, identity.kind]),
      [
        ['health/live', 'anonymous'],
        ['actors', 'root'],
      ],
    )
    const plain = await start()
    assert.is(
      (await send(plain, { method: 'GET', target: '/-/actors', headers: { host: plain.host } })).status,
      403,
    )
  }),
)

test(
  'authorize is asked before the body is read, and its refusal ends the request',
  deadline(5000, async () => {
    const { refusal } = await import('../../src/base/errors.ts')
    const authorize = (request: S3Request): void => {
      if (request.bucket === 'locked') throw refusal('AccessDenied', 'Access Denied')
    }
    const at = await start({ options: { authorize } })
    assert.is((await call(at, 'PUT', '/locked/k', { body: 'x' })).status, 403)
    assert.is((await call(at, 'PUT', '/open/k', { body: 'x' })).status, 200)
    assert.is(at.seen.length, 1)
  }),
)

test(
  'a small body that nobody read costs no connection; a large one is answered, then cut',
  deadline(10_000, async () => {
    const at = await start({ dispatch: async () => ({ status: 412, headers: [], body: 'no' }) })
    const wire = new Wire(at.port)
    for (let i = 0; i < 2; i++) {
      wire.send(`${signed(at, 'PUT', '/b/k', { 'content-length': '5' })}hello`)
      assert.is((await wire.answer('PUT')).status, 412)
    }
    wire.close()
    for (const [length, sent] of [
      [500_000, 500_000],
      [50_000_000, 4_000_000],
      [50_000_000, 0],
    ] as const) {
      const large = new Wire(at.port)
      large.send(signed(at, 'PUT', '/b/k', { 'content-length': String(length) }))
      large.send(Buffer.alloc(sent))
      const answer = await large.answer('PUT')
      assert.is(answer.status, 412)
      assert.is(answer.body.toString(), 'no')
      assert.is(answer.headers.get('connection'), 'close')
      large.close()
    }
  }),
)

test(
  'an SDK-like client gets its refusal in the middle of an upload, not a reset',
  deadline(10_000, async () => {
    const at = await start()
    const length = 800_000
    const { headers } = signHeader({
      method: 'PUT',
      target: '/b/k',
      headers: { host: at.host, 'content-length': String(length) },
      secretAccessKey: 'wrong',
    })
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const upload = httpRequest(
        { port: at.port, method: 'PUT', path: '/b/k', headers, setHost: false },
        (answer) => {
          answer.resume()
          answer.on('end', () => resolve(answer.statusCode))
        },
      )
      upload.on('error', reject)
      upload.end(Buffer.alloc(length))
    })
    assert.is(status, 403)
  }),
)

const streamOf = (chunks: readonly Uint8Array[]) => {
  let released = 0
  let closed = 0
  async function* stream(): AsyncGenerator<Chunk> {
    for (const bytes of chunks) yield { bytes, release: () => void released++ }
  }
  const length = chunks.reduce((sum, bytes) => sum + bytes.length, 0)
  const body = { length, stream: stream(), close: () => void closed++ }
  return { body, counts: () => ({ released, closed }) }
}

test(
  'a stream arrives whole, views of shared memory too, and each chunk is given back once',
  deadline(10_000, async () => {
    const memory = new SharedArrayBuffer(4_000_000)
    const shared = new Uint8Array(memory)
    for (let i = 0; i < shared.length; i++) shared[i] = i % 251
    const chunks = [0, 1, 2, 3].map((i) => new Uint8Array(memory, i * 1_000_000, 1_000_000))
    const { body, counts } = streamOf([...chunks, new Uint8Array(0), Buffer.from('tail')])
    const at = await start({ dispatch: async () => ({ status: 206, headers: [['ETag', '"x"']], body }) })
    const answer = await call(at, 'GET', '/b/k')
    assert.is(answer.status, 206)
    assert.is(answer.headers.get('content-length'), '4000004')
    assert.is(Buffer.compare(answer.body.subarray(0, 4_000_000), shared), 0)
    assert.is(answer.body.subarray(4_000_000).toString(), 'tail')
    assert.equal(counts(), { released: 6, closed: 1 })
  }),
)

test(
  'HEAD of a stream has its length and reads none of it; an empty stream is an empty body',
  deadline(5000, async () => {
    let current = streamOf([Buffer.from('hello')])
    const at = await start({ dispatch: async () => ({ status: 200, headers: [], body: current.body }) })
    const head = await call(at, 'HEAD', '/b/k')
    assert.is(head.headers.get('content-length'), '5')
    assert.equal(current.counts(), { released: 0, closed: 1 })
    current = streamOf([])
    const empty = await call(at, 'GET', '/b/k')
    assert.is(empty.headers.get('content-length'), '0')
    assert.not(empty.closed)
    assert.is(current.counts().closed, 1)
  }),
)

test(
  'a stream that cannot even begin is answered with its error, not with a connection that is cut',
  deadline(5000, async () => {
    let closed = 0
    // biome-ignore lint/correctness/useYield: it fails before it has anything
    async function* stream(): AsyncGenerator<Chunk> {
      throw unavailable('QUORUM_READ', 'too few disks answer to read this object')
    }
    const body = { length: 5, stream: stream(), close: () => void closed++ }
    const at = await start({ dispatch: async () => ({ status: 200, headers: [['ETag', '"x"']], body }) })
    const answer = await call(at, 'GET', '/b/k')
    assert.is(answer.status, 503)
    assert.is(codeIn(answer), 'ServiceUnavailable')
    assert.is(answer.headers.get('etag'), undefined)
    assert.is(closed, 1)
  }),
)

test(
  'a status that has no body gets none, whatever a handler gives: it would pass for the next answer',
  deadline(5000, async () => {
    let answer: S3Response = { status: 204, headers: [], body: '' }
    const at = await start({ dispatch: async () => answer })
    for (const status of [204, 304]) {
      const { body, counts } = streamOf([Buffer.from('HTTP/1.1 200 OK\r\n\r\n')])
      for (const given of ['HTTP/1.1 200 OK\r\n\r\n', body]) {
        answer = { status, headers: [], body: given }
        const wire = new Wire(at.port)
        wire.send(signed(at, 'GET', '/b/k').repeat(2))
        for (let i = 0; i < 2; i++) assert.is((await wire.answer('HEAD')).status, status)
        wire.send(signed(at, 'GET', '/b/k').replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
        assert.is((await wire.answer('HEAD')).status, status)
        assert.is(wire.buffer.length, 0)
        wire.close()
      }
      assert.equal(counts(), { released: 0, closed: 3 })
    }
  }),
)

test(
  'closing lets what is under way finish, answers the rest 503, and leaves no socket',
  deadline(10_000, async () => {
    const { dispatch, finish } = gated()
    const adminHandler = async (): Promise<S3Response> => ({ status: 200, headers: [] })
    const at = await start({ dispatch, options: { adminHandler } })
    const idle = new Wire(at.port)
    const under = call(at, 'GET', '/b/k')
    while (at.gateway.inFlight() === 0) await tick()
    const closing = at.gateway.close({ drainMs: 5000 })
    const late = await call(at, 'GET', '/b/k')
    assert.is(late.status, 503)
    assert.is(codeIn(late), 'ServiceUnavailable')
    assert.is(late.headers.get('connection'), 'close')
    const health = await send(at, { method: 'GET', target: '/-/health/live', headers: { host: at.host } })
    assert.is(health.status, 200)
    idle.send(signed(at, 'GET', '/b/k'))
    assert.is((await idle.answer()).status, 503)
    finish()
    const answer = await under
    assert.is(answer.body.toString(), 'done')
    assert.is(answer.headers.get('connection'), 'close')
    await closing
    await rejectsWith('ECONNREFUSED', () =>
      fetch(`http://${at.host}/`).catch((error: Error) => Promise.reject(error.cause)),
    )
    idle.close()
  }),
)

test(
  'what does not finish in time is cut, and closing twice is closing once, at the shorter time',
  deadline(10_000, async () => {
    const { dispatch } = gated()
    const at = await start({ dispatch })
    const wire = new Wire(at.port)
    wire.send(signed(at, 'GET', '/b/k'))
    while (at.gateway.inFlight() === 0) await tick()
    const long = at.gateway.close({ drainMs: 60_000 })
    await at.gateway.close({ drainMs: 50 })
    await long
    await wire.end()
    assert.is(at.gateway.inFlight(), 0)
    await at.gateway.close({ drainMs: 0 })
    wire.close()
  }),
)

test(
  'a port that is taken says so',
  deadline(5000, async () => {
    const at = await start()
    const other = await start()
    await rejectsWith('PORT_IN_USE', async () => {
      const { createGateway } = await import('../../src/s3/gateway.ts')
      const { systemClock } = await import('../../src/base/clock.ts')
      const { systemRandom } = await import('../../src/base/prng.ts')
      const { silentLog } = await import('../../src/base/log.ts')
      await createGateway({
        dispatch: async () => ({ status: 200, headers: [] }),
        findCredential: () => undefined,
        region: 'us-east-1',
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
      }).listen({ host: '127.0.0.1', port: at.port })
    })
    assert.not.equal(at.port, other.port)
  }),
)

test.run()
