import { threadId, type Worker, workerData } from 'node:worker_threads'
import { refusal } from '../../src/base/errors.ts'
import { createPool, type Pool, type PoolOptions } from '../../src/runtime/pool.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

// The functions the pool runs: this module is what its threads load.
export const double = ({ value }: { value: number }): number => 2 * value
export const fill = ({ bytes }: { bytes: SharedArrayBuffer }): void =>
  void new Uint8Array(bytes).fill(threadId)
export const given = (_: object): unknown => workerData
export const refuse = (_: object): never => {
  throw refusal('BadDigest', 'the digest differs', { expected: 1 })
}
export const die = (_: object): never => process.exit(1)
/** Answers, and then breaks where it waits for its next task, as soon as `gate` is 1: its answer has been heard by then. */
export const dieIdle = ({ gate }: { gate: SharedArrayBuffer }): void => {
  const { wait } = Atomics
  Atomics.wait = () => {
    wait(new Int32Array(gate), 0, 0)
    throw new Error('nobody asked')
  }
}

interface Work {
  double: typeof double
  fill: typeof fill
  given: typeof given
  refuse: typeof refuse
  die: typeof die
  dieIdle: typeof dieIdle
}

const test = suite('pool')
const module = new URL(import.meta.url)

const withPool = async (
  threads: number,
  body: (pool: Pool<Work>) => Promise<void>,
  options: Partial<PoolOptions> = {},
) => {
  const workerData = { name: 'given' }
  const pool = createPool<Work>({ module, threads, queueMax: 64, workerData, ...options })
  try {
    await body(pool)
  } finally {
    await pool.close()
    await pool.close()
  }
  await rejectsWith('ACTOR_STOPPED', () => pool.run('double', { value: 1 }))
}

for (const threads of [0, 2]) {
  test(
    `functions run and errors keep their code, on ${threads || 'no'} threads`,
    deadline(10_000, () =>
      withPool(threads, async (pool) => {
        const values = Array.from({ length: 20 }, (_, value) => value)
        const doubled = await Promise.all(values.map((value) => pool.run('double', { value })))
        assert.equal(
          doubled,
          values.map((value) => 2 * value),
        )
        const error = (await rejectsWith('BadDigest', () => pool.run('refuse', {}))) as Error & {
          detail: unknown
        }
        assert.equal(error.detail, { expected: 1 })
        await rejectsWith('ASSERTION', () => pool.run('nothing' as 'given', {}))
      }),
    ),
  )
}

test(
  'threads see shared memory and what they were given',
  deadline(10_000, () =>
    withPool(1, async (pool) => {
      const bytes = new SharedArrayBuffer(8)
      await pool.run('fill', { bytes })
      assert.ok(new Uint8Array(bytes)[0]! > 0)
      assert.equal(await pool.run('given', {}), { name: 'given' })
    }),
  ),
)

test(
  'a thread that dies rejects its task, and another takes its place',
  deadline(10_000, () =>
    withPool(1, async (pool) => {
      for (let i = 0; i < 3; i++) {
        await rejectsWith('THREAD_EXITED', () => pool.run('die', {}))
        assert.is(await pool.run('double', { value: 4 }), 8)
      }
    }),
  ),
)

test(
  'threads are shown, and how often another took the place of one that died; inline there are none',
  deadline(10_000, async () => {
    await withPool(2, async (pool) => {
      const up = { state: 'up', restarts: 0 }
      await pool.run('double', { value: 1 })
      assert.equal(pool.view(), [up, up])
      for (const dead of [1, 2, 3]) {
        await rejectsWith('THREAD_EXITED', () => pool.run('die', {}))
        // Two at once, so that each has work, and is up when it is done.
        while (pool.view().some(({ state }) => state !== 'up')) {
          await Promise.all([1, 2, 3, 4, 5, 6].map((value) => pool.run('double', { value })))
        }
        const total = pool.view().reduce((sum, { restarts }) => sum + restarts, 0)
        assert.is(total, dead)
      }
    })
    await withPool(0, async (pool) => assert.equal(pool.view(), []))
  }),
)

test(
  'too many tasks are refused, not queued',
  deadline(10_000, () =>
    withPool(
      1,
      async (pool) => {
        const results = await Promise.allSettled(
          Array.from({ length: 50 }, (_, value) => pool.run('double', { value })),
        )
        const refused = results.filter((result) => result.status === 'rejected')
        assert.ok(refused.length >= 50 - 4 - 4, `${refused.length}`)
        for (const { reason } of refused) assert.is(reason.code, 'MAILBOX_FULL')
      },
      { queueMax: 4 },
    ),
  ),
)

test(
  'a thread that breaks without a task is nobody else’s error, and another takes its place',
  deadline(10_000, async () => {
    let told: (living: ReadonlySet<number>) => void = () => undefined
    const options = { onThreadEnded: (living: ReadonlySet<number>) => told(living) }
    await withPool(
      1,
      async (pool) => {
        const ended = new Promise<ReadonlySet<number>>((resolve) => {
          told = resolve
        })
        const gate = new SharedArrayBuffer(4)
        await pool.run('dieIdle', { gate })
        Atomics.store(new Int32Array(gate), 0, 1)
        Atomics.notify(new Int32Array(gate), 0)
        const [living, ...others] = await ended
        assert.equal(others, [])
        const bytes = new SharedArrayBuffer(1)
        await pool.run('fill', { bytes })
        assert.is(new Uint8Array(bytes)[0], living! & 255)
      },
      options,
    )
  }),
)

test(
  'a pool whose new thread ended before it was ready makes another',
  deadline(10_000, () =>
    withPool(1, async (pool) => {
      for (let i = 0; i < 3; i++) {
        process.once('worker', (worker: Worker) => void worker.terminate())
        await rejectsWith('THREAD_EXITED', () => pool.run('die', {}))
        // It may be given to the thread that ends; never is it left without an answer.
        const answer = await pool.run('double', { value: 4 }).catch((error: { code: string }) => error.code)
        assert.ok(answer === 8 || answer === 'THREAD_EXITED', String(answer))
        assert.is(await pool.run('double', { value: 4 }), 8)
      }
    }),
  ),
)

if (threadId === 0) test.run()
