// A thread of the codec pool: the jobs of coder.ts over a kernel of its own in the arena's memory. piscina calls what is
// exported here by name.
import { workerData } from 'node:worker_threads'
import type { SharedMemory } from '../base/wasm.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../codec/index.ts'
import type { DigestStep } from '../codec/portable-digests.ts'
import type { RestoreBlocks, SealStripe } from '../storage/stripe.ts'
import { type CodecJobs, createCodecJobs } from './coder.ts'

export interface CodecThreadData {
  readonly memory: SharedMemory
  /** One word: how many threads have taken a region. */
  readonly taken: SharedArrayBuffer
  /** Regions `first` … `first + count − 1` of the arena's reserve are the pool's. */
  readonly first: number
  readonly count: number
}

/** A thread that died leaves its region; by the time all have been given once, it is long free. */
const open = ({ memory, taken, first, count }: CodecThreadData): CodecJobs => {
  const region = first + (Atomics.add(new Int32Array(taken), 0, 1) % count)
  return createCodecJobs(createKernel({ memory, reservedOffset: region * CODEC_RESERVED_BYTES }))
}

const jobs = open(workerData as CodecThreadData)

export const seal = (job: SealStripe): void => jobs.seal(job)
export const restore = (job: RestoreBlocks): void => jobs.restore(job)
export const digest = (step: DigestStep): Uint8Array => jobs.digest(step)
