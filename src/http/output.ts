// Memory for answers that are put together before they are written: a small head and a small body go out as one piece.
import { Buffer } from 'node:buffer'
import { KiB } from '../base/units.ts'

/** So little that an answer whose client does not take it keeps next to nothing beside its own bytes. */
const SLAB_BYTES = 64 * KiB

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
let used = 0

/** Bytes that nobody has written to yet. Many share one allocation, which ends with the last of them. */
const carve = (length: number): Buffer => {
  if (length > SLAB_BYTES) return Buffer.allocUnsafeSlow(length)
  if (used + length > SLAB_BYTES) {
    slab = Buffer.allocUnsafeSlow(SLAB_BYTES)
    used = 0
  }
  const part = slab.subarray(used, used + length)
  used += length
  return part
}

/** `head` in Latin-1, then `body`. */
export const joined = (head: string, body: Uint8Array): Buffer => {
  const bytes = carve(head.length + body.length)
  bytes.write(head, 0, 'latin1')
  bytes.set(body, head.length)
  return bytes
}
