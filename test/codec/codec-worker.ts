// One thread of threads.test.ts: encodes, loses and reconstructs stripes in its part of the shared memory, and answers with
// how many came out right.
import { parentPort, workerData } from 'node:worker_threads'
import { createPrng } from '../../src/base/prng.ts'
import type { SharedMemory } from '../../src/base/wasm.ts'
import { createCodec, createKernel } from '../../src/codec/index.ts'

export interface WorkerTask {
  readonly memory: SharedMemory
  readonly reservedOffset: number
  /** Room for six shards of `length`. */
  readonly shardsOffset: number
  readonly length: number
  readonly seed: number
  readonly rounds: number
}

const { memory, reservedOffset, shardsOffset, length, seed, rounds } = workerData as WorkerTask
const codec = createCodec(4, 2, createKernel({ memory, reservedOffset }))
const random = createPrng(seed)
const shards = Array.from({ length: 6 }, (_, i) => shardsOffset + i * length)
const bytes = new Uint8Array(memory.buffer)

let right = 0
for (let round = 0; round < rounds; round++) {
  const data = random.bytes(4 * length)
  bytes.set(data, shardsOffset)
  codec.encode({ data: shards.slice(0, 4), parity: shards.slice(4), length })
  // Data and parity by turns, so that every pass of the kernel runs.
  const lost = [random.below(3), 3 + random.below(3)]
  for (const index of lost) bytes.fill(0, shards[index], shards[index]! + length)
  codec.reconstruct({ shards, present: shards.map((_, i) => !lost.includes(i)), wanted: lost, length })
  const isWhole = Buffer.compare(bytes.subarray(shardsOffset, shardsOffset + data.length), data) === 0
  if (isWhole && codec.verify({ shards, length })) right++
}
parentPort?.postMessage(right)
