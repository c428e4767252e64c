// `moraine inspect`: what there is of one object, and in which state every byte of it is. Read from the journal, which is the
// truth, and from the disks, beside the store whether it runs or not; nothing is written.
//
// Beside a running store the answer is a snapshot of its journal. What was moved or freed between the look at the journal and
// the look at the disks would seem damaged, so where something does the journal is read again.
import { crc32 } from 'node:zlib'
import { partitionOf } from '../actors/connect-gateway.ts'
import { codeOf, refusal } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import { quoteName } from '../base/quoting.ts'
import { PARTS_PER_PAGE, type PartTablePage } from '../metadata/complete.ts'
import type { Entry } from '../metadata/entry.ts'
import type { Journal } from '../metadata/journal.ts'
import {
  type BinaryKey,
  bucketKey,
  CURRENT_KEY_OFFSET,
  currentKey,
  partKey,
  partPrefix,
  SPACE,
  tableKey,
  tablePrefix,
  toBinary,
} from '../metadata/keys.ts'
import type { BucketRecord, Data, PartRecord, VersionRecord } from '../metadata/records.ts'
import { hasHeader } from '../metadata/segment-reader.ts'
import { toPart, toVersion } from '../metadata/stored.ts'
import { nodeFiles } from '../storage/files-node.ts'
import { createLevelLock } from '../storage/lock.ts'
import { newestEntries, withJournalOf } from './journals.ts'
import { type KnownStore, readableMembers, readStore } from './known-store.ts'
import { withDisks } from './open-disks.ts'
import { type CheckedShard, checkShards, type DisksByNumber, type Redundancy } from './shard-check.ts'

export interface DiskPlace {
  readonly disk: DiskNumber
  /** As `disk list` shows it; null when the disk is no longer one of the store's. */
  readonly position: number | null
  /** Null when none of the directories holds the disk. */
  readonly directory: string | null
}

export interface InspectedCopy extends DiskPlace {
  readonly file: string
  readonly state: 'ok' | 'missing' | 'corrupt' | 'disk missing'
}

/** Where the bytes of a version or a part are. */
export type InspectedData =
  | {
      readonly kind: 'inline'
      readonly segment: number
      readonly offset: number
      readonly length: number
      readonly copies: readonly InspectedCopy[]
    }
  | {
      readonly kind: 'shards'
      readonly write: string
      readonly set: number
      readonly k: number
      readonly m: number
      readonly size: number
      readonly shards: readonly (CheckedShard & DiskPlace)[]
    }
  | { readonly kind: 'parts'; readonly upload: string; readonly parts: readonly InspectedPart[] }

export interface InspectedPart {
  readonly partNumber: number
  readonly size: number
  readonly etag: string | null
  readonly redundancy: Redundancy
  /** Null when the part has no record. */
  readonly data: InspectedData | null
}

export interface InspectedVersion {
  readonly versionId: string
  readonly isCurrent: boolean
  readonly sequence: number
  readonly modifiedMs: number
  readonly size: number
  readonly etag: string
  readonly redundancy: Redundancy
  readonly data: InspectedData
}

export interface InspectedObject {
  readonly bucket: string
  readonly key: string
  /** Null when that cannot be told. */
  readonly isRunning: boolean | null
  readonly partition: number
  readonly versions: readonly InspectedVersion[]
}

const TRIES = 3

/** Whether somebody holds the store's lock; null when this process may not ask for it. */
const findRunning = async ({ rootOf }: KnownStore, files: FileSystem): Promise<boolean | null> => {
  const takeLock = createLevelLock(files)
  for (const root of rootOf.values()) {
    try {
      await (await takeLock(root)).undo()
      return false
    } catch (error) {
      if (codeOf(error) === 'STORE_IN_USE') return true
    }
  }
  return null
}

interface Looker {
  readonly store: KnownStore
  readonly files: FileSystem
  readonly disks: DisksByNumber
  readonly journal: Journal
}

const placeOf = ({ store }: Looker, disk: DiskNumber): DiskPlace => {
  const position = store.table.disks.find(({ number }) => number === disk)?.position
  return {
    disk,
    position: position === undefined ? null : position + 1,
    directory: store.rootOf.get(disk) ?? null,
  }
}

const worst = (states: readonly Redundancy[]): Redundancy =>
  states.includes('lost') ? 'lost' : states.includes('reduced') ? 'reduced' : 'whole'

interface Looked {
  readonly data: InspectedData
  readonly redundancy: Redundancy
}

const lookAtInline = async (looker: Looker, data: Extract<Data, { kind: 'inline' }>): Promise<Looked> => {
  const { store, files, journal } = looker
  const { segment, offset, length, checksum } = data
  const described = { kind: 'inline', segment, offset, length } as const
  if (length === 0) return { data: { ...described, copies: [] }, redundancy: 'whole' }
  const header = journal.readable(segment)?.header
  const copies: InspectedCopy[] = []
  for (const { number, io } of readableMembers(store, files)) {
    const partition = header?.partition ?? 0
    const where = { ...placeOf(looker, number), file: `journal/${partition}/${segment}.log` }
    const isExpected = header?.disks.includes(number) === true
    if (!io) {
      if (isExpected) copies.push({ ...where, state: 'disk missing' })
      continue
    }
    if (!header || !(await hasHeader(io, header))) {
      if (!isExpected) continue
      const isThere = (await io.list(partition)).some((file) => file.segment === segment)
      copies.push({ ...where, state: isThere ? 'corrupt' : 'missing' })
      continue
    }
    const bytes = await io.read(partition, segment, offset, length).catch(() => new Uint8Array(0))
    const isWhole = bytes.length === length && crc32(bytes) === checksum
    copies.push({ ...where, state: isWhole ? 'ok' : 'corrupt' })
  }
  const whole = copies.filter(({ state }) => state === 'ok').length
  const redundancy = whole === 0 ? 'lost' : whole <= store.table.m ? 'reduced' : 'whole'
  return { data: { ...described, copies }, redundancy }
}

