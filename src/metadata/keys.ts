// Keys of the index: one byte for the space, then fixed-width parts, then names. Their byte order is the order S3 lists in.
//
// In memory a key is a "binary string": one character per byte. Such strings compare byte by byte, hash well and need
// no allocation to take apart; they become bytes only where they meet a disk.
//
//   b  name                                       bucket
//   v  bucket(8) key                              current version: LIST scans these and nothing else
//   V  bucket(8) key 0000 ~sequence(6)            reserved: noncurrent versions, newest first
//   u  bucket(8) key 0000 upload(24)              open upload; an upload id begins with the sequence that made it
//   p  upload(24) number(2)                       part; it stays here when its upload is completed
//   t  upload(24) page(2)                         parts of a completed upload, in order, PARTS_PER_PAGE a page
//   f  sequence(6) index(2)                       what is to be reclaimed
//   w  write(16)                                  which record holds the shards of a write
//   g  name                                       configuration
//   c  b bucket(8) | d disk(4) | f | n | r        counters
//
// Where a key is followed by more, its 00 bytes are written 00 FF and it ends with 00 00, which keeps the order.
import type { BucketId, DiskNumber, UploadId, WriteId } from '../base/ids.ts'
import { createMemo } from '../base/memo.ts'

/** One character per byte. */
export type BinaryKey = string

export const SPACE = {
  mark: '\x00',
  bucket: 'b',
  counter: 'c',
  free: 'f',
  config: 'g',
  part: 'p',
  table: 't',
  upload: 'u',
  current: 'v',
  write: 'w',
} as const

export const BUCKET_ID_BYTES = 8
export const UPLOAD_ID_BYTES = 24
const SEQUENCE_BYTES = 6

const isAscii = (text: string): boolean => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return false
  return true
}

/** UTF-8 bytes of `text` as a binary string. */
export const toBinary = (text: string): BinaryKey =>
  isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')

/** The text whose UTF-8 bytes are `binary`. */
export const fromBinary = (binary: BinaryKey): string =>
  isAscii(binary) ? binary : Buffer.from(binary, 'latin1').toString('utf8')

export const keyBytes = (key: BinaryKey): Buffer => Buffer.from(key, 'latin1')

/** Big-endian, `width` bytes: the order of the numbers is the order of the keys. */
export const fixed = (value: number, width: number): BinaryKey => {
  let text = ''
  let rest = value
  for (let i = 0; i < width; i++) {
    text = String.fromCharCode(rest % 256) + text
    rest = Math.floor(rest / 256)
  }
  return text
}

export const readFixed = (key: BinaryKey, offset: number, width: number): number => {
  let value = 0
  for (let i = 0; i < width; i++) value = value * 256 + key.charCodeAt(offset + i)
  return value
}

const hexBytes = (hex: string): BinaryKey => Buffer.from(hex, 'hex').toString('latin1')
/** Every look-up begins with the id of its bucket, and most with that of the same few. */
const bucketBytes = createMemo(1024, hexBytes)

const escaped = (binary: BinaryKey): BinaryKey =>
  `${binary.includes('\x00') ? binary.replaceAll('\x00', '\x00\xff') : binary}\x00\x00`

/** Math.max for keys. */
export const laterKey = (a: BinaryKey, b: BinaryKey): BinaryKey => {
  if (a > b) return a
  return b
}

/** The first key after everything that begins with `prefix`; undefined when there is none. */
export const afterPrefix = (prefix: BinaryKey): BinaryKey | undefined => {
  for (let i = prefix.length - 1; i >= 0; i--) {
    const code = prefix.charCodeAt(i)
    if (code < 0xff) return prefix.slice(0, i) + String.fromCharCode(code + 1)
  }
  return undefined
}

export const bucketKey = (name: string): BinaryKey => SPACE.bucket + toBinary(name)

export const currentPrefix = (bucket: BucketId): BinaryKey => SPACE.current + bucketBytes(bucket)
export const currentKey = (bucket: BucketId, key: string): BinaryKey => currentPrefix(bucket) + toBinary(key)
/** Length of what precedes the S3 key in a `current` key. */
export const CURRENT_KEY_OFFSET = 1 + BUCKET_ID_BYTES

export const uploadPrefix = (bucket: BucketId): BinaryKey => SPACE.upload + bucketBytes(bucket)
export const uploadsOfKey = (bucket: BucketId, key: string): BinaryKey =>
  uploadPrefix(bucket) + escaped(toBinary(key))
export const uploadKey = (bucket: BucketId, key: string, upload: UploadId): BinaryKey =>
  uploadsOfKey(bucket, key) + hexBytes(upload)
/** The S3 key inside an `upload` key, as a binary string. */
export const keyOfUploadKey = (key: BinaryKey): BinaryKey =>
  key.slice(1 + BUCKET_ID_BYTES, -UPLOAD_ID_BYTES - 2).replaceAll('\x00\xff', '\x00')

export const partPrefix = (upload: UploadId): BinaryKey => SPACE.part + hexBytes(upload)
export const partKey = (upload: UploadId, partNumber: number): BinaryKey =>
  partPrefix(upload) + fixed(partNumber, 2)

/** Whose part has this key; undefined when it is the key of something else. */
export const partOfKey = (key: BinaryKey): { upload: UploadId; partNumber: number } | undefined => {
  if (key[0] !== SPACE.part) return undefined
  const end = 1 + UPLOAD_ID_BYTES
  const upload = Buffer.from(key.slice(1, end), 'latin1').toString('hex') as UploadId
  return { upload, partNumber: readFixed(key, end, 2) }
}

export const tablePrefix = (upload: UploadId): BinaryKey => SPACE.table + hexBytes(upload)
export const tableKey = (upload: UploadId, page: number): BinaryKey => tablePrefix(upload) + fixed(page, 2)

export const freeKey = (sequence: number, index: number): BinaryKey =>
  SPACE.free + fixed(sequence, SEQUENCE_BYTES) + fixed(index, 2)
export const sequenceOfFreeKey = (key: BinaryKey): number => readFixed(key, 1, SEQUENCE_BYTES)

export const writeKey = (write: WriteId): BinaryKey => SPACE.write + hexBytes(write)
export const configKey = (name: string): BinaryKey => SPACE.config + toBinary(name)

export const bucketCounterKey = (bucket: BucketId): BinaryKey => `${SPACE.counter}b${bucketBytes(bucket)}`
export const diskCounterKey = (disk: DiskNumber): BinaryKey => `${SPACE.counter}d${fixed(disk, 4)}`
export const FREES_COUNTER_KEY: BinaryKey = `${SPACE.counter}f`
/** Of shards that are `isReduced`. */
export const REDUCED_COUNTER_KEY: BinaryKey = `${SPACE.counter}r`
export const diskOfCounterKey = (key: BinaryKey): DiskNumber => readFixed(key, 2, 4) as DiskNumber

/** An upload id: 12 hex digits of the sequence that made it, 36 of chance. */
export const isUploadId = (text: string): text is UploadId => /^[0-9a-f]{48}$/.test(text)
export const makeUploadId = (sequence: number, chance: Uint8Array): UploadId =>
  (sequence.toString(16).padStart(12, '0') + Buffer.from(chance).toString('hex')) as UploadId
