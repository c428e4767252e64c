// CompleteMultipartUpload: the parts stay where they are and become the version. A table of their numbers and sizes, in
// pages, lets a range read find its part without reading them all.
import { createHash } from 'node:crypto'
import { refusal } from '../base/errors.ts'
import type { UploadId } from '../base/ids.ts'
import { type CrcName, combineCrc, createDigest } from '../codec/checksums.ts'
import type { Entry } from './entry.ts'
import { afterPrefix, bucketCounterKey, currentKey, partKey, partPrefix, tableKey } from './keys.ts'
import type {
  Checksum,
  ChecksumAlgorithm,
  ChecksumType,
  PartRecord,
  UploadRecord,
  VersionRecord,
} from './records.ts'
import { bucketIn, type CommitLimits, type Room } from './room.ts'
import {
  addFree,
  freeData,
  newStoredVersion,
  type StoredPart,
  type StoredVersion,
  toPart,
  toVersion,
} from './stored.ts'
import { endUpload, type UploadAddress, uploadIn } from './uploads.ts'
import { type Conditions, checkConditions } from './versions.ts'

export interface CompleteUpload extends UploadAddress, CommitLimits {
  readonly parts: readonly {
    readonly partNumber: number
    /** Without quotes. */
    readonly etag: string
    readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined
  }[]
  readonly conditions?: Conditions | undefined
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string } | undefined
  readonly checksumType?: ChecksumType | undefined
  readonly size?: number | undefined
}

/** Parts a page of the table holds: a page is some 4 KiB, and 10,000 parts are 40 pages. */
export const PARTS_PER_PAGE = 250
const SCAN_ROWS = 1000

/** One page: where it begins in the object, and each part's number and size. */
export interface PartTablePage {
  readonly start: number
  readonly parts: readonly (readonly [partNumber: number, size: number])[]
}

const CRC_NAMES: Readonly<Partial<Record<ChecksumAlgorithm, CrcName>>> = {
  CRC32: 'crc32',
  CRC32C: 'crc32c',
  CRC64NVME: 'crc64nvme',
}
const DIGEST_NAMES = {
  CRC32: 'crc32',
  CRC32C: 'crc32c',
  CRC64NVME: 'crc64nvme',
  SHA1: 'sha1',
  SHA256: 'sha256',
} as const

const assertOrder = (parts: CompleteUpload['parts']): void => {
  if (parts.length === 0) throw refusal('MalformedXML', 'You must specify at least one part')
  parts.forEach((part, i) => {
    if (i > 0 && part.partNumber <= parts[i - 1]!.partNumber) {
      throw refusal('InvalidPartOrder', 'The list of parts was not in ascending order')
    }
  })
}

/** A checksum of checksums is the client's own only when it names those; of the full object it needs none of them. */
const assertChecksums = (upload: UploadRecord, parts: CompleteUpload['parts']): void => {
  const { checksumAlgorithm: algorithm, checksumType } = upload
  if (algorithm === undefined || checksumType !== 'COMPOSITE') return
  const bare = parts.find(({ checksum }) => checksum?.algorithm !== algorithm)
  if (bare === undefined) return
  const name = algorithm.toLowerCase()
  throw refusal(
    'InvalidRequest',
    `The upload was created using a ${name} checksum. The complete request must include the checksum for each part. It was missing for part ${bare.partNumber} in the request.`,
  )
}

/** Whether the part is the one that a list means. */
const isListed = (part: PartRecord, { etag, checksum }: CompleteUpload['parts'][number]): boolean =>
  part.etag === etag &&
  (checksum === undefined ||
    (part.checksum?.algorithm === checksum.algorithm && part.checksum.value === checksum.value))

/** The parts as they are stored, in the order of the request. Whether they exist comes before how large they are. */
const selectParts = (
  request: CompleteUpload,
  stored: ReadonlyMap<number, PartRecord>,
  partBytesMin: number,
): PartRecord[] => {
  const parts = request.parts.map((listed) => {
    const part = stored.get(listed.partNumber)
    if (!part || !isListed(part, listed)) {
      throw refusal('InvalidPart', 'One or more of the specified parts could not be found', {
        PartNumber: listed.partNumber,
      })
    }
    return part
  })
  const small = parts.slice(0, -1).find(({ size }) => size < partBytesMin)
  if (small) {
    throw refusal('EntityTooSmall', 'Your proposed upload is smaller than the minimum allowed size', {
      PartNumber: small.partNumber,
      ProposedSize: small.size,
      MinSizeAllowed: partBytesMin,
    })
  }
  return parts
}

