// The scrubber looks, once a period, at every byte that the store keeps, whether anybody reads it or not: at most so many
// bytes a second of each disk, and between two tours it reads nothing. What it finds it tells those who mend: shards the
// repairer, copies of segments their partition. How far it is stands in the metadata, so a restart goes on there.
import { codeOf, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { HOUR, KiB, SECOND } from '../base/units.ts'
import { type ActorRef, behavior, type Context } from '../runtime/actor.ts'
import { type Alarm, createAlarm } from './alarm.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { RunningWritesProtocol } from './gateway-parts.ts'
import type { KeeperProtocol } from './keeper.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster } from './roster.ts'
import { GRACE_MS } from './scrub-orphans.ts'
import {
  beginTour,
  endTour,
  type Findings,
  type FinishedTour,
  noFindings,
  type Phase,
  type Position,
  reviveScrubState,
  SCRUB_ENTRY,
  type ScrubState,
} from './scrub-state.ts'
import { type Demand, ScrubTour, type Work } from './scrub-tour.ts'
import { bucketRefs, PATHS, type StoreFacts } from './store-facts.ts'

export interface ScrubberProtocol {
  status(m: Record<string, never>): ScrubStatus
  /** Resolves when a restart will know it. */
  pause(m: Record<string, never>): Promise<void>
  resume(m: Record<string, never>): Promise<void>
  /** Begins a tour now, if none is under way. */
  begin(m: Record<string, never>): Promise<void>
  /** Looks at something before the tour goes on; resolves to its number. Rejects with MAILBOX_FULL when too much was asked for. */
  demand(m: Demand): number
  /** One bounded piece of work. */
  step(m: Record<string, never>): Promise<void>
}

export interface ScrubberArgs {
  /** Between the beginnings of two tours; 0: none but those that are asked for. */
  readonly periodMs: number
  /** What is read of each disk in a second, at most. */
  readonly bytesPerSecond: number
  /** Paths of the actors that writes begin with. */
  readonly gateways: readonly string[]
  /** How long what is nobody's is left alone before it is looked at again; GRACE_MS unless a test has no time for that. */
  readonly graceMs?: number
}

export interface DemandStatus {
  readonly number: number
  readonly demand: Demand
  readonly state: 'waiting' | 'running' | 'done' | 'failed'
  /** Code of what it failed with. */
  readonly code?: string
  readonly findings: Readonly<Findings>
}

export interface ScrubStatus {
  /** `idle`: between two tours. */
  readonly state: 'idle' | 'running' | 'paused'
  readonly periodMs: number
  readonly bytesPerSecond: number
  /** When the next tour begins, by the wall clock; undefined when none does by itself. */
  readonly nextMs?: number
  readonly tour?: {
    readonly number: number
    readonly startedMs: number
    readonly phase: Phase
    readonly findings: Readonly<Findings>
    /**
     * Of shards and sealed segments, on all disks, as they were when the tour began or a start went on with it: about what `bytes` of
     * the findings come to. Undefined until it was counted.
     */
    readonly totalBytes?: number
    /** What it reads in a second, of all disks, since it began, went on or was resumed; undefined until it has read something. */
    readonly readBytesPerSecond?: number
  }
  readonly last?: FinishedTour
  /** The newest last. */
  readonly demands: readonly DemandStatus[]
}

/** How often what a tour has done is committed. */
const SAVE_EVERY_MS = 10 * SECOND
const RETRY_MS = 10 * SECOND
/** A timer that is set for longer may not fire at all. */
const SLEEP_MS_MAX = 1 * HOUR
const LIMIT = { withinMs: 60 * SECOND }
const DEMANDS_MAX = 64
/** Damaged shards that wait for the repairer: more are not looked for meanwhile, as it forgets what is too much. */
const WAITING_MAX = 512

export const scrubber = behavior<ScrubberProtocol, ScrubberArgs>(import.meta.url, 'scrubber', {
  mailbox: { messagesMax: 64, bytesMax: 256 * KiB },
  // Whoever asks does not wait for what is being read.
  interleave: { status: 4, pause: 4, resume: 4, begin: 4, demand: 4, step: 1 },
  setup(context, args) {
    const scrubbing = new Scrubbing(context, args)
    scrubbing.wake(0)
    return {
      status: () => scrubbing.status(),
      pause: () => scrubbing.pause(true),
      resume: () => scrubbing.pause(false),
      begin: () => scrubbing.begin(),
      demand: (demand) => scrubbing.demand(demand),
      step: () => scrubbing.step(),
    }
  },
})

/** Work that is taken piece by piece. */
interface Job {
  readonly works: AsyncGenerator<Work>
  readonly findings: Findings
  /** Taken and not done: its disks are not ready yet. */
  next?: Work
  /** Of the piece that was taken last. */
  position?: Position
}

interface Touring extends Job {
  readonly totalBytes: number
  /** Since when its pace is measured, and what it had read then. */
  paced: { readonly sinceMs: number; readonly bytes: number }
}

interface Asked extends Job {
  readonly number: number
  readonly demand: Demand
  state: DemandStatus['state']
  code?: string
}

class Scrubbing {
  readonly #context: Context<ScrubberProtocol>
  readonly #args: ScrubberArgs
  readonly #tour: ScrubTour
  readonly #keeper: ActorRef<BucketProtocol>
  readonly #repairer: ActorRef<RepairerProtocol>
  /** As it was last read or changed; undefined until the first partition has answered. */
  #state: ScrubState | undefined
  #savedMs = 0
  #touring: Touring | undefined
  readonly #asked: Asked[] = []
  #askedCount = 0
  /** When each disk may be read from again. */
  readonly #readyMs = new Map<DiskNumber, number>()
  readonly #alarm: Alarm

  constructor(context: Context<ScrubberProtocol>, args: ScrubberArgs) {
    const facts = context.workerData as StoreFacts
    this.#context = context
    this.#args = args
    const buckets = bucketRefs(context, facts)
    this.#keeper = buckets[0]!
    this.#repairer = context.ref<RepairerProtocol>(PATHS.repairer)
    this.#tour = new ScrubTour({
      context,
      roster: attachRoster(facts.roster),
      buckets,
      repairer: this.#repairer,
      keeper: context.ref<KeeperProtocol>(PATHS.keeper),
      bytesPerSecond: args.bytesPerSecond,
      graceMs: args.graceMs ?? GRACE_MS,
      gateways: args.gateways.map((path) => context.ref<RunningWritesProtocol>(path)),
      disk: (slot) => context.ref<DiskProtocol>(PATHS.disk(slot)),
    })
    this.#alarm = createAlarm(context, () => void context.self.tell('step', {}))
  }

  wake(delayMs: number): void {
    this.#alarm.set(Math.min(delayMs, SLEEP_MS_MAX))
  }

  status(): ScrubStatus {
    const { periodMs, bytesPerSecond } = this.#args
    const state = this.#state
    const tour = state?.tour
    const demands = this.#asked.map(
      ({ number, demand, state: its, code, findings }): DemandStatus => ({
        ...{ number, demand, state: its, findings },
        ...(code !== undefined && { code }),
      }),
    )
    const nextMs = state && !tour && periodMs > 0 ? state.dueMs : undefined
    const isRunning = tour !== undefined || demands.some(({ state: its }) => its === 'running')
    return {
      state: state?.isPaused ? 'paused' : isRunning ? 'running' : 'idle',
      ...{ periodMs, bytesPerSecond, demands },
      ...(nextMs !== undefined && { nextMs }),
      ...(tour && {
        tour: {
          ...{ number: tour.number, startedMs: tour.startedMs },
          ...{ phase: tour.position.phase, findings: tour.findings },
          ...this.#progress(),
        },
      }),
      ...(state?.last && { last: state.last }),
    }
  }

  #progress(): Pick<NonNullable<ScrubStatus['tour']>, 'totalBytes' | 'readBytesPerSecond'> {
    const touring = this.#touring
    if (!touring) return {}
    const { totalBytes, paced, findings } = touring
    const bytes = findings.bytes - paced.bytes
    const seconds = (this.#context.clock.monotonicMs() - paced.sinceMs) / SECOND
    return {
      totalBytes,
      ...(bytes > 0 && seconds > 0 && { readBytesPerSecond: Math.round(bytes / seconds) }),
    }
  }

  #pacedFrom({ bytes }: Findings): Touring['paced'] {
    return { sinceMs: this.#context.clock.monotonicMs(), bytes }
  }

  async pause(isPaused: boolean): Promise<void> {
    const state = await this.#load()
    if (state.isPaused && !isPaused && this.#touring)
      this.#touring.paced = this.#pacedFrom(this.#touring.findings)
    state.isPaused = isPaused
    await this.#save(state)
    this.wake(0)
  }

  async begin(): Promise<void> {
    const state = await this.#load()
    if (!state.tour) await this.#beginTour(state)
    this.wake(0)
  }

  demand(demand: Demand): number {
    const open = this.#asked.filter(({ state }) => state === 'waiting' || state === 'running')
    if (open.length >= DEMANDS_MAX) throw unavailable('MAILBOX_FULL', 'too much is waiting to be looked at')
    while (this.#asked.length >= DEMANDS_MAX) {
      this.#asked.splice(
        this.#asked.findIndex(({ state }) => state === 'done' || state === 'failed'),
        1,
      )
    }
    const number = ++this.#askedCount
    const works = this.#tour.demanded(demand)
    this.#asked.push({ number, demand, works, findings: noFindings(), state: 'waiting' })
    this.wake(0)
    return number
  }

  /** One piece of work, then the next one by a message of its own. */
  async step(): Promise<void> {
    try {
      this.wake(await this.#work())
    } catch (error) {
      this.#context.log.info('scrub-postponed', { code: codeOf(error) })
      // A generator that failed is at its end: the tour goes on from its last position.
      this.#touring = undefined
      this.wake(RETRY_MS)
    }
  }

  /** Resolves to when there is more to do. */
  async #work(): Promise<number> {
    const state = await this.#load()
    if (state.isPaused) return SLEEP_MS_MAX
    if (await this.#isRepairBehind()) return SECOND
    const asked = this.#asked.find(({ state: its }) => its === 'waiting' || its === 'running')
    if (asked) return this.#workOn(asked)
    const { clock } = this.#context
    if (!state.tour) {
      const { periodMs } = this.#args
      if (periodMs === 0) return SLEEP_MS_MAX
      const leftMs = state.dueMs - clock.nowMs()
      if (leftMs > 0) return leftMs
      await this.#beginTour(state)
    }
    return this.#workOnTour(state)
  }

  async #beginTour(state: ScrubState): Promise<void> {
    const { number } = beginTour(state, this.#context.clock.nowMs())
    await this.#save(state)
    this.#context.log.info('scrub-began', { tour: number })
  }

  async #isRepairBehind(): Promise<boolean> {
    const findings = [...this.#asked, ...(this.#touring ? [this.#touring] : [])]
    if (findings.every(({ findings: { missing, corrupt } }) => missing + corrupt === 0)) return false
    return (await this.#repairer.ask('waiting', {}, LIMIT)).shards > WAITING_MAX
  }

  async #workOn(asked: Asked): Promise<number> {
    asked.state = 'running'
    try {
      const waitMs = await this.#advance(asked)
      if (waitMs !== undefined) return waitMs
      asked.state = 'done'
    } catch (error) {
      asked.state = 'failed'
      asked.code = codeOf(error)
    }
    const { number, demand, findings, code } = asked
    this.#context.log.info('scrub-done', {
      number,
      ...demand,
      ...findings,
      ...(code !== undefined && { code }),
    })
    return 0
  }

  async #workOnTour(state: ScrubState): Promise<number> {
    const tour = state.tour!
    this.#touring ??= {
      ...{ works: this.#tour.whole(tour.position), findings: tour.findings },
      ...{ totalBytes: await this.#tour.totalBytes(), paced: this.#pacedFrom(tour.findings) },
    }
    const waitMs = await this.#advance(this.#touring)
    if (waitMs !== undefined) {
      tour.position = this.#touring.position ?? tour.position
      if (this.#context.clock.monotonicMs() - this.#savedMs >= SAVE_EVERY_MS) await this.#save(state)
      return waitMs
    }
    this.#touring = undefined
    const finished = endTour(state, this.#context.clock.nowMs(), this.#args.periodMs)!
    await this.#save(state)
    const { number, startedMs, finishedMs, findings } = finished
    this.#context.log.info('scrub-ended', { tour: number, tookMs: finishedMs - startedMs, ...findings })
    return 0
  }

  /** The next piece, if its disks may be read from; resolves to when there is more, undefined at the end. */
  async #advance(job: Job): Promise<number | undefined> {
    const { clock } = this.#context
    if (!job.next) {
      const { value, done } = await job.works.next()
      if (done) return undefined
      job.next = value
      job.position = value.position
    }
    const { bytes, run, notBeforeMs = 0 } = job.next
    const nowMs = clock.monotonicMs()
    const readyMs = Math.max(notBeforeMs, ...[...bytes.keys()].map((disk) => this.#readyMs.get(disk) ?? 0))
    if (readyMs > nowMs) return readyMs - nowMs
    for (const [disk, count] of bytes) {
      this.#readyMs.set(disk, nowMs + (count / this.#args.bytesPerSecond) * SECOND)
    }
    await run(job.findings)
    delete job.next
    return 0
  }

  async #load(): Promise<ScrubState> {
    if (this.#state) return this.#state
    const value = await this.#keeper.ask('config', { name: SCRUB_ENTRY }, LIMIT)
    const { clock } = this.#context
    this.#state ??= reviveScrubState(value, clock.nowMs(), this.#args.periodMs)
    // What was never kept would be put off with each start.
    if (value === undefined && this.#args.periodMs > 0) await this.#save(this.#state)
    return this.#state
  }

  async #save(state: ScrubState): Promise<void> {
    await this.#keeper.ask('putConfig', { name: SCRUB_ENTRY, value: state }, LIMIT)
    this.#savedMs = this.#context.clock.monotonicMs()
  }
}
