// Long operations: what a client gets while it waits, and how it learns what came of them. The store is held back until so many
// waits have passed, on a clock that makes them short.
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type { Engine } from '../../src/actors/engine.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { fault, refusal, unavailable } from '../../src/base/errors.ts'
import { createDispatch } from '../../src/s3/dispatch.ts'
import { headText, Wire } from '../support/http-gateway.ts'
import { signHeader } from '../support/http-signing.ts'
import { startReferenceServer } from '../support/reference-server.ts'
import { createS3Client } from '../support/s3-client.ts'
import { createExchange, readAnswer, requestOf } from '../support/s3-exchange.ts'
import type { StoreUnderTest } from '../support/sdk-contract.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('patience')

/** Opens once. */
const createGate = () => {
  let open: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** The engine, its slow methods held until the gate opens; `failure`, if any, is what comes of them then. */
const heldEngine = (engine: Engine, gate: Promise<void>, failure?: unknown): Engine => {
  const held =
    <A extends unknown[], R>(method: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      await gate
      if (failure !== undefined) throw failure
      return method(...args)
    }
  const { objects, uploads } = engine
  return {
    ...engine,
    objects: { ...objects, put: held(objects.put) },
    uploads: { ...uploads, putPart: held(uploads.putPart), complete: held(uploads.complete) },
  }
}

const WAIT_MS = 10_000
const copyRequest = () => requestOf('PUT /bucket/copy', { headers: { 'x-amz-copy-source': 'bucket/k' } })

interface Held {
  readonly clock: SimulatedClock
  readonly told: unknown[]
  readonly store: Awaited<ReturnType<typeof createExchange>>['store']
  readonly gate: ReturnType<typeof createGate>
  copy(): Promise<{ isAnswered(): boolean; answer: ReturnType<ReturnType<typeof createDispatch>> }>
}

const hold = async (failure?: unknown): Promise<Held> => {
  const { store, send } = await createExchange()
  await send('PUT /bucket/k', { body: 'hello' })
  const clock = new SimulatedClock()
  const gate = createGate()
  const told: unknown[] = []
  const dispatch = createDispatch({
    engine: heldEngine(store, gate.opened, failure),
    region: 'us-east-1',
    onError: (error) => void told.push(error),
    patience: { clock, waitMs: WAIT_MS },
  })
  return {
    ...{ clock, told, store, gate },
    async copy() {
      let isAnswered = false
      const answer = dispatch(copyRequest())
      void answer.then(() => {
        isAnswered = true
      })
      await clock.advance(0)
      return { isAnswered: () => isAnswered, answer }
    },
  }
}

test(
  'what is known in time is answered as ever',
  deadline(5_000, async () => {
    for (const [failure, status] of [
      [undefined, 200],
      [refusal('PreconditionFailed', 'no'), 412],
      [unavailable('TOO_FEW_DISKS', 'no'), 503],
    ] as const) {
      const held = await hold(failure)
      const { isAnswered, answer } = await held.copy()
      await held.clock.advance(WAIT_MS - 1)
      assert.not(isAnswered())
      held.gate.open()
      const { headers, text, ...given } = await readAnswer(await answer)
      assert.is(given.status, status)
      assert.match(text, /^<\?xml version="1.0" encoding="UTF-8"\?>\n</)
      assert.is(held.clock.timers, 0)
      assert.is(held.told.length, status === 200 ? 0 : 1)
      assert.is(held.store.leases(), 0)
    }
  }),
)

test(
  'later the head goes out, a space after each wait, and then the document: a result or an error',
  deadline(5_000, async () => {
    for (const [failure, expected] of [
      [undefined, /^<CopyObjectResult .*<\/CopyObjectResult>$/s],
      [
        refusal('PreconditionFailed', 'no'),
        /^<Error><Code>PreconditionFailed<.*<Resource>\/bucket\/copy<.*<\/Error>$/s,
      ],
      [fault('DISK_IO', 'secret'), /^<Error><Code>InternalError<.*<\/Error>$/s],
    ] as const) {
      const held = await hold(failure)
      const { isAnswered, answer } = await held.copy()
      await held.clock.advance(WAIT_MS)
      assert.ok(isAnswered())
      const { status, body } = await answer
      assert.is(status, 200)
      if (typeof body !== 'object' || !('pieces' in body)) throw new Error('an answer in pieces')
      const pieces: string[] = []
      const read = (async () => {
        for await (const piece of body.pieces) pieces.push(piece)
      })()
      await held.clock.advance(2 * WAIT_MS)
      assert.equal(pieces, ['<?xml version="1.0" encoding="UTF-8"?>\n ', ' ', ' '])
      held.gate.open()
      await read
      assert.is(pieces.length, 4)
      assert.match(pieces[3]!, expected)
      assert.not.match(pieces[3]!, 'secret')
      assert.is(held.clock.timers, 0)
      assert.equal(held.told, failure === undefined ? [] : [failure])
      assert.is(held.store.leases(), 0)
    }
  }),
)

interface SlowServer extends StoreUnderTest {
  /** From now on slow methods wait for three waits to pass, and then fail with `failure`, if any. */
  slowDown(failure?: unknown): void
}

const startSlowServer = async (): Promise<SlowServer> => {
  let gate = createGate()
  let waits = Number.POSITIVE_INFINITY
  let failure: unknown
  gate.open()
  const clock: Clock = {
    ...systemClock,
    setTimer: (_delayMs, action) =>
      systemClock.setTimer(1, () => {
        if (--waits === 0) gate.open()
        action()
      }),
  }
  const server = await startReferenceServer(undefined, {
    engineOf: (store) => {
      const now = () => heldEngine(store, gate.opened, failure)
      return {
        ...store,
        objects: { ...store.objects, put: (...args) => now().objects.put(...args) },
        uploads: {
          ...store.uploads,
          putPart: (...args) => now().uploads.putPart(...args),
          complete: (...args) => now().uploads.complete(...args),
        },
      }
    },
    patience: { clock, waitMs: 1 },
  })
  return {
    ...server,
    slowDown(wanted) {
      gate = createGate()
      waits = 3
      failure = wanted
    },
  }
}

/** The three operations, each as the SDK asks for it; what each answers names an ETag. */
const operations = async (client: S3Client): Promise<Record<string, () => Promise<string | undefined>>> => {
  const object = { Bucket: 'bucket', Key: 'k' }
  await client.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  await client.send(new PutObjectCommand({ ...object, Key: 'source', Body: 'hello' }))
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object))
  const part = { ...object, UploadId, PartNumber: 1 }
  const { ETag } = await client.send(new UploadPartCommand({ ...part, Body: 'hello' }))
  const CopySource = 'bucket/source'
  const copy = () => client.send(new CopyObjectCommand({ ...object, Key: 'copy', CopySource }))
  const partCopy = () => client.send(new UploadPartCopyCommand({ ...part, PartNumber: 2, CopySource }))
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
  const complete = () =>
    client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload }))
  return {
    CopyObject: async () => (await copy()).CopyObjectResult?.ETag,
    UploadPartCopy: async () => (await partCopy()).CopyPartResult?.ETag,
    CompleteMultipartUpload: async () => (await complete()).ETag,
  }
}