const lookAtShards = async (looker: Looker, data: Extract<Data, { kind: 'shards' }>): Promise<Looked> => {
  const { shards, redundancy } = await checkShards(looker.disks, data)
  const { write, set, k, m, size } = data
  const placed = shards.map((shard) => ({ ...shard, ...placeOf(looker, shard.disk) }))
  return { data: { kind: 'shards', write, set, k, m, size, shards: placed }, redundancy }
}

type Records = ReadonlyMap<BinaryKey, Entry>

const lookAtParts = async (
  looker: Looker,
  version: VersionRecord,
  { upload }: Extract<Data, { kind: 'parts' }>,
  records: Records,
): Promise<Looked> => {
  const parts: InspectedPart[] = []
  for (let page = 0; page * PARTS_PER_PAGE < (version.partCount ?? 0); page++) {
    const table = records.get(tableKey(upload, page))?.record as PartTablePage | undefined
    for (const [partNumber, size] of table?.parts ?? []) {
      const entry = records.get(partKey(upload, partNumber))
      const part: PartRecord | undefined = entry && toPart(entry)
      const looked = part && part.data.kind !== 'parts' ? await lookAt(looker, part.data) : undefined
      const { data = null, redundancy = 'lost' } = looked ?? {}
      parts.push({ partNumber, size, etag: part?.etag ?? null, redundancy, data })
    }
  }
  const isComplete = parts.length === version.partCount
  const redundancy = isComplete ? worst(parts.map((part) => part.redundancy)) : 'lost'
  return { data: { kind: 'parts', upload, parts }, redundancy }
}

const lookAt = (looker: Looker, data: Exclude<Data, { kind: 'parts' }>): Promise<Looked> =>
  data.kind === 'inline' ? lookAtInline(looker, data) : lookAtShards(looker, data)

const inspectVersion = async (
  looker: Looker,
  version: VersionRecord,
  records: Records,
): Promise<InspectedVersion> => {
  const { versionId, sequence, modifiedMs, size, etag } = version
  const looked =
    version.data.kind === 'parts'
      ? await lookAtParts(looker, version, version.data, records)
      : await lookAt(looker, version.data)
  return { ...{ versionId, isCurrent: true, sequence, modifiedMs, size, etag }, ...looked }
}

/** The newest version of a key, and the records of its parts. `NoSuchBucket`, `NoSuchKey`. */
const findVersion = async (
  journal: Journal,
  bucket: string,
  key: string,
): Promise<{ version: VersionRecord; records: Records }> => {
  const ending = toBinary(key)
  const length = CURRENT_KEY_OFFSET + ending.length
  const isOfKey = (at: BinaryKey): boolean =>
    at[0] === SPACE.current && at.length === length && at.endsWith(ending)
  const at = bucketKey(bucket)
  const found = await newestEntries(journal, (other) => other === at || isOfKey(other))
  const record = found.get(at)?.record as BucketRecord | undefined
  if (!record) throw refusal('NoSuchBucket', `there is no bucket ${quoteName(bucket)}`)
  const entry = found.get(currentKey(record.id, key))
  if (!entry)
    throw refusal('NoSuchKey', `there is no object ${quoteName(key)} in the bucket ${quoteName(bucket)}`)
  const version = toVersion(entry)
  if (version.data.kind !== 'parts') return { version, records: new Map() }
  const { upload } = version.data
  const prefixes = [partPrefix(upload), tablePrefix(upload)]
  const isOfUpload = (other: BinaryKey): boolean => prefixes.some((prefix) => other.startsWith(prefix))
  return { version, records: await newestEntries(journal, isOfUpload) }
}

/** `NoSuchBucket`, `NoSuchKey`; `TOO_FEW_DISKS` when the journal cannot be read whole. */
export const inspectObject = async (
  roots: readonly string[],
  { bucket, key }: { readonly bucket: string; readonly key: string },
  files: FileSystem = nodeFiles,
): Promise<InspectedObject> => {
  const store = await readStore(roots, files)
  const isRunning = await findRunning(store, files)
  const partition = partitionOf(bucket, store.table.partitions)
  const inspect = (): Promise<InspectedVersion> =>
    withJournalOf(store, partition, files, async (journal) => {
      const { version, records } = await findVersion(journal, bucket, key)
      return withDisks(store, files, (disks) =>
        inspectVersion({ store, files, disks, journal }, version, records),
      )
    })
  let version = await inspect()
  for (let tries = 1; tries < TRIES && isRunning !== false && version.redundancy !== 'whole'; tries++) {
    version = await inspect()
  }
  return { bucket, key, isRunning, partition, versions: [version] }
}

/** `BUCKET/KEY` as the operator writes it: a key may have slashes of its own. Undefined when it is none. */
export const parseObject = (text: string): { bucket: string; key: string } | undefined => {
  const slash = text.indexOf('/')
  if (slash < 1 || slash === text.length - 1) return undefined
  return { bucket: text.slice(0, slash), key: text.slice(slash + 1) }
}
