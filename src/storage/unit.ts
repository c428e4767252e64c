// A unit: what one disk gets of one stripe. Its header says whose it is and carries a CRC-32 of each 64 KiB block; every
// checksum covers which write, shard and block it is of, so a block that was misdirected or is of an older encoding
// never passes (docs/format.md has the byte table).
//
// In memory a unit fills a slab: one page for the header, then the payload. So it lies in a shard file too, and so an arena slab
// is written with O_DIRECT in one go. A packed unit has its header directly before its payload instead.
//
//   slab   | header, zeros | payload, up to 1 MiB … | zeros |      file  = the same
//          0               4096                  to a page        volume = | header | payload | to 64 |
import { crc32 } from 'node:zlib'
import { assert, fault } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { KiB, MiB } from '../base/units.ts'
import { BLOCK_BYTES, blockChecksum, blockSeed } from '../codec/checksums.ts'

export { BLOCK_BYTES } from '../codec/checksums.ts'

/** The header's page at the start of a slab and of each unit in a shard file; the alignment of O_DIRECT. */
export const PAGE_BYTES = 4 * KiB
export const PAYLOAD_BYTES_MAX = 1 * MiB
export const BLOCKS_PER_UNIT = PAYLOAD_BYTES_MAX / BLOCK_BYTES
/** A slab of the arena holds exactly one unit. */
export const SLAB_BYTES = PAGE_BYTES + PAYLOAD_BYTES_MAX
/** Entries in a volume, and the payload of a unit, are multiples of this. */
export const ENTRY_ALIGNMENT = 64

export const UNIT_VERSION = 1
const MAGIC = 0x5455_524d // 'MRUT'
const FIXED_BYTES = 40
const CHECKSUM_BYTES = 4

/** Which unit of which write. */
export interface UnitAddress {
  readonly write: WriteId
  /** Of the shard: 0 … k−1 data, k … k+m−1 parity. */
  readonly index: number
  readonly k: number
  readonly m: number
  readonly stripe: number
  /** Bytes of the payload, padding of the file left out. */
  readonly payloadBytes: number
}

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step
export const blocksOf = (payloadBytes: number): number => Math.ceil(payloadBytes / BLOCK_BYTES)
export const headerBytesOf = (payloadBytes: number): number =>
  FIXED_BYTES + (blocksOf(payloadBytes) + 1) * CHECKSUM_BYTES
/** What the unit takes in a shard file, and of a slab: header page and payload, in whole pages. */
export const fileBytesOf = (payloadBytes: number): number => PAGE_BYTES + roundUp(payloadBytes, PAGE_BYTES)
/** What the unit takes in a volume. */
export const entryBytesOf = (payloadBytes: number): number =>
  roundUp(headerBytesOf(payloadBytes) + payloadBytes, ENTRY_ALIGNMENT)

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** Block `block` of a unit in a slab whose first page is followed by block `firstBlock`. */
const blockOf = (slab: Uint8Array, payloadBytes: number, block: number, firstBlock = 0): Uint8Array => {
  const start = PAGE_BYTES + (block - firstBlock) * BLOCK_BYTES
  return slab.subarray(start, start + Math.min(BLOCK_BYTES, payloadBytes - block * BLOCK_BYTES))
}

const seedOf = (address: UnitAddress, block: number): number =>
  blockSeed(address.write, address.index, address.stripe * BLOCKS_PER_UNIT + block)

/**
 * Writes the header of the unit whose payload is in `slab`, and zeros over what else the file would get of it: the rest
 * of the header's page and the padding, where bytes of another request may still lie.
 */