test(
  'the SDK reads a late result as a result and a late error as an error',
  deadline(30_000, async () => {
    const server = await startSlowServer()
    const client = createS3Client(server)
    client.config.maxAttempts = async () => 1
    try {
      for (const [name, run] of Object.entries(await operations(client))) {
        for (const [failure, code] of [
          [unavailable('TOO_FEW_DISKS', 'no'), 'ServiceUnavailable'],
          [refusal('NoSuchUpload', 'no'), 'NoSuchUpload'],
        ] as const) {
          server.slowDown(failure)
          const failed = await run().then(
            () => 'nothing',
            (error: Error) => error.name,
          )
          assert.is(failed, code, name)
        }
        server.slowDown()
        assert.match((await run()) ?? '', /^"[0-9a-f]{32}(-1)?"$/, name)
      }
      const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket: 'bucket', Key: 'copy' }))
      assert.is(ContentLength, 5)
    } finally {
      client.destroy()
      await server.close()
    }
  }),
)

test(
  'on the wire it comes in chunks and the connection goes on; for HTTP/1.0 it ends with the connection',
  deadline(30_000, async () => {
    const server = await startSlowServer()
    const { host, port } = new URL(server.endpoint)
    const signed = (method: string, target: string, more: Record<string, string> = {}) =>
      headText(signHeader({ method, target, headers: { host, ...more }, ...server.credentials }))
    const wire = new Wire(Number(port))
    try {
      wire.send(signed('PUT', '/bucket'))
      assert.is((await wire.answer()).status, 200)
      wire.send(signed('PUT', '/bucket/k', { 'content-length': '0' }))
      assert.is((await wire.answer()).status, 200)
      const copy = signed('PUT', '/bucket/copy', { 'x-amz-copy-source': 'bucket/k' })
      const whole = '<\\?xml version="1.0" encoding="UTF-8"\\?>\n {1,}<CopyObjectResult .*</CopyObjectResult>'
      server.slowDown()
      wire.send(copy)
      const head = await wire.answer()
      assert.is(head.status, 200)
      assert.is(head.headers.get('transfer-encoding'), 'chunked')
      assert.not(head.headers.has('content-length'))
      assert.is(head.headers.get('content-type'), 'application/xml')
      const text = await wire.chunked()
      assert.match(text, new RegExp(`^${whole}$`, 's'))
      wire.send(signed('DELETE', '/bucket/copy'))
      assert.is((await wire.answer()).status, 204)

      server.slowDown()
      const old = new Wire(Number(port))
      old.send(copy.replace('HTTP/1.1', 'HTTP/1.0'))
      await old.end()
      const said = old.buffer.toString()
      assert.match(said, /Connection: close\r\n/)
      assert.not.match(said, /Transfer-Encoding|Content-Length/)
      assert.match(said, new RegExp(`\r\n\r\n${whole}$`, 's'))
      old.close()
    } finally {
      wire.close()
      await server.close()
    }
  }),
)

test.run()
