import { createKeyPair, openKeyPair, rootCredential, sealKeyPair } from '../../src/auth/root.ts'
import { createPrng } from '../../src/base/prng.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('root')
const random = createPrng(1)
const storeKey = random.bytes(32)

test('a sealed pair opens with its store key', () => {
  const pair = createKeyPair(random)
  assert.match(pair.accessKeyId, /^M[A-Z2-7]{19}$/)
  assert.match(pair.secretAccessKey, /^[A-Za-z0-9]{40}$/)
  assert.equal(openKeyPair(storeKey, sealKeyPair(storeKey, pair, random)), pair)
})

test('the secret is not readable in the sealed bytes', () => {
  const pair = createKeyPair(random)
  assert.not.ok(Buffer.from(sealKeyPair(storeKey, pair, random)).includes(pair.secretAccessKey))
})

test('another key, a changed byte and a newer version are refused', async () => {
  const sealed = sealKeyPair(storeKey, createKeyPair(random), random)
  await rejectsWith('METADATA_CORRUPT', () => openKeyPair(random.bytes(32), sealed))
  for (const at of [1, 13, sealed.length - 1]) {
    const changed = Uint8Array.from(sealed)
    changed[at]! ^= 1
    await rejectsWith('METADATA_CORRUPT', () => openKeyPair(storeKey, changed))
  }
  await rejectsWith('RECORD_VERSION', () => openKeyPair(storeKey, Uint8Array.of(2, ...sealed.subarray(1))))
})

test('the canonical id stays when the keys change', () => {
  const one = rootCredential('store-1', createKeyPair(random)).identity
  const two = rootCredential('store-1', createKeyPair(random)).identity
  assert.is(one.canonicalId, two.canonicalId)
  assert.is.not(one.canonicalId, rootCredential('store-2', createKeyPair(random)).identity.canonicalId)
})

test.run()
