// docs/format.md, byte by byte: what a release wrote must be read for ever, so these bytes never change.
import { crc32 } from 'node:zlib'
import type { DiskNumber, WriteId } from '../../src/base/ids.ts'
import {
  type DiskIdentity,
  decodeIdentity,
  decodeKey,
  encodeIdentity,
  encodeKey,
} from '../../src/storage/identity-file.ts'
import {
  checkHeader,
  entryBytesOf,
  fileBytesOf,
  PAGE_BYTES,
  readUnitAddress,
  sealUnit,
} from '../../src/storage/unit.ts'
import { checkVolumeHeader, encodeVolumeHeader } from '../../src/storage/volumes.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('format')
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const ids = {
  storeId: '000102030405060708090a0b0c0d0e0f',
  diskId: '101112131415161718191a1b1c1d1e1f',
  number: 7 as DiskNumber,
}

// Computed by another program from docs/format.md.
const EXPECTED_UNIT_CHECKSUMS = '2ff166c1aeb2816bbfe4ab24'
const EXPECTED_VOLUME_CHECKSUM = 'a08d4782'
const EXPECTED_KEY_CHECKSUM = '4476b26b'
const EXPECTED_IDENTITY_CHECKSUM = 'e237dfff'

/** The same bytes with another version, and a checksum that holds. */
const ofVersion = (bytes: Uint8Array, version: number, end: number): Buffer => {
  const changed = Buffer.from(bytes)
  changed.writeUInt16LE(version, 4)
  changed.writeUInt32LE(crc32(changed.subarray(0, end)), end)
  return changed
}

test('a unit', async () => {
  const address = {
    write: '202122232425262728292a2b2c2d2e2f' as WriteId,
    index: 5,
    k: 4,
    m: 2,
    stripe: 3,
    payloadBytes: 65_600,
  }
  const slab = new Uint8Array(fileBytesOf(address.payloadBytes))
  for (let i = 0; i < address.payloadBytes; i++) slab[PAGE_BYTES + i] = i % 251
  sealUnit(slab, address)
  assert.is(
    hex(slab.subarray(0, 52)),
    '4d52555401003400' +
      '202122232425262728292a2b2c2d2e2f' +
      '05040200' +
      '03000000' +
      '40000100' +
      '02000000' +
      EXPECTED_UNIT_CHECKSUMS,
  )
  assert.equal([fileBytesOf(65_600), entryBytesOf(65_600)], [4_096 + 69_632, 65_664])
  assert.equal(readUnitAddress(slab.subarray(0, 52)), address)
  assert.is(checkHeader(slab, { ...address, stripe: 4 }), 'the header is of another unit')
  await rejectsWith('RECORD_VERSION', () => checkHeader(ofVersion(slab, 2, 48), address))
  // A version that is only damaged is damage.
  slab[4] = 2
  assert.is(checkHeader(slab, address), 'the header is damaged')
})

test('the header of a volume', async () => {
  const header = encodeVolumeHeader(ids, 9)
  assert.is(
    hex(header),
    `4d52564f01004000${ids.storeId}${ids.diskId}0700000009000000${'00'.repeat(12)}${EXPECTED_VOLUME_CHECKSUM}`,
  )
  assert.is(checkVolumeHeader(header, ids, 9), true)
  assert.is(checkVolumeHeader(header, ids, 10), false)
  assert.is(checkVolumeHeader(header, { ...ids, diskId: ids.storeId }, 9), false)
  await rejectsWith('RECORD_VERSION', () => checkVolumeHeader(ofVersion(header, 2, 60), ids, 9))
})

test('store.key', () => {
  const key = new Uint8Array(32).fill(0xaa)
  const bytes = encodeKey({ ...ids, key })
  assert.is(
    hex(bytes),
    `4d52534b01005000${ids.storeId}${ids.diskId}07000000${'aa'.repeat(32)}${EXPECTED_KEY_CHECKSUM}`,
  )
  assert.equal(decodeKey(bytes), { kind: 'ok', value: { ...ids, key } })
  assert.equal(decodeKey(ofVersion(bytes, 2, 76)), { kind: 'newer', format: 2 })
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Uint8Array.from(bytes)
    damaged[i]! ^= 4
    assert.equal(decodeKey(damaged), { kind: 'damaged' }, `byte ${i}`)
    assert.is(decodeKey(bytes.subarray(0, i)).kind, 'damaged')
  }
})

test('disk.json', () => {
  const identity: DiskIdentity = {
    ...ids,
    phase: 'member',
    table: {
      version: 1,
      partitions: 2,
      m: 0,
      nextDiskNumber: 8 as DiskNumber,
      disks: [{ id: ids.diskId, number: ids.number, position: 0, set: 0, state: 'active' }],
    },
  }
  const bytes = encodeIdentity(identity)
  const parsed = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
  assert.equal(Object.keys(parsed), ['format', 'storeId', 'diskId', 'number', 'phase', 'table', 'checksum'])
  assert.equal([parsed['format'], parsed['checksum']], [1, EXPECTED_IDENTITY_CHECKSUM])
  assert.equal(decodeIdentity(bytes), { kind: 'ok', value: identity })
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Uint8Array.from(bytes)
    damaged[i]! ^= 1
    const decoded = decodeIdentity(damaged)
    // White space between tokens says nothing; whatever says something is covered.
    if (decoded.kind === 'ok') assert.equal(decoded.value, identity)
    else assert.is(decoded.kind, 'damaged')
  }
})

test.run()
