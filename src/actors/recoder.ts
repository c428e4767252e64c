// The recoder: what was written while disks were out has fewer data shards than the set has room for, and takes more room than it
// need. When all disks of a set are back its bytes are read, written again in the set's own geometry, and the record is told, if it
// still holds the old shards. So it is with what has a shard on a disk that is being drained: it is written again to those that stay.
// What was written is redundant before and after; so this is the last that upkeep does, and gives way to everything.
import { codeOf } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { KiB, SECOND } from '../base/units.ts'
import { createKernel } from '../codec/index.ts'
import { type ShardsData, shardBytes } from '../metadata/stored.ts'
import { behavior, type Context } from '../runtime/actor.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import { createCodecJobs, createCoder, createLateJobs } from './coder.ts'
import { connectGateway } from './connect-gateway.ts'
import type { Body } from './engine.ts'
import { COMMIT_LIMIT, COMMIT_WITHIN_MS, isUndecided } from './gateway-engine.ts'
import type { GatewayParts, RunningWritesProtocol } from './gateway-parts.ts'
import { type ReadDependencies, readShards } from './reading.ts'
import { attachRoster, type Roster, type RosterRow } from './roster.ts'
import { storeBody } from './store-body.ts'
import type { StoreFacts } from './store-facts.ts'

export interface RecoderProtocol extends RunningWritesProtocol {
  /** Disks are back, and nothing more urgent is to be done. */
  wake(m: Record<string, never>): void
  /** One version or part, or one look for some. */
  step(m: Record<string, never>): Promise<void>
}

export interface RecoderArgs {
  /** Of the arena's reserve for codecs, in bytes. */
  readonly codecOffset: number
  /** What is written again in a second, at most. */
  readonly bytesPerSecond: number
}

const GATHER_MS = 1 * SECOND
const RETRY_MS = 30 * SECOND
const RECORDS_PER_PAGE = 64
const LIMIT = { withinMs: 60 * SECOND }

export const recoder = behavior<RecoderProtocol, RecoderArgs>(import.meta.url, 'recoder', {
  mailbox: { messagesMax: 64, bytesMax: 64 * KiB },
  interleave: { wake: 16, runningWrites: 4, step: 1 },
  setup(context, args) {
    const recoding = new Recoding(context, args)
    return {
      wake: () => recoding.wake(),
      runningWrites: () => [...recoding.running],
      step: () => recoding.step(),
    }
  },
})

/** Where a tour stands. */
interface Tour {
  partition: number
  cursor: string
}

class Recoding {
  readonly #context: Context<RecoderProtocol>
  readonly #bytesPerSecond: number
  readonly #roster: Roster
  readonly #parts: GatewayParts
  readonly #reading: ReadDependencies
  readonly #alarm: Alarm
  #tour: Tour | undefined
  #found: { readonly partition: number; readonly write: WriteId }[] = []

  constructor(context: Context<RecoderProtocol>, { codecOffset, bytesPerSecond }: RecoderArgs) {
    const facts = context.workerData as StoreFacts
    const { memory } = context.arena
    const makeJobs = () => createCodecJobs(createKernel({ memory, reservedOffset: codecOffset }))
    const { parts, reading } = connectGateway(context, facts, createCoder(createLateJobs(makeJobs)))
    this.#context = context
    this.#bytesPerSecond = bytesPerSecond
    this.#roster = attachRoster(facts.roster)
    this.#parts = parts
    this.#reading = reading
    this.#alarm = createAlarm(context, () => void context.self.tell('step', {}))
  }

  get running(): GatewayParts['running'] {
    return this.#parts.running
  }

  wake(): void {
    this.#beginIn(GATHER_MS)
  }

