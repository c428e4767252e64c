// Stripes: how a body is cut. Pure arithmetic between a byte range of an object and (stripe, unit, block).
//
// Full stripes carry k × 1 MiB, unit i the i-th MiB. The last (or only) one carries what is left in k equal units, each a
// multiple of 64 bytes; bytes past the end of the object are zeros. Shards of one unit below 1 MiB are packed into
// volumes, all others are files of their own, one unit after another.
import { assert } from '../base/errors.ts'
import { BLOCK_BYTES, ENTRY_ALIGNMENT, entryBytesOf, fileBytesOf, PAYLOAD_BYTES_MAX } from './unit.ts'

export interface StripePlan {
  readonly size: number
  readonly k: number
  readonly stripes: number
  /** Payload of each unit of the last stripe; of all others it is 1 MiB. */
  readonly lastPayloadBytes: number
  /** Sum of the payloads of a shard: what it holds. */
  readonly shardBytes: number
  /** What the shard takes on its disk, headers and padding included. */
  readonly diskBytes: number
  readonly isPacked: boolean
}

/** How a body of `size` bytes (1 or more) is cut with k data shards. The same answer for as long as the format lives. */
export const planStripes = (size: number, k: number): StripePlan => {
  assert(Number.isSafeInteger(size) && size > 0 && k > 0, 'a body that is cut has bytes, and shards to go to')
  const stripeBytes = k * PAYLOAD_BYTES_MAX
  const stripes = Math.ceil(size / stripeBytes)
  const rest = size - (stripes - 1) * stripeBytes
  const lastPayloadBytes = Math.ceil(rest / k / ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT
  const isPacked = stripes === 1 && lastPayloadBytes < PAYLOAD_BYTES_MAX
  return {
    size,
    k,
    stripes,
    lastPayloadBytes,
    shardBytes: (stripes - 1) * PAYLOAD_BYTES_MAX + lastPayloadBytes,
    diskBytes: isPacked
      ? entryBytesOf(lastPayloadBytes)
      : (stripes - 1) * fileBytesOf(PAYLOAD_BYTES_MAX) + fileBytesOf(lastPayloadBytes),
    isPacked,
  }
}

/** Payload of each unit of a stripe. */
export const payloadBytesOf = (plan: StripePlan, stripe: number): number =>
  stripe === plan.stripes - 1 ? plan.lastPayloadBytes : PAYLOAD_BYTES_MAX

/** Bytes of the object in a stripe. */
export const objectBytesOf = (plan: StripePlan, stripe: number): number =>
  Math.min(plan.size - stripe * plan.k * PAYLOAD_BYTES_MAX, plan.k * PAYLOAD_BYTES_MAX)

/** Where unit `stripe` of a shard begins in its file. */
export const unitPosition = (stripe: number): number => stripe * fileBytesOf(PAYLOAD_BYTES_MAX)

/** A piece of an object that lies in one unit, and the blocks that have to be read and verified to have it. */
export interface UnitRange {
  /** Shard index, 0 … k−1. */
  readonly unit: number
  readonly firstBlock: number
  readonly blockCount: number
  /** Of the piece in the unit's payload. */
  readonly start: number
  readonly length: number
}

export interface StripeRange {
  readonly stripe: number
  readonly payloadBytes: number
  /** In the order of the object; a stripe has at least one. */
  readonly units: readonly UnitRange[]
}

const unitRange = (unit: number, start: number, end: number): UnitRange => {
  const firstBlock = Math.floor(start / BLOCK_BYTES)
  return {
    unit,
    firstBlock,
    blockCount: Math.ceil(end / BLOCK_BYTES) - firstBlock,
    start,
    length: end - start,
  }
}

/** The reads that make up bytes `start` … `start + length − 1` of an object, stripe by stripe, in order. */
export function* stripeRanges(plan: StripePlan, start: number, length: number): Generator<StripeRange> {
  assert(start >= 0 && length >= 0 && start + length <= plan.size, 'the range is inside of the object')
  const stripeBytes = plan.k * PAYLOAD_BYTES_MAX
  const end = start + length
  for (let at = start; at < end; ) {
    const stripe = Math.floor(at / stripeBytes)
    const base = stripe * stripeBytes
    const payloadBytes = payloadBytesOf(plan, stripe)
    const stop = Math.min(end, base + plan.k * payloadBytes)
    const units: UnitRange[] = []
    for (let unit = Math.floor((at - base) / payloadBytes); base + unit * payloadBytes < stop; unit++) {
      const unitBase = base + unit * payloadBytes
      units.push(unitRange(unit, Math.max(0, at - unitBase), Math.min(payloadBytes, stop - unitBase)))
    }
    yield { stripe, payloadBytes, units }
    at = stop
  }
}
