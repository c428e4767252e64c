// One simulation: a machine, one process of the store after another on it, clients, and what goes wrong. Everything happens on
// one thread in the order that a seed gives, so that the same story ends the same each time.
import type { Engine } from '../../../src/actors/engine.ts'
import { createOwnClock, type OwnClock, sleep } from '../../../src/base/clock.ts'
import { asMoraineError, codeOf } from '../../../src/base/errors.ts'
import type { Log } from '../../../src/base/log.ts'
import { createPrng, type Random } from '../../../src/base/prng.ts'
import { GiB, MINUTE, MiB, SECOND } from '../../../src/base/units.ts'
import type { Arena } from '../../../src/runtime/arena.ts'
import {
  createSeededScheduler,
  type Scheduler,
  type SeededScheduler,
} from '../../../src/runtime/scheduler.ts'
import { createProbeArena, openEngine, type ProbedEngine } from '../../support/engine-probe.ts'
import { SimulatedClock } from '../../support/simulated-clock.ts'
import { IndexShelf } from '../../support/store-crash.ts'
import { type ClientWorld, checkFailure } from './clients.ts'
import { History, Violation } from './history.ts'
import { Machine, type Process } from './machine.ts'
import { parityOf, type Story } from './story.ts'
import type { Tally } from './tally.ts'

const ARENA_BYTES = 24 * MiB
/** While disks are missing or broken a start may have to be tried again, as a process manager does. */
const STARTS_MAX = 60
/** Longer than any commit waits, and not so long that most of a story is disks that look whether they are still there. */
const GRACE_MS = 2 * MINUTE
const SCRUB = { periodMs: 0, bytesPerSecond: GiB, graceMs: GRACE_MS }

/** One process, from its start to its end. */
export interface Life {
  readonly store: ProbedEngine
  readonly arena: Arena
  readonly process: Process
  readonly clock: OwnClock
  engine: Engine
  isOver: boolean
  /** It is asked to end, and may. */
  isClosing: boolean
  readonly over: Promise<'process ended'>
  end(): void
}

/** Events of the log that are restarts and repairs, and what they count as. */
const TOLD: Readonly<Record<string, readonly ['restarts' | 'repairs' | 'compactions', string]>> = {
  'actor failed': ['restarts', 'actor'],
  'disk-found': ['restarts', 'disk that came back'],
  'shard-repaired': ['repairs', 'shard'],
  'segment-repaired': ['repairs', 'segment'],
  'index-rebuilt': ['repairs', 'index'],
  'disk-adopted': ['repairs', 'disk taken in'],
  'disk-verified': ['repairs', 'older copy of a disk looked over'],
  'orphan-removed': ['repairs', 'orphan removed'],
  'segment-compacted': ['compactions', 'journal'],
  'volume-compacted': ['compactions', 'volume'],
}

export class World implements ClientWorld {
  readonly story: Story
  readonly tally: Tally
  readonly clock = new SimulatedClock()
  readonly random: Random
  readonly machine: Machine
  readonly history = new History()
  readonly contents = new Map<string, Buffer>()
  readonly scheduler: SeededScheduler
  /** What the store said, the last lines of it. */
  readonly said: string[] = []
  failure: unknown
  /** On which disks a scrub found something damaged since this was emptied. */
  readonly foundOn = new Set<number>()
  shelf = new IndexShelf()
  life: Life | undefined
  #waiting: ((life: Life) => void)[] = []

  constructor(story: Story, tally: Tally) {
    this.story = story
    this.tally = tally
    this.random = createPrng(story.seed ^ 0x5eed)
    this.machine = new Machine(story.disks, this.clock, this.random, tally)
    this.scheduler = createSeededScheduler(this.random, this.clock.advanceToNext)
  }

  /** The first thing that is wrong ends the story. */
  fail(error: unknown): void {
    this.failure ??= error
  }

  /** A disk whose identity was hurt may be any of them. */
  isHurtInSilence(disk: number): boolean {
    return this.machine.slots.some(({ number = disk, isHurtInSilence }) => number === disk && isHurtInSilence)
  }

  pass(ms: number): Promise<void> {
    return sleep(this.clock, ms)
  }