  #beginIn(delayMs: number): void {
    this.#tour = { partition: 0, cursor: '' }
    this.#found = []
    this.#alarm.set(delayMs)
  }

  async step(): Promise<void> {
    try {
      const bytes = await this.#work()
      if (bytes !== undefined) this.#alarm.set((bytes / this.#bytesPerSecond) * SECOND)
    } catch (error) {
      this.#context.log.info('recoding-postponed', { code: codeOf(error) })
      this.#beginIn(RETRY_MS)
    }
  }

  /** Resolves to what was written; undefined when nothing is left. */
  async #work(): Promise<number | undefined> {
    const next = this.#found.shift()
    if (next) return this.#recode(next.partition, next.write)
    const tour = this.#tour
    const bucket = tour && this.#parts.buckets[tour.partition]
    if (!tour || !bucket) {
      this.#tour = undefined
      // Until nothing names the disk any more it is looked for again.
      if (this.#roster.draining() !== 0) this.#beginIn(RETRY_MS)
      return undefined
    }
    const isPending = tour.cursor !== '' || (await this.#isPendingIn(bucket))
    if (!isPending) {
      this.#tour = { partition: tour.partition + 1, cursor: '' }
      return 0
    }
    const request = { scope: { kind: 'all' }, cursor: tour.cursor, limit: RECORDS_PER_PAGE } as const
    const { held, next: cursor } = await bucket.ask('heldData', request, LIMIT)
    this.#found = held
      .filter((data) => this.#isWanted(data))
      .map(({ write }) => ({ partition: tour.partition, write }))
    this.#tour = cursor === undefined ? { partition: tour.partition + 1, cursor: '' } : { ...tour, cursor }
    return 0
  }

  async #isPendingIn(bucket: GatewayParts['buckets'][number]): Promise<boolean> {
    const { reduced, onDisks } = await bucket.ask('waiting', {}, LIMIT)
    const draining = this.#roster.draining()
    return reduced > 0 || onDisks.some(({ disk, shards }) => disk === draining && shards > 0)
  }

  #staying(set: number): RosterRow[] {
    return this.#roster.rows().filter((row) => row.number !== 0 && row.set === set && !row.isDraining)
  }

  /** Whether a write to the set would have its full geometry now. */
  #isComplete(set: number): boolean {
    return this.#staying(set).every(({ state }) => state === 'up')
  }

  /** Whether it has a shard on the disk that is being drained, and room for all of them on the others. */
  #isToLeave({ set, places }: ShardsData): boolean {
    const draining = this.#roster.draining()
    if (!places.some(({ disk }) => disk === draining)) return false
    return this.#staying(set).every(({ state }) => state === 'up' || state === 'slow')
  }

  #isWanted(data: ShardsData): boolean {
    return (data.isReduced === true && this.#isComplete(data.set)) || this.#isToLeave(data)
  }

  async #recode(partition: number, write: WriteId): Promise<number> {
    const bucket = this.#parts.buckets[partition]!
    // Since its page was read it may have been deleted, or its shards moved: at a low rate that was minutes ago.
    const { data } = await bucket.ask('dataOfWrite', { write }, LIMIT)
    if (!data || !this.#isWanted(data)) return 0
    const { size } = data
    const stored = await storeBody(bodyOf(data, this.#reading), this.#parts)
    const { data: again, sessions } = stored
    // Written with too few disks once more, or to another set: nothing is gained.
    if (again.kind !== 'shards' || (again.isReduced && !this.#isToLeave(data))) {
      stored.settle('refused')
      return size
    }
    const deadlineMs = this.#context.clock.monotonicMs() + COMMIT_WITHIN_MS
    const request = { write, data: again, sessions, deadlineMs }
    try {
      const isThere = await bucket.ask('recode', request, COMMIT_LIMIT)
      stored.settle(isThere ? 'committed' : 'refused')
      if (isThere) this.#context.log.debug('recoded', { write, as: again.write })
    } catch (error) {
      stored.settle(isUndecided(error) ? 'unknown' : 'refused')
      throw error
    }
    return again.places.length * shardBytes(again)
  }
}

/** The bytes of `data`, as a client would send them. */
const bodyOf = (data: ShardsData, reading: ReadDependencies): Body => ({
  size: data.size,
  digests: [],
  // What they were said to be is in the record, and every block was verified as it was read.
  seal: () => ({ etag: '' }),
  chunks: (async function* () {
    for await (const { bytes, release } of readShards(data, { start: 0, length: data.size }, reading)) {
      try {
        yield bytes
      } finally {
        release()
      }
    }
  })(),
})
