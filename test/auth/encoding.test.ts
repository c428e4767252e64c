import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import {
  decodeUtf8,
  foldSpaces,
  isCanonical,
  parseQuery,
  percentDecode,
  percentEncode,
  spacedHex,
} from '../../src/auth/encoding.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('encoding')
const latin1 = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1'))

test('what is encoded decodes to itself, and is canonical', () => {
  fc.assert(
    fc.property(latin1, fc.boolean(), (bytes, keepSlash) => {
      const encoded = percentEncode(bytes, keepSlash)
      assert.is(percentDecode(encoded, false), bytes)
      assert.ok(isCanonical(encoded, keepSlash))
    }),
  )
})

test('canonical is exactly what encoding again leaves as it is', () => {
  const text = fc.string({
    unit: fc.constantFrom('a', '%', '2', 'F', 'f', '/', '+', ' ', 'B', '6', '1', '~'),
    maxLength: 12,
  })
  fc.assert(
    fc.property(text, fc.boolean(), (raw, keepSlash) => {
      const decoded = percentDecode(raw, false)
      const again = decoded === undefined ? undefined : percentEncode(decoded, keepSlash)
      assert.is(isCanonical(raw, keepSlash), again === raw, raw)
    }),
    { numRuns: 2000 },
  )
})

test('UTF-8 is encoded as everybody else encodes it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
      const bytes = Buffer.from(text).toString('latin1')
      const expected = encodeURIComponent(Buffer.from(text).toString()).replace(
        /[!'()*]/g,
        (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
      )
      assert.is(percentEncode(bytes, false), expected)
      assert.is(decodeUtf8(bytes), Buffer.from(text).toString())
    }),
  )
})

test('a percent sign that escapes nothing is not decoded', () => {
  for (const raw of ['%', '%1', 'a%', '%G0', '%0G', '%%41', '% 1', '%\u01301']) {
    assert.is(percentDecode(raw, false), undefined, raw)
  }
})

test('what is no UTF-8 is refused, not guessed', async () => {
  for (const bytes of ['\xff', '\xc0\xaf', '\xed\xa0\x80', '\xf4\x90\x80\x80', 'a\x80']) {
    await rejectsWith('InvalidURI', () => decodeUtf8(bytes))
  }
})

test('queries fall apart at & and the first =', () => {
  const cases: [string, [string, string][]][] = [
    ['', []],
    ['&&', []],
    ['a', [['a', '']]],
    ['a=', [['a', '']]],
    ['=a', [['', 'a']]],
    [
      'a=b=c&d',
      [
        ['a', 'b=c'],
        ['d', ''],
      ],
    ],
    ['a+b=c%2Bd', [['a b', 'c+d']]],
  ]
  for (const [raw, expected] of cases) {
    assert.equal(
      parseQuery(raw).map(({ name, value }) => [name, value]),
      expected,
      raw,
    )
  }
  assert.equal(parseQuery('a+b', 'literal'), [{ name: 'a+b', value: '' }])
})

test('spaces of a header value are folded, nothing else is', () => {
  for (const [value, expected] of [
    ['a b', 'a b'],
    ['  a   b  ', 'a b'],
    ['   ', ''],
    ['', ''],
    ['a\tb', 'a\tb'],
    ['"a  b"', '"a b"'],
  ] as const) {
    assert.is(foldSpaces(value), expected)
  }
})

test('bytes in hex stop at their bound', () => {
  assert.is(spacedHex('M\xff', 10), '4d ff')
  assert.is(spacedHex('abc', 2), '61 62')
})

test.run()
