// Moving shards: repair and compaction of volumes write a shard elsewhere, sync it, and then commit the new place, if the
// old one still counts. A version that was deleted or overwritten meanwhile is never revived.
import type { WriteId } from '../base/ids.ts'
import type { Entry } from './entry.ts'
import { SPACE, writeKey } from './keys.ts'
import type { ShardPlace } from './records.ts'
import type { CommitLimits, Lookup, Room } from './room.ts'
import {
  addShards,
  countShard,
  freeData,
  freePlace,
  type ShardsData,
  type StoredPart,
  type StoredVersion,
  shardBytes,
} from './stored.ts'

export interface Relocation {
  readonly write: WriteId
  /** Index of the shard. */
  readonly shard: number
  readonly from: ShardPlace
  readonly to: ShardPlace
}

type Holder = StoredVersion | StoredPart

export const isSamePlace = (a: ShardPlace | undefined, b: ShardPlace): boolean =>
  a !== undefined && a.disk === b.disk && a.volume === b.volume && a.offset === b.offset

/** The entry whose record holds the shards of `write` now; undefined when they wait to be reclaimed, or never were. */
export const heldByWrite = (from: Lookup, write: WriteId): (Entry & { shards: ShardsData }) | undefined => {
  const at = from.get(writeKey(write))?.record as { key: string } | undefined
  const entry = at && from.get(at.key)
  const data = (entry?.record as Holder | undefined)?.data
  return entry && data?.kind === 'shards' && data.write === write ? { ...entry, shards: data } : undefined
}

/**
 * One commit for all. True for each that is now where it should be; of the others the new copy is garbage. Durable
 * when it resolves.
 */
export const relocate = (
  { ledger }: Room,
  relocations: readonly Relocation[],
  limits?: CommitLimits,
): Promise<boolean[]> =>
  ledger.decide(
    (decision) =>
      relocations.map(({ write, shard, from, to }) => {
        const holder = heldByWrite(decision, write)
        if (!holder) ledger.indexes.assertAgreement()
        if (!holder || !isSamePlace(holder.shards.places[shard], from)) return false
        const places = holder.shards.places.map((place, i) => (i === shard ? to : place))
        const record = holder.record as Holder
        decision.put(holder.key, { ...record, ...keptOf(holder), data: { ...holder.shards, places } })
        const bytes = shardBytes(holder.shards)
        countShard(decision, from.disk, -1, -bytes)
        countShard(decision, to.disk, 1, bytes)
        // Of a disk that was replaced nothing is left anywhere.
        if (ledger.members.has(from.disk)) freePlace(decision, holder.shards, from)
        return true
      }),
    limits,
  )

/**
 * The bytes of `write` were written again, as `data`: the record holds those from then on, and the old shards are reclaimed. False
 * when no version or part holds the write any more, and what was written is garbage. Durable when it resolves.
 */
export const recode = (
  { ledger }: Room,
  write: WriteId,
  data: ShardsData,
  limits?: CommitLimits,
): Promise<boolean> =>
  ledger.decide((decision) => {
    const holder = heldByWrite(decision, write)
    if (!holder) {
      ledger.indexes.assertAgreement()
      return false
    }
    decision.put(holder.key, { ...(holder.record as Holder), ...keptOf(holder), data })
    addShards(decision, holder.key, data)
    freeData(decision, holder.shards)
    return true
  }, limits)

/** The order of versions is that of their first commits: a move does not change it. */
const keptOf = (holder: Entry): { sequence?: number } =>
  'etag' in (holder.record as Holder) && holder.key[0] === SPACE.current
    ? { sequence: sequenceOf(holder) }
    : {}

const sequenceOf = (entry: Entry): number => (entry.record as StoredVersion).sequence ?? entry.sequence
