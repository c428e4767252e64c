// Makes one shard anew: on its disk, where it is damaged, or on another one, where its disk left. What was rebuilt and read back is
// committed if the old place still counts; a shard whose object was deleted meanwhile is removed again.
import type { DiskNumber } from '../base/ids.ts'
import { MINUTE, SECOND } from '../base/units.ts'
import { createKernel } from '../codec/index.ts'
import type { ShardPlace } from '../metadata/records.ts'
import { type ShardsData, shardBytes } from '../metadata/stored.ts'
import { type ActorRef, type Context, child } from '../runtime/actor.ts'
import { planStripes } from '../storage/stripes.ts'
import type { BucketProtocol, DiskSession } from './bucket-protocol.ts'
import { type CodecJobs, createCodecJobs, createCoder, createLateJobs } from './coder.ts'
import { type DiskProtocol, packedEntries } from './disk-protocol.ts'
import type { RepairerProtocol } from './repairer.ts'
import type { Roster } from './roster.ts'
import { type ShardRepairArgs, type ShardRepairProtocol, shardRepair } from './shard-repair.ts'
import { storePublisher } from './store-events.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'

const BUCKET_LIMIT = { withinMs: 60 * SECOND }
/** A shard of the largest part. */
const SHARD_LIMIT = { withinMs: 60 * MINUTE }

/** A shard that was written elsewhere, to a disk in these sessions. */
interface Move {
  readonly partition: number
  readonly data: ShardsData
  readonly shard: number
  readonly to: ShardPlace
  readonly sessions: readonly DiskSession[]
}

export class ShardMender {
  readonly #context: Context<RepairerProtocol>
  readonly #facts: StoreFacts
  readonly #roster: Roster
  readonly #coder: ShardRepairArgs['coder']
  readonly #publish: ReturnType<typeof storePublisher>
  #children = 0
  /** Since whoever paces it set this to 0. */
  rebuiltBytes = 0

  /** `codecOffset`: of the arena's reserve for codecs, in bytes. */
  constructor(context: Context<RepairerProtocol>, roster: Roster, codecOffset: number) {
    this.#context = context
    this.#facts = context.workerData as StoreFacts
    this.#roster = roster
    this.#publish = storePublisher(context)
    const { memory } = context.arena
    const makeJobs = (): CodecJobs => createCodecJobs(createKernel({ memory, reservedOffset: codecOffset }))
    this.#coder = createCoder(createLateJobs(makeJobs))
  }

  /**
   * A shard on a disk that was replaced or leaves: written to a member of the set that has none of this write, then relocated. False
   * when there is no such member. Rejects with OBJECT_LOST when too few others are there.
   */
  async move(partition: number, data: ShardsData, shard: number): Promise<boolean> {
    const target = this.#targetFor(data)
    if (target === undefined) return false
    const sessions = this.#sessionOf(target)
    const to = await this.#rebuild(data, shard, target)
    await this.#relocate({ partition, data, shard, to, sessions })
    this.#context.log.debug('shard-moved', { write: data.write, shard, disk: target })
    return true
  }

