// One disk: its directory and everything in it that holds bodies and journal. Shards are written once, synced before
// they are acknowledged, verified before they are believed. What redundancy can make up for (a shard that is missing or
// damaged) is a value; what the disk itself suffers from is a fault with this disk's number.
//
// A disk that is full, read-only or slow is still a disk; one whose directory was wiped, unmounted or moved away answers
// everything with DISK_GONE until it is opened again.
import { fault } from '../base/errors.ts'
import type { FileStat, FileSystem, OpenFile } from '../base/files.ts'
import type { WriteId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { KiB, MiB } from '../base/units.ts'
import { createDamageLog, type DamageLog } from './damage-log.ts'
import { createContext, type DiskContext, type DiskCounters, type DiskIds } from './disk-context.ts'
import { diskFault } from './disk-errors.ts'
import { createGarbage, type FreedEntry, type Garbage, type VolumeUsage } from './garbage.ts'
import { DIRECTORIES, IDENTITY_NAME, numberOf, volumePath, volumesPath } from './layout.ts'
import { createOpenFiles, type OpenFiles } from './open-files.ts'
import { createRoom, type DiskSpace, type Room, trafficOn } from './room.ts'
import { createSegments, type Segments } from './segments.ts'
import { createShardFiles, isNotThere, type ShardFiles, type ShardWriter } from './shard-files.ts'
import {
  createShardReader,
  type PlacedUnit,
  type ReadRequest,
  type ShardRead,
  type ShardReader,
} from './shard-reader.ts'
import {
  blocksOf,
  ENTRY_ALIGNMENT,
  entryBytesOf,
  headerBytesOf,
  PAGE_BYTES,
  PAYLOAD_BYTES_MAX,
  readUnitAddress,
  type UnitAddress,
} from './unit.ts'
import {
  checkVolumeHeader,
  createVolumes,
  type PackedPlace,
  VOLUME_HEADER_BYTES,
  type VolumeFile,
  type Volumes,
} from './volumes.ts'

export interface DiskOptions extends DiskIds {
  readonly root: string
  readonly files: FileSystem
  readonly log: Log
  /** What stays free for segments, DELETE and administration; by default a sixteenth of the disk, at most 1 GiB. */
  readonly reserveBytes?: number
  /** Disks of the store on the same device, this one included: they have its room in common. 1 by default. */
  readonly sharers?: number
  /** New volumes have no lower number; 1 by default. */
  readonly volumeNumberMin?: number
  /** Told the number of each new volume. */
  readonly onVolume?: (volume: number) => void
  /** A volume is closed at this length; 1 GiB by default. */
  readonly volumeBytesMax?: number
}

export interface DiskReport {
  readonly space: DiskSpace
  readonly counters: Readonly<DiskCounters>
}

/** An entry found in a volume by walking it. */
export interface VolumeEntry extends UnitAddress {
  readonly offset: number
}

/** What a walk through a volume reads at a time. */
const WALK_BYTES = 256 * KiB
/** What one look for loose entries goes through, about. */
const LOOSE_BYTES = 32 * MiB
const LOOSE_ENTRIES = 512
interface LooseSearch {
  readonly volume: number
  readonly offset: number
  readonly noted: ReadonlySet<number>
  readonly passesDamage: boolean
}

const HEADER_BYTES_MAX = headerBytesOf(PAYLOAD_BYTES_MAX)

interface EntrySearch {
  readonly limit: number
  /** Looks for the next entry behind what is none. */
  readonly passesDamage: boolean
}

/**
 * Adds the entries that begin in `window`, which lies at `base` of the volume; returns where to read on, undefined when it stopped at
 * what is no entry.
 */
const findEntries = (
  window: Uint8Array,
  base: number,
  { limit, passesDamage }: EntrySearch,
  entries: VolumeEntry[],
): number | undefined => {
  let at = 0
  while (at < window.length && entries.length < limit) {
    // A header may be cut off by the end of the window: it comes first in the next.
    if (at > 0 && window.length - at < HEADER_BYTES_MAX) break
    const address = readUnitAddress(window.subarray(at))
    if (address === undefined && !passesDamage) return undefined
    if (address !== undefined) entries.push({ ...address, offset: base + at })
    at += address === undefined ? ENTRY_ALIGNMENT : entryBytesOf(address.payloadBytes)
  }
  return base + at
}

const highestVolume = async (files: FileSystem, root: string): Promise<number> => {
  const names = await files.list(volumesPath(root))
  // Notes of a dropped volume may outlive it by a crash; their number is taken too.
  const numbers = names.flatMap((name) => numberOf(name, 'vol') ?? numberOf(name, 'free') ?? [])
  return numbers.reduce((highest, number) => Math.max(highest, number), 0)
}

/** A disk has its directories from before it became a member: one that lacks some was damaged, one that lacks all wiped. */
const prepareDirectories = async ({ files, root, number }: DiskOptions): Promise<void> => {
  const names = await files.list(root)
  const missing = DIRECTORIES.filter((name) => !names.includes(name))
  if (missing.length === DIRECTORIES.length) {
    throw fault('DISK_GONE', `disk ${number}: ${root} has been emptied`, { disk: number })
  }
  for (const name of missing) await files.makeDirectory(`${root}/${name}`)
  if (missing.length > 0) await files.syncDirectory(root)
}

const statRoot = async (options: DiskOptions): Promise<FileStat> => {
  const { files, root, number } = options
  const [directory, identity] = await Promise.all([files.stat(root), files.stat(`${root}/${IDENTITY_NAME}`)])
  if (directory?.kind === 'directory' && identity?.kind === 'file') return directory
  throw fault('DISK_GONE', `disk ${number}: ${root} is not there or holds no disk`, { disk: number })
}

export class Disk {
  readonly number: DiskIds['number']
  /** Journal segments: what the journal writes to. */
  readonly segments: Segments
  readonly #context: DiskContext
  readonly #room: Room
  readonly #readers: OpenFiles
  readonly #reader: ShardReader
  readonly #shards: ShardFiles
  readonly #volumes: Volumes
  readonly #garbage: Garbage
  readonly #damage: DamageLog

  /**
   * Opens the disk in a directory that holds this disk's identity (the caller has recognised it). Reads no data, so
   * it takes the same short time however much is stored. Rejects with DISK_GONE when there is no disk in the directory, or one
   * that lost all it had.
   */
  static async open(options: DiskOptions): Promise<Disk> {
    const { files, root, number } = options
    try {
      const { inode, device } = await statRoot(options)
      await prepareDirectories(options)
      const traffic = trafficOn(files, device)
      const room = createRoom(number, () => files.space(root), { ...options, traffic })
      await room.refresh()
      const context = createContext({ ...options, room, inode, device })
      return new Disk(context, room, await highestVolume(files, root), options)
    } catch (error) {
      throw diskFault(number, error)
    }
  }

  private constructor(context: DiskContext, room: Room, highest: number, options: DiskOptions) {
    const { volumeBytesMax: bytesMax, volumeNumberMin: numberMin, onVolume: onBegun } = options
    this.number = context.number
    this.#context = context
    this.#damage = createDamageLog(context.log, 'disk.corrupt')
    this.#room = room
    this.#readers = createOpenFiles(context.files)
    this.#reader = createShardReader(context, this.#readers, this.#damage)
    this.segments = createSegments(context, this.#readers)
    this.#shards = createShardFiles(context, this.#readers.drop)
    this.#volumes = createVolumes(context, {
      highest,
      ...(bytesMax === undefined ? {} : { bytesMax }),
      ...(numberMin === undefined ? {} : { numberMin }),
      ...(onBegun === undefined ? {} : { onBegun }),
      onSucceeded: (volume) => this.#reclaimVolume(volume),
    })
    this.#garbage = createGarbage(context, this.#volumes, this.#readers.drop)
  }

  /** Begins a large shard of `bytes` on disk (`StripePlan.diskBytes`). DISK_FULL when there is no room above the reserve. */
  createShard(write: WriteId, bytes: number): Promise<ShardWriter> {
    return this.#shards.create(write, bytes)
  }

  /** As `createShard`, for a repair: takes the place of a damaged shard of this write, or of what is left of one, when sealed. */
  replaceShard(write: WriteId, bytes: number): Promise<ShardWriter> {
    this.#damage.renewed(write)
    return this.#shards.replace(write, bytes)
  }

  /**
   * Writes a packed shard: the sealed unit in `slab` with `payloadBytes` of payload. Durable when it resolves, together with
   * all that were asked for meanwhile; the slab must stay as it is until then.
   */
  async writePacked(slab: Uint8Array, payloadBytes: number): Promise<PackedPlace> {
    const header = slab.subarray(0, headerBytesOf(payloadBytes))
    return this.#volumes.append([header, slab.subarray(PAGE_BYTES, PAGE_BYTES + payloadBytes)])
  }

  /** Removes large shards; those that are not there are no error. Durable when it resolves. */
  removeShards(writes: readonly WriteId[]): Promise<void> {
    return this.#shards.remove(writes)
  }

  /** Notes packed shards as garbage; a closed volume of nothing else is dropped. Durable when it resolves; may be repeated. */
  freePacked(entries: readonly FreedEntry[]): Promise<void> {
    return this.#garbage.free(entries)
  }

  /** Reads and verifies blocks of a unit. `ok`: they lie in the slab. Rejects only with faults of the whole disk. */
  readBlocks(request: ReadRequest): Promise<ShardRead> {
    return this.#reader.readBlocks(request)
  }

  /** Reads whole units from the medium and verifies every block; one outcome for each. Rejects only with faults of the whole disk. */
  verifyUnits(units: readonly PlacedUnit[]): Promise<ShardRead[]> {
    return this.#reader.verifyUnits(units)
  }

  /** Removes names among the large shards that are none; those that are not there are no error. Durable when it resolves. */
  removeStrays(directory: number, names: readonly string[]): Promise<void> {
    return this.#shards.removeStrays(directory, names)
  }

  /** Those of the 256 directories of shards that there are. */
  listShardDirectories(): Promise<number[]> {
    return this.#shards.directories()
  }

  /** Large shards in one of the 256 directories of shards, and names that are none; for the scrub. */
  listShards(directory: number): Promise<{ writes: WriteId[]; strays: string[] }> {
    return this.#shards.list(directory)
  }

  /** Every volume with the length of its file; for the scrub. */
  listVolumes(): Promise<VolumeFile[]> {
    return this.#volumes.list()
  }

  /** How much is garbage in each volume of which something was freed. */
  volumeUsages(): Promise<VolumeUsage[]> {
    return this.#garbage.usages()
  }

  /** No entry follows in the volume; what is written next goes to another, so it can be dropped when all of it is garbage. */
  closeVolume(volume: number): Promise<void> {
    return this.#volumes.succeed(volume)
  }

  /** Copies a packed shard to the volume that is written to; durable when it resolves. Undefined when it is not whole. */
  async repack({
    place,
    ...unit
  }: PlacedUnit & { readonly place: PackedPlace }): Promise<PackedPlace | undefined> {
    const { payloadBytes } = unit
    const slab = new Uint8Array(PAGE_BYTES + payloadBytes)
    const blocks = { firstBlock: 0, blockCount: blocksOf(payloadBytes) }
    const { status } = await this.readBlocks({ ...unit, place, ...blocks, slab })
    if (status !== 'ok') return undefined
    // As it was read: the header directly before the payload.
    return this.#volumes.append([slab.subarray(PAGE_BYTES - headerBytesOf(payloadBytes))], true)
  }

  /** How much of a volume is garbage; undefined when there is none of that number. */
  volumeUsage(volume: number): Promise<{ bytes: number; garbageBytes: number } | undefined> {
    return this.#garbage.usage(volume)
  }

  /**
   * Walks a volume: up to `limit` entries from `offset` on (0: from the start), and where to go on; `next` undefined at the
   * end. Damaged stretches are passed over. Headers only: payloads are not read. `isOurs` false: another disk's volume.
   */
  async walkVolume(
    volume: number,
    offset: number,
    limit: number,
  ): Promise<{ entries: VolumeEntry[]; next?: number; isOurs: boolean }> {
    return this.#context.guarded(() =>
      this.#readers.use(volumePath(this.#context.root, volume), (file) =>
        this.#walk(file, volume, offset, limit),
      ),
    )
  }

  /**
   * Entries of a volume that were not freed, some from `offset` on (0: from the start), and where to go on; `next` undefined
   * where the volume ends, or is damaged: what seems to be an entry behind that may be part of a body. `passesDamage` for who
   * knows better, because records name the places.
   */
  async looseEntries(
    volume: number,
    offset: number,
    passesDamage = false,
  ): Promise<{ entries: VolumeEntry[]; next?: number }> {
    const noted = await this.#garbage.noted(volume)
    return this.#context.guarded(async () => {
      try {
        const path = volumePath(this.#context.root, volume)
        return await this.#readers.use(path, (file) =>
          this.#findLoose(file, { volume, offset, noted, passesDamage }),
        )
      } catch (error) {
        if (!isNotThere(error)) throw error
        // Dropped since it was listed.
        await this.#context.checkPresence()
        return { entries: [] }
      }
    })
  }

  /** Rejects with DISK_GONE when the directory is no longer the one that was opened. */
  checkPresence(): Promise<void> {
    return this.#context.guarded(() => this.#context.checkPresence())
  }

  /** Asks the file system for its free space; the report is right without it up to what others wrote, and what was removed. */
  refreshSpace(): Promise<void> {
    return this.#context.guarded(() => this.#room.refresh())
  }

  report(): DiskReport {
    return { space: this.#room.space(), counters: { ...this.#context.counters } }
  }

  /** Lets running writes end and closes every file. What was acknowledged needs none of this. */
  async close(): Promise<void> {
    await this.#volumes.close()
    await Promise.all([this.#shards.close(), this.segments.close(), this.#readers.close()])
  }

  async #walk(
    file: OpenFile,
    volume: number,
    offset: number,
    limit: number,
  ): Promise<{ entries: VolumeEntry[]; next?: number; isOurs: boolean }> {
    const header = new Uint8Array(VOLUME_HEADER_BYTES)
    const count = await file.read(header, 0)
    const isOurs = checkVolumeHeader(header.subarray(0, count), this.#context, volume)
    const entries: VolumeEntry[] = []
    const window = new Uint8Array(WALK_BYTES)
    let at = Math.max(offset, VOLUME_HEADER_BYTES)
    while (entries.length < limit) {
      const length = await file.read(window, at)
      if (length < headerBytesOf(1)) return { entries, isOurs }
      at = findEntries(window.subarray(0, length), at, { limit, passesDamage: true }, entries)!
    }
    return { entries, next: at, isOurs }
  }

  async #findLoose(
    file: OpenFile,
    { volume, offset, noted, passesDamage }: LooseSearch,
  ): Promise<{ entries: VolumeEntry[]; next?: number }> {
    const entries: VolumeEntry[] = []
    const header = new Uint8Array(VOLUME_HEADER_BYTES)
    const count = await file.read(header, 0)
    if (!checkVolumeHeader(header.subarray(0, count), this.#context, volume)) return { entries }
    const window = new Uint8Array(WALK_BYTES)
    const search = { limit: Number.POSITIVE_INFINITY, passesDamage }
    const start = Math.max(offset, VOLUME_HEADER_BYTES)
    for (let at = start; ; ) {
      const found: VolumeEntry[] = []
      const length = await file.read(window, at)
      const next = findEntries(window.subarray(0, length), at, search, found)
      entries.push(...found.filter((entry) => !noted.has(entry.offset)))
      if (next === undefined || next === at) return { entries }
      if (entries.length >= LOOSE_ENTRIES || next - start >= LOOSE_BYTES) return { entries, next }
      at = next
    }
  }

  #reclaimVolume(volume: number): void {
    // Nobody waits for this: should it fail, the next free in that volume, or the scrub, does it again.
    void this.#garbage.dropIfGarbage(volume).catch((error: unknown) => {
      this.#context.log.warn('disk.volume-not-dropped', { disk: this.number, volume, error })
    })
  }
}
