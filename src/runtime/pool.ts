// The pool: threads for pure functions, encode, reconstruct and digest, that keep nothing between two calls. piscina keeps
// the threads. The same interface runs inline, in simulation and on machines with one core; a caller cannot tell.
//
// Invariant: the queue is bounded; a task either ran to its end or rejects, also when its thread dies under it.
import { Piscina } from 'piscina'
import { asMoraineError, assert, unavailable } from '../base/errors.ts'
import type { PoolOutcome, PoolTask } from './pool-entry.ts'
import { WORKER_FLAGS } from './thread.ts'
import { decodeError } from './wire-error.ts'

/** Functions by name, as a module exports them: plain data and shared memory in, plain data out. */
export type Functions<F> = { [K in keyof F]: (task: never) => unknown }

export interface Pool<F extends Functions<F>> {
  /**
   * Rejects with the function's own error, with MAILBOX_FULL when too many tasks wait, with THREAD_EXITED when its thread
   * dies, and with ACTOR_STOPPED after `close`.
   */
  run<K extends keyof F & string>(name: K, task: Parameters<F[K]>[0]): Promise<Awaited<ReturnType<F[K]>>>
  /** Ends the threads; what still waits or runs is rejected. Idempotent. */
  close(): Promise<void>
}

export interface PoolOptions {
  /** The module that exports the functions. */
  readonly module: URL
  /** 0 runs every task inline, on the caller's thread. */
  readonly threads: number
  /** What the module finds as `workerData` of node:worker_threads; inline there is none. */
  readonly workerData?: unknown
  /** Tasks that may wait for a thread. */
  readonly queueMax?: number
}

const QUEUE_MAX = 1024

export const createPool = <F extends Functions<F>>(options: PoolOptions): Pool<F> =>
  options.threads === 0 ? createInlinePool(options) : createThreadPool(options)

const closedPool = () => unavailable('ACTOR_STOPPED', 'the pool is closed')

const createThreadPool = <F extends Functions<F>>({
  module,
  threads,
  workerData,
  queueMax = QUEUE_MAX,
}: PoolOptions): Pool<F> => {
  const piscina = new Piscina<PoolTask, PoolOutcome>({
    filename: new URL('./pool-entry.js', import.meta.url).href,
    name: 'runTask',
    minThreads: threads,
    maxThreads: threads,
    maxQueue: queueMax,
    workerData,
    execArgv: WORKER_FLAGS,
    recordTiming: false,
  })
  let isClosed = false
  return {
    async run(name, task) {
      if (isClosed) throw closedPool()
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
      await piscina.destroy()
    },
  }
}

const createInlinePool = <F extends Functions<F>>({ module }: PoolOptions): Pool<F> => {
  const loaded = import(module.href) as Promise<Record<string, (task: unknown) => unknown>>
  // Whoever runs the first task hears of a module that cannot be loaded.
  loaded.catch(() => undefined)
  let isClosed = false
  return {
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
