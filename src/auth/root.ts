// The root identity: made at random at the first start, or given by the operator, and kept with the store, sealed by
// the store's key so that a copy of the journal alone gives no one its secret. AES-256-GCM (NIST SP 800-38D).
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { fault } from '../base/errors.ts'
import type { Random } from '../base/prng.ts'
import type { Credential, Identity } from './identity.ts'

const SEAL_VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const KEY_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
// No '/' and no '+': such secrets break scripts that put them into URLs.
const SECRET_ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

/** An access key and its secret, nothing else. */
export interface KeyPair {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

const pick = (random: Random, alphabet: string, count: number): string =>
  Array.from({ length: count }, () => alphabet[random.below(alphabet.length)]).join('')

/** A new pair: 20 characters of key (96 bits), 40 of secret (238 bits). */
export const createKeyPair = (random: Random): KeyPair => ({
  accessKeyId: `M${pick(random, KEY_ALPHABET, 19)}`,
  secretAccessKey: pick(random, SECRET_ALPHABET, 40),
})

/** The pair as bytes that only `storeKey` (32 bytes) opens: version, nonce, tag, ciphertext. */
export const sealKeyPair = (storeKey: Uint8Array, pair: KeyPair, random: Random): Uint8Array => {
  const nonce = random.bytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', storeKey, nonce)
  const sealed = Buffer.concat([cipher.update(JSON.stringify(pair), 'utf8'), cipher.final()])
  return Buffer.concat([Buffer.of(SEAL_VERSION), nonce, cipher.getAuthTag(), sealed])
}

/** Opens what `sealKeyPair` made. `METADATA_CORRUPT` when it was changed or sealed with another key. */
export const openKeyPair = (storeKey: Uint8Array, sealed: Uint8Array): KeyPair => {
  if (sealed[0] !== SEAL_VERSION) {
    throw fault('RECORD_VERSION', 'the root credentials were sealed by a newer version of Moraine')
  }
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
  const tag = sealed.subarray(1 + NONCE_BYTES, 1 + NONCE_BYTES + TAG_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', storeKey, nonce)
  decipher.setAuthTag(tag)
  try {
    const text = Buffer.concat([
      decipher.update(sealed.subarray(1 + NONCE_BYTES + TAG_BYTES)),
      decipher.final(),
    ])
    return JSON.parse(text.toString('utf8')) as KeyPair
  } catch (error) {
    throw fault('METADATA_CORRUPT', 'the root credentials cannot be opened with this store key', {}, error)
  }
}

/** Root's identity in the store `storeId`: its canonical id stays when its keys change. */
export const rootCredential = (storeId: string, pair: KeyPair): Credential => {
  const identity: Identity = {
    kind: 'root',
    canonicalId: createHash('sha256').update(`moraine root ${storeId}`).digest('hex'),
    displayName: 'root',
    accessKeyId: pair.accessKeyId,
  }
  return { ...pair, identity }
}
