// A program that embeds a store: `node embedding.js KIND REPORT`. It uses stores of this kind and ends them in every way, looks after each what is left in its own process, and writes what it saw to the file REPORT as JSON. It prints
// nothing and ends nothing: a store that leaves something keeps it running, one that says something is heard.
import { once } from 'node:events'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSigner } from '../../bench/load/presign.ts'
import { createStoreClient } from '../../bench/load/store-client.ts'
import type { createStore as CreateStore, Store, StoreOptions } from '../../src/index.ts'
import type { EmbeddingReport, Sight } from './embedding-report.ts'
import { type ProcessState, warmUp, watchProcess } from './process-state.ts'
import { type RawRequest, sendRaw } from './raw-sockets.ts'

const GiB = 2 ** 30
const LARGE_BYTES = 8 * 2 ** 20
/** Of each slow upload, before it stalls. */
const FIRST_BYTES = 2 ** 20
/** Uploads, and as many downloads. */
const SLOW_CLIENTS = 8
/** The kernel takes a moment to be done with a thread that has ended, and Node with our own end of a connection. */
const LOOKS_MAX = 200

const [kind = 'memory', reportPath = ''] = process.argv.slice(2)
const watch = watchProcess([import.meta.url, 'store-client', 'raw-sockets'])
const listeners = watch.listeners()
await warmUp()
const before = { ...(await watch.state()), listeners }
const { createStore } = (await import('../../src/index.ts')) as { createStore: typeof CreateStore }

const disksOf = (): StoreOptions['disks'] => {
  if (kind === 'memory' || kind === 'temporary') return kind
  const parent = join(tmpdir(), 'directories')
  mkdirSync(parent, { recursive: true })
  return ['a', 'b', 'c', 'd'].map((name) => join(parent, name))
}
const start = (options: Partial<StoreOptions> = {}): Promise<Store> =>
  createStore({ disks: disksOf(), ...options })

const isBack = (after: ProcessState): boolean =>
  after.threads <= before.threads &&
  after.descriptors.length <= before.descriptors.length &&
  after.active.length <= before.active.length

const sights: Sight[] = []
const look = async (what: string, during: readonly string[]): Promise<void> => {
  let after = await watch.state()
  // Timers are what they are at the first look: a moment later they might have fired.
  const { timers } = after
  for (let i = 0; i < LOOKS_MAX && !isBack(after); i++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    after = await watch.state()
  }
  const files = readdirSync(tmpdir()).filter((name) => name !== 'directories')
  sights.push({ what, during, after: { ...after, timers }, files })
}

const clientOf = (store: Store) => {
  const { presign } = createSigner({ ...store, nowMs: Date.now() })
  const client = createStoreClient(store.endpoint, { presign })
  return { presign, send: client.send, close: client.close }
}
type Client = ReturnType<typeof clientOf>

const roundTrip = async ({ presign, send }: Client): Promise<void> => {
  const path = '/bucket/key'
  await send('PUT', presign('PUT', '/bucket'))
  for (const size of [10, 100_000, LARGE_BYTES]) {
    const put = await send('PUT', presign('PUT', path), Buffer.alloc(size, size % 251))
    const got = await send('GET', presign('GET', path))
    if (put.status !== 200 || !got.body.equals(Buffer.alloc(size, size % 251))) throw new Error('not a store')
  }
}

/** Uploads that go on for ever, and downloads that nobody reads on. Resolves when all have been begun. */
const beginSlowOnes = async (store: Store, { presign }: Client): Promise<RawRequest[]> => {
  const numbers = Array.from({ length: SLOW_CLIENTS }, (_, index) => index)
  const uploads = numbers.map((index) =>
    sendRaw(store.endpoint, 'PUT', presign('PUT', `/bucket/slow-${index}`), GiB, Buffer.alloc(FIRST_BYTES)),
  )
  const downloads = numbers.map(() =>
    sendRaw(store.endpoint, 'GET', presign('GET', '/bucket/key'), undefined),
  )
  for (const { socket } of downloads) {
    await once(socket, 'data')
    socket.pause()
  }
  return [...uploads, ...downloads]
}

const closeUnused = async (): Promise<void> => {
  const store = await start()
  const during = watch.listeners()
  await store.close()
  await look('closed before the first request', during)
}

const closeUsed = async (): Promise<void> => {
  const store = await start()
  let isComplete = false
  store.events.subscribe({ complete: () => (isComplete = true) })
  const client = clientOf(store)
  await roundTrip(client)
  const during = watch.listeners()
  // The client keeps its connection: the store must not wait for it to go.
  await store.close()
  await store.closed
  await store.close()
  client.close()
  if (!isComplete) throw new Error('the stream of events did not complete')
  await look('closed after use, and once more', during)
}

const disposeOf = async (): Promise<void> => {
  let during: readonly string[]
  {
    await using store = await start()
    const client = clientOf(store)
    await roundTrip(client)
    client.close()
    during = watch.listeners()
  }
  await look('disposed of', during)
}

const closeBusy = async (): Promise<void> => {
  const store = await start({ arenaBytes: 64 * 2 ** 20 })
  const client = clientOf(store)
  await roundTrip(client)
  const slow = await beginSlowOnes(store, client)
  const during = watch.listeners()
  await Promise.all([store.close(), store.close(), store[Symbol.asyncDispose]()])
  client.close()
  for (const { socket } of slow) {
    // Whoever stopped reading finds the end when it reads on.
    socket.resume()
    if (!socket.closed) await new Promise((resolve) => socket.on('close', resolve))
  }
  await look('closed three times at once under slow uploads and downloads', during)
}

const refuse = async (): Promise<void> => {
  const holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  const refused = [{ port }, { disks: ['/proc/nowhere'] }, { parity: 9 }].map(async (options) => {
    const error: unknown = await start(options).then(
      () => undefined,
      (reason: unknown) => reason,
    )
    if (error === undefined) throw new Error(`started with ${JSON.stringify(options)}`)
  })
  await Promise.all(refused)
  holder.close()
  await look('refused', watch.listeners())
}

for (const end of [closeUnused, closeUsed, disposeOf, closeBusy, refuse]) await end()
const report: EmbeddingReport = { before, sights, exitCode: process.exitCode ?? null }
writeFileSync(reportPath, JSON.stringify(report))
