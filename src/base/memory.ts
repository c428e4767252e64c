// What the engine does with bytes only slowly or late: copies into shared memory, and giving memory back.
import { Buffer } from 'node:buffer'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { KiB } from './units.ts'

/** Below, the engine's own loop is done before a call into native code has begun. */
const SHORT = 64

/**
 * Copies `bytes` to `into`, from `at` on; they must fit. What `into.set(bytes, at)` does, but where one of both is shared
 * memory that goes byte by byte (2.8 GB/s instead of 7.6, 64 KiB at a time) unless both begin at a whole word, as the
 * pieces of a request's body never do: the engine must not tear words that another thread may be writing. Nobody else
 * writes or reads what is copied here. `Buffer.fill` is one `memcpy`.
 */
export const copyBytes = (into: Uint8Array, at: number, bytes: Uint8Array): void => {
  if (bytes.length < SHORT) into.set(bytes, at)
  else Buffer.prototype.fill.call(into, bytes, at, at + bytes.length)
}

/** A port that nobody listens on: what is moved to it is freed. */
const nowhere = ((): MessagePort => {
  const { port1, port2 } = new MessageChannel()
  port2.close()
  return port1
})()

/** Less is not worth the call: it goes with the next collection. */
const DISCARDED_BYTES_MIN = 8 * KiB

/**
 * Gives the memory of `bytes` back now; the caller alone held it, and nobody may use it from here on. The collector counts
 * memory outside its heap that only it can free: with every 64 MiB of pieces that have long been copied it would
 * look through the whole heap for them, at a quarter of what an upload costs. Does nothing for a part of some memory.
 */
export const discardBytes = (bytes: Uint8Array): void => {
  const { buffer } = bytes
  if (bytes.length < DISCARDED_BYTES_MIN || bytes.length !== buffer.byteLength) return
  if (buffer instanceof ArrayBuffer) nowhere.postMessage(undefined, [buffer])
}
