// A thread of the codec pool: the jobs of coder.ts over a kernel of its own in the arena's memory. piscina calls what is
// exported here by name.
import { threadId, workerData } from 'node:worker_threads'
import type { SharedMemory } from '../base/wasm.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../codec/index.ts'
import type { DigestStep } from '../codec/portable-digests.ts'
import type { RestoreBlocks, SealStripe } from '../storage/stripe.ts'
import { takeRegion } from './codec-regions.ts'
import { type CodecJobs, createCodecJobs } from './coder.ts'

export interface CodecThreadData {
  readonly memory: SharedMemory
  /** Of the arena's reserve, those from `first` on: see codec-regions.ts. */
  readonly regions: SharedArrayBuffer
  readonly first: number
}

const open = ({ memory, regions, first }: CodecThreadData): CodecJobs => {
  const region = first + takeRegion(regions, threadId)
  return createCodecJobs(createKernel({ memory, reservedOffset: region * CODEC_RESERVED_BYTES }))
}

const jobs = open(workerData as CodecThreadData)

export const seal = (job: SealStripe): void => jobs.seal(job)
export const restore = (job: RestoreBlocks): void => jobs.restore(job)
export const digest = (steps: readonly DigestStep[]): Uint8Array[] => jobs.digest(steps)
