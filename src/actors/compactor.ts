// The compactor keeps what volumes take in bounds. Where a fifth of a volume was freed, what is alive in it is copied to
// the volume that is written to, and the records are told in one commit per partition, each shard from here to there if it
// is still here. The old places are then freed like everything else, when nobody reads there any more, and a volume of
// which everything was freed is dropped.
//
// Nothing of it is kept: a crash leaves copies that no record names, which the scrub finds, and volumes that are as they were.
import { codeOf } from '../base/errors.ts'
import { KiB, MiB, SECOND } from '../base/units.ts'
import { isSamePlace, type Relocation } from '../metadata/relocation.ts'
import type { ShardsData } from '../metadata/stored.ts'
import { type ActorRef, behavior, type Context } from '../runtime/actor.ts'
import type { FreedEntry, VolumeUsage } from '../storage/garbage.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import { type DiskProtocol, type LooseEntry, packedEntries, unitOf } from './disk-protocol.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster, type Roster, type RosterRow } from './roster.ts'
import { bucketRefs, PATHS, type StoreFacts } from './store-facts.ts'

export interface CompactorProtocol {
  /** Something was freed in volumes of this disk, or may have been. */
  wake(m: { slot: number }): void
  /** One bounded piece of work on this disk. */
  step(m: { slot: number }): Promise<void>
}

export interface CompactorArgs {
  /** What may be copied on each disk in a second. */
  readonly bytesPerSecond: number
}

/** A burst of frees is one look: what is copied before its end may be freed by the rest of it. It is not waited for for ever. */
const GATHER_MS = 2 * SECOND
const GATHER_MAX_MS = 20 * SECOND
const RETRY_MS = 10 * SECOND
/** Physical bytes are at most 1 / (1 − this) of what is alive. */
const GARBAGE_SHARE = 0.2
/** Below this a volume is left alone: it costs less than what would be written to be rid of it. */
const VOLUME_BYTES_MIN = 1 * MiB
/** Copied at once: this much is held in memory. */
const BATCH_BYTES_MAX = 4 * MiB
const LIMIT = { withinMs: 60 * SECOND }
const COMMIT_WITHIN_MS = 30 * SECOND

/** Whether it pays, given what was to be garbage when the volume was last gone through. Pure. */
export const pays = ({ bytes, garbageBytes }: VolumeUsage, doneAtBytes = 0): boolean =>
  bytes >= VOLUME_BYTES_MIN &&
  garbageBytes >= GARBAGE_SHARE * bytes &&
  (doneAtBytes === 0 || garbageBytes - doneAtBytes >= VOLUME_BYTES_MIN)

export const compactor = behavior<CompactorProtocol, CompactorArgs>(import.meta.url, 'compactor', {
  mailbox: { messagesMax: 256, bytesMax: 64 * KiB },
  interleave: { wake: 64, step: 64 },
  setup(context, args) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    const buckets = bucketRefs(context, facts)
    const compactions = roster
      .rows()
      .map(({ slot }) => new DiskCompaction({ context, roster, buckets, slot, ...args }))
    return {
      wake: ({ slot }) => compactions[slot]?.wake(),
      step: ({ slot }) => compactions[slot]?.step(),
    }
  },
})

interface CompactionOptions extends CompactorArgs {
  readonly context: Context<CompactorProtocol>
  readonly roster: Roster
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  readonly slot: number
}

/** The volume that is gone through, in a session of its disk. */
interface OpenVolume {
  readonly usage: VolumeUsage
  readonly session: number
  offset: number
  copiedBytes: number
}

/** A packed shard that a record of this partition places in the volume. */
interface Alive {
  readonly partition: number
  readonly data: ShardsData
  readonly entry: LooseEntry
}

/** A copy, and what its partition is to be told. */
interface Move {
  readonly partition: number
  readonly relocation: Relocation
  /** What it takes of its volume. */
  readonly bytes: number
}

