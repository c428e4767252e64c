// A tour of the scrub, and what an operator asks to be looked at, as a series of small pieces of work. Whoever runs them
// decides when: each says first what it is going to read.
//
//   shards     every unit of every shard, where the records say it is; side by side on all disks
//   segments   every copy of every sealed segment of the journal
//   indexes    against each other and against the journal
//   strays     what else lies on the disks: looked at, and after a while looked at again and removed
import { sleep } from '../base/clock.ts'
import { codeOf, refusal } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { KiB, MINUTE, SECOND } from '../base/units.ts'
import type { HeldPage, HeldScope } from '../metadata/held.ts'
import { isSamePlace } from '../metadata/relocation.ts'
import type { VerifiedCopy } from '../metadata/segment-upkeep.ts'
import type { ShardsData } from '../metadata/stored.ts'
import type { ActorRef, Context } from '../runtime/actor.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import { partitionOf } from './connect-gateway.ts'
import type { DiskProtocol, UnitOutcome } from './disk-protocol.ts'
import type { RunningWritesProtocol } from './gateway-parts.ts'
import type { KeeperProtocol } from './keeper.ts'
import type { RepairerProtocol } from './repairer.ts'
import type { Roster, RosterRow } from './roster.ts'
import { findEntries, findFiles, Orphans } from './scrub-orphans.ts'
import { type Findings, type Position, START } from './scrub-state.ts'
import { batchesOf, type ScrubBatch, type UnitCheck } from './scrub-units.ts'

export interface Work {
  /** What it reads, by disk. */
  readonly bytes: ReadonlyMap<DiskNumber, number>
  /** Monotonic: not before. */
  readonly notBeforeMs?: number
  /** Where a tour that is broken off here goes on. */
  readonly position: Position
  run(findings: Findings): Promise<void>
}

/** What an operator may ask for. */
export type Demand =
  | { readonly kind: 'bucket'; readonly bucket: string }
  | { readonly kind: 'object'; readonly bucket: string; readonly key: string }
  | { readonly kind: 'disk'; readonly disk: DiskNumber }

export interface TourDependencies {
  readonly context: Pick<Context<never>, 'clock' | 'log'>
  readonly roster: Roster
  readonly buckets: readonly ActorRef<BucketProtocol>[]
  readonly gateways: readonly ActorRef<RunningWritesProtocol>[]
  readonly repairer: ActorRef<RepairerProtocol>
  readonly keeper: ActorRef<KeeperProtocol>
  /** What may be read of each disk. */
  readonly bytesPerSecond: number
  /** Between two looks at what is nobody's. */
  readonly graceMs: number
  disk(slot: number): ActorRef<DiskProtocol>
}

const RECORDS_PER_PAGE = 64
const VOLUME_PIECE_BYTES = 256 * KiB
const LIMIT = { withinMs: 60 * SECOND }
/** In which the actor of a disk notices that its disk went. */
const SETTLE_MS = 1 * SECOND
const SEGMENT_LIMIT = { withinMs: 5 * MINUTE }

const NOTHING: ReadonlyMap<DiskNumber, number> = new Map()

/** Damaged shards that are remembered; of a large one every batch finds it again. */
const REPORTED_MAX = 4096

export class ScrubTour {
  readonly #parts: TourDependencies
  readonly #reported = new Set<string>()

  constructor(parts: TourDependencies) {
    this.#parts = parts
  }

  /** Everything, from `position` on. */
  async *whole(position: Position): AsyncGenerator<Work> {
    this.#reported.clear()
    let at = position
    if (at.phase === 'shards') {
      yield* this.#allShards(at)
      at = { ...START, phase: 'segments' }
    }
    if (at.phase === 'segments') {
      yield* this.#segments(at)
      at = { ...START, phase: 'indexes' }
    }
    if (at.phase === 'indexes') yield* this.#indexes(at)
    yield* this.#identities()
    yield* this.#strays()
  }

