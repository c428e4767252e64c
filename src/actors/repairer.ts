// The repairer makes redundancy whole again: shards that records place on disks which were replaced, shards that a reader found
// damaged, copies of journal segments. It is told when there may be work (a disk came, the table changed, a read failed)
// and otherwise sleeps. Its progress is what was relocated: a restart goes on where the records say so.
//
// Memory is bounded by the shards it works on at a time and by the queue of damaged ones; what does not fit there is found
// again by the next read.
import { codeOf } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { HOUR, MINUTE, MiB, SECOND } from '../base/units.ts'
import type { ShardAt } from '../metadata/held.ts'
import type { ShardPlace } from '../metadata/records.ts'
import { type ShardsData, shardBytes } from '../metadata/stored.ts'
import { type ActorRef, behavior, type Context } from '../runtime/actor.ts'
import { planStripes } from '../storage/stripes.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import type { BucketProtocol, Waiting } from './bucket-protocol.ts'
import type { KeeperProtocol } from './keeper.ts'
import type { RecoderProtocol } from './recoder.ts'
import { attachRoster, type Roster } from './roster.ts'
import { ShardMender } from './shard-mender.ts'
import { rootIn } from './slot-roots.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'

export interface RepairerProtocol {
  /** A disk came, the table of disks changed, or a copy of a segment is damaged. */
  wake(m: Record<string, never>): void
  /** A read met a shard that was missing or damaged although its disk answered. */
  damaged(m: { data: ShardsData; shard: number }): void
  /** The disk is an older copy of itself: every shard that should be on it is looked at, and the keeper told when all are there. */
  suspect(m: { disk: DiskNumber }): void
  /** Damaged shards that are known and not repaired yet. */
  waiting(m: Record<string, never>): { readonly shards: number; readonly bytes: number }
  /** One bounded piece of work. */
  step(m: Record<string, never>): Promise<void>
}

export interface RepairerArgs {
  /** Of the arena's reserve for codecs, in bytes. */
  readonly codecOffset: number
  /** What is rebuilt in a second, at most. */
  readonly bytesPerSecond: number
}

const GATHER_MS = 100
const RETRY_MS = 10 * SECOND
const LOST_RETRY_MS = 1 * MINUTE
const LOST_RETRY_MS_MAX = 6 * HOUR
const DAMAGED_MAX = 1024
const RECORDS_PER_PAGE = 256
/** Shards that are repaired at a time: small ones wait for syncs, large ones for slabs. */
const SMALL_WIDTH = 16
const LARGE_WIDTH = 2
const BUCKET_LIMIT = { withinMs: 60 * SECOND }
const SEGMENT_LIMIT = { withinMs: 5 * MINUTE }

export const repairer = behavior<RepairerProtocol, RepairerArgs>(import.meta.url, 'repairer', {
  mailbox: { messagesMax: 1024, bytesMax: 4 * MiB },
  // Whoever reports or asks does not wait for a shard to be rebuilt.
  interleave: { wake: 16, damaged: 64, suspect: 16, waiting: 4, step: 1 },
  setup(context, args) {
    const repairing = new Repairing(context, args)
    repairing.wake()
    return {
      wake: () => repairing.wake(),
      damaged: ({ data, shard }) => repairing.report(data, shard),
      suspect: ({ disk }) => repairing.suspect(disk),
      waiting: () => repairing.waiting(),
      step: () => repairing.step(),
    }
  },
})

/** Where a tour through one partition's records stands. */
interface Tour {
  readonly partition: number
  readonly disk: DiskNumber
  /** Its shards are looked at where they are; without it they are moved to another. */
  readonly isCheck: boolean
  /** Only what lacks at least so many shards. */
  readonly dangerMin: number
  cursor: string
}

/** A disk whose shards are looked at. */
interface Suspect {
  /** What is left to be looked at; at least one until all is done. */
  shards: number
  bytes: number
  /** It is part of the tours that were planned, and nothing failed on them. */
  isTouring: boolean
}

