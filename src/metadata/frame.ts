// A frame: all commits that waited together, appended to a segment in one write. Everything little-endian.
//
//    0  u32  magic 'MFRM'
//    4  u16  format (1)
//    6  u16  length of this header (64)
//    8  u32  partition
//   12  u32  segment
//   16  8    first half of the segment's random id
//   24  u64  sequence of the first commit
//   32  u32  number of commits
//   36  u32  length of the records
//   40  u32  length of the bodies
//   44  u32  CRC-32 of the records
//   48  u32  checksum (byte 60) of the frame before; of the segment's header for the first
//   52  u32  number of the frame in its segment, from 0
//   56  u32  zero
//   60  u32  CRC-32 of bytes 0 … 59
//   64       records, then bodies
//
// The records are one group per commit and a last one of counters; a group is a u32 count, then entries:
//
//    0  u8   1 put, 2 delete, 3 put with a body
//    1  u8   version of the record
//    2  u16  length of the key
//    4  u32  length of the value
//    8  u32  length of the body, u32 CRC-32 of the body: only of type 3
//            key, value
//
// Bodies follow in the order of their entries. A frame is whole when its header, its records and every body verify.
// What follows a torn frame never parses as its successor: the chain, the segment and its random id are covered.
import { crc32 } from 'node:zlib'
import { assert, fault } from '../base/errors.ts'
import { MiB } from '../base/units.ts'
import { decodeRecord, type Entry } from './entry.ts'

const MAGIC = 0x4d52464d // 'MFRM', first byte first
const FORMAT = 1
export const FRAME_HEADER_BYTES = 64
/** Above the largest commit (the part table of 10,000 parts, a page of frees) and far below a segment. */
export const FRAME_BYTES_MAX = 16 * MiB
const PUT = 1
const DELETE = 2
const PUT_WITH_BODY = 3

/** What a frame is bound to. */
export interface FrameContext {
  readonly partition: number
  readonly segment: number
  /** 16 bytes. */
  readonly segmentId: Uint8Array
  /** Checksum of the frame before. */
  readonly previous: number
  /** Number of the frame in its segment. */
  readonly index: number
}

export interface FrameContent {
  readonly firstSequence: number
  readonly commits: readonly (readonly Entry[])[]
  readonly counters: readonly Entry[]
}

export interface EncodedFrame {
  readonly pieces: readonly Uint8Array[]
  readonly length: number
  readonly recordsLength: number
  readonly checksum: number
}

export interface FrameHeader {
  readonly firstSequence: number
  readonly commitCount: number
  readonly recordsLength: number
  readonly bodiesLength: number
  readonly recordsChecksum: number
  readonly checksum: number
  /** Header, records and bodies. */
  readonly length: number
}

const groupBytes = (entries: readonly Entry[]): number => {
  let bytes = 4
  for (const { key, payload, body } of entries) {
    bytes += 8 + key.length + (payload?.length ?? 0) + (body ? 8 : 0)
  }
  return bytes
}

const writeGroup = (into: Buffer, start: number, entries: readonly Entry[]): number => {
  let at = into.writeUInt32LE(entries.length, start)
  for (const { key, payload, body, recordVersion } of entries) {
    into[at] = payload === undefined ? DELETE : body ? PUT_WITH_BODY : PUT
    into[at + 1] = recordVersion
    into.writeUInt16LE(key.length, at + 2)
    at = into.writeUInt32LE(payload?.length ?? 0, at + 4)
    if (body) {
      at = into.writeUInt32LE(body.length, at)
      at = into.writeUInt32LE(body.checksum, at)
    }
    at += into.write(key, at, 'latin1')
    if (payload) {
      into.set(payload, at)
      at += payload.length
    }
  }
  return at
}

export const encodeFrame = (context: FrameContext, content: FrameContent): EncodedFrame => {
  const { commits, counters } = content
  let recordsLength = groupBytes(counters)
  for (const commit of commits) recordsLength += groupBytes(commit)
  const head = Buffer.allocUnsafe(FRAME_HEADER_BYTES + recordsLength)
  const pieces: Uint8Array[] = [head]
  let bodiesLength = 0
  let at = FRAME_HEADER_BYTES
  for (const commit of commits) {
    at = writeGroup(head, at, commit)
    for (const { body } of commit) {
      if (!body) continue
      assert(body.bytes !== undefined, 'a queued body has its bytes')
      pieces.push(body.bytes)
      bodiesLength += body.length
    }
  }
  const length = FRAME_HEADER_BYTES + recordsLength + bodiesLength
  // No reader takes it for a frame: acknowledged it would be lost with the next start.
  assert(length <= FRAME_BYTES_MAX, 'a commit fits a frame')
  writeGroup(head, at, counters)
  head.writeUInt32LE(MAGIC, 0)
  head.writeUInt16LE(FORMAT, 4)
  head.writeUInt16LE(FRAME_HEADER_BYTES, 6)
  head.writeUInt32LE(context.partition, 8)
  head.writeUInt32LE(context.segment, 12)
  head.set(context.segmentId.subarray(0, 8), 16)
  head.writeUInt32LE(content.firstSequence % 2 ** 32, 24)
  head.writeUInt32LE(Math.floor(content.firstSequence / 2 ** 32), 28)
  head.writeUInt32LE(commits.length, 32)
  head.writeUInt32LE(recordsLength, 36)
  head.writeUInt32LE(bodiesLength, 40)
  head.writeUInt32LE(crc32(head.subarray(FRAME_HEADER_BYTES)), 44)
  head.writeUInt32LE(context.previous, 48)
  head.writeUInt32LE(context.index, 52)
  head.writeUInt32LE(0, 56)
  const checksum = crc32(head.subarray(0, 60))
  head.writeUInt32LE(checksum, 60)
  return { pieces, length, recordsLength, checksum }
}

