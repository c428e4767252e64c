// What may be asked of a bucket actor. Whoever asks needs this and not the actor itself, which may well live on another thread.
import type { BucketId, DiskNumber, WriteId } from '../base/ids.ts'
import type { PlacedPart } from '../metadata/complete.ts'
import type { FreeWork } from '../metadata/frees.ts'
import type { HeldPage, HeldRequest, ShardsPage, WriteFate } from '../metadata/held.ts'
import type { CheckedPiece } from '../metadata/index-check.ts'
import type {
  BucketRecord,
  Checksum,
  Data,
  PartRecord,
  UploadRecord,
  VersionFacts,
  VersionRecord,
} from '../metadata/records.ts'
import type { Relocation } from '../metadata/relocation.ts'
import type { LeftOnDisk, VerifiedCopy } from '../metadata/segment-upkeep.ts'
import type { NewData, ShardsData } from '../metadata/stored.ts'
import type { Address } from '../runtime/actor.ts'
import type {
  CompleteRequest,
  CreateUploadRequest,
  ListPage,
  ListRequest,
  ObjectAddress,
  UploadAddress,
  UploadListRequest,
  UploadPage,
  WriteConditions,
} from './engine.ts'

/** A disk and the session it was in when something was written to it. */
export interface DiskSession {
  readonly disk: DiskNumber
  readonly session: number
}

/** What a commit rests on: it is refused when any of it no longer holds. */
export interface CommitTerms {
  /** Monotonic; past it its asker has given up. */
  readonly deadlineMs: number
  readonly sessions?: readonly DiskSession[]
}

export type InlineData = Extract<Data, { kind: 'inline' }>

/** A version that was looked up for reading. */
export interface Opened {
  readonly version: VersionRecord
  /** As the reader named it. Keeps its bytes from being reclaimed until `close`; absent for an inline version. */
  readonly lease?: number
  /** Of an inline version, verified. */
  readonly body?: Uint8Array
}

/** A copy of a segment that was made anew. */
export interface RepairedSegment {
  readonly segment: number
  readonly disk: DiskNumber
}

/** A sealed segment and where it lies. */
export interface SealedCopies {
  readonly segment: number
  readonly length: number
  readonly disks: readonly DiskNumber[]
}

export interface BucketProtocol {
  createBucket(m: { name: string; owner: string; region: string } & CommitTerms): Promise<BucketRecord>
  getBucket(m: { name: string }): Promise<BucketRecord>
  listBuckets(m: {
    prefix: string
    after: string
    limit: number
  }): Promise<{ buckets: BucketRecord[]; next?: string }>
  deleteBucket(m: { name: string } & CommitTerms): Promise<void>

  /** `lease`: one that this reader has not named before. */
  open(m: { address: ObjectAddress; reader: Address; lease: number }): Promise<Opened>
  /** Idempotent, also for a lease that was never opened. */
  close(m: { reader: string; lease: number }): void
  head(m: ObjectAddress): Promise<VersionRecord>
  put(
    m: {
      bucket: string
      incarnation: BucketId
      key: string
      facts: VersionFacts
      data: NewData
      conditions?: WriteConditions
    } & CommitTerms,
  ): Promise<VersionRecord>
  delete(m: { address: ObjectAddress; conditions?: WriteConditions } & CommitTerms): Promise<void>
  list(m: ListRequest): Promise<ListPage>

  createUpload(m: { request: CreateUploadRequest } & CommitTerms): Promise<UploadRecord>
  getUpload(m: UploadAddress): Promise<UploadRecord>
  putPart(
    m: {
      address: UploadAddress
      partNumber: number
      facts: { size: number; etag: string; checksum?: Checksum }
      data: NewData
    } & CommitTerms,
  ): Promise<PartRecord>
  completeUpload(m: { request: CompleteRequest } & CommitTerms): Promise<VersionRecord>
  abortUpload(m: { address: UploadAddress } & CommitTerms): Promise<void>
  listParts(m: {
    address: UploadAddress
    page: { after: number; limit: number }
  }): Promise<{ parts: PartRecord[]; next?: number }>
  listUploads(m: UploadListRequest): Promise<UploadPage>
  partsAt(m: { version: VersionRecord; offset: number; limit: number }): PlacedPart[]
  partRange(m: { version: VersionRecord; partNumber: number }): { start: number; length: number } | undefined
  readInline(m: { data: InlineData }): Promise<Uint8Array>