class Repairing {
  readonly #context: Context<RepairerProtocol>
  readonly #facts: StoreFacts
  readonly #roster: Roster
  readonly #mender: ShardMender
  readonly #damaged = new Map<string, ShardAt>()
  /** Damaged ones that could not be repaired when they were tried: tried again with the next plan. */
  readonly #postponed = new Map<string, ShardAt>()
  #tours: Tour[] = []
  /** Shards of the page that a tour is at. */
  #page: { readonly tour: Tour; readonly shards: ShardAt[] } | undefined
  readonly #suspects = new Map<DiskNumber, Suspect>()
  /** Partitions whose segments are to be looked at. */
  #segments: number[] = []
  #isAwake = false
  readonly #alarm: Alarm
  #hasPostponed = false
  /** Something could not be rebuilt because others of its shards were not there either. */
  #hasLost = false
  #lostAtMs = 0
  #lostRetryMs = LOST_RETRY_MS
  readonly #bytesPerSecond: number

  constructor(context: Context<RepairerProtocol>, { codecOffset, bytesPerSecond }: RepairerArgs) {
    this.#context = context
    this.#bytesPerSecond = bytesPerSecond
    this.#facts = context.workerData as StoreFacts
    this.#roster = attachRoster(this.#facts.roster)
    this.#mender = new ShardMender(context, this.#roster, codecOffset)
    this.#alarm = createAlarm(context, () => void context.self.tell('step', {}))
    context.ref<KeeperProtocol>(PATHS.keeper).tell('tellSuspects', {})
  }

  wake(): void {
    this.#isAwake = true
    this.#alarm.set(GATHER_MS)
  }

  report(data: ShardsData, shard: number): void {
    const isFull = this.#damaged.size + this.#postponed.size >= DAMAGED_MAX
    if (!isFull) this.#damaged.set(`${data.write}/${shard}`, { data, shard })
    this.#alarm.set(GATHER_MS)
  }

