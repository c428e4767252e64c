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

/**
 * The two messages that HMAC hashes: the key against one constant, then the text; the key against the other, then the
 * digest of the first. All but the constants behind the key is written anew for every signature.
 */
const inner = Buffer.alloc(SHA256_BLOCK_BYTES + SHORT_TEXT_BYTES, 0x36)
const outer = Buffer.alloc(SHA256_BLOCK_BYTES + SHA256_BYTES, 0x5c)

/**
 * HMAC-SHA256 (RFC 2104) as two one-shot hashes, which cost a quarter of what an Hmac object does, and every request pays
 * for one. As a byte string: to make a Buffer of 32 bytes takes longer than to hash them.
 */
const shortHmac = (key: Buffer, text: string): string => {
  for (let i = 0; i < SHA256_BYTES; i++) {
    inner[i] = key[i]! ^ 0x36
    outer[i] = key[i]! ^ 0x5c
  }
  const length = SHA256_BLOCK_BYTES + inner.write(text, SHA256_BLOCK_BYTES, 'latin1')
  outer.write(hash('sha256', inner.subarray(0, length), 'binary'), SHA256_BLOCK_BYTES, 'latin1')
  return hash('sha256', outer, 'binary')
}

const isShort = (key: Buffer, text: string): boolean =>
  key.length === SHA256_BYTES && text.length <= SHORT_TEXT_BYTES

/** The signature over a byte string. */
export const signatureOf = (key: Buffer, text: string): Buffer =>
  isShort(key, text) ? Buffer.from(shortHmac(key, text), 'latin1') : hmac(key, text)

const computed = Buffer.alloc(SHA256_BYTES)
const given = new Uint8Array(SHA256_BYTES)

/**
 * True when `provided` is the hex of `expected`, 32 bytes. What is not 64 hex digits is compared all the same, so that
 * the time taken says nothing about what was expected.
 */
export const matchesSignature = (expected: Uint8Array, provided: string): boolean => {
  let wellFormed = provided.length === 64
  for (let i = 0; i < SHA256_BYTES; i++) {
    const byte = hexValue(provided.charCodeAt(2 * i)) * 16 + hexValue(provided.charCodeAt(2 * i + 1))
    if (!(byte < 256)) wellFormed = false
    given[i] = byte
  }
  return timingSafeEqual(expected, given) && wellFormed
}

/** Whether `provided` is the hex of the signature over a byte string. */
export const isSignature = (key: Buffer, text: string, provided: string): boolean => {
  if (!isShort(key, text)) return matchesSignature(hmac(key, text), provided)
  computed.write(shortHmac(key, text), 'latin1')
  return matchesSignature(computed, provided)
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
