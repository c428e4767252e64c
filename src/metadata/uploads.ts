// Multipart uploads: create, parts, abort, and the listings. What an upload needs to be completed is in complete.ts.
import { refusal } from '../base/errors.ts'
import type { UploadId } from '../base/ids.ts'
import type { Decision } from './decision.ts'
import type { Entry } from './entry.ts'
import {
  afterPrefix,
  bucketCounterKey,
  fixed,
  fromBinary,
  isUploadId,
  keyOfUploadKey,
  laterKey,
  makeUploadId,
  partKey,
  partPrefix,
  toBinary,
  UPLOAD_ID_BYTES,
  uploadKey,
  uploadPrefix,
  uploadsOfKey,
} from './keys.ts'
import { listPage } from './listing.ts'
import type { Checksum, PartRecord, UploadRecord } from './records.ts'
import { type BucketAddress, bucketIn, type CommitLimits, type Lookup, type Room } from './room.ts'
import {
  addFree,
  addShards,
  bodyOf,
  freeData,
  type NewData,
  type StoredPart,
  storedData,
  toPart,
} from './stored.ts'

export interface CreateUpload extends BucketAddress, CommitLimits {
  readonly key: string
  readonly facts: Omit<UploadRecord, 'id' | 'key' | 'initiatedMs'>
}

export interface UploadAddress extends BucketAddress {
  readonly key: string
  readonly upload: UploadId
}

export interface PutPart extends UploadAddress, CommitLimits {
  readonly partNumber: number
  readonly facts: { readonly size: number; readonly etag: string; readonly checksum?: Checksum | undefined }
  /** Shards must be synced. An inline body is no longer the caller's. */
  readonly data: NewData
}

export const PART_NUMBER_MAX = 10_000
/** Random bytes of an upload id: nobody guesses 144 bits. */
const UPLOAD_CHANCE_BYTES = UPLOAD_ID_BYTES - 6

const noSuchUpload = (upload: string): Error =>
  refusal('NoSuchUpload', 'The specified multipart upload does not exist', { upload })

/** The key of an upload that exists, and its record. `NoSuchBucket`, `NoSuchUpload`. */
export const uploadIn = (
  from: Lookup,
  address: UploadAddress,
): { at: string; record: UploadRecord; bucket: ReturnType<typeof bucketIn> } => {
  const bucket = bucketIn(from, address)
  if (!isUploadId(address.upload)) throw noSuchUpload(address.upload)
  const at = uploadKey(bucket.id, address.key, address.upload)
  const record = from.get(at)?.record as UploadRecord | undefined
  if (!record) throw noSuchUpload(address.upload)
  return { at, record, bucket }
}

export const createUpload = (room: Room, request: CreateUpload): Promise<UploadRecord> => {
  const { ledger, clock, random } = room
  return ledger.decide((decision) => {
    const bucket = bucketIn(decision, request)
    const id = makeUploadId(decision.sequence, random.bytes(UPLOAD_CHANCE_BYTES))
    const record: UploadRecord = { ...request.facts, id, key: request.key, initiatedMs: clock.nowMs() }
    decision.put(uploadKey(bucket.id, request.key, id), record)
    decision.count(bucketCounterKey(bucket.id), { uploads: 1 })
    return record
  }, request)
}

/** `NoSuchBucket`, `NoSuchUpload`. */
export const getUpload = ({ ledger }: Room, address: UploadAddress): UploadRecord =>
  uploadIn(ledger, address).record

