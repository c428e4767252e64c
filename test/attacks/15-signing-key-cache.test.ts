// 15: the cache of signing keys is bounded, and nobody's key is found under another's name.
import { createAuthenticator } from '../../src/auth/authenticate.ts'
import { createSigningKeys, deriveSigningKey } from '../../src/auth/signing-keys.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { KEY, signHeader } from '../support/http-signing.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('attack 15')

test('it never holds more than its bound', () => {
  const keys = createSigningKeys(100)
  for (let i = 0; i < 1000; i++) keys.get(`secret-${i}`, '20260101', 'us-east-1')
  assert.is(keys.size, 100)
})

test('what comes out of it is what would have been derived, cached or not', () => {
  const keys = createSigningKeys(4)
  const names = [
    ['a', '20260101', 'us-east-1'],
    ['a', '20260102', 'us-east-1'],
    ['b', '20260101', 'us-east-1'],
    ['us-east-1/a', '20260101', 'us-east-1'],
    ['a', '20260101', 'us-east-1/us-east-1'],
    ['a', '20260101', 'eu-west-1'],
  ] as const
  for (let round = 0; round < 3; round++) {
    for (const [secret, day, region] of names) {
      assert.ok(keys.get(secret, day, region).equals(deriveSigningKey(secret, day, region)))
    }
  }
})

test('a rotated secret counts at once, and the old one no more', () => {
  let secretAccessKey = 'first'
  const identity = {
    kind: 'root',
    canonicalId: 'a'.repeat(64),
    displayName: 'root',
    accessKeyId: KEY,
  } as const
  const authenticator = createAuthenticator({
    region: 'us-east-1',
    findCredential: (accessKeyId) => ({ accessKeyId, secretAccessKey, identity }),
    clock: { nowMs: () => Date.now(), monotonicMs: () => 0, setTimer: () => ({ cancel: () => undefined }) },
    random: systemRandom,
  })
  const verifies = (secret: string): boolean => {
    const { headers } = signHeader({
      method: 'GET',
      target: '/b',
      headers: { host: 'h' },
      secretAccessKey: secret,
    })
    try {
      authenticator.authenticate(
        { method: 'GET', path: '/b', query: '', headers: new Map(Object.entries(headers)) },
        [],
      )
      return true
    } catch {
      return false
    }
  }
  assert.ok(verifies('first'))
  secretAccessKey = 'second'
  assert.ok(verifies('second'))
  assert.not(verifies('first'))
})

test.run()
