// The pool: threads for pure functions, encode, reconstruct and digest, that keep nothing between two calls. piscina keeps
// the threads. The same interface runs inline, in simulation and on machines with one core; a caller cannot tell.
//
// Invariant: the queue is bounded; a task either ran to its end or rejects, also when its thread dies under it.
import { Piscina } from 'piscina'
import { asMoraineError, assert, unavailable } from '../base/errors.ts'
import type { PoolOutcome, PoolTask } from './pool-entry.ts'
import { type ThreadView, WORKER_FLAGS } from './thread.ts'
import { decodeError } from './wire-error.ts'

/** Functions by name, as a module exports them: plain data and shared memory in, plain data out. */
export type Functions<F> = { [K in keyof F]: (task: never) => unknown }

export interface Pool<F extends Functions<F>> {
  /** Tasks that run at the same time; 0: inline. */
  readonly threads: number
  /** Each of its threads; inline there are none. */
  view(): PoolThreadView[]
  /**
   * Rejects with the function's own error, with MAILBOX_FULL when too many tasks wait, with THREAD_EXITED when its thread
   * dies, and with ACTOR_STOPPED after `close`.
   */
  run<K extends keyof F & string>(name: K, task: Parameters<F[K]>[0]): Promise<Awaited<ReturnType<F[K]>>>
  /** Ends the threads; what still waits or runs is rejected. Idempotent. */
  close(): Promise<void>
}

export type PoolThreadView = Pick<ThreadView, 'state' | 'restarts'>

export interface PoolOptions {
  /** The module that exports the functions. */
  readonly module: URL
  /** 0 runs every task inline, on the caller's thread. */
  readonly threads: number
  /** What the module finds as `workerData` of node:worker_threads; inline there is none. */
  readonly workerData?: unknown
  /** Tasks that may wait for a thread. */
  readonly queueMax?: number
  /** A thread has ended, whatever ended it; `living` are the ids of those that are left or took its place. */
  onThreadEnded?(living: ReadonlySet<number>): void
}

const QUEUE_MAX = 1024
/** With its thread, one running: it need not wait for this one's event loop between two of them. */
const TASKS_AT_A_THREAD = 4

export const createPool = <F extends Functions<F>>(options: PoolOptions): Pool<F> =>
  options.threads === 0 ? createInlinePool(options) : createThreadPool(options)

const closedPool = () => unavailable('ACTOR_STOPPED', 'the pool is closed')

const createThreadPool = <F extends Functions<F>>(options: PoolOptions): Pool<F> => {
  const { module, threads, queueMax = QUEUE_MAX } = options
  const keeper = new PiscinaKeeper(options, queueMax)
  let isClosed = false
  return {
    threads,
    view: () => keeper.view(),
    async run(name, task) {
      if (isClosed) throw closedPool()
      const piscina = keeper.current()
      if (piscina.queueSize >= queueMax) throw unavailable('MAILBOX_FULL', 'too many tasks wait for the pool')
      const outcome = await piscina.run({ module: module.href, name, task }).catch((error: unknown) => {
        // Errors of the function come as values: what piscina rejects with is about its threads.
        throw isClosed ? closedPool() : unavailable('THREAD_EXITED', 'a thread of the pool exited', {}, error)
      })
      if (outcome.error) throw decodeError(outcome.error)
      return outcome.value as never
    },
    async close() {
      isClosed = true
      await keeper.close()
    },
  }
}

interface Seat {
  /** Its id; undefined between two of them. */
  thread: number | undefined
  hadThread: boolean
  restarts: number
}

/**
 * Keeps a piscina that has all its threads. piscina replaces a thread that ends, but never again once one ended before it was
 * ready: then another piscina takes over, at the next task, and the old one ends with what it had.
 */
class PiscinaKeeper {
  readonly #options: PoolOptions
  readonly #queueMax: number
  #current: Piscina<PoolTask, PoolOutcome> | undefined
  /** All that have threads, with the promise of their end. */
  readonly #all = new Map<Piscina<PoolTask, PoolOutcome>, Promise<void> | undefined>()
  #isClosed = false
  /** One for each of its threads: piscina has no names for them. */
  readonly #seats: Seat[]
  /** Threads that have said that they can work, by their ids. */
  readonly #ready = new Set<number>()

