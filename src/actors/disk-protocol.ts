// What may be asked of a disk actor, and how it names what it keeps. Whoever asks needs this and not the actor itself, which
// may well live on another thread.
import type { WriteId } from '../base/ids.ts'
import type { ShardPlace } from '../metadata/records.ts'
import type { SegmentFile } from '../metadata/segment-disk.ts'
import type { ShardsData } from '../metadata/stored.ts'
import type { Address } from '../runtime/actor.ts'
import type { FreedEntry, VolumeUsage } from '../storage/garbage.ts'
import type { PlacedUnit } from '../storage/shard-reader.ts'
import { payloadBytesOf, planStripes } from '../storage/stripes.ts'
import type { UnitAddress } from '../storage/unit.ts'
import type { PackedPlace } from '../storage/volumes.ts'
import type { FramePiece } from './frame-memory.ts'
import type { SlabRange } from './stripe-buffer.ts'

export interface UnitRead {
  readonly unit: UnitAddress
  /** Of a packed shard. */
  readonly place?: PackedPlace
  readonly firstBlock: number
  readonly blockCount: number
  /** A page for the header, then room for the blocks. */
  readonly into: SlabRange
}

/** A packed shard that was found in a volume. */
export interface LooseEntry {
  readonly write: WriteId
  readonly index: number
  readonly offset: number
  /** What it takes in the volume. */
  readonly bytes: number
}

/** What a read comes to. What redundancy can make up for is a value, not an error. */
export type UnitOutcome = 'ok' | 'missing' | 'corrupt'

export interface DiskProtocol {
  /** Appends a sealed unit to a large shard, which is begun by its first one. Taken back when `writer` ends before the seal. */
  writeUnit(m: {
    writer: Address
    write: WriteId
    diskBytes: number
    unit: SlabRange
    /** Takes the place of a damaged shard of this write when it is sealed. */
    isRepair?: boolean
  }): Promise<void>
  /** The shard's bytes and its name are durable when it resolves. */
  sealShard(m: { write: WriteId }): Promise<void>
  /** Appends a sealed unit to the open volume; durable when it resolves. */
  packShard(m: { payloadBytes: number; unit: SlabRange }): Promise<PackedPlace>
  readUnit(m: UnitRead): Promise<UnitOutcome>
  removeShards(m: { writes: readonly WriteId[] }): Promise<void>
  freePacked(m: { entries: readonly FreedEntry[] }): Promise<void>
  writerGone(m: { write: WriteId }): Promise<void>

  listSegments(m: { partition: number }): Promise<SegmentFile[]>
  createSegment(m: { partition: number; segment: number; header: Uint8Array }): Promise<void>
  appendSegment(m: {
    partition: number
    segment: number
    offset: number
    pieces: readonly FramePiece[]
  }): Promise<void>
  /** `isMedium`: past the system's cache. */
  readSegment(m: {
    partition: number
    segment: number
    offset: number
    length: number
    isMedium?: boolean
  }): Promise<Uint8Array>
  restoreSegment(m: {
    partition: number
    segment: number
    offset: number
    piece: Uint8Array
    isLast: boolean
  }): Promise<void>
  removeSegment(m: { partition: number; segment: number }): Promise<void>
  /** Reads whole units from the medium and verifies every block; one outcome for each, in their order. */
  verifyUnits(m: { units: readonly PlacedUnit[] }): Promise<UnitOutcome[]>
  /** Those of the 256 directories of shards that there are. */
  listShardDirectories(m: Record<string, never>): Promise<number[]>
  /** Large shards in one of 256 directories, and names that are none; what is being written is left out. */
  listShards(m: { directory: number }): Promise<{ writes: WriteId[]; strays: string[] }>
  listVolumes(m: Record<string, never>): Promise<number[]>
  /** How much is garbage in each volume of which something was freed. */
  volumeUsages(m: Record<string, never>): Promise<VolumeUsage[]>
  closeVolume(m: { volume: number }): Promise<void>
  /** Copies packed shards to the volume that is written to: their new places, undefined for one that is not whole. */
  repack(m: {
    units: readonly (PlacedUnit & { readonly place: PackedPlace })[]
  }): Promise<(PackedPlace | undefined)[]>
  /** Entries of a volume that were not freed: see Disk.looseEntries. */
  looseEntries(m: {
    volume: number
    offset: number
    passesDamage?: boolean
  }): Promise<{ entries: LooseEntry[]; next?: number }>
  removeStrays(m: { directory: number; names: readonly string[] }): Promise<void>
  /** Looks for a disk that was out, and whether the one that is in has room. */
  look(m: Record<string, never>): Promise<void>
}

/** Where a packed shard lies, as storage wants it: nothing for one that is a file. */
export const packedPlace = ({ volume, offset }: ShardPlace): { place?: PackedPlace } =>
  volume === undefined || offset === undefined ? {} : { place: { volume, offset } }

/** Unit `stripe` of shard `shard`, where it lies, or at `place`. */
export const unitOf = (
  { write, size, k, m, places }: ShardsData,
  shard: number,
  stripe: number,
  place: ShardPlace = places[shard]!,
): PlacedUnit => {
  const payloadBytes = payloadBytesOf(planStripes(size, k), stripe)
  return { write, k, m, index: shard, stripe, payloadBytes, ...packedPlace(place) }
}

/** The entries of packed shards among `places`, as what they take in their volumes. */
export const packedEntries = (places: readonly ShardPlace[], bytes: number): FreedEntry[] =>
  places.flatMap((place) => {
    const { place: packed } = packedPlace(place)
    return packed ? [{ ...packed, bytes }] : []
  })
