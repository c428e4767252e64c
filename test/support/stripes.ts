// Sealed stripes for tests of storage: a body cut, coded and sealed in a memory of its own, as the gateway and the codec
// pool do it in the arena.
import type { WriteId } from '../../src/base/ids.ts'
import type { Random } from '../../src/base/prng.ts'
import { createSharedMemory, WASM_PAGE_BYTES } from '../../src/base/wasm.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../../src/codec/index.ts'
import { createCodecs, sealStripe } from '../../src/storage/stripe.ts'
import { objectBytesOf, payloadBytesOf, planStripes, type StripePlan } from '../../src/storage/stripes.ts'
import { fileBytesOf, PAGE_BYTES, SLAB_BYTES } from '../../src/storage/unit.ts'

export const randomWriteId = (random: Random): WriteId =>
  Buffer.from(random.bytes(16)).toString('hex') as WriteId

/** Bytes without a pattern that a codec or a checksum could fall for, made faster than byte by byte. */
export const randomBody = (random: Random, size: number): Uint8Array => {
  const words = new Uint32Array(Math.ceil(size / 4))
  let state = random.below(2 ** 32) | 1
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    words[i] = state
  }
  return new Uint8Array(words.buffer, 0, size)
}

/** A small arena: a kernel and `slabs` slabs. */
export const createSlabs = (slabs: number) => {
  const bytes = CODEC_RESERVED_BYTES + slabs * SLAB_BYTES
  const pages = Math.ceil(bytes / WASM_PAGE_BYTES)
  const memory = createSharedMemory(pages, pages)
  const codecs = createCodecs(createKernel({ memory, reservedOffset: 0 }))
  const offset = (slab: number): number => CODEC_RESERVED_BYTES + slab * SLAB_BYTES
  return {
    memory,
    codecs,
    offset,
    slab: (index: number): Uint8Array => new Uint8Array(memory.buffer, offset(index), SLAB_BYTES),
  }
}

export interface SealedBody {
  readonly write: WriteId
  readonly k: number
  readonly m: number
  readonly plan: StripePlan
  readonly body: Uint8Array
  /** `units[stripe][index]`: what the shard's file gets of that stripe. */
  readonly units: readonly (readonly Uint8Array[])[]
}

/** Cuts and seals `body`; the units are copies. */
export const sealBody = (write: WriteId, body: Uint8Array, k: number, m: number): SealedBody => {
  const plan = planStripes(body.length, k)
  const { memory, codecs, offset, slab } = createSlabs(k + m)
  const slabs = Array.from({ length: k + m }, (_, i) => offset(i))
  const units: Uint8Array[][] = []
  let at = 0
  for (let stripe = 0; stripe < plan.stripes; stripe++) {
    const payloadBytes = payloadBytesOf(plan, stripe)
    const objectBytes = objectBytesOf(plan, stripe)
    // Stale bytes, as a slab of the arena has them.
    for (let i = 0; i < k + m; i++) slab(i).fill(0xee)
    for (let unit = 0; unit * payloadBytes < objectBytes; unit++) {
      const count = Math.min(payloadBytes, objectBytes - unit * payloadBytes)
      slab(unit).set(body.subarray(at, at + count), PAGE_BYTES)
      at += count
    }
    sealStripe(codecs(k, m), memory.buffer, { write, k, m, stripe, payloadBytes, slabs, objectBytes })
    units.push(slabs.map((_, i) => slab(i).slice(0, fileBytesOf(payloadBytes))))
  }
  return { write, k, m, plan, body, units }
}
