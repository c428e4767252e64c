// The work of the codec on stripes in the arena: completing one before it is written, computing what is missing after
// a read. A small stripe is coded where it is, because handing it to another thread costs more than coding it; a large
// one goes to the codec pool. Which of the two is nobody else's business.
import { KiB } from '../base/units.ts'
import type { Kernel } from '../codec/index.ts'
import type { Pool } from '../runtime/pool.ts'
import {
  createCodecs,
  type RestoreBlocks,
  restoreBlocks,
  type SealStripe,
  sealStripe,
} from '../storage/stripe.ts'

/** At about 3 GB/s with checksums this is 80 µs: less than a message there and back. */
const INLINE_BYTES_MAX = 256 * KiB

export interface CodecJobs {
  seal(job: SealStripe): void
  restore(job: RestoreBlocks): void
}

export interface StripeCoder {
  /** Computes parity and writes every unit's header, block checksums included. */
  seal(job: SealStripe): Promise<void>
  /** Computes blocks of missing units. Nothing is verified: the present ones were, by their disks. */
  restore(job: RestoreBlocks): Promise<void>
}

/** The jobs over this thread's kernel. */
export const createCodecJobs = (kernel: Kernel): CodecJobs => {
  const codecs = createCodecs(kernel)
  return {
    seal: (job) => sealStripe(codecs(job.k, job.m), kernel.memory.buffer, job),
    restore: (job) => restoreBlocks(codecs(job.k, job.m), job),
  }
}

/** Codes small stripes with `local`, large ones in `pool`; without a pool, all of them here. */
export const createCoder = (local: CodecJobs, pool?: Pool<CodecJobs>): StripeCoder => {
  const isSmall = (bytes: number): boolean => pool === undefined || bytes <= INLINE_BYTES_MAX
  return {
    async seal(job) {
      if (isSmall(job.objectBytes)) local.seal(job)
      else await pool?.run('seal', job)
    },
    async restore(job) {
      if (isSmall(job.payloadBytes)) local.restore(job)
      else await pool?.run('restore', job)
    },
  }
}