const multipartEtag = (parts: readonly PartRecord[]): string => {
  const hash = createHash('md5')
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'))
  return `${hash.digest('hex')}-${parts.length}`
}

/** Undefined when a part lacks the checksum: then the upload was made without. */
const multipartChecksum = (
  algorithm: ChecksumAlgorithm,
  type: ChecksumType,
  parts: readonly PartRecord[],
): Checksum | undefined => {
  const values: Buffer[] = []
  for (const { checksum } of parts) {
    if (checksum?.algorithm !== algorithm) return undefined
    values.push(Buffer.from(checksum.value, 'base64'))
  }
  if (type === 'FULL_OBJECT') {
    const crc = CRC_NAMES[algorithm]
    if (!crc) throw refusal('InvalidRequest', `${algorithm} has no checksum of the full object`)
    let value: Uint8Array = values[0]!
    for (let i = 1; i < values.length; i++) value = combineCrc(crc, value, values[i]!, parts[i]!.size)
    return { algorithm, type, value: Buffer.from(value).toString('base64') }
  }
  const digest = createDigest(DIGEST_NAMES[algorithm])
  for (const value of values) digest.update(value)
  return { algorithm, type, value: `${Buffer.from(digest.digest()).toString('base64')}-${parts.length}` }
}

const checksumFor = (
  request: CompleteUpload,
  upload: UploadRecord,
  parts: readonly PartRecord[],
): Checksum | undefined => {
  const algorithm = upload.checksumAlgorithm ?? request.checksum?.algorithm ?? parts[0]!.checksum?.algorithm
  if (!algorithm) return undefined
  const standard = algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'
  const type = upload.checksumType ?? request.checksumType ?? standard
  if (request.checksumType && request.checksumType !== type) {
    throw refusal('InvalidRequest', 'The checksum type is not the one the upload was created with')
  }
  const checksum = multipartChecksum(algorithm, type, parts)
  if (request.checksum) {
    const given = request.checksum
    // A client may or may not write the number of parts behind a composite checksum.
    const holds =
      checksum?.algorithm === given.algorithm &&
      (checksum.value === given.value || checksum.value === `${given.value}-${parts.length}`)
    if (!holds) throw refusal('BadDigest', 'The checksum you specified did not match what we calculated')
  }
  return checksum
}

/** Parts of an upload as synced commits left them. */
export const partsOf = async ({ ledger }: Room, upload: UploadId): Promise<Map<number, PartRecord>> => {
  const parts = new Map<number, PartRecord>()
  const prefix = partPrefix(upload)
  const scan = ledger.scan(prefix, afterPrefix(prefix))
  try {
    for (let rows = await scan.next(SCAN_ROWS); rows.length > 0; rows = await scan.next(SCAN_ROWS)) {
      for (const row of rows) parts.set((row.record as StoredPart).partNumber, toPart(row))
    }
  } finally {
    await scan.close()
  }
  return parts
}

const versionOf = (
  request: CompleteUpload,
  upload: UploadRecord,
  parts: readonly PartRecord[],
  modifiedMs: number,
): StoredVersion => {
  const size = parts.reduce((sum, part) => sum + part.size, 0)
  if (request.size !== undefined && request.size !== size) {
    throw refusal('InvalidRequest', 'The parts do not add up to the object size you specified', { size })
  }
  const checksum = checksumFor(request, upload, parts)
  const facts = {
    size,
    etag: multipartEtag(parts),
    headers: upload.headers,
    metadata: upload.metadata,
    ...(checksum && { checksum }),
    partCount: parts.length,
    owner: upload.owner,
    storageClass: upload.storageClass,
  }
  return newStoredVersion(facts, modifiedMs, { kind: 'parts', upload: upload.id })
}

const tablePages = (parts: readonly PartRecord[]): PartTablePage[] => {
  const pages: PartTablePage[] = []
  let start = 0
  for (let i = 0; i < parts.length; i += PARTS_PER_PAGE) {
    const page = parts.slice(i, i + PARTS_PER_PAGE)
    pages.push({ start, parts: page.map(({ partNumber, size }) => [partNumber, size] as const) })
    start += page.reduce((sum, { size }) => sum + size, 0)
  }
  return pages
}

/**
 * Call it while no other command of this upload is decided (see `Partition`): the parts it reads are those it commits.
 * Completing what is completed, from the same list of parts, answers the same version as long as that is current.
 */
