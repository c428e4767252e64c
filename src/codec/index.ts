// Reed–Solomon over GF(2^8), systematic, any geometry k + m up to 32 shards: from any k of the k + m shards of a stripe
// all others can be computed. Shards are ranges of one shared memory, given by their byte offset; they need not
// lie beside each other, be aligned, or have any particular length, but all of a stripe have the same one.
//
// What is checked: that shards have offsets inside the memory and do not overlap what is written; a violation is a
// bug (`ASSERTION`). What is not checked: the bytes. A shard called present is believed. Whoever reads shards from a
// disk verifies their block checksums first; `verify` here tells that a stripe is inconsistent, not which shard is wrong.
import { assert } from '../base/errors.ts'
import { createInverseCache } from './inverse-cache.ts'
import { type Kernel, RECOVER_BYTES_MIN } from './kernel.ts'
import { createParityMatrix, multiplyRow, shardRow } from './matrix.ts'

export { CODEC_RESERVED_BYTES, createKernel, type Kernel } from './kernel.ts'
export { SHARDS_MAX } from './matrix.ts'

/** Offsets are bytes from the start of the kernel's memory. */
export interface EncodeStripe {
  /** k offsets. */
  readonly data: readonly number[]
  /** m offsets. */
  readonly parity: readonly number[]
  /** Bytes per shard; 0 is allowed and does nothing. */
  readonly length: number
}

export interface ReconstructStripe {
  /** k + m offsets, data before parity. Only those of present and wanted shards are looked at. */
  readonly shards: readonly number[]
  /** k + m flags: which shards hold verified bytes. At least k must be true. */
  readonly present: readonly boolean[]
  /** Indexes to be computed, in any order: not present, none twice. Nothing else is written. */
  readonly wanted: readonly number[]
  readonly length: number
}

export interface VerifyStripe {
  /** k + m offsets, data before parity. */
  readonly shards: readonly number[]
  readonly length: number
}

/** Not reentrant, and as little to be shared between threads as the kernel it was made with. */
export interface Codec {
  readonly k: number
  readonly m: number
  /** Overwrites the parity shards with the parity of the data shards. */
  encode(stripe: EncodeStripe): void
  /**
   * Overwrites each wanted shard with what it must be, given the first k present ones; present shards past those are
   * not compared. Right if and only if those k are right.
   */
  reconstruct(stripe: ReconstructStripe): void
  /** True when the parity shards are what `encode` would make of the data shards. Writes nothing but scratch. */
  verify(stripe: VerifyStripe): boolean
}

const checkRanges = (
  kernel: Kernel,
  reads: readonly number[],
  writes: readonly number[],
  length: number,
): void => {
  const end = kernel.memory.buffer.byteLength - length
  const isInside = (offset: number | undefined): boolean =>
    offset !== undefined && Number.isInteger(offset) && offset >= 0 && offset <= end
  assert(Number.isInteger(length) && length >= 0, 'the length of a shard is a whole number')
  assert(reads.every(isInside) && writes.every(isInside), 'every shard is inside of the memory')
  for (let i = 0; i < writes.length; i++) {
    const write = writes[i]!
    const isApart = (other: number): boolean => other + length <= write || write + length <= other
    assert(reads.every(isApart), 'no written shard overlaps a read one')
    for (let j = 0; j < i; j++) assert(isApart(writes[j]!), 'no written shard overlaps another')
  }
}

/** The first k present shards, ascending. */
const chooseSources = (present: readonly boolean[], k: number): number[] => {
  const sources: number[] = []
  for (let index = 0; index < present.length && sources.length < k; index++) {
    if (present[index]) sources.push(index)
  }
  return sources
}

/** A codec for k data and m parity shards: k >= 1, m >= 0, k + m <= 32. Cheap: a few hundred coefficients. */
export const createCodec = (k: number, m: number, kernel: Kernel): Codec => {
  const parityMatrix = createParityMatrix(k, m)
  const inverses = createInverseCache(parityMatrix, k)

  /** Two data shards are wanted, and the sources are all others with parity 0 and 1. */
  const isLostPair = (wanted: readonly number[], sources: readonly number[]): boolean =>
    wanted.length === 2 &&
    wanted.every((index) => index < k) &&
    sources[k - 2] === k &&
    sources[k - 1] === k + 1

  const encode = ({ data, parity, length }: EncodeStripe): void => {
    assert(data.length === k && parity.length === m, 'a stripe has k data and m parity shards')
    checkRanges(kernel, data, parity, length)
    if (length === 0 || m === 0) return
    kernel.multiply({ coefficients: parityMatrix, inputs: data, outputs: parity, length })
  }

  const reconstruct = ({ shards, present, wanted, length }: ReconstructStripe): void => {
    assert(shards.length === k + m && present.length === k + m, 'a stripe has k + m shards')
    assert(new Set(wanted).size === wanted.length, 'no shard is wanted twice')
    assert(
      wanted.every((index) => present[index] === false),
      'what is wanted is a shard of the stripe and not present',
    )
    if (wanted.length === 0) return
    const sources = chooseSources(present, k)
    assert(sources.length === k, 'at least k shards are present')
    const inputs = sources.map((index) => shards[index]!)
    const outputs = wanted.map((index) => shards[index]!)
    checkRanges(kernel, inputs, outputs, length)
    if (length === 0) return
    if (isLostPair(wanted, sources) && length >= RECOVER_BYTES_MIN) {
      const lost = [Math.min(...wanted), Math.max(...wanted)] as const
      const parity = [shards[k]!, shards[k + 1]!] as const
      kernel.recoverTwo({ data: shards.slice(0, k), lost, parity, length })
      return
    }
    const inverse = inverses.find(sources)
    const coefficients = new Uint8Array(wanted.length * k)
    for (const [i, index] of wanted.entries()) {
      coefficients.set(multiplyRow(shardRow(parityMatrix, k, index), inverse), i * k)
    }
    kernel.multiply({ coefficients, inputs, outputs, length })
  }

  const verify = ({ shards, length }: VerifyStripe): boolean => {
    assert(shards.length === k + m, 'a stripe has k + m shards')
    checkRanges(kernel, shards, [], length)
    if (m === 0) return true
    const { scratch, memory } = kernel
    // As much of each parity shard at a time as m pieces of scratch hold, in whole cache lines.
    const step = Math.floor(scratch.length / m / 64) * 64
    const outputs = Array.from({ length: m }, (_, row) => scratch.offset + row * step)
    for (let start = 0; start < length; start += step) {
      const count = Math.min(step, length - start)
      const inputs = shards.slice(0, k).map((offset) => offset + start)
      kernel.multiply({ coefficients: parityMatrix, inputs, outputs, length: count })
      for (let row = 0; row < m; row++) {
        const computed = Buffer.from(memory.buffer, outputs[row]!, count)
        if (!computed.equals(Buffer.from(memory.buffer, shards[k + row]! + start, count))) return false
      }
    }
    return true
  }

  return { k, m, encode, reconstruct, verify }
}