/** Fills in where the entries of a frame that begins at `frameOffset` now lie, and lets go of their bodies. */
export const placeEntries = (
  segment: number,
  frameOffset: number,
  recordsLength: number,
  content: FrameContent,
): void => {
  let offset = frameOffset + FRAME_HEADER_BYTES + recordsLength
  content.commits.forEach((commit, index) => {
    for (const entry of commit) {
      entry.segment = segment
      entry.sequence = content.firstSequence + index
      if (!entry.body) continue
      entry.body.offset = offset
      delete entry.body.bytes
      offset += entry.body.length
    }
  })
  for (const entry of content.counters) entry.segment = segment
}

const startsAs = (bytes: Buffer, context: FrameContext): boolean =>
  bytes.length >= FRAME_HEADER_BYTES &&
  bytes.readUInt32LE(0) === MAGIC &&
  bytes.readUInt32LE(8) === context.partition &&
  bytes.readUInt32LE(12) === context.segment &&
  bytes.subarray(16, 24).equals(context.segmentId.subarray(0, 8)) &&
  bytes.readUInt32LE(60) === crc32(bytes.subarray(0, 60))

const readHeader = (bytes: Buffer): FrameHeader => {
  const format = bytes.readUInt16LE(4)
  if (format !== FORMAT) {
    throw fault('RECORD_VERSION', `journal frame of format ${format} is newer than this release`)
  }
  const recordsLength = bytes.readUInt32LE(36)
  const bodiesLength = bytes.readUInt32LE(40)
  return {
    firstSequence: bytes.readUInt32LE(24) + bytes.readUInt32LE(28) * 2 ** 32,
    commitCount: bytes.readUInt32LE(32),
    recordsLength,
    bodiesLength,
    recordsChecksum: bytes.readUInt32LE(44),
    checksum: bytes.readUInt32LE(60),
    length: FRAME_HEADER_BYTES + recordsLength + bodiesLength,
  }
}

/** The header of the frame `context` expects at the start of `bytes`; undefined when there is none. */
export const decodeFrameHeader = (bytes: Buffer, context: FrameContext): FrameHeader | undefined => {
  if (!startsAs(bytes, context)) return undefined
  const header = readHeader(bytes)
  const follows = bytes.readUInt32LE(48) === context.previous && bytes.readUInt32LE(52) === context.index
  return follows && header.length <= FRAME_BYTES_MAX ? header : undefined
}

/** Whether a frame of this segment begins at `bytes` that comes behind the one `context` expects. */
export const isLaterFrame = (bytes: Buffer, context: FrameContext): boolean =>
  startsAs(bytes, context) && bytes.readUInt32LE(52) > context.index

/**
 * The entries of a frame whose first byte is `bytes[0]` and which begins at `frameOffset`; undefined when the records,
 * or with `withBodies` a body, do not verify. With `withBodies` each entry carries its body.
 */
export const decodeFrame = (
  header: FrameHeader,
  bytes: Buffer,
  segment: number,
  frameOffset: number,
  withBodies: boolean,
): FrameContent | undefined => {
  const bodiesStart = FRAME_HEADER_BYTES + header.recordsLength
  const records = bytes.subarray(FRAME_HEADER_BYTES, bodiesStart)
  if (records.length < header.recordsLength || crc32(records) !== header.recordsChecksum) return undefined
  let at = 0
  let bodyStart = bodiesStart
  let bodiesWhole = true
  const readGroup = (sequence: number): Entry[] => {
    const count = records.readUInt32LE(at)
    at += 4
    const entries: Entry[] = []
    for (let i = 0; i < count; i++) {
      const type = records[at]!
      const recordVersion = records[at + 1]!
      const keyLength = records.readUInt16LE(at + 2)
      const valueLength = records.readUInt32LE(at + 4)
      at += 8
      let body: Entry['body']
      if (type === PUT_WITH_BODY) {
        const length = records.readUInt32LE(at)
        const checksum = records.readUInt32LE(at + 4)
        at += 8
        body = { offset: frameOffset + bodyStart, length, checksum }
        if (withBodies) {
          body.bytes = bytes.subarray(bodyStart, bodyStart + length)
          if (body.bytes.length < length || crc32(body.bytes) !== checksum) bodiesWhole = false
        }
        bodyStart += length
      }
      const key = records.toString('latin1', at, at + keyLength)
      at += keyLength
      const payload = type === DELETE ? undefined : records.subarray(at, at + valueLength)
      at += valueLength
      const record = payload && decodeRecord(key, recordVersion, payload)
      entries.push({ key, recordVersion, payload, record, sequence, segment, body })
    }
    return entries
  }
  const commits: Entry[][] = []
  for (let i = 0; i < header.commitCount; i++) commits.push(readGroup(header.firstSequence + i))
  const counters = readGroup(header.firstSequence + header.commitCount - 1)
  if (at !== records.length || bodyStart !== header.length || !bodiesWhole) return undefined
  return { firstSequence: header.firstSequence, commits, counters }
}
