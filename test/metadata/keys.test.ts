import fc from 'fast-check'
import {
  afterPrefix,
  currentKey,
  fromBinary,
  keyBytes,
  keyOfUploadKey,
  toBinary,
  uploadKey,
} from '../../src/metadata/keys.ts'
import { SortedMap } from '../../src/metadata/sorted-map.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('keys')

const bucket = '0011223344556677' as never
const early = '000000000001'.padEnd(48, 'f') as never
const late = '000000000002'.padEnd(48, '0') as never
const text = fc.string({ unit: fc.oneof(fc.constantFrom('\x00', 'a', 'b', '/', 'ü', '\uffff', '\u{1f600}')) })
const utf8Order = (a: string, b: string): number => Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)))
const keyOrder = (a: string, b: string): number => Math.sign(Buffer.compare(keyBytes(a), keyBytes(b)))

test('the order of current keys and of uploads is that of the UTF-8 bytes of their S3 keys', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.is(keyOrder(currentKey(bucket, a), currentKey(bucket, b)), utf8Order(a, b))
      const [x, y] = [uploadKey(bucket, a, early), uploadKey(bucket, b, early)]
      assert.is(keyOrder(x, y), utf8Order(a, b))
      assert.is(x < y ? -1 : x > y ? 1 : 0, utf8Order(a, b), 'as binary strings too')
      assert.is(fromBinary(keyOfUploadKey(x)), a)
      assert.is(fromBinary(toBinary(a)), a)
    }),
  )
  assert.ok(uploadKey(bucket, 'k', early) < uploadKey(bucket, 'k', late))
})

test('what follows a prefix is the first key that does not begin with it', () => {
  fc.assert(
    fc.property(text, text, (prefix, rest) => {
      const binary = toBinary(prefix)
      const next = afterPrefix(binary)
      if (next === undefined) assert.is(binary, '')
      else assert.ok(binary + toBinary(rest) < next && !next.startsWith(binary))
    }),
  )
  assert.is(afterPrefix('a\xff\xff'), 'b')
})

test(
  'a sorted map is a map, and its ranges are in order',
  seeded(10_000, (random) => {
    const map = new SortedMap<number>()
    const model = new Map<string, number>()
    for (let i = 0; i < 6_000; i++) {
      const key = Buffer.from(random.bytes(2)).toString('latin1')
      if (random.below(4) === 0) {
        map.delete(key)
        model.delete(key)
      } else {
        map.set(key, i)
        model.set(key, i)
      }
      if (i % 500 > 0) continue
      const [from, to] = [random.bytes(1), random.bytes(1)].map((bytes) =>
        Buffer.from(bytes).toString('latin1'),
      )
      const expected = [...model.keys()].filter((other) => other >= from! && other < to!).sort()
      assert.equal(
        map.keys(from!, to, 1_000_000),
        expected.sort((a, b) => (a < b ? -1 : 1)),
      )
      assert.is(map.size, model.size)
    }
    for (const [key, value] of model) assert.is(map.get(key), value)
  }),
)

test.run()
