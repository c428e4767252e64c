// What a listing shows of a version. It is at the front of the record's JSON, always in the same order (`newStoredVersion`),
// so that a page of a thousand versions need not be parsed: it is read from the bytes, and nothing else of them is touched.
// Anything that does not look exactly like that, as what an earlier release wrote, is parsed like every record.
import type { Entry } from './entry.ts'
import { IndexRow } from './index-row.ts'
import { CURRENT_KEY_OFFSET, fromBinary } from './keys.ts'
import type { ChecksumAlgorithm, ChecksumType, ListedVersion } from './records.ts'
import type { StoredVersion } from './stored.ts'

/** A version's record without what its key says. */
export type ListedFacts = Omit<ListedVersion, 'key'>

const SIZE = Buffer.from('{"size":')
/** Before the size when the entry was committed again by a compaction. */
const SEQUENCE = Buffer.from('{"sequence":')
const SIZE_AGAIN = Buffer.from(',"size":')
const ETAG = Buffer.from(',"etag":"')
const MODIFIED = Buffer.from('","modifiedMs":')
const REST =
  /^,"owner":"(\w*)","storageClass":"STANDARD",(?:"checksum":\{"algorithm":"(\w+)","type":"(\w+)","value":")?/
/** The name of a member wherever it stands: a quote inside of a string has a backslash before it. */
const ANY_CHECKSUM = '"checksum":'

/** Numbers of so many digits are exact. */
const DIGITS_MAX = 15
/** 1 for the letters, digits, `_` and `-`: bytes that JSON never escapes, and no part of another character in UTF-8. */
const IS_WORD = Uint8Array.from({ length: 256 }, (_, byte) => Number(/[\w-]/.test(String.fromCharCode(byte))))

const hasAt = (json: Buffer, at: number, literal: Buffer): boolean => {
  for (let i = 0; i < literal.length; i++) if (json[at + i] !== literal[i]) return false
  return true
}

const endOfDigits = (json: Buffer, from: number): number => {
  let at = from
  while (at < json.length && json[at]! >= 0x30 && json[at]! <= 0x39) at++
  return at
}

const endOfWord = (json: Buffer, from: number): number => {
  let at = from
  while (at < json.length && IS_WORD[json[at]!] === 1) at++
  return at
}

/** Undefined for no digits, or for more than are exact. */
const numberIn = (json: Buffer, from: number, to: number): number | undefined => {
  if (to === from || to - from > DIGITS_MAX) return undefined
  let value = 0
  for (let at = from; at < to; at++) value = value * 10 + json[at]! - 0x30
  return value
}

type Rest = Pick<ListedFacts, 'owner' | 'storageClass' | 'checksum'>

/** The rest of the record that was read last, and its bytes: those of a bucket are mostly the same. */
let lastRest: Rest = { owner: '', storageClass: 'STANDARD' }
let lastBytes = Buffer.from(',"owner":"","storageClass":"STANDARD",')

const readRest = (json: Buffer, at: number): Rest | undefined => {
  const hasChecksum = (): boolean => json.includes(ANY_CHECKSUM, at)
  if (hasAt(json, at, lastBytes) && (lastRest.checksum !== undefined || !hasChecksum())) return lastRest
  const found = REST.exec(json.toString('latin1', at))
  if (!found) return undefined
  const [text, owner, algorithm, type] = found
  if (algorithm === undefined && hasChecksum()) return undefined
  const checksum = { algorithm: algorithm as ChecksumAlgorithm, type: type as ChecksumType }
  lastRest = { owner: owner!, storageClass: 'STANDARD', ...(algorithm !== undefined && { checksum }) }
  lastBytes = Buffer.from(text)
  return lastRest
}

/** What is at the front of a record as `JSON.stringify` wrote it; undefined when it has to be parsed. */
export const readFront = (json: Buffer): ListedFacts | undefined => {
  let at = SIZE.length
  if (!hasAt(json, 0, SIZE)) {
    if (!hasAt(json, 0, SEQUENCE)) return undefined
    at = endOfDigits(json, SEQUENCE.length)
    if (!hasAt(json, at, SIZE_AGAIN)) return undefined
    at += SIZE_AGAIN.length
  }
  const sizeEnd = endOfDigits(json, at)
  const size = numberIn(json, at, sizeEnd)
  if (size === undefined || !hasAt(json, sizeEnd, ETAG)) return undefined
  const etagStart = sizeEnd + ETAG.length
  const etagEnd = endOfWord(json, etagStart)
  if (!hasAt(json, etagEnd, MODIFIED)) return undefined
  const modifiedStart = etagEnd + MODIFIED.length
  const modifiedEnd = endOfDigits(json, modifiedStart)
  const modifiedMs = numberIn(json, modifiedStart, modifiedEnd)
  if (modifiedMs === undefined) return undefined
  const rest = readRest(json, modifiedEnd)
  if (rest === undefined) return undefined
  const etag = json.toString('latin1', etagStart, etagEnd)
  const { owner, storageClass, checksum } = rest
  if (checksum === undefined) return { size, etag, modifiedMs, owner, storageClass }
  return { size, etag, modifiedMs, owner, storageClass, checksum }
}

/** The version an entry of the `current` space holds, as a listing shows it. */
export const toListed = (entry: Entry): ListedVersion => {
  const isRow = entry instanceof IndexRow
  const key = isRow ? entry.keyText(CURRENT_KEY_OFFSET) : fromBinary(entry.key.slice(CURRENT_KEY_OFFSET))
  const front = isRow ? readFront(entry.payload) : undefined
  const { size, etag, modifiedMs, owner, storageClass, checksum } = front ?? (entry.record as StoredVersion)
  if (checksum === undefined) return { key, size, etag, modifiedMs, owner, storageClass }
  if (front) return { key, size, etag, modifiedMs, owner, storageClass, checksum }
  const { algorithm, type } = checksum
  return { key, size, etag, modifiedMs, owner, storageClass, checksum: { algorithm, type } }
}
