// The specification of the store: what PUT, GET, DELETE, LIST, multipart uploads and conditions mean, in `Map`s and
// without disks, threads or time. The handlers are tested on it, and random histories must give the same answers on it
// and on the real engine. A new feature starts here.
//
// It favors what can be read over what is fast: listings sort, bodies are copied whole.
import { Buffer } from 'node:buffer'
import type {
  Body,
  BodySeal,
  ByteRange,
  Chunk,
  CompletePart,
  CompleteRequest,
  DigestName,
  Engine,
  ObjectAddress,
  Reading,
  UploadAddress,
  WriteConditions,
} from '../../src/actors/engine.ts'
import { assert, type RefusalCode, refusal } from '../../src/base/errors.ts'
import type { BucketId, UploadId } from '../../src/base/ids.ts'
import { MiB } from '../../src/base/units.ts'
import { createDigest } from '../../src/codec/checksums.ts'
import type {
  BucketRecord,
  Checksum,
  Data,
  PartRecord,
  UploadRecord,
  VersionRecord,
} from '../../src/metadata/records.ts'
import { listedOf } from './listed.ts'

/** Every part but the last is at least that long. */
const PART_BYTES_MIN = 5 * MiB
const CHUNK_BYTES = 64 * 1024
const BUCKETS_MAX = 10_000

interface Stored {
  readonly version: VersionRecord
  readonly bytes: Uint8Array
  /** Of a multipart version: its parts and the upload it came from. */
  readonly parts?: readonly Part[]
  readonly upload?: UploadId
}

interface Part {
  readonly record: PartRecord
  readonly bytes: Uint8Array
}

interface Upload {
  readonly record: UploadRecord
  readonly parts: Map<number, Part>
}

interface Bucket {
  readonly record: BucketRecord
  readonly objects: Map<string, Stored>
  readonly uploads: Map<UploadId, Upload>
}

export interface ReferenceStore extends Engine {
  /** Readings that are not closed and chunks that are not released: 0 when everyone gave back what they took. */
  leases(): number
}

/** UTF-8 byte order: the order of S3's listings. */
export const compareKeys = (left: string, right: string): number =>
  Buffer.compare(Buffer.from(left), Buffer.from(right))

const no = (code: RefusalCode): never => {
  throw refusal(code, `reference store: ${code}`)
}

const digestOf = (name: DigestName, bytes: Uint8Array): Uint8Array => {
  const digest = createDigest(name)
  digest.update(bytes)
  return digest.digest()
}

const encode = (bytes: Uint8Array, as: 'hex' | 'base64'): string => Buffer.from(bytes).toString(as)

/** All bytes of a body, and its seal. */
const consume = async (body: Body): Promise<{ bytes: Uint8Array; seal: BodySeal }> => {
  const pieces: Uint8Array[] = []
  for await (const chunk of body.chunks) pieces.push(Uint8Array.from(chunk))
  const bytes = Buffer.concat(pieces)
  assert(bytes.length === body.size, 'a body yields as many bytes as it says')
  return { bytes, seal: body.seal(new Map(body.digests.map((name) => [name, digestOf(name, bytes)]))) }
}

const checkConditions = (
  current: VersionRecord | undefined,
  { ifMatch, ifNoneMatch }: WriteConditions = {},
): void => {
  if (ifMatch !== undefined) {
    if (current === undefined) no('NoSuchKey')
    else if (!ifMatch.includes('*') && !ifMatch.includes(current.etag)) no('PreconditionFailed')
  }
  if (ifNoneMatch !== undefined && current !== undefined) {
    if (ifNoneMatch.includes('*') || ifNoneMatch.includes(current.etag)) no('PreconditionFailed')
  }
}

interface Page<T> {
  readonly items: readonly T[]
  readonly prefixes: readonly string[]
  /** The last item or prefix of the page, when there is more. */
  readonly next: { readonly item: T } | { readonly prefix: string } | undefined
}