/** A part of the same number is replaced. Durable when it resolves. */
export const putPart = async ({ ledger, clock }: Room, request: PutPart): Promise<PartRecord> => {
  const { partNumber, facts, data } = request
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > PART_NUMBER_MAX) {
    throw refusal('InvalidArgument', `Part number must be from 1 to ${PART_NUMBER_MAX}`)
  }
  const entry = await ledger.decide((decision) => {
    uploadIn(decision, request)
    const at = partKey(request.upload, partNumber)
    const previous = decision.get(at)?.record as StoredPart | undefined
    if (previous) freeData(decision, previous.data)
    addShards(decision, at, data)
    const { size, etag, checksum } = facts
    const stored: StoredPart = {
      partNumber,
      size,
      etag,
      modifiedMs: clock.nowMs(),
      ...(checksum && { checksum }),
      data: storedData(data),
    }
    return decision.put(at, stored, bodyOf(data))
  }, request)
  return toPart(entry)
}

/** The upload is gone when it resolves; its parts are reclaimed afterwards. */
export const abortUpload = ({ ledger }: Room, request: UploadAddress & CommitLimits): Promise<void> =>
  ledger.decide((decision) => {
    const { at, bucket } = uploadIn(decision, request)
    endUpload(decision, at, bucket.id)
    addFree(decision, { kind: 'upload', upload: request.upload })
  }, request)

export const endUpload = (decision: Decision, at: string, bucket: UploadRecordBucket): void => {
  decision.delete(at)
  decision.count(bucketCounterKey(bucket), { uploads: -1 })
}
type UploadRecordBucket = Parameters<typeof bucketCounterKey>[0]

/** Parts after number `after`, in order. */
export const listParts = async (
  { ledger }: Room,
  address: UploadAddress,
  { after, limit }: { after: number; limit: number },
): Promise<{ parts: PartRecord[]; next?: number }> => {
  uploadIn(ledger, address)
  const prefix = partPrefix(address.upload)
  const first = Math.min(after + 1, PART_NUMBER_MAX + 1)
  const scan = ledger.scan(prefix + fixed(first, 2), afterPrefix(prefix))
  try {
    const parts: PartRecord[] = []
    for (let rows = await scan.next(limit + 1); rows.length > 0; rows = await scan.next(limit + 1)) {
      for (const row of rows) {
        if (parts.length === limit) return { parts, ...(limit > 0 && { next: parts[limit - 1]!.partNumber }) }
        parts.push(toPart(row))
      }
    }
    return { parts }
  } finally {
    await scan.close()
  }
}

export interface ListUploads extends BucketAddress {
  readonly prefix: string
  readonly delimiter: string
  /** An upload by key and id; with an empty id, past every upload of that key. */
  readonly after: { readonly key: string; readonly upload: string }
  readonly limit: number
}

export interface UploadPage {
  readonly uploads: readonly UploadRecord[]
  readonly prefixes: readonly string[]
  readonly next?: { readonly key: string; readonly upload: string }
}

/** Open uploads in order of key, then of initiation. */
export const listUploads = async ({ ledger }: Room, request: ListUploads): Promise<UploadPage> => {
  const { id } = bucketIn(ledger, request)
  const space = uploadPrefix(id)
  const prefix = toBinary(request.prefix)
  const seekTo = (key: string): string => space + key.replaceAll('\x00', '\x00\xff')
  const { key, upload } = request.after
  const start = seekTo(prefix)
  const after =
    key === ''
      ? start
      : isUploadId(upload)
        ? `${uploadKey(id, key, upload)}\x00`
        : (afterPrefix(uploadsOfKey(id, key)) ?? start)
  const page = await listPage(ledger, {
    prefix,
    delimiter: toBinary(request.delimiter),
    after: toBinary(key),
    limit: request.limit,
    from: laterKey(after, start),
    to: afterPrefix(start),
    keyOf: keyOfUploadKey,
    seekTo,
  })
  const { last } = page
  return {
    uploads: page.entries.map(({ record }) => record as UploadRecord),
    prefixes: page.prefixes.map(fromBinary),
    ...(last && { next: nextOf(last) }),
  }
}

const nextOf = (last: { entry: Entry } | { prefix: string }): { key: string; upload: string } => {
  if ('prefix' in last) return { key: fromBinary(last.prefix), upload: '' }
  const { key, id } = last.entry.record as UploadRecord
  return { key, upload: id }
}
