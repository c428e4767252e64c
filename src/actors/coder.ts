// The work of the codec on stripes in the arena: completing one before it is written, computing what is missing after
// a read, digesting the bytes of a body. A small stripe is coded where it is, because handing it to another thread costs more than coding it; a large
// one goes to the codec pool. Which of the two is nobody else's business.
import { KiB } from '../base/units.ts'
import type { Kernel } from '../codec/index.ts'
import { createDigestSteps, type DigestStep } from '../codec/portable-digests.ts'
import type { Pool } from '../runtime/pool.ts'
import {
  createCodecs,
  type RestoreBlocks,
  restoreBlocks,
  type SealStripe,
  sealStripe,
} from '../storage/stripe.ts'
import { createDigestBundles } from './digest-bundles.ts'

/** At about 3 GB/s with checksums this is 80 µs: less than a message there and back. */
const INLINE_BYTES_MAX = 256 * KiB

export interface CodecJobs {
  seal(job: SealStripe): void
  restore(job: RestoreBlocks): void
  digest(steps: readonly DigestStep[]): Uint8Array[]
}

export interface StripeCoder {
  /** Whether work on so many bytes is done on this thread, before the promise is returned. */
  isLocal(bytes: number): boolean
  /** Computes parity and writes every unit's header, block checksums included. */
  seal(job: SealStripe): Promise<void>
  /** Computes blocks of missing units. Nothing is verified: the present ones were, by their disks. */
  restore(job: RestoreBlocks): Promise<void>
  /** The state after this step of a digest, or after the last one the digest. */
  digest(step: DigestStep): Promise<Uint8Array>
}

/** The jobs over this thread's kernel. */
export const createCodecJobs = (kernel: Kernel): CodecJobs => {
  const codecs = createCodecs(kernel)
  return {
    seal: (job) => sealStripe(codecs(job.k, job.m), kernel.memory.buffer, job),
    restore: (job) => restoreBlocks(codecs(job.k, job.m), job),
    digest: createDigestSteps(kernel),
  }
}

/** Jobs that are made with the first of them: what may never code anything need not load and compile what it takes. */
export const createLateJobs = (make: () => CodecJobs): CodecJobs => {
  let made: CodecJobs | undefined
  const jobs = (): CodecJobs => {
    made ??= make()
    return made
  }
  return {
    seal: (job) => jobs().seal(job),
    restore: (job) => jobs().restore(job),
    digest: (steps) => jobs().digest(steps),
  }
}

/** Codes small stripes with `local`, large ones in `pool`; without a pool, all of them here. */
export const createCoder = (local: CodecJobs, pool?: Pool<CodecJobs>): StripeCoder =>
  pool ? createPooledCoder(local, pool) : createLocalCoder(local)

const digestHere = (local: CodecJobs, step: DigestStep): Uint8Array => local.digest([step])[0]!

const createLocalCoder = (local: CodecJobs): StripeCoder => ({
  isLocal: () => true,
  seal: async (job) => local.seal(job),
  restore: async (job) => local.restore(job),
  digest: async (step) => digestHere(local, step),
})

const createPooledCoder = (local: CodecJobs, pool: Pool<CodecJobs>): StripeCoder => {
  const isLocal = (bytes: number): boolean => bytes <= INLINE_BYTES_MAX
  const digestInPool = createDigestBundles((steps) => pool.run('digest', steps), pool.threads)
  const bytesOf = ({ pieces }: DigestStep): number => pieces.reduce((sum, { length }) => sum + length, 0)
  return {
    isLocal,
    seal: async (job) => (isLocal(job.objectBytes) ? local.seal(job) : pool.run('seal', job)),
    restore: async (job) => (isLocal(job.payloadBytes) ? local.restore(job) : pool.run('restore', job)),
    digest: async (step) => (isLocal(bytesOf(step)) ? digestHere(local, step) : digestInPool(step)),
  }
}
