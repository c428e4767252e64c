import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { createSharedMemory, WASM_PAGE_BYTES } from '../../src/base/wasm.ts'
import { CODEC_RESERVED_BYTES } from '../../src/codec/index.ts'
import { assert, deadline, suite } from '../support/uvu.ts'
import type { WorkerTask } from './codec-worker.ts'

const test = suite('codec threads')

const THREADS = 4
const ROUNDS = 150
const SHARD_BYTES = 4_001

test(
  'threads with a kernel each over one memory do not disturb each other',
  deadline(20_000, async () => {
    const pages = Math.ceil((THREADS * (CODEC_RESERVED_BYTES + 6 * SHARD_BYTES)) / WASM_PAGE_BYTES)
    const memory = createSharedMemory(pages, pages)
    const counts = await Promise.all(
      Array.from({ length: THREADS }, async (_, i) => {
        const task: WorkerTask = {
          memory,
          reservedOffset: i * CODEC_RESERVED_BYTES,
          shardsOffset: THREADS * CODEC_RESERVED_BYTES + i * 6 * SHARD_BYTES,
          length: SHARD_BYTES,
          seed: i,
          rounds: ROUNDS,
        }
        const worker = new Worker(new URL('./codec-worker.js', import.meta.url), { workerData: task })
        const [right] = (await once(worker, 'message')) as [number]
        await worker.terminate()
        return right
      }),
    )
    assert.equal(
      counts,
      Array.from({ length: THREADS }, () => ROUNDS),
    )
  }),
)

test.run()
