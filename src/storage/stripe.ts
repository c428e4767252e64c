// One stripe in memory: sealing it (parity, headers, checksums) before it is written, and making up for units that are
// missing. Pure work over the arena's memory, done in a thread of the codec pool or inline; slabs are byte offsets.
import { assert } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { type Codec, createCodec, type Kernel } from '../codec/index.ts'
import { BLOCK_BYTES, fileBytesOf, PAGE_BYTES, sealUnit } from './unit.ts'

/** Makes codecs for a thread's kernel, each geometry once. */
export const createCodecs = (kernel: Kernel): ((k: number, m: number) => Codec) => {
  const codecs = new Map<number, Codec>()
  return (k, m) => {
    const known = codecs.get(k * 64 + m)
    if (known !== undefined) return known
    const codec = createCodec(k, m, kernel)
    codecs.set(k * 64 + m, codec)
    return codec
  }
}

interface StripeShape {
  readonly write: WriteId
  readonly k: number
  readonly m: number
  readonly stripe: number
  readonly payloadBytes: number
  /** k + m offsets of slabs in the codec's memory, by shard index; each has room for `fileBytesOf(payloadBytes)`. */
  readonly slabs: readonly number[]
}

export interface SealStripe extends StripeShape {
  /** Bytes of the object in this stripe; they lie in the data slabs, `payloadBytes` in each but the last used. */
  readonly objectBytes: number
}

const slabAt = (memory: ArrayBufferLike, offset: number, payloadBytes: number): Uint8Array =>
  new Uint8Array(memory, offset, fileBytesOf(payloadBytes))

const payloads = (slabs: readonly number[]): number[] => slabs.map((slab) => slab + PAGE_BYTES)

/**
 * Completes a stripe whose data payloads are filled in: zeros after the last byte of the object, parity payloads, and
 * the header of every unit. Afterwards each slab can be written as it is.
 */
export const sealStripe = (codec: Codec, memory: ArrayBufferLike, job: SealStripe): void => {
  const { k, m, payloadBytes, slabs, objectBytes } = job
  assert(codec.k === k && codec.m === m && slabs.length === k + m, 'the codec fits the stripe')
  assert(objectBytes > 0 && objectBytes <= k * payloadBytes, 'the stripe holds its part of the object')
  for (let unit = 0; unit < k; unit++) {
    const used = Math.min(payloadBytes, Math.max(0, objectBytes - unit * payloadBytes))
    new Uint8Array(memory, slabs[unit]! + PAGE_BYTES, payloadBytes).fill(0, used)
  }
  const all = payloads(slabs)
  codec.encode({ data: all.slice(0, k), parity: all.slice(k), length: payloadBytes })
  for (const [index, slab] of slabs.entries()) {
    sealUnit(slabAt(memory, slab, payloadBytes), { ...job, index })
  }
}

export interface RestoreBlocks extends StripeShape {
  /** By shard index: whose blocks were read and verified. At least k. */
  readonly present: readonly boolean[]
  /** Shard indexes whose blocks are to be computed into their slabs. */
  readonly wanted: readonly number[]
  readonly firstBlock: number
  readonly blockCount: number
}

/** Computes blocks of units that are missing or damaged from the same blocks of k others. Slabs not named are not looked at. */
export const restoreBlocks = (codec: Codec, job: RestoreBlocks): void => {
  const start = job.firstBlock * BLOCK_BYTES
  const length = Math.min(job.payloadBytes - start, job.blockCount * BLOCK_BYTES)
  assert(length > 0, 'the blocks are inside of the unit')
  codec.reconstruct({
    shards: payloads(job.slabs).map((payload) => payload + start),
    present: job.present,
    wanted: job.wanted,
    length,
  })
}

/** Restores whole units and seals them, ready to be written again: for repair. */
export const restoreUnits = (
  codec: Codec,
  memory: ArrayBufferLike,
  job: StripeShape & Pick<RestoreBlocks, 'present' | 'wanted'>,
): void => {
  const blockCount = Math.ceil(job.payloadBytes / BLOCK_BYTES)
  restoreBlocks(codec, { ...job, firstBlock: 0, blockCount })
  for (const index of job.wanted) {
    sealUnit(slabAt(memory, job.slabs[index]!, job.payloadBytes), { ...job, index })
  }
}

/** What is known of a shard when a read is planned. */
export type ShardState = 'unknown' | 'ok' | 'failed' | 'out'

export interface ReadPlan {
  /** Shard indexes to read now, the wanted ones first. */
  readonly read: readonly number[]
  /** Wanted ones to compute once these and the `ok` ones, k in all, are there. */
  readonly compute: readonly number[]
}

/**
 * Which units to read so that the blocks of the `wanted` shards can be had. `failed` (missing or corrupt) and `out` (its
 * disk cannot be asked) are never read; `preferred` puts shards of faster disks first. Undefined when fewer than k remain: then
 * it is QUORUM_READ while one is out, OBJECT_LOST when all have failed.
 */
export const planReads = (
  k: number,
  states: readonly ShardState[],
  wanted: readonly number[],
  preferred: readonly number[] = [...states.keys()],
): ReadPlan | undefined => {
  const isUsable = (index: number): boolean => states[index] === 'ok' || states[index] === 'unknown'
  const compute = wanted.filter((index) => !isUsable(index))
  const direct = wanted.filter((index) => states[index] === 'unknown')
  if (compute.length === 0) return { read: direct, compute }
  const sources = new Set(wanted.filter(isUsable))
  // What is there already costs nothing; then data or parity in the order of preference.
  for (const state of ['ok', 'unknown'] as const) {
    for (const index of preferred) {
      if (sources.size >= k) break
      if (states[index] === state) sources.add(index)
    }
  }
  if (sources.size < k) return undefined
  return { read: [...sources].filter((index) => states[index] === 'unknown'), compute }
}