  /**
   * A damaged shard on a disk that is there: looked at again, and if it is damaged indeed, written again. False when the disk is not
   * there. Rejects as `move` does.
   */
  async mend(reported: ShardsData, shard: number): Promise<boolean> {
    const { write } = reported
    const found = await this.find(reported)
    const place = found?.data.places[shard]
    if (!found || !place) return true
    const row = this.#roster.find(place.disk)
    if (row === undefined || row.state === 'out') return false
    // What leaves is made anew elsewhere.
    if (row.isDraining) return true
    const { data, partition } = found
    if (await this.#withRepair(data, shard, place.disk, (ref) => ref.ask('verify', {}, SHARD_LIMIT)))
      return true
    const sessions = this.#sessionOf(place.disk)
    const to = await this.#rebuild(data, shard, place.disk)
    if (to.volume !== undefined) await this.#relocate({ partition, data, shard, to, sessions })
    // Deleted meanwhile: what was put in its place belongs to nobody.
    else if (!(await this.find(data))) await this.#remove(data, to)
    this.#context.log.info('shard-repaired', { write, shard, disk: place.disk })
    this.#publish({ kind: 'shard-repaired', disk: place.disk, write, shard })
    return true
  }

  /** The partition whose version or part has the shards of this write, and where they are now. */
  async find({ write }: ShardsData): Promise<{ partition: number; data: ShardsData } | undefined> {
    let failure: unknown
    for (let partition = 0; partition < this.#facts.partitions; partition++) {
      try {
        const { data } = await this.#bucket(partition).ask('dataOfWrite', { write }, BUCKET_LIMIT)
        if (data) return { partition, data }
      } catch (error) {
        failure = error
      }
    }
    // Who did not answer may be the one that has it.
    if (failure) throw failure
    return undefined
  }

  #targetFor({ set, places }: ShardsData): DiskNumber | undefined {
    const taken = new Set(places.map(({ disk }) => disk))
    return this.#roster
      .rows()
      .filter((row) => row.state === 'up' && !row.isDraining && row.set === set && !taken.has(row.number))
      .sort((a, b) => b.freeMiB - a.freeMiB)[0]?.number
  }

  #rebuild(data: ShardsData, shard: number, target: DiskNumber): Promise<ShardPlace> {
    this.rebuiltBytes += shardBytes(data)
    return this.#withRepair(data, shard, target, (ref) => ref.ask('rebuild', {}, SHARD_LIMIT))
  }

  async #withRepair<T>(
    data: ShardsData,
    shard: number,
    target: DiskNumber,
    use: (ref: ActorRef<ShardRepairProtocol>) => Promise<T>,
  ): Promise<T> {
    const ref = this.#spawn(data, shard, target)
    try {
      return await use(ref)
    } finally {
      await this.#context.stop(ref)
    }
  }

  #spawn(data: ShardsData, shard: number, target: DiskNumber): ActorRef<ShardRepairProtocol> {
    const args = { data, shard, target, coder: this.#coder, disk: (number: DiskNumber) => this.#disk(number) }
    return this.#context.spawn(child(shardRepair, `shard-${this.#children++}`, args))
  }

  /** Commits the new place, if the old one still counts; else what was written is removed. */
  async #relocate({ partition, data, shard, to, sessions }: Move): Promise<void> {
    const from = data.places[shard]!
    const relocation = { write: data.write, shard, from, to }
    const deadlineMs = this.#context.clock.monotonicMs() + BUCKET_LIMIT.withinMs / 2
    const request = { relocations: [relocation], deadlineMs, sessions }
    const [isThere] = await this.#bucket(partition).ask('relocate', request, BUCKET_LIMIT)
    if (!isThere) await this.#remove(data, to)
  }

  #sessionOf(disk: DiskNumber): DiskSession[] {
    const row = this.#roster.find(disk)
    return row ? [{ disk, session: row.session }] : []
  }

  async #remove({ write, size, k }: ShardsData, place: ShardPlace): Promise<void> {
    const ref = this.#disk(place.disk)
    if (!ref) return
    const entries = packedEntries([place], planStripes(size, k).diskBytes)
    if (entries.length > 0) await ref.ask('freePacked', { entries }, BUCKET_LIMIT)
    else await ref.ask('removeShards', { writes: [write] }, BUCKET_LIMIT)
  }

  #bucket(partition: number): ActorRef<BucketProtocol> {
    return this.#context.ref<BucketProtocol>(PATHS.bucket(partition))
  }

  #disk(number: DiskNumber): ActorRef<DiskProtocol> | undefined {
    const row = this.#roster.find(number)
    return row && row.state !== 'out' ? this.#context.ref<DiskProtocol>(PATHS.disk(row.slot)) : undefined
  }
}
