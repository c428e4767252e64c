// What is stored of versions and parts: the records without what their key, their commit or their place in the journal
// say already.
import type { DiskNumber, WriteId } from '../base/ids.ts'
import { MiB } from '../base/units.ts'
import type { Decision } from './decision.ts'
import type { Entry } from './entry.ts'
import {
  CURRENT_KEY_OFFSET,
  diskCounterKey,
  FREES_COUNTER_KEY,
  freeKey,
  fromBinary,
  REDUCED_COUNTER_KEY,
  writeKey,
} from './keys.ts'
import type { Checksum, Data, PartRecord, ShardPlace, VersionFacts, VersionRecord } from './records.ts'

export type ShardsData = Extract<Data, { kind: 'shards' }>

/**
 * The bytes of a new version or part: where their synced shards are, or small ones themselves. These are the partition's from
 * then on: a slow disk may still write them when whoever sent them has given up.
 */
export type NewData = { readonly kind: 'inline'; readonly bytes: Uint8Array } | ShardsData

type StoredData = { readonly kind: 'inline' } | Exclude<Data, { kind: 'inline' }>

export type StoredVersion = Omit<VersionRecord, 'key' | 'sequence' | 'versionId' | 'data'> & {
  readonly versionId?: string
  /** Only when the entry was committed again by a compaction: its order is that of the first commit. */
  readonly sequence?: number
  readonly data: StoredData
}
export type StoredPart = Omit<PartRecord, 'data'> & { readonly data: StoredData }

/** The record of a new version: first, and in this order, what a listing shows (listed.ts). */
export const newStoredVersion = (
  { size, etag, owner, storageClass, checksum, partCount, headers, metadata }: VersionFacts,
  modifiedMs: number,
  data: StoredData,
): StoredVersion => ({
  ...{ size, etag, modifiedMs, owner, storageClass },
  ...(checksum && { checksum: checksumInOrder(checksum) }),
  ...(partCount !== undefined && { partCount }),
  ...{ headers, metadata, data },
})

const checksumInOrder = ({ algorithm, type, value }: Checksum): Checksum => ({ algorithm, type, value })

/** What a `free` entry holds. */
export type FreeRecord =
  | { readonly kind: 'shards'; readonly data: ShardsData }
  /** A shard was moved: `data` has no place but the one that it left. */
  | { readonly kind: 'place'; readonly data: ShardsData }
  /** All parts of an upload that was aborted, or whose version is gone, and the table of its parts. */
  | { readonly kind: 'upload'; readonly upload: string }
  /** The parts that a completed upload did not list. */
  | { readonly kind: 'unlisted'; readonly upload: string }

const NULL_VERSION = 'null'

const place = (entry: Entry, data: StoredData): Data =>
  data.kind !== 'inline'
    ? data
    : {
        kind: 'inline',
        segment: entry.segment,
        offset: entry.body?.offset ?? 0,
        length: entry.body?.length ?? 0,
        checksum: entry.body?.checksum ?? 0,
      }

/** The version an entry of the `current` space holds. Of a queued entry the place of an inline body is not known yet. */
export const toVersion = (entry: Entry): VersionRecord => {
  const stored = entry.record as StoredVersion
  const { size, etag, headers, metadata, checksum, partCount, owner, storageClass, modifiedMs } = stored
  const key = fromBinary(entry.key.slice(CURRENT_KEY_OFFSET))
  const versionId = stored.versionId ?? NULL_VERSION
  const sequence = stored.sequence ?? entry.sequence
  const data = place(entry, stored.data)
  // Field by field: to spread what JSON.parse made goes through the engine's slow path, for every row of a listing.
  const facts = {
    key,
    versionId,
    modifiedMs,
    sequence,
    size,
    etag,
    headers,
    metadata,
    owner,
    storageClass,
    data,
  }
  const version: { -readonly [K in keyof VersionRecord]: VersionRecord[K] } = facts
  if (checksum !== undefined) version.checksum = checksum
  if (partCount !== undefined) version.partCount = partCount
  return version
}

/** The versions of entries that are looked up again and again, as long as the entries live. */
const versions = new WeakMap<Entry, VersionRecord>()

/** As `toVersion`, for an entry that was committed and so has its place: the same version each time. */
export const versionOf = (entry: Entry): VersionRecord => {
  const known = versions.get(entry)
  if (known) return known
  const version = toVersion(entry)
  versions.set(entry, version)
  return version
}

export const toPart = (entry: Entry): PartRecord => {
  const stored = entry.record as StoredPart
  return { ...stored, data: place(entry, stored.data) }
}

export const storedData = (data: NewData): StoredData => (data.kind === 'inline' ? { kind: 'inline' } : data)

/** The body to keep with a record. */
export const bodyOf = (data: NewData): Uint8Array | undefined =>
  data.kind === 'inline' && data.bytes.length > 0 ? data.bytes : undefined

/** Payload bytes of each shard: whole units of 1 MiB, and a last one rounded up to 64. */
export const shardBytes = ({ size, k }: Pick<ShardsData, 'size' | 'k'>): number => {
  const whole = Math.floor(size / (k * MiB))
  const rest = size - whole * k * MiB
  return whole * MiB + Math.ceil(Math.ceil(rest / k) / 64) * 64
}

export const countShards = (decision: Decision, data: ShardsData, by: 1 | -1): void => {
  const bytes = by * shardBytes(data)
  for (const { disk } of data.places) countShard(decision, disk, by, bytes)
  if (data.isReduced) decision.count(REDUCED_COUNTER_KEY, { shards: by * data.places.length })
}

export const countShard = (decision: Decision, disk: DiskNumber, shards: number, bytes: number): void =>
  decision.count(diskCounterKey(disk), { shards, bytes })

/** New shards under the record at `key`: counted, and found by their write. */
export const addShards = (decision: Decision, key: string, data: NewData): void => {
  if (data.kind !== 'shards') return
  countShards(decision, data, 1)
  decision.put(writeKey(data.write), { key })
}

/** A commit leaves this to be reclaimed. */
export const addFree = (decision: Decision, record: FreeRecord): void => {
  decision.put(freeKey(decision.sequence, decision.nextFree()), record)
  decision.count(FREES_COUNTER_KEY, { frees: 1 })
}

/** A shard that lies elsewhere now leaves its old place to be reclaimed, when nobody reads there any more. */
export const freePlace = (decision: Decision, data: ShardsData, from: ShardPlace): void =>
  addFree(decision, { kind: 'place', data: { ...data, places: [from] } })

/** What a record that goes leaves behind. Inline bodies go with their segment. */
export const freeData = (decision: Decision, data: StoredData): void => {
  if (data.kind === 'shards') addFree(decision, { kind: 'shards', data })
  if (data.kind === 'parts') addFree(decision, { kind: 'upload', upload: data.upload })
}

/** Reclaimed: no disk holds these shards any more. */
export const removeShards = (decision: Decision, data: ShardsData): void => {
  countShards(decision, data, -1)
  decision.delete(writeKey(data.write as WriteId))
}
