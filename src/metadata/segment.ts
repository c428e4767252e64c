// A segment's header: which segments, besides this one, the journal consists of. That is the only list there is; a
// segment that the newest counting header does not name is void, whichever disk brings it. Everything little-endian.
//
//    0  u32  magic 'MSEG'
//    4  u16  format (1)
//    6  u16  number of copies, this segment's own
//    8  u32  length of the whole header: a multiple of 4,096
//   12  u32  partition
//   16  u32  number of this segment
//   20  u32  number of segments listed
//   24  16   random id of this segment
//   40  u64  sequence of the first commit in it
//   48  u32  length of the list below, in bytes
//   52  u32  CRC-32 of the list
//   56  u32  zero
//   60  u32  CRC-32 of bytes 0 … 59
//   64       the disks of this segment's copies (u32 each), then per listed segment, oldest first:
//              u32 number, 16 id, u64 length, 32 SHA-256 of that many bytes, u64 sequence of its first commit,
//              u32 number of copies, then the disks (u32 each) that had one when this header was written
//            then zeros, which are compared: no checksum covers them, and the segment's hash does
//
// The disks are named so that a start can say which one it needs; copies are found by looking, not by this list.
import { crc32 } from 'node:zlib'
import { fault } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { MiB } from '../base/units.ts'
import { isZero } from '../base/zeros.ts'

const MAGIC = 0x4745534d // 'MSEG', first byte first
const FORMAT = 1
export const SEGMENT_FIXED_BYTES = 64
const PAGE = 4096
const LISTED_BYTES = 72
/** A journal of a million segments is 64 TB of metadata: nothing we write is longer. */
export const SEGMENT_HEADER_BYTES_MAX = 128 * MiB
export const SEGMENT_BYTES = 64 * MiB

export interface SealedSegment {
  readonly segment: number
  /** 16 bytes. */
  readonly id: Uint8Array
  /** Bytes that count; what a copy holds after them is void. */
  readonly length: number
  /** SHA-256 of those bytes. */
  readonly hash: Uint8Array
  readonly firstSequence: number
  readonly disks: readonly DiskNumber[]
}

export interface SegmentHeader {
  readonly partition: number
  readonly segment: number
  readonly id: Uint8Array
  readonly firstSequence: number
  readonly disks: readonly DiskNumber[]
  /** Oldest first. */
  readonly live: readonly SealedSegment[]
  /** Of the encoded header: where the first frame begins. */
  readonly length: number
  /** What the first frame chains to. */
  readonly checksum: number
}

const writeU64 = (into: Buffer, value: number, at: number): number => {
  into.writeUInt32LE(value % 2 ** 32, at)
  return into.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}
const readU64 = (from: Buffer, at: number): number =>
  from.readUInt32LE(at) + from.readUInt32LE(at + 4) * 2 ** 32

const encodeList = (disks: readonly DiskNumber[], live: readonly SealedSegment[]): Buffer => {
  const size = live.reduce((sum, sealed) => sum + LISTED_BYTES + 4 * sealed.disks.length, 4 * disks.length)
  const list = Buffer.alloc(size)
  let at = 0
  for (const disk of disks) at = list.writeUInt32LE(disk, at)
  for (const sealed of live) {
    at = list.writeUInt32LE(sealed.segment, at)
    list.set(sealed.id, at)
    at = writeU64(list, sealed.length, at + 16)
    list.set(sealed.hash, at)
    at = writeU64(list, sealed.firstSequence, at + 32)
    at = list.writeUInt32LE(sealed.disks.length, at)
    for (const disk of sealed.disks) at = list.writeUInt32LE(disk, at)
  }
  return list
}

export const encodeSegmentHeader = (
  header: Omit<SegmentHeader, 'length' | 'checksum'>,
): { bytes: Buffer; header: SegmentHeader } => {
  const list = encodeList(header.disks, header.live)
  const length = Math.ceil((SEGMENT_FIXED_BYTES + list.length) / PAGE) * PAGE
  const bytes = Buffer.alloc(length)
  bytes.writeUInt32LE(MAGIC, 0)
  bytes.writeUInt16LE(FORMAT, 4)
  bytes.writeUInt16LE(header.disks.length, 6)
  bytes.writeUInt32LE(length, 8)
  bytes.writeUInt32LE(header.partition, 12)
  bytes.writeUInt32LE(header.segment, 16)
  bytes.writeUInt32LE(header.live.length, 20)
  bytes.set(header.id, 24)
  writeU64(bytes, header.firstSequence, 40)
  bytes.writeUInt32LE(list.length, 48)
  bytes.writeUInt32LE(crc32(list), 52)
  const checksum = crc32(bytes.subarray(0, 60))
  bytes.writeUInt32LE(checksum, 60)
  bytes.set(list, SEGMENT_FIXED_BYTES)
  return { bytes, header: { ...header, length, checksum } }
}

/** Length of the header that begins with `bytes`, from its fixed part; undefined when that part does not verify. */
export const segmentHeaderLength = (bytes: Buffer): number | undefined => {
  if (bytes.length < SEGMENT_FIXED_BYTES || bytes.readUInt32LE(0) !== MAGIC) return undefined
  if (bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) return undefined
  const format = bytes.readUInt16LE(4)
  if (format !== FORMAT) {
    throw fault('RECORD_VERSION', `journal segment of format ${format} is newer than this release`)
  }
  return bytes.readUInt32LE(8)
}

/** Undefined when `bytes`, which must hold the whole header, do not verify. */
export const decodeSegmentHeader = (bytes: Buffer): SegmentHeader | undefined => {
  const length = segmentHeaderLength(bytes)
  if (length === undefined || bytes.length < length) return undefined
  const listLength = bytes.readUInt32LE(48)
  const list = bytes.subarray(SEGMENT_FIXED_BYTES, SEGMENT_FIXED_BYTES + listLength)
  if (list.length !== listLength || crc32(list) !== bytes.readUInt32LE(52)) return undefined
  const rest = bytes.subarray(SEGMENT_FIXED_BYTES + listLength, length)
  if (!isZero(rest)) return undefined
  let at = 0
  const readDisks = (count: number): DiskNumber[] =>
    Array.from({ length: count }, () => {
      at += 4
      return list.readUInt32LE(at - 4) as DiskNumber
    })
  const disks = readDisks(bytes.readUInt16LE(6))
  const live: SealedSegment[] = []
  for (let i = bytes.readUInt32LE(20); i > 0; i--) {
    const start = at
    at += LISTED_BYTES
    live.push({
      segment: list.readUInt32LE(start),
      id: Uint8Array.from(list.subarray(start + 4, start + 20)),
      length: readU64(list, start + 20),
      hash: Uint8Array.from(list.subarray(start + 28, start + 60)),
      firstSequence: readU64(list, start + 60),
      disks: readDisks(list.readUInt32LE(start + 68)),
    })
  }
  return {
    partition: bytes.readUInt32LE(12),
    segment: bytes.readUInt32LE(16),
    id: Uint8Array.from(bytes.subarray(24, 40)),
    firstSequence: readU64(bytes, 40),
    disks,
    live,
    length,
    checksum: bytes.readUInt32LE(60),
  }
}