export const sealUnit = (slab: Uint8Array, address: UnitAddress): void => {
  const { payloadBytes } = address
  assert(payloadBytes > 0 && payloadBytes <= PAYLOAD_BYTES_MAX, 'a unit has 1 byte to 1 MiB of payload')
  assert(slab.length >= fileBytesOf(payloadBytes), 'the slab holds the whole unit')
  const headerBytes = headerBytesOf(payloadBytes)
  slab.fill(0, 0, PAGE_BYTES)
  slab.fill(0, PAGE_BYTES + payloadBytes, fileBytesOf(payloadBytes))
  const view = viewOf(slab)
  view.setUint32(0, MAGIC, true)
  view.setUint16(4, UNIT_VERSION, true)
  view.setUint16(6, headerBytes, true)
  slab.set(Buffer.from(address.write, 'hex'), 8)
  slab[24] = address.index
  slab[25] = address.k
  slab[26] = address.m
  view.setUint32(28, address.stripe, true)
  view.setUint32(32, payloadBytes, true)
  view.setUint16(36, blocksOf(payloadBytes), true)
  for (let block = 0; block < blocksOf(payloadBytes); block++) {
    const checksum = blockChecksum(blockOf(slab, payloadBytes, block), seedOf(address, block))
    view.setUint32(FIXED_BYTES + block * CHECKSUM_BYTES, checksum, true)
  }
  const end = headerBytes - CHECKSUM_BYTES
  view.setUint32(end, crc32(slab.subarray(0, end)), true)
}

/** What a header says of itself, when its own checksum holds. Block checksums stay where they are. */
const parseHeader = (bytes: Uint8Array): UnitAddress | undefined => {
  if (bytes.length < FIXED_BYTES + CHECKSUM_BYTES) return undefined
  const view = viewOf(bytes)
  const headerBytes = view.getUint16(6, true)
  if (view.getUint32(0, true) !== MAGIC || headerBytes > bytes.length) return undefined
  if (headerBytes < FIXED_BYTES + CHECKSUM_BYTES) return undefined
  const end = headerBytes - CHECKSUM_BYTES
  if (view.getUint32(end, true) !== crc32(bytes.subarray(0, end))) return undefined
  const version = view.getUint16(4, true)
  if (version !== UNIT_VERSION) {
    throw fault(
      'RECORD_VERSION',
      `a shard has format ${version}, this release reads format ${UNIT_VERSION}: use a newer release`,
    )
  }
  const payloadBytes = view.getUint32(32, true)
  if (headerBytes !== headerBytesOf(payloadBytes)) return undefined
  return {
    write: Buffer.from(bytes.subarray(8, 24)).toString('hex') as WriteId,
    index: bytes[24]!,
    k: bytes[25]!,
    m: bytes[26]!,
    stripe: view.getUint32(28, true),
    payloadBytes,
  }
}

/**
 * The address in a header, for whoever walks a volume or a shard file without knowing what is there. Undefined when
 * the header is damaged; throws the fault RECORD_VERSION when it is whole but of a later release.
 */
export const readUnitAddress = (header: Uint8Array): UnitAddress | undefined => parseHeader(header)

/** Undefined when the header is whole and of this very unit, else why not. */
export const checkHeader = (header: Uint8Array, address: UnitAddress): string | undefined => {
  const found = parseHeader(header)
  if (found === undefined) return 'the header is damaged'
  const isSame =
    found.write === address.write &&
    found.index === address.index &&
    found.k === address.k &&
    found.m === address.m &&
    found.stripe === address.stripe &&
    found.payloadBytes === address.payloadBytes
  return isSame ? undefined : 'the header is of another unit'
}

/**
 * Verifies `blockCount` blocks from `firstBlock`, which lie one after another behind the first page of `slab`, against the checksums in `header`,
 * which `checkHeader` has passed. Undefined when all hold, else which one does not.
 */
export const checkBlocks = (
  slab: Uint8Array,
  header: Uint8Array,
  address: UnitAddress,
  firstBlock: number,
  blockCount: number,
): string | undefined => {
  const view = viewOf(header)
  for (let block = firstBlock; block < firstBlock + blockCount; block++) {
    const kept = view.getUint32(FIXED_BYTES + block * CHECKSUM_BYTES, true)
    const bytes = blockOf(slab, address.payloadBytes, block, firstBlock)
    const checksum = blockChecksum(bytes, seedOf(address, block))
    if (kept !== checksum) return `block ${block} of the unit is damaged`
  }
  return undefined
}