  current(): Promise<Life> {
    if (this.life) return Promise.resolve(this.life)
    return new Promise((resolve) => void this.#waiting.push(resolve))
  }

  async attempt<T>(action: (engine: Engine) => Promise<T>): Promise<{ readonly value: T } | 'process ended'> {
    const life = await this.current()
    return Promise.race([action(life.engine).then((value) => ({ value })), life.over])
  }

  readonly #log: Log = {
    debug: (event, fields) => this.#note(event, fields),
    info: (event, fields) => this.#note(event, fields),
    warn: (event, fields) => this.#note(event, fields),
    error: (event, fields) => this.#note(event, fields),
  }

  #note(event: string, fields: unknown): void {
    const { code, error, cause } = (fields ?? {}) as { code?: unknown; error?: unknown; cause?: unknown }
    if (event === 'scrub-found') this.foundOn.add((fields as { disk: number }).disk)
    const what = TOLD[event]
    if (what) this.tally.count(...what)
    this.said.push(`${Math.round(this.clock.monotonicMs())} ms ${event} ${tellFields(fields)}`)
    if (this.said.length > 400) this.said.splice(0, 200)
    const why = (error ?? cause) as Error | undefined
    const isBug = code === 'ASSERTION' || code === 'UNEXPECTED'
    if (isBug && !PLANTED.test(`${why?.message} ${why?.stack}`)) {
      this.fail(new Violation(`the store says ${event} ${code}: ${why?.stack ?? why}`))
    }
  }

  /** Starts the store on what is there; as often as it takes. */
  async start(): Promise<Life> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#startOnce()
      } catch (caught) {
        const error = asMoraineError(caught)
        checkFailure(error)
        this.tally.count('restarts', 'start that was tried again')
        this.said.push(`start failed: ${error.code} ${error.message}`)
        if (attempt === STARTS_MAX) throw new Violation(`it does not start: ${error.stack}`)
        await this.pass(2 * SECOND)
      }
    }
  }

  async #startOnce(): Promise<Life> {
    const process = this.machine.start()
    const clock = createOwnClock(this.clock)
    const arena = createProbeArena(ARENA_BYTES, clock)
    const { disks, partitions, segmentBytes } = this.story
    let isOver = false
    const scheduler: Scheduler = {
      schedule: (turn) =>
        this.scheduler.schedule({
          turn: () => {
            if (!isOver) turn.turn()
          },
        }),
    }
    const end = (): void => {
      isOver = true
      process.end()
      clock.close()
    }
    let store: ProbedEngine
    try {
      this.shelf = this.shelf.again()
      store = await openEngine({
        ...{ files: process.files, roots: this.machine.roots, arena, partitions, clock, scheduler },
        ...{ parity: parityOf(disks), random: this.random, log: this.#log, movesBytes: true, scrub: SCRUB },
        memoryIndexes: this.shelf.give,
        ...(segmentBytes !== undefined && { segmentBytes }),
      })
    } catch (error) {
      end()
      throw error
    }
    let settle = (_: 'process ended'): void => undefined
    const over = new Promise<'process ended'>((resolve) => {
      settle = resolve
    })
    const life: Life = {
      ...{ store, arena, process, clock, engine: store.engine, isOver: false, isClosing: false, over },
      end: () => {
        if (life.isOver) return
        life.isOver = true
        if (this.life === life) this.life = undefined
        end()
        settle('process ended')
      },
    }
    void store.system.closed.then((error) => {
      if (!life.isOver && !life.isClosing)
        this.fail(new Violation(`the store gave up: ${error?.stack ?? 'closed'}`))
    })
    this.life = life
    for (const tell of this.#waiting.splice(0)) tell(life)
    return life
  }

  /** A process ends at once, with all that it had not written, and another is started. */
  async restart(): Promise<void> {
    this.life?.end()
    await this.pass(this.random.below(500))
    await this.start()
  }
}

/** What actors that are made to throw say: see faults.ts. */
const PLANTED = /asked to fail|Cannot destructure property .* of '(object null|.*)' as it is null/

const tellFields = (fields: unknown): string => {
  try {
    return JSON.stringify(fields, (_, value) =>
      value instanceof Error ? `${codeOf(value)} ${value.message}` : value,
    ).slice(0, 300)
  } catch {
    return ''
  }
}
