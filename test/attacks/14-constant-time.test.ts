// 14: what is secret is compared in constant time, on digests of equal length. Read from the source: whoever compares a
// signature with === is found here.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createSigningKeys, matchesSignature, signatureOf } from '../../src/auth/signing-keys.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('attack 14')
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..')
const sources = ['src/auth', 'src/s3']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
      join(root, folder, file),
    ),
  )
  .filter((file) => file.endsWith('.ts'))

test('no signature, secret or digest is compared with an operator', () => {
  const comparison =
    /\b\w*(signature|secret|digest|hmac)\w*(\(\))?\s*(===|!==|==|!=)|(===|!==|==|!=)\s*\w*\.?(signature|secret|digest)\b/i
  for (const file of sources) {
    for (const [i, line] of readFileSync(file, 'utf8').split('\n').entries()) {
      if (line.trimStart().startsWith('//') || line.includes('undefined')) continue
      // The names of components and headers are no secrets.
      const code = line.replace(/'[^']*'/g, "''").replace(/TRAILER_SIGNATURE/g, '')
      assert.not(comparison.test(code), `${file}:${i + 1}: ${line}`)
    }
  }
})

test('signatures are compared by one function, and that one by timingSafeEqual', () => {
  const using = sources.filter((file) => readFileSync(file, 'utf8').includes('timingSafeEqual('))
  assert.equal(
    using.map((file) => file.slice(root.length + 1)),
    ['src/auth/signing-keys.ts'],
  )
})

test('only the 64 hex digits of the digest match', () => {
  const digest = signatureOf(createSigningKeys().get('secret', '20260101', 'us-east-1'), 'text')
  const hex = digest.toString('hex')
  assert.ok(matchesSignature(digest, hex))
  assert.ok(matchesSignature(digest, hex.toUpperCase()))
  for (const other of [
    '',
    hex.slice(1),
    `${hex}0`,
    hex.slice(0, 62),
    ` ${hex}`,
    `${hex.slice(0, 63)}g`,
    '\u0130'.repeat(64),
  ]) {
    assert.not(matchesSignature(digest, other), other)
  }
  for (let i = 0; i < 64; i++) {
    const flipped = hex[i] === '0' ? '1' : '0'
    assert.not(matchesSignature(digest, hex.slice(0, i) + flipped + hex.slice(i + 1)))
  }
  assert.not(matchesSignature(new Uint8Array(32), 'g'.repeat(64)))
  assert.not(matchesSignature(new Uint8Array(32), ''))
})

test.run()
