// One partition: the buckets that are mapped to it, their versions and uploads, and everything that makes their commits
// durable. Pure of actors, threads, sockets and the machine's clock; what it needs arrives by arguments.
//
// Look-ups answer at once from what synced commits left. Commands resolve when their commit is synced on m + 1 disks,
// and so do refusals that rest on one that was still queued. Everything is linearizable per partition.
import type { Clock } from '../base/clock.ts'
import type { DiskNumber, UploadId, WriteId } from '../base/ids.ts'
import { type Log, silentLog } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { Recent } from '../base/recent.ts'
import { MiB } from '../base/units.ts'
import { createBucket, deleteBucket, getBucket, listBuckets } from './buckets.ts'
import { type CompleteUpload, completeUpload, type PlacedPart, partRange, partsAt } from './complete.ts'
import { getConfig, listConfig, type PutConfig, putConfig } from './configuration.ts'
import type { Counts } from './counters.ts'
import { Frees, type FreeWork } from './frees.ts'
import {
  fatesOf,
  type HeldPage,
  type HeldRequest,
  heldData,
  type ShardsPage,
  shardsOn,
  type WriteFate,
} from './held.ts'
import { IndexCheck } from './index-check.ts'
import type { IndexPosition, IndexStore } from './index-slot.ts'
import { bucketCounterKey, diskOfCounterKey, REDUCED_COUNTER_KEY } from './keys.ts'
import { Leases } from './leases.ts'
import { Ledger } from './ledger.ts'
import { type ListVersions, listVersions, type VersionPage } from './listing.ts'
import type { MemberDisk } from './members.ts'
import type { BucketRecord, Data, PartRecord, UploadRecord, VersionRecord } from './records.ts'
import { type Relocation, recode, relocate } from './relocation.ts'
import type { BucketAddress, CommitLimits, Room } from './room.ts'
import type { BodyMover } from './segment-compaction.ts'
import type { SegmentDisk } from './segment-disk.ts'
import { type LeftOnDisk, SegmentUpkeep } from './segment-upkeep.ts'
import type { ShardsData } from './stored.ts'
import {
  abortUpload,
  type CreateUpload,
  createUpload,
  getUpload,
  type ListUploads,
  listParts,
  listUploads,
  type PutPart,
  putPart,
  type UploadAddress,
  type UploadPage,
} from './uploads.ts'
import {
  type DeleteVersion,
  deleteVersion,
  lookUpVersion,
  type PutVersion,
  putVersion,
  type VersionAddress,
} from './versions.ts'

export interface PartitionOptions {
  readonly partition: number
  /** Every disk of the table of disks; those that are out without `io`. Blanks that were not adopted are no members. */
  readonly members: readonly MemberDisk[]
  /** m: every segment has m + 1 copies. */
  readonly parity: number
  /** Two in production, one when a disk is out. A lost one is given empty. */
  readonly indexes: readonly (IndexStore | undefined)[]
  readonly clock: Clock
  readonly random: Random
  readonly log?: Log
  /** An index is no longer used. Reopen its store (or give an empty one) and call `attachIndex`. */
  readonly onIndexLost?: (position: IndexPosition, cause: string) => void
  /** A copy of a segment turned out to be damaged: see `segments.damaged`. */
  readonly onSegmentDamaged?: () => void
  /** Takes larger bodies out of the journal when their segment is compacted. */
  readonly bodies?: BodyMover
  readonly partBytesMin?: number
  readonly bucketsMax?: number
  readonly segmentBytes?: number
  readonly tableBytesMax?: number
  readonly queueCommitsMax?: number
  readonly queueBytesMax?: number
}

type InlineData = Extract<Data, { kind: 'inline' }>

const BUCKETS_MAX = 10_000
/** Small bodies that were read lately; what is in a segment at a place never changes, so they are good for ever. */
const BODIES_BYTES_MAX = 32 * MiB
const BODY_ENTRY_BYTES = 256
const NOTHING = new Uint8Array(0)

/** Number of a body's place: no other body ever has it. */
const placeOf = ({ segment, offset }: InlineData): number => segment * 2 ** 32 + offset

export class Partition {
  readonly #room: Room
  readonly #frees: Frees
  readonly #segments: SegmentUpkeep
  /** Uploads that are being completed: no other command of theirs is decided meanwhile. */
  readonly #completing = new Map<UploadId, Promise<unknown>>()
  readonly #bodies = new Recent<number, Uint8Array>(BODIES_BYTES_MAX)

  private constructor(room: Room) {
    this.#room = room
    this.#frees = new Frees(room)
    this.#segments = new SegmentUpkeep(room)
  }