/** One page of sorted `items`: those that `isAfter` lets pass, rolled up at the delimiter. */
const paginate = <T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  isAfter: (item: T) => boolean,
  { prefix, delimiter, after, limit }: { prefix: string; delimiter: string; after: string; limit: number },
): Page<T> => {
  const found: T[] = []
  const prefixes: string[] = []
  let next: Page<T>['next']
  for (const item of items) {
    const key = keyOf(item)
    if (!key.startsWith(prefix)) continue
    const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const rolledUp = at < 0 ? undefined : key.slice(0, at + delimiter.length)
    const isPassed = rolledUp === undefined ? !isAfter(item) : compareKeys(rolledUp, after) <= 0
    if (isPassed || (rolledUp !== undefined && prefixes.includes(rolledUp))) continue
    if (found.length + prefixes.length === limit) return { items: found, prefixes, next }
    if (rolledUp === undefined) found.push(item)
    else prefixes.push(rolledUp)
    next = rolledUp === undefined ? { item } : { prefix: rolledUp }
  }
  return { items: found, prefixes, next: undefined }
}

/** Of what was begun without an algorithm, that of the parts; none unless every part has it. */
const completeChecksum = (
  { checksum: claimed, checksumType: claimedType }: CompleteRequest,
  upload: UploadRecord,
  parts: readonly Part[],
): Checksum | undefined => {
  const algorithm = upload.checksumAlgorithm ?? claimed?.algorithm ?? parts[0]?.record.checksum?.algorithm
  if (algorithm === undefined) return undefined
  const type = upload.checksumType ?? claimedType ?? (algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE')
  if (claimedType !== undefined && claimedType !== type) no('InvalidRequest')
  if (parts.some(({ record }) => record.checksum?.algorithm !== algorithm)) {
    return claimed === undefined ? undefined : no('BadDigest')
  }
  const name = algorithm.toLowerCase() as DigestName
  const whole = Buffer.concat(
    parts.map(({ bytes }) => (type === 'FULL_OBJECT' ? bytes : digestOf(name, bytes))),
  )
  const digest = encode(digestOf(name, whole), 'base64')
  const value = type === 'FULL_OBJECT' ? digest : `${digest}-${parts.length}`
  // Clients write a composite checksum with and without its number of parts.
  if (claimed !== undefined && ![value, digest].includes(claimed.value)) no('BadDigest')
  if (claimed !== undefined && claimed.algorithm !== algorithm) no('BadDigest')
  return { algorithm, type, value }
}

const isListed = ({ record }: Part, { partNumber, etag, checksum: named }: CompletePart): boolean =>
  record.partNumber === partNumber &&
  record.etag === etag &&
  (!named || (named.algorithm === record.checksum?.algorithm && named.value === record.checksum.value))

/** Whether a client that completed asks again; with another list of parts there is no such upload any more. */
const isRepeated = ({ parts = [], upload }: Stored, request: CompleteRequest): boolean =>
  upload === request.upload &&
  parts.length === request.parts.length &&
  parts.every((part, i) => isListed(part, request.parts[i]!))

/** The parts a client lists, as they were uploaded. Judged first is the list itself, then each part, then sizes. */
const chooseParts = ({ record, parts: uploaded }: Upload, listed: readonly CompletePart[]): Part[] => {
  if (listed.length === 0) no('MalformedXML')
  const isOrdered = listed.every(({ partNumber }, i) => i === 0 || partNumber > listed[i - 1]!.partNumber)
  if (!isOrdered) no('InvalidPartOrder')
  const isNamed = listed.every(({ checksum }) => checksum?.algorithm === record.checksumAlgorithm)
  if (record.checksumType === 'COMPOSITE' && !isNamed) no('InvalidRequest')
  const parts = listed.map((named) => {
    const part = uploaded.get(named.partNumber)
    return part && isListed(part, named) ? part : no('InvalidPart')
  })
  if (parts.slice(0, -1).some(({ bytes }) => bytes.length < PART_BYTES_MIN)) no('EntityTooSmall')
  return parts
}

export const createReferenceStore = (nowMs: () => number = () => 1_700_000_000_000): ReferenceStore => {
  const buckets = new Map<string, Bucket>()
  let sequence = 0
  let leases = 0

  const bucketOf = (name: string): Bucket => buckets.get(name) ?? no('NoSuchBucket')
  const uploadOf = ({ bucket, key, upload }: UploadAddress): Upload => {
    const found = bucketOf(bucket).uploads.get(upload)
    return found?.record.key === key ? found : no('NoSuchUpload')
  }
  const storedOf = ({ bucket, key, versionId }: ObjectAddress): Stored => {
    const { objects } = bucketOf(bucket)
    if (versionId !== undefined && versionId !== 'null') return no('NoSuchVersion')
    return objects.get(key) ?? no('NoSuchKey')
  }
  const dataOf = (length: number): Data => ({ kind: 'inline', segment: 0, offset: 0, length, checksum: 0 })

  /** The bucket that was there before the body came: one that was made again meanwhile is another. */
  const commit = (
    bucket: Bucket,
    stored: Omit<Stored, 'version'>,
    facts: Omit<VersionRecord, 'sequence' | 'modifiedMs' | 'versionId' | 'storageClass'>,
    conditions?: WriteConditions,
  ): VersionRecord => {
    if (buckets.get(bucket.record.name) !== bucket) no('NoSuchBucket')
    checkConditions(bucket.objects.get(facts.key)?.version, conditions)
    const version: VersionRecord = {
      ...facts,
      versionId: 'null',
      modifiedMs: nowMs(),
      sequence: ++sequence,
      storageClass: 'STANDARD',
    }
    bucket.objects.set(facts.key, { ...stored, version })
    return version
  }

  const chunkOf = (bytes: Uint8Array): Chunk => {
    let isReleased = false
    leases++
    return {
      bytes,
      release() {
        assert(!isReleased, 'a chunk is released once')
        isReleased = true
        leases--
      },
    }
  }

  const readingOf = ({ version, bytes, parts }: Stored): Reading => {
    let isOpen = true
    leases++
    return {
      version,
      async *read({ start, length }: ByteRange) {
        for (let at = start; at < start + length; at += CHUNK_BYTES) {
          assert(isOpen, 'a reading is read before it is closed')
          yield chunkOf(bytes.subarray(at, Math.min(at + CHUNK_BYTES, start + length)))
        }
      },
      async part(partNumber) {
        let start = 0
        if (parts === undefined) return partNumber === 1 ? { start, length: version.size } : undefined
        for (const { record } of parts) {
          if (record.partNumber === partNumber) return { start, length: record.size }
          start += record.size
        }
        return undefined
      },
      close() {
        if (isOpen) leases--
        isOpen = false
      },
    }
  }

  return {
    leases: () => leases,
    buckets: {
      async create(name, { owner, region }) {
        const existing = buckets.get(name)
        if (existing !== undefined) {
          return no(existing.record.owner === owner ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists')
        }
        if (buckets.size >= BUCKETS_MAX) return no('TooManyBuckets')
        const id = (++sequence).toString(16).padStart(16, '0') as BucketId
        const record: BucketRecord = { name, id, owner, region, createdMs: nowMs() }
        buckets.set(name, { record, objects: new Map(), uploads: new Map() })
        return record
      },
      get: async (name) => bucketOf(name).record,
      async list({ prefix, after, limit }) {
        const names = [...buckets.keys()].filter((name) => name.startsWith(prefix) && name > after).sort()
        const page = names.slice(0, limit)
        const next = names.length > limit ? page.at(-1) : undefined
        return { buckets: page.map((name) => bucketOf(name).record), ...(next !== undefined && { next }) }
      },
      async delete(name) {
        const { objects, uploads } = bucketOf(name)
        if (objects.size > 0 || uploads.size > 0) no('BucketNotEmpty')
        buckets.delete(name)
      },
    },
    objects: {
      async put({ bucket: name, key, owner, headers, metadata, conditions }, body) {
        const bucket = bucketOf(name)
        const { bytes, seal } = await consume(body)
        const size = bytes.length
        const facts = { key, owner, headers, metadata, size, data: dataOf(size), ...seal }
        return commit(bucket, { bytes }, facts, conditions)
      },
      open: async (address) => readingOf(storedOf(address)),
      head: async (address) => storedOf(address).version,
      async delete({ bucket, key, versionId }, conditions) {
        const { objects } = bucketOf(bucket)
        if (versionId !== undefined && versionId !== 'null') no('NoSuchVersion')
        checkConditions(objects.get(key)?.version, conditions)
        objects.delete(key)
      },
      async list(request) {
        const { objects } = bucketOf(request.bucket)
        const sorted = [...objects.values()].map(({ version }) => version)
        sorted.sort((left, right) => compareKeys(left.key, right.key))
        const isAfter = ({ key }: VersionRecord): boolean => compareKeys(key, request.after) > 0
        const { items, prefixes, next } = paginate(sorted, ({ key }) => key, isAfter, request)
        const place = next === undefined ? undefined : 'item' in next ? next.item.key : next.prefix
        return { versions: items.map(listedOf), prefixes, ...(place !== undefined && { next: place }) }
      },
    },
    uploads: {
      async create({ bucket, conditions: _, ...request }) {
        const { uploads } = bucketOf(bucket)
        const id = `upload-${(++sequence).toString().padStart(12, '0')}` as UploadId
        const record: UploadRecord = { ...request, id, initiatedMs: nowMs(), storageClass: 'STANDARD' }
        uploads.set(id, { record, parts: new Map() })
        return record
      },
      get: async (address) => uploadOf(address).record,
      async putPart(address, partNumber, body) {
        uploadOf(address)
        const { bytes, seal } = await consume(body)
        const size = bytes.length
        const record: PartRecord = { partNumber, size, modifiedMs: nowMs(), data: dataOf(size), ...seal }
        // Aborted or completed meanwhile: the part belongs to nothing.
        uploadOf(address).parts.set(partNumber, { record, bytes })
        return record
      },
      async complete(request) {
        const bucket = bucketOf(request.bucket)
        const current = bucket.objects.get(request.key)
        if (current && isRepeated(current, request)) return current.version
        const upload = uploadOf(request)
        const parts = chooseParts(upload, request.parts)
        const bytes = Buffer.concat(parts.map((part) => part.bytes))
        if (request.size !== undefined && request.size !== bytes.length) no('InvalidRequest')
        const checksum = completeChecksum(request, upload.record, parts)
        const md5s = Buffer.concat(parts.map(({ record }) => Buffer.from(record.etag, 'hex')))
        const { key, owner, headers, metadata } = upload.record
        const version = commit(
          bucket,
          { bytes, parts, upload: request.upload },
          {
            key,
            owner,
            headers,
            metadata,
            size: bytes.length,
            etag: `${encode(digestOf('md5', md5s), 'hex')}-${parts.length}`,
            partCount: parts.length,
            data: { kind: 'parts', upload: request.upload },
            ...(checksum && { checksum }),
          },
          request.conditions,
        )
        bucket.uploads.delete(request.upload)
        return version
      },
      async abort(address) {
        uploadOf(address)
        bucketOf(address.bucket).uploads.delete(address.upload)
      },
      async listParts(address, { after, limit }) {
        const parts = [...uploadOf(address).parts.values()].map(({ record }) => record)
        const rest = parts.filter((part) => part.partNumber > after)
        rest.sort((left, right) => left.partNumber - right.partNumber)
        const page = rest.slice(0, limit)
        const next = rest.length > limit ? page.at(-1)?.partNumber : undefined
        return { parts: page, ...(next !== undefined && { next }) }
      },
      async list(request) {
        const { after } = request
        const sorted = [...bucketOf(request.bucket).uploads.values()].map(({ record }) => record)
        // Ids grow with initiation here: two of one key are in order by them.
        sorted.sort((left, right) => compareKeys(left.key, right.key) || compareKeys(left.id, right.id))
        const isAfter = ({ key, id }: UploadRecord): boolean =>
          compareKeys(key, after.key) > 0 ||
          (key === after.key && after.upload !== '' && compareKeys(id, after.upload) > 0)
        const page = paginate(sorted, ({ key }) => key, isAfter, { ...request, after: after.key })
        const { items: uploads, prefixes, next } = page
        if (next === undefined) return { uploads, prefixes }
        const place =
          'item' in next ? { key: next.item.key, upload: next.item.id } : { key: next.prefix, upload: '' }
        return { uploads, prefixes, next: place }
      },
    },
  }
}
