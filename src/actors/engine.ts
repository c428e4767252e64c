// The engine: what the store can do, free of HTTP. `s3/` calls it, the actors implement it, and the reference store of
// the tests (test/model/reference-store.ts) is its specification in `Map`s.
//
// Every method rejects with a MoraineError: refusals carry AWS's own code, everything else is unavailable or a fault.
// Whatever a method acknowledges is durable when its promise resolves, and every later read shows it.
import type { UploadId } from '../base/ids.ts'
import type {
  BucketRecord,
  Checksum,
  ChecksumAlgorithm,
  ChecksumType,
  ListedVersion,
  Pairs,
  PartRecord,
  UploadRecord,
  VersionRecord,
} from '../metadata/records.ts'

export type DigestName = 'md5' | 'sha1' | 'sha256' | 'crc32' | 'crc32c' | 'crc64nvme'

/** What is known of a body once its last byte has passed. */
export interface BodySeal {
  /** Without quotes. */
  readonly etag: string
  readonly checksum?: Checksum
}

/** The bytes of a PUT, already out of their transfer coding. The engine reads them once, in order, at its own pace. */
export interface Body {
  /** Exact number of bytes `chunks` yields; it throws `IncompleteBody` when the client sends another number. */
  readonly size: number
  /** Each chunk is valid until the next is asked for. Throws a refusal when a chunk signature does not hold. */
  readonly chunks: AsyncIterable<Uint8Array>
  /** The digests the engine computes over the bytes as they pass. */
  readonly digests: readonly DigestName[]
  /** Called once, after the last chunk and before anything is committed. Throws `BadDigest` and its kin. */
  seal(digests: ReadonlyMap<DigestName, Uint8Array>): BodySeal
}

/** Decided with the commit, linearizable per key. */
export interface WriteConditions {
  /** ETags without quotes, or `*`: some version must exist and match. Missing key: `NoSuchKey` (AWS), else `PreconditionFailed`. */
  readonly ifMatch?: readonly string[]
  /** Only `*` in AWS: no current version may exist, else `PreconditionFailed`. */
  readonly ifNoneMatch?: readonly string[]
}

export interface ObjectAddress {
  readonly bucket: string
  readonly key: string
  /** `null` names the null version; any other id is `NoSuchVersion` in a bucket that was never versioned. */
  readonly versionId?: string
}

export interface PutRequest {
  readonly bucket: string
  readonly key: string
  readonly owner: string
  readonly headers: Pairs
  readonly metadata: Pairs
  readonly conditions?: WriteConditions
}

/** A view of verified bytes. Whoever got it releases it exactly once, after the last operation that reads it. */
export interface Chunk {
  readonly bytes: Uint8Array
  release(): void
}

export interface ByteRange {
  readonly start: number
  readonly length: number
}

/** A version that was looked up, and the right to read its bytes until `close`, even when it is overwritten meanwhile. */
export interface Reading {
  readonly version: VersionRecord
  /** The whole body, verified, when it is so small that it came with the look-up. */
  readonly bytes?: Uint8Array
  /**
   * Only verified bytes, in order; at most the next chunk is read ahead. Throws `QUORUM_READ` or `OBJECT_LOST` when a
   * block cannot be had: bytes handed out before were right.
   */
  read(range: ByteRange): AsyncIterable<Chunk>
  /** Start and length of part `partNumber` of a multipart version (of part 1, the whole, otherwise); undefined when there is none. */
  part(partNumber: number): Promise<ByteRange | undefined>
  /** Idempotent. */
  close(): void
}

export interface ListRequest {
  readonly bucket: string
  readonly prefix: string
  /** Empty for none. */
  readonly delimiter: string
  /** Only keys after this one in UTF-8 byte order; common prefixes that are not after it are left out as well. Empty: from the start. */
  readonly after: string
  /** 0 … 1,000, keys and common prefixes together. */
  readonly limit: number
}

export interface ListPage {
  readonly versions: readonly ListedVersion[]
  readonly prefixes: readonly string[]
  /** Pass as `after` for the next page (a key, or a common prefix: everything below it is then passed over); undefined on the last page. */
  readonly next?: string
}

export interface BucketPage {
  readonly buckets: readonly BucketRecord[]
  readonly next?: string
}

export interface Buckets {
  /** `BucketAlreadyOwnedByYou` or `BucketAlreadyExists` when the name is taken, `TooManyBuckets` past the limit. */
  create(name: string, bucket: { owner: string; region: string }): Promise<BucketRecord>
  /** `NoSuchBucket`. */
  get(name: string): Promise<BucketRecord>
  /** In order of names, `limit` at most. */
  list(request: { prefix: string; after: string; limit: number }): Promise<BucketPage>
  /** `BucketNotEmpty` while it has a version or an open upload. */
  delete(name: string): Promise<void>
}

export interface Objects {
  put(request: PutRequest, body: Body): Promise<VersionRecord>
  /** `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`. */
  open(address: ObjectAddress): Promise<Reading>
  /** As `open`, without the right to read. */
  head(address: ObjectAddress): Promise<VersionRecord>
  /** A key that is not there is deleted already: no error. */
  delete(address: ObjectAddress, conditions?: WriteConditions): Promise<void>
  list(request: ListRequest): Promise<ListPage>
}

export interface UploadAddress {
  readonly bucket: string
  readonly key: string
  readonly upload: UploadId
}

export interface CompletePart {
  readonly partNumber: number
  /** Without quotes. */
  readonly etag: string
  /** Base64, when the client named one. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string }
}

export interface CompleteRequest extends UploadAddress {
  /** As the client listed them: out of order is `InvalidPartOrder`, unknown or another ETag `InvalidPart`, small `EntityTooSmall`. */
  readonly parts: readonly CompletePart[]
  readonly conditions?: WriteConditions
  /** What the client says the whole object's checksum is; `BadDigest` when it is not. */
  readonly checksum?: { readonly algorithm: ChecksumAlgorithm; readonly value: string }
  readonly checksumType?: ChecksumType
  /** `x-amz-mp-object-size`; `InvalidRequest` when it differs. */
  readonly size?: number
}

export interface CreateUploadRequest extends PutRequest {
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
}

export interface Uploads {
  create(request: CreateUploadRequest): Promise<UploadRecord>
  /** `NoSuchUpload`. */
  get(address: UploadAddress): Promise<UploadRecord>
  putPart(address: UploadAddress, partNumber: number, body: Body): Promise<PartRecord>
  /** Completing again what is completed answers the same version as long as it is current. */
  complete(request: CompleteRequest): Promise<VersionRecord>
  abort(address: UploadAddress): Promise<void>
  /** Parts after `after` (a part number, 0 for all), `limit` at most. */
  listParts(
    address: UploadAddress,
    page: { after: number; limit: number },
  ): Promise<{ parts: readonly PartRecord[]; next?: number }>
  /** In order of key, then of initiation. */
  list(request: UploadListRequest): Promise<UploadPage>
}

export interface UploadListRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter: string
  /** An upload by key and id; an empty id means past every upload of that key. */
  readonly after: { readonly key: string; readonly upload: string }
  readonly limit: number
}

export interface UploadPage {
  readonly uploads: readonly UploadRecord[]
  readonly prefixes: readonly string[]
  readonly next?: { readonly key: string; readonly upload: string }
}

export interface Engine {
  readonly buckets: Buckets
  readonly objects: Objects
  readonly uploads: Uploads
}
