// 51: whatever a handler throws, whenever it throws, is an answer or a cut connection; the process lives and says nothing.
import type { Chunk } from '../../src/actors/engine.ts'
import type { Log } from '../../src/base/log.ts'
import { silentLog } from '../../src/base/log.ts'
import type { S3Request, S3Response } from '../../src/s3/exchange.ts'
import { call, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 51')
let fail: (request: S3Request) => Promise<S3Response>
let at: TestGateway
const logged: string[] = []
const unhandled: unknown[] = []
const log: Log = { ...silentLog, error: (event) => void logged.push(event) }
const onUnhandled = (error: unknown): void => void unhandled.push(error)
test.before(async () => {
  process.on('unhandledRejection', onUnhandled)
  at = await startGateway({ dispatch: (request) => fail(request), log })
})
test.after(async () => {
  process.off('unhandledRejection', onUnhandled)
  await at.close()
})

const THROWN: readonly unknown[] = [
  new Error('secret path /data/disk1'),
  new TypeError('x is not a function'),
  'a string',
  undefined,
  null,
  42,
  { code: 'NoSuchKey' },
  { code: 'ERR_FAKE', kind: 'refusal', message: 'forged' },
  Object.create(null),
  Symbol('s').toString(),
]

test(
  'anything thrown, at once or later, before or after the body, is a 500 that tells nothing',
  deadline(20_000, async () => {
    for (const thrown of THROWN) {
      const ways: ((request: S3Request) => Promise<S3Response>)[] = [
        () => {
          throw thrown
        },
        () => Promise.reject(thrown),
        async () => {
          await new Promise((resolve) => setTimeout(resolve, 1))
          throw thrown
        },
        async (request) => {
          await request.body.whole(1e6)
          throw thrown
        },
      ]
      for (const way of ways) {
        fail = way
        const answer = await call(at, 'PUT', '/b/k', { body: 'x'.repeat(100_000) })
        assert.is(answer.status, 500, String(answer.body))
        assert.not.match(answer.body.toString(), 'secret')
        assert.not.match(answer.body.toString(), 'forged')
      }
    }
    assert.ok(logged.length >= THROWN.length)
  }),
)

test(
  'a stream that throws before its first chunk is a 500; later it cuts the connection short of its Content-Length',
  deadline(20_000, async () => {
    for (const before of [0, 1, 3]) {
      let released = 0
      let closed = 0
      const thrown = async function* (): AsyncGenerator<Chunk> {
        for (let i = 0; i < before; i++) yield { bytes: new Uint8Array(1000), release: () => void released++ }
        throw new Error('the block is lost')
      }
      fail = async () => ({
        status: 200,
        headers: [],
        body: { length: 10_000, stream: thrown(), close: () => void closed++ },
      })
      const answer = await call(at, 'GET', '/b/k')
      if (before === 0) assert.is(answer.status, 500)
      else assert.ok(answer.closed)
      assert.ok(answer.body.length < 10_000)
      assert.is(closed, 1)
      assert.is(released, before)
    }
  }),
)

test(
  'a stream with fewer or more bytes than it said never passes for whole',
  deadline(20_000, async () => {
    for (const count of [1, 3]) {
      const stream = async function* (): AsyncGenerator<Chunk> {
        for (let i = 0; i < count; i++) yield { bytes: new Uint8Array(1000), release: () => undefined }
      }
      fail = async () => ({
        status: 200,
        headers: [],
        body: { length: 2000, stream: stream(), close: () => undefined },
      })
      const answer = await call(at, 'GET', '/b/k')
      assert.ok(answer.closed)
    }
  }),
)

test(
  'answers that are none',
  deadline(20_000, async () => {
    for (const answer of [
      undefined,
      null,
      {},
      { status: 0, headers: [] },
      { status: 99999, headers: [] },
      'x',
    ]) {
      fail = async () => answer as unknown as S3Response
      const got = await call(at, 'GET', '/b/k')
      assert.ok(got.status === 500 || got.closed, JSON.stringify(answer))
    }
  }),
)

test('nothing was left unhandled', () => {
  assert.equal(unhandled, [])
})

test.run()