/** The compaction of one disk: one volume at a time. */
class DiskCompaction {
  readonly #options: CompactionOptions
  readonly #disk: ActorRef<DiskProtocol>
  /** Volumes that were gone through, and what is garbage in them when all that was copied is freed. */
  readonly #done = new Map<number, number>()
  #volume: OpenVolume | undefined
  readonly #alarm: Alarm
  #isAtWork = false
  /** Found no volume that pays when it last looked. */
  #isIdle = true
  /** When something was freed since it last looked. */
  #freed: { readonly firstMs: number; lastMs: number } | undefined

  constructor(options: CompactionOptions) {
    const { context, slot } = options
    this.#options = options
    this.#disk = context.ref<DiskProtocol>(PATHS.disk(slot))
    this.#alarm = createAlarm(context, () => void context.self.tell('step', { slot }))
    this.wake()
  }

  wake(): void {
    const nowMs = this.#options.context.clock.monotonicMs()
    if (this.#freed) this.#freed.lastMs = nowMs
    else this.#freed = { firstMs: nowMs, lastMs: nowMs }
    this.#alarm.set(GATHER_MS)
  }

  /** One at a time: a wish that comes meanwhile is heard at the end. */
  async step(): Promise<void> {
    if (this.#isAtWork) return
    this.#isAtWork = true
    try {
      await this.#step()
    } finally {
      this.#isAtWork = false
      if (this.#freed) this.#alarm.set(GATHER_MS)
    }
  }

  async #step(): Promise<void> {
    const { context, roster, slot } = this.#options
    const row = roster.row(slot)
    // It is woken by what is freed when it is back. From one that leaves the store all is moved anyway.
    if (row.state === 'out' || row.isDraining) {
      this.#volume = undefined
      this.#freed = undefined
      return
    }
    try {
      if (this.#volume?.session !== row.session) {
        if (this.#isIdle && !this.#isGathered()) return
        this.#freed = undefined
        this.#volume = await this.#choose(row)
        this.#isIdle = this.#volume === undefined
      }
      if (!this.#volume) return
      const startMs = context.clock.monotonicMs()
      const copiedBytes = await this.#compact(row, this.#volume)
      const tookMs = context.clock.monotonicMs() - startMs
      this.#alarm.set(Math.max(0, (copiedBytes / this.#options.bytesPerSecond) * SECOND - tookMs))
    } catch (error) {
      context.log.info('compaction-postponed', { disk: row.number, code: codeOf(error) })
      this.#volume = undefined
      this.#alarm.set(RETRY_MS)
    }
  }

  #isGathered(): boolean {
    if (!this.#freed) return true
    const nowMs = this.#options.context.clock.monotonicMs()
    return nowMs - this.#freed.lastMs >= GATHER_MS || nowMs - this.#freed.firstMs >= GATHER_MAX_MS
  }

  /** Of those that pay the one with the most to gain for the least that is to be copied. */
  async #choose({ session }: RosterRow): Promise<OpenVolume | undefined> {
    const usages = await this.#disk.ask('volumeUsages', {}, LIMIT)
    for (const volume of this.#done.keys()) {
      if (!usages.some((usage) => usage.volume === volume)) this.#done.delete(volume)
    }
    const shareOf = ({ garbageBytes, bytes }: VolumeUsage): number => garbageBytes / bytes
    const paying = usages
      .filter((candidate) => pays(candidate, this.#done.get(candidate.volume)))
      .sort((a, b) => shareOf(b) - shareOf(a))
    const [usage] = paying
    if (!usage) return undefined
    // All of them, and not only the one that is gone through: what is copied would else be copied again from the open one.
    for (const { volume } of paying) await this.#disk.ask('closeVolume', { volume }, LIMIT)
    return { usage, session, offset: 0, copiedBytes: 0 }
  }

  /** A piece of the volume; resolves to how much was copied. */
  async #compact(row: RosterRow, volume: OpenVolume): Promise<number> {
    const { usage, offset } = volume
    const request = { volume: usage.volume, offset, passesDamage: true }
    const { entries, next } = await this.#disk.ask('looseEntries', request, LIMIT)
    const alive = await this.#aliveIn(row, usage.volume, entries)
    const moves: Move[] = []
    for (const batch of inBatches(alive)) moves.push(...(await this.#copy(row, usage.volume, batch)))
    await this.#relocateAll(row, moves)
    const copiedBytes = moves.reduce((sum, { bytes }) => sum + bytes, 0)
    volume.copiedBytes += copiedBytes
    if (next === undefined) {
      const { log } = this.#options.context
      log.debug('volume-compacted', { disk: row.number, volume: usage.volume, bytes: volume.copiedBytes })
      this.#done.set(usage.volume, usage.garbageBytes + volume.copiedBytes)
      this.#volume = undefined
    } else volume.offset = next
    return copiedBytes
  }

  /** Rejects when a partition does not answer: it may be the one that has them. */
  async #aliveIn(row: RosterRow, volume: number, entries: readonly LooseEntry[]): Promise<Alive[]> {
    if (entries.length === 0) return []
    const { buckets } = this.#options
    const writes = entries.map(({ write }) => write)
    const fates = await Promise.all(buckets.map((bucket) => bucket.ask('fatesOf', { writes }, LIMIT)))
    return fates.flatMap((ofPartition, partition) =>
      ofPartition.flatMap((fate, i): Alive[] => {
        const entry = entries[i]!
        const place = fate.kind === 'held' ? fate.data.places[entry.index] : undefined
        const isHere = isSamePlace(place, { disk: row.number, volume, offset: entry.offset })
        return fate.kind === 'held' && isHere ? [{ partition, data: fate.data, entry }] : []
      }),
    )
  }

  /** Copies that no record names yet. */
  async #copy(row: RosterRow, volume: number, batch: readonly Alive[]): Promise<Move[]> {
    const units = batch.map(({ data, entry: { index, offset } }) => ({
      ...unitOf(data, index, 0),
      place: { volume, offset },
    }))
    const places = await this.#disk.ask('repack', { units }, LIMIT)
    const disk = row.number
    const repairer = this.#options.context.ref<RepairerProtocol>(PATHS.repairer)
    return batch.flatMap(({ partition, data, entry: { index, offset, bytes } }, i) => {
      const to = places[i]
      if (to) {
        const from = { disk, volume, offset }
        const relocation = { write: data.write, shard: index, from, to: { disk, ...to } }
        return [{ partition, bytes, relocation }]
      }
      // One that is not whole is written elsewhere by its repair, which leaves this place as well.
      repairer.tell('damaged', { data, shard: index })
      return []
    })
  }

  /** One commit a partition. A copy of what was deleted meanwhile is garbage. */
  async #relocateAll(row: RosterRow, moves: readonly Move[]): Promise<void> {
    const refused: FreedEntry[] = []
    const relocateIn = async (partition: number): Promise<void> => {
      const its = moves.filter((move) => move.partition === partition)
      const relocations = its.map(({ relocation }) => relocation)
      const isThere = await this.#relocate(partition, relocations, row)
      const unused = its.filter((_, i) => !isThere[i])
      refused.push(...unused.flatMap(({ relocation, bytes }) => packedEntries([relocation.to], bytes)))
    }
    const partitions = new Set(moves.map(({ partition }) => partition))
    const ends = await Promise.allSettled([...partitions].map(relocateIn))
    if (refused.length > 0) await this.#disk.ask('freePacked', { entries: refused }, LIMIT)
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  #relocate(partition: number, relocations: readonly Relocation[], row: RosterRow): Promise<boolean[]> {
    const { context, buckets } = this.#options
    const deadlineMs = context.clock.monotonicMs() + COMMIT_WITHIN_MS
    const sessions = [{ disk: row.number, session: row.session }]
    return buckets[partition]!.ask('relocate', { relocations, deadlineMs, sessions }, LIMIT)
  }
}

const inBatches = (all: readonly Alive[]): Alive[][] => {
  const batches: Alive[][] = []
  let bytes = Number.POSITIVE_INFINITY
  for (const alive of all) {
    if (bytes + alive.entry.bytes > BATCH_BYTES_MAX) {
      batches.push([])
      bytes = 0
    }
    batches.at(-1)!.push(alive)
    bytes += alive.entry.bytes
  }
  return batches
}
