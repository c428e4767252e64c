import fc from 'fast-check'
import { decodeEnvelope, type Entry, encodeEnvelope, putEntry } from '../../src/metadata/entry.ts'
import { decodeRow } from '../../src/metadata/index-row.ts'
import { currentKey, keyBytes } from '../../src/metadata/keys.ts'
import { readFront, toListed } from '../../src/metadata/listed.ts'
import type { VersionFacts } from '../../src/metadata/records.ts'
import { newStoredVersion } from '../../src/metadata/stored.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('listed')

const bucket = 'ff11223344556677' as never
const facts: VersionFacts = {
  size: 5,
  etag: '0123456789abcdef0123456789abcdef-3',
  headers: [['content-type', 'text/"plain"']],
  metadata: [],
  owner: 'a1b2',
  storageClass: 'STANDARD',
}
const checksum = { algorithm: 'CRC32', type: 'FULL_OBJECT', value: 'AAAAAA==' } as const

/** The entry as a scan of an index finds it. */
const rowOf = (entry: Entry): Entry => decodeRow(keyBytes(entry.key), encodeEnvelope(entry))!

const trap = fc.constantFrom(
  '"checksum":',
  '","owner":"',
  ',"size":1',
  '\\',
  '"',
  '{"size":0',
  '\n',
  'ü',
  '\u{1f600}',
)
const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f]{1,8}$/), trap)
const number = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.double({ noNaN: true, noDefaultInfinity: true }))
const pairs = fc.array(fc.tuple(text, text), { maxLength: 2 })

/** In an order of its own: a permutation is the order of random keys. */
const inOrder = (record: object, order: readonly number[]): object =>
  Object.fromEntries(
    Object.entries(record)
      .filter(([, value]) => value !== undefined)
      .map((member, index) => ({ member, place: order[index] ?? 0 }))
      .sort((a, b) => a.place - b.place)
      .map(({ member }) => member),
  )

const order = fc.oneof(fc.constant([]), fc.array(fc.nat(9), { minLength: 12, maxLength: 12 }))
const record = fc
  .record({
    sequence: fc.option(fc.nat(), { nil: undefined }),
    size: number,
    etag: text,
    modifiedMs: number,
    owner: text,
    storageClass: fc.constantFrom('STANDARD', 'STANDARD', 'STANDARD', 'GLACIER'),
    checksum: fc.option(
      fc
        .tuple(fc.record({ algorithm: text, type: text, value: text }), order)
        .map(([made, at]) => inOrder(made, at)),
      { nil: undefined },
    ),
    headers: pairs,
    metadata: pairs,
    data: fc.record({ kind: text, checksum: text }),
  })
  .chain((made) => order.map((at) => inOrder(made, at)))

test('a listing shows of any record, in any order of members, what parsing it gives', () => {
  fc.assert(
    fc.property(text, record, (key, made) => {
      const entry = putEntry(currentKey(bucket, key), made)
      // Not the made one: JSON has no minus zero.
      const { size, etag, modifiedMs, owner, storageClass, checksum: kept } = JSON.parse(JSON.stringify(made))
      const expected = { key: Buffer.from(key).toString(), size, etag, modifiedMs, owner, storageClass }
      const { algorithm, type } = kept ?? {}
      assert.equal(toListed(rowOf(entry)), kept ? { ...expected, checksum: { algorithm, type } } : expected)
    }),
    { numRuns: 2_000 },
  )
})

test('what is written today is read without parsing, committed again or not', () => {
  for (const more of [{}, { checksum }, { partCount: 3 }, { checksum, partCount: 3 }]) {
    // The caller's order of members is not what counts.
    const stored = newStoredVersion({ ...more, ...facts }, 1_700_000_000_000, { kind: 'inline' })
    const { size, etag, owner, storageClass } = facts
    const expected = { size, etag, modifiedMs: 1_700_000_000_000, owner, storageClass }
    const kind = { algorithm: checksum.algorithm, type: checksum.type }
    for (const kept of [stored, { sequence: 7, ...stored }, { ...stored, data: { kind: 'parts' } }]) {
      const front = readFront(Buffer.from(JSON.stringify(kept)))
      assert.equal(front, 'checksum' in more ? { ...expected, checksum: kind } : expected)
    }
  }
})

test('a row of a scan is the entry that a look-up finds', () => {
  const written = { ...putEntry('vkey', { size: 1 }, Buffer.from('body')), sequence: 2 ** 33 + 5, segment: 6 }
  written.body!.offset = 77
  const [row, found] = [rowOf(written), decodeEnvelope('vkey', keyBytes('vkey'), encodeEnvelope(written))!]
  const { key, record: read, recordVersion, sequence, segment, body } = row
  const { payload, ...rest } = found
  assert.equal({ key, record: read, recordVersion, sequence, segment, body }, rest)
  assert.is(Buffer.compare(row.payload!, payload!), 0)
  assert.is(rowOf(putEntry('vkey', {})).body, undefined)
})

test('a row does not verify under another key, or with any bit flipped, and a newer one is refused by name', async () => {
  const bytes = encodeEnvelope({ ...putEntry('vkey', { size: 1 }), sequence: 5, segment: 6 })
  assert.ok(decodeRow(keyBytes('vkey'), bytes))
  assert.is(decodeRow(keyBytes('vkez'), bytes), undefined)
  assert.is(decodeRow(keyBytes('vkey'), bytes.subarray(0, 31)), undefined)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.is(decodeRow(keyBytes('vkey'), flipped), undefined, `bit ${bit}`)
  }
  const newer = encodeEnvelope({ ...putEntry('vx', {}), recordVersion: 2 })
  await rejectsWith('RECORD_VERSION', () => decodeRow(keyBytes('vx'), newer))
})

test.run()
