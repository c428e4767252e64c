// The records of the metadata: what a bucket, a version, an upload and a part are, as every layer sees them.
//
// Records are written as JSON inside a checksummed, versioned envelope (see encode/decode in this folder): a field that
// a later release adds is simply absent in an older record, a field that changes its meaning gets a new record version
// and one migrate function. Names and values are S3's; sizes are bytes, times milliseconds since 1970.
import type { BucketId, DiskNumber, UploadId, WriteId } from '../base/ids.ts'

/** Names and values in the order they came in; pairs, not an object, so that no name can be special. */
export type Pairs = readonly (readonly [name: string, value: string])[]

export interface BucketRecord {
  readonly name: string
  /** The incarnation: a bucket deleted and made again is another bucket. */
  readonly id: BucketId
  readonly createdMs: number
  /** Canonical id of the owner. */
  readonly owner: string
  readonly region: string
}

export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'
export type ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  readonly type: ChecksumType
  /** Base64 of the big-endian checksum; a composite one carries `-N`, the number of parts. */
  readonly value: string
}

/** Where shard `i` of a write lies. A packed shard names its volume; a large one is a file named by its write id. */
export interface ShardPlace {
  readonly disk: DiskNumber
  readonly volume?: number
  /** Of the shard's entry in the volume. */
  readonly offset?: number
}

/** Where the bytes of one write are. */
export type Data =
  | {
      readonly kind: 'inline'
      readonly segment: number
      readonly offset: number
      readonly length: number
      readonly checksum: number
    }
  | {
      readonly kind: 'shards'
      readonly write: WriteId
      /** Erasure set. */
      readonly set: number
      readonly k: number
      readonly m: number
      /** Bytes of the object or part, before coding. */
      readonly size: number
      /** Written while disks were out, with fewer data shards than the set has room for: to be written again. */
      readonly isReduced?: true
      /** `places[i]` holds shard `i`; 0 … k−1 are data, k … k+m−1 parity. */
      readonly places: readonly ShardPlace[]
    }
  /** A completed multipart upload: the parts' own data, in order, under the upload's id. */
  | { readonly kind: 'parts'; readonly upload: UploadId }

/** Everything of a version but where its bytes are. */
export interface VersionFacts {
  readonly size: number
  /** Without quotes. */
  readonly etag: string
  /** content-type, cache-control, content-disposition, content-encoding, content-language, expires: names in lower case. */
  readonly headers: Pairs
  /** User metadata: names in lower case, without `x-amz-meta-`. */
  readonly metadata: Pairs
  readonly checksum?: Checksum
  /** Of a completed multipart upload. */
  readonly partCount?: number
  readonly owner: string
  readonly storageClass: 'STANDARD'
}

export interface VersionRecord extends VersionFacts {
  readonly key: string
  /** `null` as long as the bucket was never versioned. */
  readonly versionId: string
  readonly modifiedMs: number
  /** Number of the commit that made it: the order of versions, whatever the clock does. */
  readonly sequence: number
  readonly data: Data
}

/** What a listing shows of a version. */
export interface ListedVersion
  extends Pick<VersionRecord, 'key' | 'size' | 'etag' | 'modifiedMs' | 'owner' | 'storageClass'> {
  readonly checksum?: Pick<Checksum, 'algorithm' | 'type'>
}

export interface UploadRecord {
  readonly id: UploadId
  readonly key: string
  readonly initiatedMs: number
  readonly owner: string
  readonly headers: Pairs
  readonly metadata: Pairs
  readonly storageClass: 'STANDARD'
  /** What the client announced at CreateMultipartUpload. */
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
}

export interface PartRecord {
  /** 1 … 10,000. */
  readonly partNumber: number
  readonly size: number
  readonly etag: string
  readonly modifiedMs: number
  readonly checksum?: Checksum
  readonly data: Data
}
