// What versions and parts hold on disks, a page at a time: for repair and scrub, which look at shards and not at keys.
import type { DiskNumber, UploadId, WriteId } from '../base/ids.ts'
import {
  afterPrefix,
  type BinaryKey,
  currentPrefix,
  laterKey,
  partPrefix,
  SPACE,
  UPLOAD_ID_BYTES,
  uploadPrefix,
  writeKey,
} from './keys.ts'
import { heldByWrite } from './relocation.ts'
import { bucketIn, type Room } from './room.ts'
import type { ShardsData, StoredPart, StoredVersion } from './stored.ts'

/** Whose shards: of the whole partition, of one bucket, or of the parts of one upload, completed or not. */
export type HeldScope =
  | { readonly kind: 'all' }
  | { readonly kind: 'bucket'; readonly bucket: string }
  | { readonly kind: 'upload'; readonly upload: UploadId }

export interface HeldPage {
  readonly held: readonly ShardsData[]
  /** Of a bucket: uploads whose parts hold more. */
  readonly uploads: readonly UploadId[]
  /** Pass as `cursor` to go on; undefined at the end. */
  readonly next?: string
}

export interface HeldRequest {
  readonly scope: HeldScope
  /** Empty to begin. */
  readonly cursor: string
  /** Records that are looked at, at most: a page may be empty and still not the last. */
  readonly limit: number
}

type Holder = StoredVersion | StoredPart

/** Prefixes of the spaces that are walked, in their order. */
const prefixesOf = ({ ledger }: Room, scope: HeldScope): BinaryKey[] => {
  if (scope.kind === 'all') return [SPACE.part, SPACE.current]
  if (scope.kind === 'upload') return [partPrefix(scope.upload)]
  const { id } = bucketIn(ledger, { bucket: scope.bucket })
  return [uploadPrefix(id), currentPrefix(id)]
}

const toHex = (key: BinaryKey): string => Buffer.from(key, 'latin1').toString('hex')
const fromHex = (cursor: string): BinaryKey => Buffer.from(cursor, 'hex').toString('latin1')

/** An open upload is named by its key; a completed one by its version. */
const uploadOf = (key: BinaryKey, record: unknown): UploadId | undefined => {
  if (key[0] === SPACE.upload) return toHex(key.slice(-UPLOAD_ID_BYTES)) as UploadId
  const { data } = record as Holder
  return data.kind === 'parts' ? data.upload : undefined
}

/** Rejects with NoSuchBucket for a bucket that is not there. */
export const heldData = async (room: Room, { scope, cursor, limit }: HeldRequest): Promise<HeldPage> => {
  const held: ShardsData[] = []
  const uploads: UploadId[] = []
  const position = fromHex(cursor)
  let seen = 0
  for (const prefix of prefixesOf(room, scope)) {
    const end = afterPrefix(prefix)!
    if (position >= end) continue
    const scan = room.ledger.scan(laterKey(position, prefix), end)
    try {
      for (let rows = await scan.next(limit); rows.length > 0; rows = await scan.next(limit)) {
        for (const { key, record } of rows) {
          if (seen++ === limit) return { held, uploads, next: toHex(key) }
          const upload = uploadOf(key, record)
          if (upload !== undefined && scope.kind === 'bucket') uploads.push(upload)
          if (upload !== undefined) continue
          const { data } = record as Holder
          if (data.kind === 'shards') held.push(data)
        }
      }
    } finally {
      await scan.close()
    }
  }
  return { held, uploads }
}

/** A shard that a record names. */
export interface ShardAt {
  readonly data: ShardsData
  readonly shard: number
}

export interface ShardsPage {
  readonly shards: readonly ShardAt[]
  /** Pass as `cursor` to go on; undefined at the end. */
  readonly next?: string
}

/** Shards that versions and parts keep on `disk`: of `recordsMax` records a page. */
export const shardsOn = async (
  room: Room,
  disk: DiskNumber,
  cursor: string,
  recordsMax: number,
): Promise<ShardsPage> => {
  const { held, next } = await heldData(room, { scope: { kind: 'all' }, cursor, limit: recordsMax })
  const shards = held.flatMap((data) =>
    data.places.flatMap((place, shard) => (place.disk === disk ? [{ data, shard }] : [])),
  )
  return { shards, ...(next !== undefined && { next }) }
}

/** What a partition knows of a write whose shard was found on a disk. */
export type WriteFate =
  /** A version or part holds it, or a part that waits to be reclaimed: only these places count. */
  | { readonly kind: 'held'; readonly data: ShardsData }
  /** It waits to be reclaimed, wherever it lies. */
  | { readonly kind: 'freed' }
  /** No record of this partition names it. */
  | { readonly kind: 'unknown' }

/**
 * The fate of each write. `unknown` is said only when both indexes agree; with it from every partition, and no commit
 * under way that could name the write, its shards are orphans.
 */
export const fatesOf = ({ ledger }: Room, writes: readonly WriteId[]): Promise<WriteFate[]> =>
  ledger.decide((decision) =>
    writes.map((write): WriteFate => {
      const holder = heldByWrite(decision, write)
      if (holder) return { kind: 'held', data: holder.shards }
      if (decision.get(writeKey(write))) return { kind: 'freed' }
      ledger.indexes.assertAgreement()
      return { kind: 'unknown' }
    }),
  )
