// What a test loads into every thread of a server (`node --import saboteur.js …`) to end its threads: from the inside, by a
// throw, an exit or too much memory, or from the thread that started them. It takes its orders from a socket that the
// test names in the environment, and tells what only the inside can see. The product knows nothing of it.
//
//   test ── socket ── main thread ── BroadcastChannel ── every other thread
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import os from 'node:os'
import { createInterface } from 'node:readline'
import {
  BroadcastChannel,
  isMainThread,
  receiveMessageOnPort,
  threadId,
  type Worker,
  workerData,
} from 'node:worker_threads'
import { type ArenaShared, attachArena } from '../../src/runtime/arena.ts'
import type { Listing } from '../../src/runtime/control.ts'
import { type How, type Order, SABOTEUR_CORES, SABOTEUR_SOCKET, type Told } from './saboteur-orders.ts'

type Word =
  | { readonly kind: 'who'; readonly place: string }
  | { readonly kind: 'me'; readonly place: string; readonly thread: number }
  | { readonly kind: 'end'; readonly thread: number; readonly how: How }
  | { readonly kind: 'gone'; readonly thread: number }
  | { readonly kind: 'count' }
  | { readonly kind: 'counted'; readonly small: number; readonly large: number }

const ASK_AGAIN_MS = 20
const channel = new BroadcastChannel('saboteur')
const say = (word: Word): void => channel.postMessage(word)
const hear = (listen: (word: Word) => void): void => {
  channel.onmessage = (event: unknown) => listen((event as { data: Word }).data)
  // A thread ends when its own work is over; waiting for orders is none.
  ;(channel as unknown as { unref(): void }).unref()
}

const boot = workerData as {
  readonly thread?: number
  readonly listings?: readonly Listing[]
  readonly arena?: ArenaShared
  readonly regions?: SharedArrayBuffer
} | null

const places = new Set(
  boot?.regions
    ? ['codec']
    : (boot?.listings ?? [])
        .filter(({ thread }) => thread === boot?.thread)
        .map(({ path }) => path.split('/')[1] ?? ''),
)

const workers = new Map<number, Worker>()
process.on('worker', (worker: Worker) => {
  const { threadId: thread } = worker
  workers.set(thread, worker)
  worker.on('exit', () => {
    workers.delete(thread)
    say({ kind: 'gone', thread })
    if (isMainThread) onGone(thread)
  })
})

const endSelf = (how: How): void => {
  if (how === 'exit') process.exit(3)
  // From an event handler an error would be nobody's; where a thread waits it comes out of the wait.
  if (how === 'throw' && isWaiting) throw new Error('asked to throw')
  if (how === 'throw') setImmediate(() => (undefined as unknown as () => void)())
  const hoard: number[][] = []
  while (how === 'memory') hoard.push(new Array(100_000).fill(1.5))
}

const obey = (word: Word): void => {
  if (word.kind === 'who' && places.has(word.place)) say({ kind: 'me', place: word.place, thread: threadId })
  if (word.kind === 'count' && places.has('gateways') && boot?.arena) {
    say({ kind: 'counted', ...attachArena(boot.arena, boot.thread ?? 0).inUse() })
  }
  if (word.kind !== 'end') return
  if (word.how === 'terminate') void workers.get(word.thread)?.terminate()
  else if (word.thread === threadId) endSelf(word.how)
}

/** A thread of the pool waits for its next task without turning its event loop: it must hear us in there. */
const hearWhileWaiting = (): void => {
  const wait = Atomics.wait
  const patched = (words: Int32Array, index: number, value: number, timeoutMs?: number): string => {
    for (;;) {
      const outcome = wait(words, index, value, timeoutMs ?? ASK_AGAIN_MS)
      if (outcome !== 'timed-out' || timeoutMs !== undefined) return outcome
      isWaiting = true
      for (;;) {
        const received = receiveMessageOnPort(channel as never) as { message: Word } | undefined
        if (!received) break
        obey(received.message)
      }
      isWaiting = false
    }
  }
  Atomics.wait = patched as typeof Atomics.wait
}

let isWaiting = false
let onGone: (thread: number) => void = () => undefined

/** The main thread passes orders on, one at a time, and says when they have been carried out. */
const command = (socketPath: string): void => {
  let answer: ((told: Told) => void) | undefined
  let victim: number | undefined
  let order: Order | undefined
  let timer: NodeJS.Timeout | undefined
  const done = (told: Told): void => {
    clearInterval(timer)
    order = undefined
    victim = undefined
    answer?.(told)
  }
  onGone = (thread) => {
    if (thread === victim) done({ answers: 'end', thread })
  }
  hear((word) => {
    obey(word)
    if (word.kind === 'gone') onGone(word.thread)
    if (word.kind === 'counted') done({ answers: 'arena', small: word.small, large: word.large })
    if (word.kind !== 'me' || order?.kind !== 'end' || victim !== undefined || word.place !== order.place)
      return
    victim = word.thread
    const end: Word = { kind: 'end', thread: victim, how: order.how }
    say(end)
    obey(end)
  })
  const ask = (): void => {
    if (order?.kind === 'arena') say({ kind: 'count' })
    else if (order && victim === undefined) say({ kind: 'who', place: order.place })
  }
  const server = createServer((socket) => {
    answer = (told) => void socket.write(`${JSON.stringify(told)}\n`)
    createInterface({ input: socket }).on('line', (line) => {
      order = JSON.parse(line) as Order
      // A thread that is just starting answers when it is there.
      timer = setInterval(ask, ASK_AGAIN_MS)
      ask()
    })
  })
  server.listen(socketPath).unref()
}

if (isMainThread) {
  const cores = Number(process.env[SABOTEUR_CORES] ?? 0)
  if (cores > 0) os.availableParallelism = () => cores
  syncBuiltinESMExports()
  const socketPath = process.env[SABOTEUR_SOCKET]
  if (socketPath !== undefined) command(socketPath)
} else {
  hear(obey)
  if (places.has('codec')) hearWhileWaiting()
}
