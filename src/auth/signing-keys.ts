// Signing keys of SigV4: four HMACs over secret, day, region and service. They change once a day, so a small cache saves
// most of what a small request costs here. A key is found by the secret itself: a rotated secret never meets its old key.
// The days that get this far lie within a presigned URL's week, and an unknown access key is answered with one secret
// made up for all of them: a stranger can neither fill the cache nor see by its timing what is in it.
import { Buffer } from 'node:buffer'
import { createHmac, hash, timingSafeEqual } from 'node:crypto'
import { hexValue } from './encoding.ts'

/** About nine days of each credential in use; the one made first goes first. */
const KEYS_MAX = 1024

const hmac = (key: Buffer | string, text: string): Buffer =>
  createHmac('sha256', key).update(text, 'latin1').digest()

export const deriveSigningKey = (secret: string, day: string, region: string): Buffer =>
  hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), 's3'), 'aws4_request')

const SHA256_BLOCK_BYTES = 64
const SHA256_BYTES = 32
/** A string to sign has some 150 bytes; a longer one takes the long way. */
const SHORT_TEXT_BYTES = 512

/** The two messages that HMAC hashes, filled anew for every signature: nothing is kept between two calls. */
const inner = Buffer.alloc(SHA256_BLOCK_BYTES + SHORT_TEXT_BYTES)
const outer = Buffer.alloc(SHA256_BLOCK_BYTES + SHA256_BYTES)

/**
 * The signature over a byte string: HMAC-SHA256 (RFC 2104) as two one-shot hashes, which cost a third of what an Hmac
 * object does, and every request pays for one.
 */
export const signatureOf = (key: Buffer, text: string): Buffer => {
  if (key.length !== SHA256_BYTES || text.length > SHORT_TEXT_BYTES) return hmac(key, text)
  for (let i = 0; i < SHA256_BYTES; i++) {
    inner[i] = key[i]! ^ 0x36
    outer[i] = key[i]! ^ 0x5c
  }
  inner.fill(0x36, SHA256_BYTES, SHA256_BLOCK_BYTES)
  outer.fill(0x5c, SHA256_BYTES, SHA256_BLOCK_BYTES)
  const length = SHA256_BLOCK_BYTES + inner.write(text, SHA256_BLOCK_BYTES, 'latin1')
  outer.set(hash('sha256', inner.subarray(0, length), 'buffer'), SHA256_BLOCK_BYTES)
  return hash('sha256', outer, 'buffer')
}

/**
 * True when `provided` is the hex of `expected`, 32 bytes. What is not 64 hex digits is compared all the same, so that
 * the time taken says nothing about what was expected.
 */
export const matchesSignature = (expected: Uint8Array, provided: string): boolean => {
  const given = new Uint8Array(SHA256_BYTES)
  let wellFormed = provided.length === 64
  for (let i = 0; i < 32; i++) {
    const byte = hexValue(provided.charCodeAt(2 * i)) * 16 + hexValue(provided.charCodeAt(2 * i + 1))
    if (!(byte < 256)) wellFormed = false
    given[i] = byte
  }
  return timingSafeEqual(expected, given) && wellFormed
}

export interface SigningKeys {
  get(secret: string, day: string, region: string): Buffer
  readonly size: number
}

export const createSigningKeys = (keysMax = KEYS_MAX): SigningKeys => {
  const keys = new Map<string, Buffer>()
  return {
    get size() {
      return keys.size
    },
    get(secret, day, region) {
      const name = `${day}\n${region}\n${secret}`
      const known = keys.get(name)
      if (known) return known
      if (keys.size >= keysMax) {
        for (const oldest of keys.keys()) {
          keys.delete(oldest)
          break
        }
      }
      const key = deriveSigningKey(secret, day, region)
      keys.set(name, key)
      return key
    },
  }
}