export const completeUpload = async (room: Room, request: CompleteUpload): Promise<VersionRecord> => {
  const { ledger, clock, limits } = room
  // Parts that are queued belong to the upload; after this they are synced or have failed.
  await ledger.settled()
  const stored = await partsOf(room, request.upload)
  const repeated = repeatedVersion(room, request, stored)
  if (repeated) return toVersion(repeated)
  const { record: upload } = uploadIn(ledger, request)
  assertOrder(request.parts)
  assertChecksums(upload, request.parts)
  const parts = selectParts(request, stored, limits.partBytesMin)
  const version = versionOf(request, upload, parts, clock.nowMs())
  const entry = await ledger.decide((decision) => {
    const { at, bucket } = uploadIn(decision, request)
    const versionKey = currentKey(bucket.id, request.key)
    const previous = decision.get(versionKey)?.record as StoredVersion | undefined
    checkConditions(request.conditions, previous, request.key)
    if (previous) freeData(decision, previous.data)
    endUpload(decision, at, bucket.id)
    tablePages(parts).forEach((page, i) => void decision.put(tableKey(request.upload, i), page))
    if (stored.size > parts.length) addFree(decision, { kind: 'unlisted', upload: request.upload })
    decision.count(bucketCounterKey(bucket.id), {
      objects: previous ? 0 : 1,
      bytes: version.size - (previous?.size ?? 0),
    })
    return decision.put(versionKey, version)
  }, request)
  return toVersion(entry)
}

/** A client that asks again because it has not heard the answer lists the same parts; with others the upload is gone. */
const repeatedVersion = (
  room: Room,
  request: CompleteUpload,
  stored: ReadonlyMap<number, PartRecord>,
): Entry | undefined => {
  const { id } = bucketIn(room.ledger, request)
  const current = room.ledger.get(currentKey(id, request.key))
  const version = current?.record as StoredVersion | undefined
  if (version?.data.kind !== 'parts' || version.data.upload !== request.upload) return undefined
  const numbers = completedNumbers(room, request.upload, version.partCount ?? 0)
  const isSame =
    request.parts.length === numbers.length &&
    request.parts.every((listed, i) => {
      const part = stored.get(listed.partNumber)
      return listed.partNumber === numbers[i] && part !== undefined && isListed(part, listed)
    })
  return isSame ? current : undefined
}

const completedNumbers = (room: Room, upload: UploadId, partCount: number): number[] => {
  const numbers: number[] = []
  for (let page = 0; page * PARTS_PER_PAGE < partCount; page++) {
    const { parts = [] } = readTablePage(room, upload, page) ?? {}
    for (const [partNumber] of parts) numbers.push(partNumber)
  }
  return numbers
}

/** A part of a completed upload and where it begins in the object. */
export interface PlacedPart {
  readonly start: number
  readonly part: PartRecord
}

const readTablePage = ({ ledger }: Room, upload: UploadId, page: number): PartTablePage | undefined =>
  ledger.get(tableKey(upload, page))?.record as PartTablePage | undefined

/** Up to `limit` parts from the one that holds byte `offset` on; empty past the end. */
export const partsAt = (room: Room, version: VersionRecord, offset: number, limit: number): PlacedPart[] => {
  if (version.data.kind !== 'parts') return []
  const { upload } = version.data
  const pageCount = Math.ceil((version.partCount ?? 0) / PARTS_PER_PAGE)
  let low = 0
  let high = pageCount - 1
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((readTablePage(room, upload, middle)?.start ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  const found: PlacedPart[] = []
  for (let page = low; page < pageCount && found.length < limit; page++) {
    const table = readTablePage(room, upload, page)
    if (!table) break
    let start = table.start
    for (const [partNumber, size] of table.parts) {
      if (start + size > offset && found.length < limit) {
        const entry = room.ledger.get(partKey(upload, partNumber))
        if (!entry) return found
        found.push({ start, part: toPart(entry) })
      }
      start += size
    }
  }
  return found
}

/** Where part `partNumber` lies in the object; undefined when the version has no such part. */
export const partRange = (
  room: Room,
  version: VersionRecord,
  partNumber: number,
): { start: number; length: number } | undefined => {
  if (version.data.kind !== 'parts') return partNumber === 1 ? { start: 0, length: version.size } : undefined
  for (let page = 0; page * PARTS_PER_PAGE < (version.partCount ?? 0); page++) {
    const table = readTablePage(room, version.data.upload, page)
    let start = table?.start ?? 0
    for (const [number, length] of table?.parts ?? []) {
      if (number === partNumber) return { start, length }
      start += length
    }
  }
  return undefined
}