  suspect(disk: DiskNumber): void {
    if (!this.#suspects.has(disk)) this.#suspects.set(disk, { shards: 1, bytes: 1, isTouring: false })
    this.wake()
  }

  waiting(): { shards: number; bytes: number } {
    const known = [...this.#damaged.values(), ...this.#postponed.values()]
    const here = known.filter(({ data, shard }) => this.#isPresent(data.places[shard]))
    const suspects = [...this.#suspects.values()]
    const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
    return {
      shards: here.length + sum(suspects.map(({ shards }) => Math.max(1, shards))),
      bytes:
        sum(here.map(({ data }) => shardBytes(data))) + sum(suspects.map(({ bytes }) => Math.max(1, bytes))),
    }
  }

  #isPresent(place: ShardPlace | undefined): boolean {
    const row = place && this.#roster.find(place.disk)
    return row !== undefined && row.state !== 'out'
  }

  /** Shards that cannot be read, as far as is known: those that are damaged, and those of disks that are not there. */
  #danger({ write, places }: ShardsData): number {
    return places.filter((place, shard) => !this.#isPresent(place) || this.#damaged.has(`${write}/${shard}`))
      .length
  }

  #mostEndangered(): [string, ShardAt] | undefined {
    let most: [string, ShardAt] | undefined
    let least = Number.POSITIVE_INFINITY
    for (const entry of this.#damaged) {
      const { data } = entry[1]
      const left = data.m - this.#danger(data)
      if (left >= least) continue
      most = entry
      least = left
    }
    return most
  }

  #outCount(): number {
    return this.#roster.rows().filter(({ number, state }) => number !== 0 && state === 'out').length
  }

  /** One bounded piece of work, then the next one by a message of its own. */
  async step(): Promise<void> {
    try {
      const isLostDue = this.#hasLost && this.#context.clock.monotonicMs() >= this.#lostAtMs
      if (this.#isAwake || isLostDue) await this.#plan()
      this.#mender.rebuiltBytes = 0
      if (await this.#work()) {
        this.#alarm.set((this.#mender.rebuiltBytes / this.#bytesPerSecond) * SECOND)
      } else if (this.#hasPostponed) {
        this.#isAwake = true
        this.#alarm.set(RETRY_MS)
      } else if (this.#hasLost) {
        this.#alarm.set(Math.max(0, this.#lostAtMs - this.#context.clock.monotonicMs()))
      } else {
        this.#lostRetryMs = LOST_RETRY_MS
      }
    } catch (error) {
      this.#context.log.info('repair-postponed', { code: codeOf(error) })
      this.#isAwake = true
      this.#alarm.set(RETRY_MS)
    }
  }

  /** Where nothing may fail any more, one read that failed looks like a loss: it is tried again, less and less often. */
  #noteLost(): void {
    this.#hasLost = true
    const nowMs = this.#context.clock.monotonicMs()
    if (this.#lostAtMs > nowMs) return
    this.#lostAtMs = nowMs + this.#lostRetryMs
    this.#lostRetryMs = Math.min(LOST_RETRY_MS_MAX, 2 * this.#lostRetryMs)
  }

  /** What there is to do now, by asking the partitions for their counters. */
  async #plan(): Promise<void> {
    this.#isAwake = false
    this.#hasPostponed = false
    this.#hasLost = false
    for (const [key, at] of this.#postponed) this.#damaged.set(key, at)
    this.#postponed.clear()
    const { partitions } = this.#facts
    this.#segments = Array.from({ length: partitions }, (_, partition) => partition)
    for (const suspect of this.#suspects.values())
      Object.assign(suspect, { shards: 0, bytes: 0, isTouring: true })
    const retiredIn: { readonly partition: number; readonly disk: DiskNumber }[] = []
    const checks: Tour[] = []
    const leaving: Tour[] = []
    const draining = this.#roster.draining()
    for (let partition = 0; partition < partitions; partition++) {
      const { retired, onDisks } = await this.#countsOf(partition)
      for (const disk of retired) retiredIn.push({ partition, disk })
      if (onDisks.some(({ disk, shards }) => disk === draining && shards > 0)) {
        leaving.push({ partition, disk: draining as DiskNumber, isCheck: false, dangerMin: 0, cursor: '' })
      }
      for (const [disk, suspect] of this.#suspects) {
        const { shards = 0, bytes = 0 } = onDisks.find((counts) => counts.disk === disk) ?? {}
        suspect.shards += shards
        suspect.bytes += bytes
        checks.push({ partition, disk, isCheck: true, dangerMin: 0, cursor: '' })
      }
    }
    // The most endangered first, whichever partition and disk they are of.
    const dangers = new Set(retiredIn.map(({ disk }) => disk)).size + this.#outCount()
    const moves = Array.from({ length: dangers }, (_, i) => dangers - i).flatMap((dangerMin) =>
      retiredIn.map((at): Tour => ({ ...at, isCheck: false, dangerMin, cursor: '' })),
    )
    this.#tours = [...moves, ...checks, ...leaving]
    this.#page = undefined
  }

  /** A partition that does not answer keeps nobody else's shards from being repaired. */
  async #countsOf(partition: number): Promise<Pick<Waiting, 'retired' | 'onDisks'>> {
    try {
      return await this.#bucket(partition).ask('waiting', {}, BUCKET_LIMIT)
    } catch (error) {
      this.#postpone(error, { partition })
      for (const suspect of this.#suspects.values()) suspect.isTouring = false
      return { retired: [], onDisks: [] }
    }
  }

  /** A shard of an older copy of a disk, which may well be there. */
  async #check(disk: DiskNumber, { data, shard }: ShardAt): Promise<void> {
    const isDone = await this.#repairDamaged(data, shard)
    const suspect = this.#suspects.get(disk)
    if (!suspect) return
    suspect.shards -= 1
    suspect.bytes -= shardBytes(data)
    if (!isDone) suspect.isTouring = false
  }

  #endTours(): void {
    for (const [disk, { isTouring }] of this.#suspects) {
      if (!isTouring) continue
      this.#suspects.delete(disk)
      this.#context.ref<KeeperProtocol>(PATHS.keeper).tell('diskVerified', { disk })
    }
  }

  /** False when nothing is left. */
  async #work(): Promise<boolean> {
    const partition = this.#segments[0]
    if (partition !== undefined) {
      if (!(await this.#repairSegment(partition))) this.#segments.shift()
      return true
    }
    const damaged = this.#mostEndangered()
    if (damaged) {
      const [key, { data, shard }] = damaged
      const isDone = await this.#repairDamaged(data, shard)
      this.#damaged.delete(key)
      if (!isDone) this.#postponed.set(key, { data, shard })
      return true
    }
    if (this.#page) {
      const { shards, tour } = this.#page
      const first = shards[0]
      const width = first && planStripes(first.data.size, first.data.k).isPacked ? SMALL_WIDTH : LARGE_WIDTH
      const batch = shards.splice(0, width)
      const one = (at: ShardAt): Promise<void> =>
        tour.isCheck ? this.#check(tour.disk, at) : this.#move(tour.partition, at.data, at.shard)
      await Promise.all(batch.map(one))
      if (shards.length === 0) this.#page = undefined
      return true
    }
    const tour = this.#tours[0]
    if (!tour) {
      this.#endTours()
      // What is redundant and takes too much room comes last.
      this.#context.ref<RecoderProtocol>(PATHS.recoder).tell('wake', {})
      return false
    }
    const { disk, cursor } = tour
    const request = { disk, cursor, limit: RECORDS_PER_PAGE }
    const page = await this.#bucket(tour.partition).ask('shardsOn', request, BUCKET_LIMIT)
    const shards = page.shards.filter(({ data }) => this.#danger(data) >= tour.dangerMin)
    if (shards.length > 0) this.#page = { tour, shards }
    if (page.next === undefined) this.#tours.shift()
    else tour.cursor = page.next
    return true
  }

  async #repairSegment(partition: number): Promise<boolean> {
    try {
      const repaired = await this.#bucket(partition).ask('repairSegment', {}, SEGMENT_LIMIT)
      if (!repaired) return false
      const root = rootIn(this.#facts, this.#roster.find(repaired.disk)?.slot ?? -1)
      this.#context.log.info('segment-repaired', { partition, ...repaired, root })
      return true
    } catch (error) {
      this.#postpone(error, { partition })
      return false
    }
  }

  /** What is being reclaimed is not lost: its other shards may have gone first. */
  async #postponeShard(error: unknown, data: ShardsData, shard: number): Promise<void> {
    const isLost = codeOf(error) === 'OBJECT_LOST'
    if (isLost && !(await this.#mender.find(data).catch(() => data))) return
    this.#postpone(error, { write: data.write, shard })
  }

  #postpone(error: unknown, detail: Record<string, unknown>): void {
    const code = codeOf(error)
    // What is lost hardly comes back by trying; the reader was told, and the operator is now.
    if (code === 'OBJECT_LOST') {
      this.#context.log.error('shard-lost', { ...detail, code })
      this.#noteLost()
    } else {
      this.#context.log.info('repair-postponed', { ...detail, code })
      this.#hasPostponed = true
    }
  }

  async #move(partition: number, data: ShardsData, shard: number): Promise<void> {
    try {
      const isMoved = await this.#mender.move(partition, data, shard)
      // What needs one disk less is written again as a whole, by the recoder.
      if (!isMoved && this.#roster.find(data.places[shard]!.disk) === undefined) this.#hasPostponed = true
    } catch (error) {
      await this.#postponeShard(error, data, shard)
    }
  }

  /** False when its disk is not there, or it has to be tried again. */
  async #repairDamaged(reported: ShardsData, shard: number): Promise<boolean> {
    try {
      return await this.#mender.mend(reported, shard)
    } catch (error) {
      await this.#postponeShard(error, reported, shard)
      return codeOf(error) === 'OBJECT_LOST'
    }
  }

  #bucket(partition: number): ActorRef<BucketProtocol> {
    return this.#context.ref<BucketProtocol>(PATHS.bucket(partition))
  }
}