  /** The disk of this slot came or went, or is another one now. */
  diskChanged(m: Record<string, never>): Promise<void>
  /** A reader ended without closing what it had open. */
  readerGone(m: { reader: string }): void
  config(m: { name: string }): unknown
  /** The root identity's key pair, sealed, in Base64; made at random and committed when there is none yet. */
  rootKeys(m: Record<string, never>): Promise<string>
  putConfig(m: { name: string; value: unknown; onDisks?: readonly DiskNumber[] }): Promise<void>

  /** `isAfresh`: the reclaimer knows nothing of what it was handed out before, and is given it again. */
  nextFrees(m: { shardsMax: number; after: string; isAfresh?: boolean }): Promise<FreeWork[]>
  confirmFrees(m: { ids: readonly string[] }): Promise<void>
  giveBackFrees(m: { ids: readonly string[] }): void
  /** Drops what it pays to drop; `isIndexing`: asked again in a while it may find more, `isCompacting`: asked again at once. */
  dropSegments(m: Record<string, never>): Promise<{ isIndexing: boolean; isCompacting: boolean }>

  /** Shards that lie on `disk` according to versions and parts, a page at a time. */
  shardsOn(m: { disk: DiskNumber; cursor: string; limit: number }): Promise<ShardsPage>
  /** What versions and parts hold on disks, a page at a time. Rejects with NoSuchBucket. */
  heldData(m: HeldRequest): Promise<HeldPage>
  /** What is known of writes whose shards were found. */
  fatesOf(m: { writes: readonly WriteId[] }): Promise<WriteFate[]>
  /** Where the shards of a write are, if a version or part holds them. */
  dataOfWrite(m: { write: WriteId }): Promise<{ data?: ShardsData }>
  /**
   * One commit. True for each shard that is now where it was written to, and the place that it left is reclaimed when nobody
   * reads there; else what was written is garbage.
   */
  relocate(m: { relocations: readonly Relocation[] } & CommitTerms): Promise<boolean[]>
  /** True when the record that held the shards of `write` holds `data` now; else `data` is garbage. */
  recode(m: { write: WriteId; data: ShardsData } & CommitTerms): Promise<boolean>
  /** What does not lie on disks that are there: exact, from the counters in the commits. */
  waiting(m: Record<string, never>): Waiting
  /** What keeps a disk that is being drained from leaving, when all that is decided now is synced. */
  leftOn(m: { disk: DiskNumber }): Promise<LeftOnDisk>
  /** Sealed segments, with the disks whose copies are whole as far as is known. */
  segments(m: Record<string, never>): readonly SealedCopies[]
  /** Reads one copy of a sealed segment whole; one that does not hold is repaired. */
  verifySegment(m: { segment: number; disk: DiskNumber }): Promise<VerifiedCopy>
  /** A piece of the check of the indexes; `isNew` begins it anew. See metadata/index-check.ts. */
  checkIndexes(m: { isNew: boolean }): Promise<CheckedPiece>
  /** Makes one missing copy of a sealed segment anew; undefined when there is none to make. */
  repairSegment(m: Record<string, never>): Promise<RepairedSegment | undefined>
}

/** What waits for repair. */
export interface Waiting {
  readonly shards: number
  readonly bytes: number
  /** Shards of what was written while disks were out, in fewer pieces than there could be. They do not lack redundancy. */
  readonly reduced: number
  /** Numbers that some shard is counted under and that no slot has: disks that were replaced. */
  readonly retired: readonly DiskNumber[]
  /** Segments of which the disk that is being drained has a copy that is to be made anew on another. */
  readonly leavingSegments: number
  /** What is counted under the number of each disk, whether or not it waits. */
  readonly onDisks: readonly { readonly disk: DiskNumber; readonly shards: number; readonly bytes: number }[]
}

/** Name of the configuration entry with the root identity's sealed keys. */
export const ROOT_KEYS = 'root-keys'
