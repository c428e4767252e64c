// Where the units of a stripe lie in the arena while they are filled, coded, written or read. A full unit has a slab of
// its own; the small units of a small stripe share slabs, so that a body of 64 KiB does not hold six mebibytes.
//
//   unit  = | page: header | payload, in whole pages |
//   slab  = | unit |            large, of a full stripe
//           | unit | unit | …   several small ones
import { assert } from '../base/errors.ts'
import { type Arena, SLAB_BYTES, type Slab, type SlabClass } from '../runtime/arena.ts'
import { fileBytesOf, PAGE_BYTES } from '../storage/unit.ts'

/** A stretch of a slab. In a message, the slab is held for the receiver until its handler has replied. */
export interface SlabRange {
  readonly slab: Slab
  readonly offset: number
  readonly length: number
}

export interface StripeBuffer {
  /** Header page and payload of unit i. */
  readonly units: readonly SlabRange[]
  /** Gives back every slab; once. */
  release(): void
}

export interface RoomRequest {
  readonly units: number
  readonly payloadBytes: number
}

export interface BufferRequest extends RoomRequest {
  /** For bodies up to 1 MiB: may take from the share that is kept for them. */
  readonly isUrgent: boolean
  readonly withinMs: number
}

/** How the units of one stripe divide into slabs. */
export const planSlabs = (
  units: number,
  unitBytes: number,
): { readonly class: SlabClass; readonly count: number; readonly perSlab: number } => {
  assert(unitBytes <= SLAB_BYTES.large, 'a unit fits into a slab')
  const slabClass: SlabClass = unitBytes * units <= SLAB_BYTES.small ? 'small' : 'large'
  const perSlab = Math.min(units, Math.floor(SLAB_BYTES[slabClass] / unitBytes))
  return { class: slabClass, count: Math.ceil(units / perSlab), perSlab }
}

const bufferOf = ({ units, payloadBytes }: RoomRequest, slabs: readonly Slab[]): StripeBuffer => {
  const length = fileBytesOf(payloadBytes)
  const { perSlab } = planSlabs(units, length)
  return {
    units: Array.from({ length: units }, (_, unit) => ({
      slab: slabs[Math.floor(unit / perSlab)]!,
      offset: (unit % perSlab) * length,
      length,
    })),
    release() {
      for (const slab of slabs) slab.release()
    },
  }
}

/** Room for the units of one stripe, all or none; rejects with ARENA_FULL at the deadline. What it holds is not cleared. */
export const acquireStripe = async (arena: Arena, request: BufferRequest): Promise<StripeBuffer> => {
  const { class: slabClass, count } = planSlabs(request.units, fileBytesOf(request.payloadBytes))
  const { isUrgent, withinMs } = request
  return bufferOf(request, await arena.acquire({ class: slabClass, count, isUrgent, withinMs }))
}

/** As `acquireStripe`, now or not at all; and not below this share of free slabs of the class. */
export const tryAcquireStripe = (
  arena: Arena,
  request: RoomRequest,
  freeShareMin: number,
): StripeBuffer | undefined => {
  const { class: slabClass, count } = planSlabs(request.units, fileBytesOf(request.payloadBytes))
  if (arena.pressure(slabClass) < freeShareMin) return undefined
  const slabs = arena.tryAcquire({ class: slabClass, count })
  return slabs && bufferOf(request, slabs)
}

/** Where the bytes of the object lie in the units of a stripe, one range after another; what follows the last is padding. */
export const objectRanges = (
  units: readonly SlabRange[],
  payloadBytes: number,
  objectBytes: number,
): SlabRange[] => {
  const ranges: SlabRange[] = []
  for (let start = 0; start < objectBytes; start += payloadBytes) {
    const { slab, offset } = units[start / payloadBytes]!
    const length = Math.min(payloadBytes, objectBytes - start)
    ranges.push({ slab, offset: offset + PAGE_BYTES, length })
  }
  return ranges
}

/** The bytes of a range of a slab, as a view. */
export const viewOf = ({ slab, offset, length }: SlabRange): Uint8Array =>
  slab.bytes.subarray(offset, offset + length)

/** Where a range begins in the arena's memory: what the codec is told. */
export const offsetOf = ({ slab, offset }: SlabRange): number => slab.offset + offset
