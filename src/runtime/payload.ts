// What a message weighs and which slabs ride in it, found in one walk over it. Messages are trees: plain objects and
// arrays over scalars, bytes, refs and slabs; anything else (a function, an iterable) only ever travels inside one
// thread, by reference, and weighs nothing.
//
// Invariant: a slab in a message is held for the receiver from the tell or ask until its handler's reply, or until the
// message is dropped. The sender keeps its own hold; a receiver who wants the slab longer retains it.
import { Slab } from './arena.ts'

/** What an envelope costs besides its content. */
const ENVELOPE_BYTES = 64
/** No message of ours is deeper; what lies below is not looked at. */
const DEPTH_MAX = 6

/** Bytes a message counts for in a mailbox; slabs found in it are appended to `slabs`. */
export const weigh = (message: unknown, slabs: Slab[]): number =>
  ENVELOPE_BYTES + weighValue(message, slabs, DEPTH_MAX)

const weighValue = (value: unknown, slabs: Slab[], depth: number): number => {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  if (value instanceof Uint8Array) return value.byteLength
  if (value instanceof Slab) {
    slabs.push(value)
    return 0
  }
  if (depth === 0) return 0
  let bytes = 0
  if (Array.isArray(value)) {
    for (const item of value) bytes += 8 + weighValue(item, slabs, depth - 1)
  } else if (isPlain(value)) {
    for (const key in value) bytes += 8 + weighValue(value[key], slabs, depth - 1)
  } else if (value instanceof Map || value instanceof Set) {
    for (const item of value.values()) bytes += 16 + weighValue(item, slabs, depth - 1)
  }
  return bytes
}

export const isPlain = (value: object): value is Record<string, unknown> => {
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Gives up the slabs of a message that is done with. Those whose sender died on the way arrived dead. */
export const releaseAll = (slabs: readonly Slab[] | undefined): void => {
  if (slabs) for (const slab of slabs) if (slab.isHeld) slab.release()
}

/** Gives up the slabs in a reply: it has been sent, or nobody waits for it any more. */
export const releaseSlabs = (value: unknown): void => {
  const slabs: Slab[] = []
  weighValue(value, slabs, DEPTH_MAX)
  releaseAll(slabs)
}

/**
 * The message as its receiver may see it when bytes really move: a sender must not touch what it sent. Every
 * Uint8Array that owns its memory is detached from the sender, so that touching it again fails at once; a view of a larger
 * buffer is copied, and spoiled for the sender. Simulation and tests run so; production trusts what they proved.
 */
export const moveBytes = (value: unknown, depth = DEPTH_MAX): unknown => {
  if (typeof value !== 'object' || value === null || depth === 0) return value
  if (value instanceof Uint8Array) return moved(value)
  if (Array.isArray(value)) return value.map((item) => moveBytes(item, depth - 1))
  if (!isPlain(value)) return value
  const moves: Record<string, unknown> = {}
  for (const key of Object.keys(value)) moves[key] = moveBytes(value[key], depth - 1)
  return moves
}

/** What a sender finds in a view that it has sent. */
const SPOILED = 0xdb

const moved = (bytes: Uint8Array): Uint8Array => {
  // Shared memory belongs to no sender.
  if (!(bytes.buffer instanceof ArrayBuffer)) return bytes
  if (bytes.byteLength === bytes.buffer.byteLength) {
    return new Uint8Array(structuredClone(bytes.buffer, { transfer: [bytes.buffer] }))
  }
  const copy = new Uint8Array(bytes)
  bytes.fill(SPOILED)
  return copy
}
