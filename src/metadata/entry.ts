// An entry: one put or delete of one key of the index, from the decision that made it until a newer one replaces it.
// While it is queued its place in the journal is not known; `segment` and the body's `offset` are filled in when the
// frame that carries it is synced, and again when a frame is written anew into another segment.
//
// In an index an entry's value is an envelope, everything little-endian:
//
//    0  u8   format of the envelope (1)
//    1  u8   version of the record
//    2  u16  zero
//    4  u32  CRC-32 of the key, of bytes 0 … 3, then of everything from byte 8 on
//    8  u64  sequence of the commit
//   16  u32  segment that holds it
//   20  u32  offset of the body in the segment, 0 without one
//   24  u32  length of the body
//   28  u32  CRC-32 of the body
//   32       the record: JSON, UTF-8
//
// The checksum covers the key: a bit that flips in a table of LevelDB, in a key or in a value, never passes.
import { crc32 } from 'node:zlib'
import { fault } from '../base/errors.ts'
import { crc32Short } from '../codec/crc32-short.ts'
import { type BinaryKey, keyBytes } from './keys.ts'

export interface BodyPlace {
  /** In the segment. */
  offset: number
  readonly length: number
  readonly checksum: number
  /** Until the frame is synced. */
  bytes?: Uint8Array
}

export interface Entry {
  readonly key: BinaryKey
  /** Undefined: the key is deleted. */
  readonly record: unknown
  /** The record as JSON; undefined with it. */
  readonly payload: Uint8Array | undefined
  readonly recordVersion: number
  sequence: number
  /** 0 as long as the entry is queued. */
  segment: number
  readonly body: BodyPlace | undefined
}

const ENVELOPE_FORMAT = 1
export const ENVELOPE_BYTES = 32

const envelopeChecksum = (key: Uint8Array, bytes: Uint8Array, payload: Uint8Array): number => {
  const head = crc32Short(bytes, 0, 4, crc32Short(key, 0, key.length, 0))
  return crc32(payload, crc32Short(bytes, 8, ENVELOPE_BYTES, head))
}

/** Whether a value of at least ENVELOPE_BYTES, `payload` among them, is what was written under the key. */
export const isEnvelopeIntact = (rawKey: Uint8Array, bytes: Buffer, payload: Uint8Array): boolean =>
  bytes.readUInt32LE(4) === envelopeChecksum(rawKey, bytes, payload)

export const readSequence = (bytes: Buffer): number =>
  bytes.readUInt32LE(8) + bytes.readUInt32LE(12) * 2 ** 32
export const readSegment = (bytes: Buffer): number => bytes.readUInt32LE(16)
export const readBodyPlace = (bytes: Buffer): BodyPlace | undefined => {
  const length = bytes.readUInt32LE(24)
  if (length === 0) return undefined
  return { offset: bytes.readUInt32LE(20), length, checksum: bytes.readUInt32LE(28) }
}

export const encodeEnvelope = (entry: Entry): Buffer => {
  const payload = entry.payload!
  const bytes = Buffer.allocUnsafe(ENVELOPE_BYTES + payload.length)
  bytes[0] = ENVELOPE_FORMAT
  bytes[1] = entry.recordVersion
  bytes.writeUInt16LE(0, 2)
  bytes.writeUInt32LE(entry.sequence % 2 ** 32, 8)
  bytes.writeUInt32LE(Math.floor(entry.sequence / 2 ** 32), 12)
  bytes.writeUInt32LE(entry.segment, 16)
  bytes.writeUInt32LE(entry.body?.offset ?? 0, 20)
  bytes.writeUInt32LE(entry.body?.length ?? 0, 24)
  bytes.writeUInt32LE(entry.body?.checksum ?? 0, 28)
  bytes.set(payload, ENVELOPE_BYTES)
  bytes.writeUInt32LE(envelopeChecksum(keyBytes(entry.key), bytes, payload), 4)
  return bytes
}

/** The entry an index holds under `key`; undefined when the value does not verify. `RECORD_VERSION` when it is newer. */
export const decodeEnvelope = (key: BinaryKey, rawKey: Uint8Array, bytes: Buffer): Entry | undefined => {
  if (bytes.length < ENVELOPE_BYTES) return undefined
  const payload = bytes.subarray(ENVELOPE_BYTES)
  if (!isEnvelopeIntact(rawKey, bytes, payload)) return undefined
  checkEnvelopeVersions(key[0]!, bytes)
  const recordVersion = bytes[1]!
  return {
    key,
    recordVersion,
    payload,
    record: decodeRecord(key, recordVersion, payload),
    sequence: readSequence(bytes),
    segment: readSegment(bytes),
    body: readBodyPlace(bytes),
  }
}

/** One function per step: `MIGRATIONS[kind][i]` makes a record of version i + 2 from one of version i + 1. */
export type Migrations = ReadonlyMap<string, readonly ((older: unknown) => unknown)[]>

/** By space. A kind that is not here is at version 1, as everything is in this release. */
const MIGRATIONS: Migrations = new Map()

export const currentRecordVersion = (key: BinaryKey, migrations: Migrations = MIGRATIONS): number =>
  1 + (migrations.get(key[0]!)?.length ?? 0)

/** Throws `RECORD_VERSION` for what a later release wrote. */
const checkRecordVersion = (space: string, version: number, current: number): void => {
  if (version <= current) return
  throw fault('RECORD_VERSION', `record '${space}' of version ${version} is newer than this release`, {
    kind: space,
    version,
  })
}

/** The same for an envelope and the record in it. */
export const checkEnvelopeVersions = (space: string, bytes: Uint8Array): void => {
  if (bytes[0] !== ENVELOPE_FORMAT) {
    throw fault('RECORD_VERSION', `index envelope of format ${bytes[0]} is newer than this release`)
  }
  checkRecordVersion(space, bytes[1]!, currentRecordVersion(space))
}

/** JSON to the record of today; `RECORD_VERSION` when a later release wrote it. */
export const decodeRecord = (
  key: BinaryKey,
  version: number,
  payload: Uint8Array,
  migrations: Migrations = MIGRATIONS,
): unknown => {
  const current = currentRecordVersion(key, migrations)
  checkRecordVersion(key[0]!, version, current)
  let record: unknown = JSON.parse((payload as Buffer).toString('utf8'))
  for (let step = version; step < current; step++) record = migrations.get(key[0]!)![step - 1]!(record)
  return record
}

export const putEntry = (key: BinaryKey, record: unknown, body?: Uint8Array): Entry => ({
  key,
  record,
  payload: Buffer.from(JSON.stringify(record)),
  recordVersion: currentRecordVersion(key),
  sequence: 0,
  segment: 0,
  body:
    body === undefined ? undefined : { offset: 0, length: body.length, checksum: crc32(body), bytes: body },
})

export const deleteEntry = (key: BinaryKey): Entry => ({
  key,
  record: undefined,
  payload: undefined,
  recordVersion: 0,
  sequence: 0,
  segment: 0,
  body: undefined,
})

/** What an entry costs in memory and in a frame, roughly. */
export const entryBytes = (entry: Entry): number =>
  entry.key.length + (entry.payload?.length ?? 0) + (entry.body?.bytes?.length ?? 0) + 64
