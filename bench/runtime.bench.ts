// The runtime: what a tell and an ask cost on one thread and between threads, beside a bare `postMessage` of the same
// typed payload of 64 bytes. Ours includes what an actor needs: mailbox bound, deadline, reply by id, errors by code.
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import { MINUTE, SECOND } from '../src/base/units.ts'
import { type ActorRef, behavior, child, type SupervisorSpec } from '../src/runtime/actor.ts'
import { createSystem } from '../src/runtime/system.ts'
import type { Report } from './run.ts'

interface EchoProtocol {
  echo(message: { payload: Uint8Array }): { payload: Uint8Array }
  note(message: { payload: Uint8Array }): void
}

export const echo = behavior<EchoProtocol, Record<string, never>>(import.meta.url, 'echo', {
  mailbox: { messagesMax: 1_000_000, bytesMax: 2 ** 30 },
  setup: () => ({ echo: (message) => message, note: () => undefined }),
})

const spec: SupervisorSpec = {
  name: 'root',
  strategy: 'one-for-one',
  intensity: { restartsMax: 1, periodMs: MINUTE },
  backoff: { minMs: 1, maxMs: 1, jitter: 0 },
  decide: () => 'restart',
  children: [child(echo, 'echo', {})],
}
const WITHIN = { withinMs: 30 * SECOND }
const message = () => ({ payload: new Uint8Array(64) })

/** Round trips per second with `inFlight` going at any time, median of five runs. */
const rate = async (count: number, inFlight: number, once: () => Promise<unknown>): Promise<number> => {
  const run = async () => {
    let started = 0
    const lane = async () => {
      while (started++ < count) await once()
    }
    const startMs = performance.now()
    await Promise.all(Array.from({ length: inFlight }, lane))
    return (count / (performance.now() - startMs)) * SECOND
  }
  await run()
  const rates: number[] = []
  for (let i = 0; i < 5; i++) rates.push(await run())
  return rates.sort((a, b) => a - b)[2]!
}

/** Nanoseconds per tell, taken and handled. */
const tellNs = async (ref: ActorRef<EchoProtocol>, count: number): Promise<number> => {
  let best = Number.POSITIVE_INFINITY
  for (let run = 0; run < 5; run++) {
    const startMs = performance.now()
    for (let sent = 0; sent < count; ) {
      // In handfuls, with an ask behind each: what is measured is a stream, not an ever longer queue.
      for (let i = 0; i < 1000; i++, sent++) ref.tell('note', message())
      await ref.ask('echo', message(), WITHIN)
    }
    best = Math.min(best, ((performance.now() - startMs) / count) * 1e6)
  }
  return best
}

/** What everybody would write first: one message there, one back, matched by a number. */
const openBarePort = () => {
  const worker = new Worker(new URL(import.meta.url), { name: 'bare' })
  const waiting = new Map<number, (reply: unknown) => void>()
  worker.on('message', (reply: { id: number }) => {
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
  })
  let id = 0
  const once = () =>
    new Promise<unknown>((resolve) => {
      waiting.set(++id, resolve)
      worker.postMessage({ id, ...message() })
    })
  return { once, close: () => worker.terminate() }
}
if (!isMainThread && parentPort) parentPort.on('message', (request) => parentPort?.postMessage(request))

export const run = async (report: Report): Promise<void> => {
  const local = await createSystem({ spec })
  const near = local.ref<EchoProtocol>('root/echo')
  report({ case: 'tell, same thread', value: await tellNs(near, 500_000), unit: 'ns/tell' })
  const nearAsk = () => near.ask('echo', message(), WITHIN)
  report({
    case: 'ask, same thread, one after another',
    value: await rate(200_000, 1, nearAsk),
    unit: 'asks/s',
  })
  report({ case: 'ask, same thread, 64 in flight', value: await rate(500_000, 64, nearAsk), unit: 'asks/s' })
  await local.close()

  const remote = await createSystem({ spec, placement: { 'root/echo': 'other' } })
  const far = remote.ref<EchoProtocol>('root/echo')
  const farAsk = () => far.ask('echo', message(), WITHIN)
  report({ case: 'tell, across threads', value: await tellNs(far, 500_000), unit: 'ns/tell' })
  report({ case: 'ask, across threads, idle', value: await rate(10_000, 1, farAsk), unit: 'asks/s' })
  const ours = await rate(300_000, 64, farAsk)
  report({ case: 'ask, across threads, 64 in flight', value: ours, unit: 'asks/s' })
  await remote.close()

  const bare = openBarePort()
  report({
    case: 'postMessage round trip, idle',
    value: await rate(10_000, 1, bare.once),
    unit: 'round trips/s',
  })
  const theirs = await rate(150_000, 64, bare.once)
  report({ case: 'postMessage round trip, 64 in flight', value: theirs, unit: 'round trips/s' })
  await bare.close()
  report({ case: 'ask / postMessage, 64 in flight', value: ours / theirs, unit: 'x' })
}