  /** What a tour reads of shards and sealed segments; of a partition that is not served nothing. */
  async totalBytes(): Promise<number> {
    const counted = this.#parts.buckets.map(async (bucket) => {
      try {
        const [{ onDisks }, segments] = await Promise.all([
          bucket.ask('waiting', {}, LIMIT),
          bucket.ask('segments', {}, LIMIT),
        ])
        const shards = onDisks.reduce((sum, { bytes }) => sum + bytes, 0)
        return segments.reduce((sum, { length, disks }) => sum + length * disks.length, shards)
      } catch (error) {
        if (codeOf(error) !== 'PARTITION_SHUT') throw error
        return 0
      }
    })
    return (await Promise.all(counted)).reduce((sum, bytes) => sum + bytes, 0)
  }

  async *demanded(demand: Demand): AsyncGenerator<Work> {
    this.#reported.clear()
    if (demand.kind === 'disk') {
      const isKnown = demand.disk !== 0 && this.#parts.roster.find(demand.disk) !== undefined
      if (!isKnown) throw refusal('InvalidArgument', `the store has no disk with the number ${demand.disk}`)
      const isThere = (disk: DiskNumber): boolean => disk === demand.disk
      yield* this.#allShards(START, isThere)
      yield* this.#segments({ ...START, phase: 'segments' }, isThere)
      yield* this.#identities(isThere)
      return
    }
    const { bucket, kind } = demand
    const partition = partitionOf(bucket, this.#parts.buckets.length)
    if (kind === 'bucket') yield* this.#scope(partition, { kind: 'bucket', bucket }, START)
    else yield* this.#object(partition, demand)
  }

  async *#object(partition: number, { bucket, key }: { bucket: string; key: string }): AsyncGenerator<Work> {
    const { data } = await this.#bucket(partition).ask('head', { bucket, key }, LIMIT)
    if (data.kind === 'shards') yield* this.#batches(partition, [data], START)
    if (data.kind === 'parts') yield* this.#scope(partition, { kind: 'upload', upload: data.upload }, START)
    // The segments that it may be in are verified as a whole; here it is enough that some copy has it.
    if (data.kind === 'inline') {
      const run = async (findings: Findings): Promise<void> => {
        await this.#bucket(partition).ask('readInline', { data }, LIMIT)
        findings.bytes += data.length
      }
      yield { bytes: NOTHING, position: START, run }
    }
  }

  async *#allShards(from: Position, wanted?: (disk: DiskNumber) => boolean): AsyncGenerator<Work> {
    const { buckets } = this.#parts
    for (let partition = from.at; partition < buckets.length; partition++) {
      const cursor = partition === from.at ? from.cursor : ''
      yield* this.#scope(partition, { kind: 'all' }, { phase: 'shards', at: partition, cursor }, wanted)
    }
  }

  /** What the records of one partition hold, page by page. A partition that is not served is passed over. */
  async *#scope(
    partition: number,
    scope: HeldScope,
    from: Position,
    wanted?: (disk: DiskNumber) => boolean,
  ): AsyncGenerator<Work> {
    let { cursor } = from
    for (;;) {
      const position = { ...from, cursor }
      const page = await this.#page(partition, scope, cursor)
      if (!page) {
        yield this.#passedOver(position)
        return
      }
      yield* this.#batches(partition, page.held, position, wanted)
      for (const upload of page.uploads)
        yield* this.#scope(partition, { kind: 'upload', upload }, position, wanted)
      if (page.next === undefined) return
      cursor = page.next
    }
  }

  async #page(partition: number, scope: HeldScope, cursor: string): Promise<HeldPage | undefined> {
    const request = { scope, cursor, limit: RECORDS_PER_PAGE }
    try {
      return await this.#bucket(partition).ask('heldData', request, LIMIT)
    } catch (error) {
      if (codeOf(error) !== 'PARTITION_SHUT') throw error
      return undefined
    }
  }

  #passedOver(position: Position): Work {
    return { bytes: NOTHING, position, run: async (findings) => void findings.skipped++ }
  }

  *#batches(
    partition: number,
    held: readonly ShardsData[],
    position: Position,
    wanted?: (disk: DiskNumber) => boolean,
  ): Generator<Work> {
    for (const batch of batchesOf(held, this.#parts.bytesPerSecond, wanted)) {
      yield { bytes: batch.bytes, position, run: (findings) => this.#verify(partition, batch, findings) }
    }
  }

  async #verify(partition: number, { checks, bytes }: ScrubBatch, findings: Findings): Promise<void> {
    const verified = [...checks].map(async ([disk, units]) => {
      const outcomes = await this.#outcomes(disk, units)
      if (outcomes) findings.bytes += bytes.get(disk)!
      else findings.skipped += units.length
      return units.flatMap((check, i) =>
        outcomes && outcomes[i] !== 'ok' ? [{ check, how: outcomes[i]! }] : [],
      )
    })
    const damaged = new Map<string, { readonly check: UnitCheck; readonly how: UnitOutcome }>()
    for (const found of (await Promise.all(verified)).flat()) {
      damaged.set(`${found.check.data.write}/${found.check.shard}`, found)
    }
    for (const { check, how } of damaged.values()) await this.#report(partition, check, how, findings)
  }

  async #outcomes(
    disk: DiskNumber,
    units: readonly UnitCheck[],
  ): Promise<readonly UnitOutcome[] | undefined> {
    const row = this.#present(disk)
    if (!row) return undefined
    try {
      const request = { units: units.map(({ unit }) => unit) }
      return await this.#parts.disk(row.slot).ask('verifyUnits', request, LIMIT)
    } catch (error) {
      // Its own supervisor has heard of it; the disk is looked at when it is back.
      this.#parts.context.log.info('scrub-passed-over', { disk, code: codeOf(error) })
      return undefined
    }
  }

  /** What was deleted or moved since its page was read is no finding. */
  async #report(
    partition: number,
    { data, shard }: UnitCheck,
    how: UnitOutcome,
    findings: Findings,
  ): Promise<void> {
    const { write } = data
    const now = await this.#bucket(partition).ask('dataOfWrite', { write }, LIMIT)
    const place = now.data?.places[shard]
    const isThere = isSamePlace(place, data.places[shard]!)
    const name = `${write}/${shard}`
    if (!now.data || !isThere || this.#reported.has(name)) return
    if (this.#reported.size < REPORTED_MAX) this.#reported.add(name)
    if (how === 'missing') findings.missing++
    else findings.corrupt++
    this.#parts.context.log.warn('scrub-found', { write, shard, disk: data.places[shard]!.disk, how })
    this.#parts.repairer.tell('damaged', { data: now.data, shard })
  }

  async *#segments(from: Position, wanted: (disk: DiskNumber) => boolean = () => true): AsyncGenerator<Work> {
    for (let partition = from.at; partition < this.#parts.buckets.length; partition++) {
      const position: Position = { phase: 'segments', at: partition, cursor: '' }
      let segments: Awaited<ReturnType<BucketProtocol['segments']>>
      try {
        segments = await this.#bucket(partition).ask('segments', {}, LIMIT)
      } catch (error) {
        if (codeOf(error) !== 'PARTITION_SHUT') throw error
        yield this.#passedOver(position)
        continue
      }
      for (const { segment, length, disks } of segments) {
        for (const disk of disks.filter(wanted)) {
          const run = (findings: Findings): Promise<void> =>
            this.#verifySegment(partition, { segment, disk, length }, findings)
          yield { bytes: new Map([[disk, length]]), position, run }
        }
      }
    }
  }

  async #verifySegment(
    partition: number,
    { segment, disk, length }: { segment: number; disk: DiskNumber; length: number },
    findings: Findings,
  ): Promise<void> {
    const row = this.#present(disk)
    const copy = await this.#copyOf(partition, { segment, disk })
    if (copy.how === 'gone') return
    if (row && (copy.how === 'whole' || copy.how === 'corrupt')) findings.bytes += length
    if (copy.how === 'whole') return
    if (copy.how === 'unreadable') {
      // Its actor may be about to say that the disk went: then that is the news, and not a copy that cannot be read.
      await sleep(this.#parts.context.clock, SETTLE_MS)
      if (!row || this.#present(disk)?.session !== row.session) {
        this.#parts.context.log.info('scrub-passed-over', { partition, segment, disk, code: copy.code })
        findings.skipped++
        return
      }
      this.#parts.context.log.warn('segment-unreadable', { partition, segment, disk, code: copy.code })
    }
    // The partition has heard of it, and the repairer from it.
    findings.segments++
    this.#parts.context.log.warn('scrub-found', { partition, segment, disk, how: 'corrupt' })
  }

  async #copyOf(partition: number, at: { segment: number; disk: DiskNumber }): Promise<VerifiedCopy> {
    const bucket = this.#bucket(partition)
    const isListed = async (): Promise<boolean> => {
      const segments = await bucket.ask('segments', {}, LIMIT)
      return segments.some(({ segment, disks }) => segment === at.segment && disks.includes(at.disk))
    }
    if (!(await isListed())) return { how: 'gone' }
    if (!this.#present(at.disk)) return { how: 'unreadable', code: 'TOO_FEW_DISKS' }
    return bucket.ask('verifySegment', at, SEGMENT_LIMIT)
  }

  async *#indexes(from: Position): AsyncGenerator<Work> {
    for (let partition = from.at; partition < this.#parts.buckets.length; partition++) {
      const position: Position = { phase: 'indexes', at: partition, cursor: '' }
      let isOver = false
      let isNew = true
      let pauseMs = 0
      const run = async (findings: Findings): Promise<void> => {
        try {
          const piece = await this.#bucket(partition).ask('checkIndexes', { isNew }, LIMIT)
          isOver = piece.isLast
          isNew = false
          findings.bytes += piece.bytes
          pauseMs = (piece.bytes / this.#parts.bytesPerSecond) * SECOND
          if (!isOver) return
          findings.indexes += piece.wrong
          findings.skipped += piece.isPartial ? 1 : 0
        } catch (error) {
          // An index that went, or a partition: the next tour looks again.
          this.#parts.context.log.info('scrub-passed-over', { partition, code: codeOf(error) })
          isOver = true
          findings.skipped++
        }
      }
      while (!isOver) {
        const notBeforeMs = this.#parts.context.clock.monotonicMs() + pauseMs
        yield { bytes: NOTHING, position, notBeforeMs, run }
      }
    }
  }

  /** What makes a directory a disk of the store. */
  *#identities(wanted: (disk: DiskNumber) => boolean = () => true): Generator<Work> {
    for (const { slot, number } of this.#parts.roster.rows()) {
      if (number === 0 || !wanted(number)) continue
      const run = async (findings: Findings): Promise<void> => {
        try {
          const damaged = await this.#parts.keeper.ask('checkIdentity', { slot }, LIMIT)
          findings.corrupt += damaged.length
          for (const file of damaged) {
            this.#parts.context.log.warn('scrub-found', { disk: number, file, how: 'corrupt' })
          }
        } catch (error) {
          this.#parts.context.log.info('scrub-passed-over', { disk: number, code: codeOf(error) })
          findings.skipped++
        }
      }
      yield { bytes: NOTHING, position: { ...START, phase: 'strays' }, run }
    }
  }

  async *#strays(): AsyncGenerator<Work> {
    const { roster, buckets, gateways, disk, context, graceMs } = this.#parts
    const search = { buckets, gateways, disk, log: context.log }
    const orphans = new Orphans(search)
    /** What cannot be looked at now, as a disk or a partition is away, is left to the next tour. */
    const looking =
      (look: () => Promise<void>) =>
      async (findings: Findings): Promise<void> => {
        try {
          await look()
        } catch (error) {
          context.log.info('scrub-passed-over', { code: codeOf(error) })
          findings.skipped++
        }
      }
    for (const row of roster.rows()) {
      // A directory that was given, and has no disk of the store.
      if (row.number === 0) continue
      const position: Position = { phase: 'strays', at: row.slot, cursor: '' }
      if (!this.#present(row.number)) {
        yield this.#passedOver(position)
        continue
      }
      for (const directory of await disk(row.slot).ask('listShardDirectories', {}, LIMIT)) {
        const run = looking(async () => orphans.add(await findFiles(search, row, directory)))
        yield { bytes: NOTHING, position, run }
      }
      for (const volume of await disk(row.slot).ask('listVolumes', {}, LIMIT)) {
        let offset: number | undefined = 0
        while (offset !== undefined) {
          const from: number = offset
          const run = looking(async () => {
            offset = undefined
            const { found, next } = await findEntries(search, row, volume, from)
            orphans.add(found)
            offset = next
          })
          yield { bytes: new Map([[row.number, VOLUME_PIECE_BYTES]]), position, run }
        }
      }
    }
    const notBeforeMs = context.clock.monotonicMs() + graceMs
    const sessionIn = (slot: number): number | undefined => {
      const { state, session } = roster.row(slot)
      return state === 'out' ? undefined : session
    }
    while (orphans.count > 0) {
      const run = async (findings: Findings): Promise<void> => {
        await looking(async () => {
          findings.orphans += await orphans.confirm(sessionIn)
        })(findings)
      }
      yield { bytes: NOTHING, position: { ...START, phase: 'strays' }, notBeforeMs, run }
    }
  }

  #present(disk: DiskNumber): RosterRow | undefined {
    const row = this.#parts.roster.find(disk)
    return row && row.state !== 'out' ? row : undefined
  }

  #bucket(partition: number): ActorRef<BucketProtocol> {
    return this.#parts.buckets[partition]!
  }
}