  constructor(options: PoolOptions, queueMax: number) {
    this.#options = options
    this.#queueMax = queueMax
    this.#seats = Array.from({ length: options.threads }, () => ({
      thread: undefined,
      hadThread: false,
      restarts: 0,
    }))
    this.#current = this.#open()
    this.#seat()
  }

  view(): PoolThreadView[] {
    this.#seat()
    return this.#seats.map(({ thread, restarts }) => {
      const state = thread === undefined ? 'restarting' : this.#ready.has(thread) ? 'up' : 'starting'
      return { state: this.#isClosed ? 'ended' : state, restarts }
    })
  }

  /** Gives the seats of threads that have ended to those that took their place. */
  #seat(): void {
    const living = new Set(this.#current?.threads.map(({ threadId }) => threadId))
    for (const seat of this.#seats) {
      if (seat.thread !== undefined && living.delete(seat.thread)) continue
      if (seat.thread !== undefined) this.#ready.delete(seat.thread)
      seat.thread = undefined
    }
    const free = this.#seats.filter(({ thread }) => thread === undefined)
    for (const thread of living) {
      const seat = free.shift()
      if (seat === undefined) return
      seat.thread = thread
      if (seat.hadThread) seat.restarts++
      seat.hadThread = true
    }
  }

  current(): Piscina<PoolTask, PoolOutcome> {
    if (this.#current === undefined) {
      this.#current = this.#open()
      this.#seat()
    }
    return this.#current
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#current = undefined
    await Promise.all([...this.#all.keys()].map((piscina) => piscina.destroy()))
    await Promise.all(this.#all.values())
  }

  #open(): Piscina<PoolTask, PoolOutcome> {
    const { threads, workerData } = this.#options
    const piscina = new Piscina<PoolTask, PoolOutcome>({
      filename: new URL('./pool-entry.js', import.meta.url).href,
      name: 'runTask',
      minThreads: threads,
      maxThreads: threads,
      maxQueue: this.#queueMax,
      concurrentTasksPerWorker: TASKS_AT_A_THREAD,
      workerData,
      ...WORKER_FLAGS,
      recordTiming: false,
    })
    // What ends a thread that has no task is nobody's error; unheard it would be one of the thread that keeps the pool.
    piscina.on('error', () => undefined)
    piscina.on('workerCreate', ({ id }: { id: number }) => this.#ready.add(id))
    // piscina replaces the thread, or does not, after it has said so.
    piscina.on('workerDestroy', () => queueMicrotask(() => this.#onThreadEnded(piscina)))
    this.#all.set(piscina, undefined)
    return piscina
  }

  #onThreadEnded(piscina: Piscina<PoolTask, PoolOutcome>): void {
    if (this.#isClosed) return
    const living = [...this.#all.keys()].flatMap(({ threads }) => threads.map(({ threadId }) => threadId))
    this.#options.onThreadEnded?.(new Set(living))
    const { length } = piscina.threads
    if (this.#current === piscina && length < this.#options.threads) this.#current = undefined
    this.#seat()
    if (this.#current === piscina || this.#all.get(piscina)) return
    const ended = length === 0 ? piscina.destroy() : piscina.close()
    this.#all.set(
      piscina,
      ended.finally(() => this.#all.delete(piscina)),
    )
  }
}

const createInlinePool = <F extends Functions<F>>({ module }: PoolOptions): Pool<F> => {
  const loaded = import(module.href) as Promise<Record<string, (task: unknown) => unknown>>
  // Whoever runs the first task hears of a module that cannot be loaded.
  loaded.catch(() => undefined)
  let isClosed = false
  return {
    threads: 0,
    view: () => [],
    async run(name, task) {
      const run = (await loaded)[name]
      if (isClosed) throw closedPool()
      assert(run, `${module.href} exports no function ${name}`)
      try {
        return (await run(task)) as never
      } catch (error) {
        throw asMoraineError(error)
      }
    },
    async close() {
      isClosed = true
    },
  }
}