  /**
   * Resolves when the partition may be served. `TOO_FEW_DISKS` names the disks it needs, `METADATA_CORRUPT` says that
   * what is there contradicts itself, `RECORD_VERSION` that a later release wrote it.
   */
  static async open(options: PartitionOptions): Promise<Partition> {
    const {
      clock,
      random,
      log = silentLog,
      partBytesMin = 5 * MiB,
      bucketsMax = BUCKETS_MAX,
      bodies,
    } = options
    const ledger = await Ledger.open({ ...options, log })
    return new Partition({
      ledger,
      clock,
      random,
      // Who holds a lease of an earlier life must not end one of this.
      leases: new Leases(Buffer.from(random.bytes(6)).readUIntBE(0, 6)),
      limits: { partBytesMin, bucketsMax },
      ...(bodies && { bodies }),
    })
  }

  /** Refuses new commands and settles those that wait. A crash instead of it loses nothing that was acknowledged. */
  close(): Promise<void> {
    return this.#room.ledger.close()
  }

  // Buckets

  createBucket(
    name: string,
    bucket: { owner: string; region: string },
    limits?: CommitLimits,
  ): Promise<BucketRecord> {
    return createBucket(this.#room, name, bucket, limits)
  }

  getBucket(name: string): BucketRecord {
    return getBucket(this.#room, { bucket: name })
  }

  listBuckets(request: { prefix: string; after: string; limit: number }): Promise<{
    buckets: BucketRecord[]
    next?: string
  }> {
    return listBuckets(this.#room, request)
  }

  deleteBucket(address: BucketAddress, limits?: CommitLimits): Promise<void> {
    return deleteBucket(this.#room, address, limits)
  }

  // Versions

  putVersion(request: PutVersion): Promise<VersionRecord> {
    return putVersion(this.#room, request)
  }

  deleteVersion(request: DeleteVersion): Promise<void> {
    return deleteVersion(this.#room, request)
  }

  /** The version as the last synced commit left it. */
  lookUp(address: VersionAddress): VersionRecord {
    return lookUpVersion(this.#room, address)
  }

  /** What is there now keeps its bytes, whatever is committed, until `endRead` of the lease; `reader` may die with it. */
  beginRead(reader: string): number {
    const { leases, ledger } = this.#room
    return leases.take(ledger.durableSequence, reader)
  }

  /** Idempotent. */
  endRead(lease: number): void {
    this.#room.leases.end(lease)
  }

  /** A reader is gone: all its leases end. */
  endReadsOf(reader: string): void {
    this.#room.leases.endOf(reader)
  }

  /** The bytes of an inline body when they were verified lately; not to be changed by whoever gets them. */
  recentInline(data: InlineData): Uint8Array | undefined {
    return data.length === 0 ? NOTHING : this.#bodies.get(placeOf(data))
  }

  /** The bytes of an inline body, verified, from any copy of its segment. */
  async readInline(data: InlineData): Promise<Uint8Array> {
    const known = this.recentInline(data)
    if (known) return known
    const bytes = await this.#room.ledger.journal.readBody(data.segment, data)
    this.#bodies.set(placeOf(data), bytes, bytes.length + BODY_ENTRY_BYTES)
    return bytes
  }

  listVersions(request: ListVersions): Promise<VersionPage> {
    return listVersions(this.#room, request)
  }

  // Uploads

  createUpload(request: CreateUpload): Promise<UploadRecord> {
    return createUpload(this.#room, request)
  }

  getUpload(address: UploadAddress): UploadRecord {
    return getUpload(this.#room, address)
  }

  async putPart(request: PutPart): Promise<PartRecord> {
    while (this.#completing.has(request.upload)) await this.#completed(request.upload)
    return putPart(this.#room, request)
  }

  async completeUpload(request: CompleteUpload): Promise<VersionRecord> {
    while (this.#completing.has(request.upload)) await this.#completed(request.upload)
    const completing = completeUpload(this.#room, request)
    this.#completing.set(request.upload, completing)
    try {
      return await completing
    } finally {
      this.#completing.delete(request.upload)
    }
  }

  async abortUpload(request: UploadAddress & CommitLimits): Promise<void> {
    while (this.#completing.has(request.upload)) await this.#completed(request.upload)
    return abortUpload(this.#room, request)
  }

  /** The caller looks again: between this promise and its turn another may have begun. */
  async #completed(upload: UploadId): Promise<void> {
    await Promise.allSettled([this.#completing.get(upload)])
  }

  listParts(
    address: UploadAddress,
    page: { after: number; limit: number },
  ): Promise<{ parts: PartRecord[]; next?: number }> {
    return listParts(this.#room, address, page)
  }

  listUploads(request: ListUploads): Promise<UploadPage> {
    return listUploads(this.#room, request)
  }

  /** Of a completed upload: up to `limit` parts from the one that holds byte `offset` on. */
  partsAt(version: VersionRecord, offset: number, limit: number): PlacedPart[] {
    return partsAt(this.#room, version, offset, limit)
  }

  partRange(version: VersionRecord, partNumber: number): { start: number; length: number } | undefined {
    return partRange(this.#room, version, partNumber)
  }

  // Reclaiming, repair and compaction

  nextFrees(shardsMax: number, after?: string): Promise<FreeWork[]> {
    return this.#frees.next(shardsMax, after)
  }

  confirmFrees(ids: readonly string[], limits?: CommitLimits): Promise<void> {
    return this.#frees.confirm(ids, limits)
  }

  /** Without `ids`: whatever was handed out. */
  giveBackFrees(ids?: readonly string[]): void {
    this.#frees.giveBack(ids)
  }

  get freesCount(): number {
    return this.#frees.count
  }

  relocate(relocations: readonly Relocation[], limits?: CommitLimits): Promise<boolean[]> {
    return relocate(this.#room, relocations, limits)
  }

  recode(write: WriteId, data: ShardsData, limits?: CommitLimits): Promise<boolean> {
    return recode(this.#room, write, data, limits)
  }

  dataOfWrite(write: WriteId): Promise<ShardsData | undefined> {
    return this.#frees.dataOfWrite(write)
  }

  shardsOn(disk: DiskNumber, cursor: string, recordsMax: number): Promise<ShardsPage> {
    return shardsOn(this.#room, disk, cursor, recordsMax)
  }

  heldData(request: HeldRequest): Promise<HeldPage> {
    return heldData(this.#room, request)
  }

  fatesOf(writes: readonly WriteId[]): Promise<WriteFate[]> {
    return fatesOf(this.#room, writes)
  }

  // Counters and configuration

  /** Shards and bytes on each disk number, exact, those that wait to be reclaimed included. */
  diskCounters(): Map<DiskNumber, { shards: number; bytes: number }> {
    const found = new Map<DiskNumber, { shards: number; bytes: number }>()
    for (const [key, { shards = 0, bytes = 0 }] of this.#room.ledger.counters.all()) {
      if (key[1] === 'd') found.set(diskOfCounterKey(key), { shards, bytes })
    }
    return found
  }

  /** What of the partition is on `disk`, when all that is decided now is synced. */
  async leftOn(disk: DiskNumber): Promise<LeftOnDisk> {
    await this.#room.ledger.settled()
    const { segments, segmentBytes } = await this.#segments.onlyOn(disk)
    const { shards = 0, bytes = 0 } = this.diskCounters().get(disk) ?? {}
    return { shards, bytes, segments, segmentBytes }
  }

  /** Shards of what was written with fewer disks than there are: see `isReduced` of a record's data. */
  get reducedShards(): number {
    return this.#room.ledger.counters.durable(REDUCED_COUNTER_KEY).shards ?? 0
  }

  bucketCounters(address: BucketAddress): { objects: number; bytes: number; uploads: number } {
    const { id } = getBucket(this.#room, address)
    const counts: Counts = this.#room.ledger.counters.durable(bucketCounterKey(id))
    return { objects: counts.objects ?? 0, bytes: counts.bytes ?? 0, uploads: counts.uploads ?? 0 }
  }

  getConfig(name: string): unknown {
    return getConfig(this.#room, name)
  }

  putConfig(request: PutConfig): Promise<void> {
    return putConfig(this.#room, request)
  }

  listConfig(): Promise<{ name: string; value: unknown }[]> {
    return listConfig(this.#room)
  }

  // Disks, segments and indexes

  /** A disk came (back) or went. */
  setDisk(disk: DiskNumber, io: SegmentDisk | undefined): Promise<void> {
    return this.#segments.setDisk(disk, io)
  }

  /** The table of disks changed. */
  setMembers(members: readonly MemberDisk[]): Promise<void> {
    return this.#segments.setMembers(members)
  }

  /** An index that is no longer to be used, for a reason that it does not see itself: `onIndexLost` follows. */
  loseIndex(position: IndexPosition, cause: string): void {
    const { indexes } = this.#room.ledger
    const slot = indexes.slots().find((other) => other.position === position)
    if (slot) indexes.lose(slot, cause)
  }

  /** Brings an index that was lost up to the journal; resolves when it follows, or was lost again. */
  attachIndex(position: IndexPosition, store: IndexStore): Promise<void> {
    return this.#room.ledger.attachIndex(position, store)
  }

  /** A check of the indexes against each other and the journal, in pieces. */
  checkIndexes(): IndexCheck {
    return new IndexCheck(this.#room.ledger)
  }

  /** Whether an index still lacks what is committed; it follows by itself within a second. */
  get isIndexing(): boolean {
    return this.#room.ledger.indexes.isBehind
  }

  /** Whether an index is being brought up from the journal. */
  get isRebuilding(): boolean {
    return this.#room.ledger.isRebuilding
  }

  get segments(): SegmentUpkeep {
    return this.#segments
  }

  /** Number of the last commit that look-ups see. */
  get sequence(): number {
    return this.#room.ledger.durableSequence
  }
}
