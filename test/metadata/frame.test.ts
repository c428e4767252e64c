import {
  currentRecordVersion,
  decodeEnvelope,
  decodeRecord,
  encodeEnvelope,
  putEntry,
} from '../../src/metadata/entry.ts'
import {
  decodeFrame,
  decodeFrameHeader,
  encodeFrame,
  FRAME_BYTES_MAX,
  placeEntries,
} from '../../src/metadata/frame.ts'
import { keyBytes } from '../../src/metadata/keys.ts'
import { decodeSegmentHeader, encodeSegmentHeader } from '../../src/metadata/segment.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('frame')

const context = { partition: 3, segment: 7, segmentId: new Uint8Array(16).fill(9), previous: 42, index: 5 }
const content = () => ({
  firstSequence: 2 ** 33 + 1,
  commits: [[putEntry('vk', { a: 1 }, Buffer.from('body'))], [putEntry('vl', { b: 'ü' })]],
  counters: [putEntry('cn', { objects: 2 })],
})

test('a frame decodes to what was encoded, with the places of its bodies', () => {
  const made = content()
  const frame = encodeFrame(context, made)
  const bytes = Buffer.concat(frame.pieces)
  assert.is(bytes.length, frame.length)
  placeEntries(7, 1_000, frame.recordsLength, made)
  const header = decodeFrameHeader(bytes, context)!
  const read = decodeFrame(header, bytes, 7, 1_000, true)!
  assert.equal(
    read.commits.flat().map(({ key, record, sequence }) => [key, record, sequence]),
    [
      ['vk', { a: 1 }, 2 ** 33 + 1],
      ['vl', { b: 'ü' }, 2 ** 33 + 2],
    ],
  )
  assert.is(read.commits[0]![0]!.body!.offset, made.commits[0]![0]!.body!.offset)
  assert.is(Buffer.from(read.commits[0]![0]!.body!.bytes!).toString(), 'body')
  assert.equal(
    read.counters.map(({ record }) => record),
    [{ objects: 2 }],
  )
})

test('a commit that no reader would take for a frame is refused, not written', async () => {
  const large = { ...content(), commits: [[putEntry('vk', {}, Buffer.alloc(FRAME_BYTES_MAX))]] }
  await rejectsWith('ASSERTION', async () => encodeFrame(context, large))
})

test('every flipped bit and every shorter length of a frame is noticed', () => {
  const bytes = Buffer.concat(encodeFrame(context, content()).pieces)
  const isWhole = (candidate: Buffer): boolean => {
    const header = decodeFrameHeader(candidate, context)
    return header !== undefined && decodeFrame(header, candidate, 7, 0, true) !== undefined
  }
  assert.ok(isWhole(bytes))
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.not.ok(isWhole(flipped), `bit ${bit}`)
  }
  for (let length = 0; length < bytes.length; length++) assert.not.ok(isWhole(bytes.subarray(0, length)))
})

test('a frame belongs to its partition, segment, place and predecessor', () => {
  const bytes = Buffer.concat(encodeFrame(context, content()).pieces)
  for (const other of [
    { partition: 4 },
    { segment: 8 },
    { previous: 43 },
    { index: 6 },
    { segmentId: new Uint8Array(16) },
  ]) {
    assert.is(decodeFrameHeader(bytes, { ...context, ...other }), undefined)
  }
})

test('a segment header decodes to what was encoded, and no flipped bit of it passes', () => {
  const sealed = {
    segment: 1,
    id: new Uint8Array(16).fill(1),
    length: 2 ** 33,
    hash: new Uint8Array(32).fill(2),
    firstSequence: 12,
    disks: [1, 2, 3] as never[],
  }
  const { bytes, header } = encodeSegmentHeader({
    partition: 1,
    segment: 2,
    id: new Uint8Array(16).fill(3),
    firstSequence: 99,
    disks: [4, 5, 6] as never[],
    live: [sealed],
  })
  assert.is(bytes.length, 4_096)
  assert.equal(decodeSegmentHeader(bytes), header)
  // The zeros behind the list too: the segment's hash covers them.
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.is(decodeSegmentHeader(flipped), undefined, `bit ${bit}`)
  }
})

test('an envelope does not verify under another key, or with any bit flipped', () => {
  const entry = { ...putEntry('vkey', { size: 1 }), sequence: 5, segment: 6 }
  const bytes = encodeEnvelope(entry)
  assert.equal(decodeEnvelope('vkey', keyBytes('vkey'), bytes)?.record, { size: 1 })
  assert.is(decodeEnvelope('vkez', keyBytes('vkez'), bytes), undefined)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = Buffer.from(bytes)
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.is(decodeEnvelope('vkey', keyBytes('vkey'), flipped), undefined, `bit ${bit}`)
  }
})

test('an older record is migrated step by step, a newer one is refused by name', async () => {
  const migrations = new Map([
    [
      'v',
      [
        (old: unknown) => ({ ...(old as object), two: true }),
        (old: unknown) => ({ ...(old as object), three: true }),
      ],
    ],
  ])
  const payload = Buffer.from('{"one":true}')
  assert.is(currentRecordVersion('vx', migrations), 3)
  assert.equal(decodeRecord('vx', 1, payload, migrations), { one: true, two: true, three: true })
  assert.equal(decodeRecord('vx', 2, payload, migrations), { one: true, three: true })
  await rejectsWith('RECORD_VERSION', () => decodeRecord('vx', 4, payload, migrations))
  const newer = encodeEnvelope({ ...putEntry('vx', {}), recordVersion: 2 })
  await rejectsWith('RECORD_VERSION', () => decodeEnvelope('vx', keyBytes('vx'), newer))
})

test.run()
