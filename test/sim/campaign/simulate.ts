// Carries out a story, and says what was wrong, if anything was.
import { asMoraineError } from '../../../src/base/errors.ts'
import { Client } from './clients.ts'
import { Faults } from './faults.ts'
import { Violation } from './history.ts'
import { checkQuiet, removeAll } from './quiet.ts'
import { type Item, LASTING, type Story, tellItem } from './story.ts'
import { Tally } from './tally.ts'
import { World } from './world.ts'

const CLIENTS = 4
/** Between two items of a story: most often so short that several are under way at once. */
const PAUSE_MS_MAX = 30
const SHORT_PAUSE_MS_MAX = 3
/** Far above what any story takes. */
const STEPS_MAX = 3_000_000

export interface SimulationResult {
  readonly failure: Error | undefined
  readonly tally: Tally
  readonly simulatedMs: number
  readonly turns: number
  /** What was done and what the store said before it failed. */
  readonly told: readonly string[]
}

class Telling {
  readonly #world: World
  readonly #faults: Faults
  readonly #client: Client
  readonly #busy = new Set<Promise<void>>()

  constructor(world: World) {
    this.#world = world
    this.#faults = new Faults(world)
    this.#client = new Client(world)
  }

  async tell(): Promise<void> {
    const world = this.#world
    const first = await world.start()
    await first.engine.buckets.create(LASTING, { owner: 'a'.repeat(64), region: 'us-east-1' })
    for (const [i, item] of world.story.items.entries()) {
      world.said.push(`${Math.round(world.clock.monotonicMs())} ms [${i}] ${tellItem(item)}`)
      await this.#carryOut(item)
      const isShort = world.random.below(5) > 0
      await world.pass(world.random.below(isShort ? SHORT_PAUSE_MS_MAX : PAUSE_MS_MAX))
    }
    const life = await world.current()
    await removeAll(life)
    life.isClosing = true
    await life.store.system.close().finally(() => life.end())
  }

  async #carryOut(item: Item): Promise<void> {
    switch (item.kind) {
      case 'client': {
        while (this.#busy.size >= CLIENTS) await Promise.race(this.#busy)
        const acting = this.#client.act(item).catch((error) => this.#world.fail(error))
        const done = acting.then(() => void this.#busy.delete(done))
        this.#busy.add(done)
        return
      }
      case 'disk fault':
        return this.#faults.hurtDisk(item)
      case 'store fault':
        // Most of them right behind an answer: what was acknowledged last is the first to be lost.
        if (item.seed % 4 > 0 && this.#busy.size > 0) await Promise.race(this.#busy)
        return this.#faults.hurtStore(item.what, item.seed)
      case 'wait':
        return this.#world.pass(item.ms)
      case 'quiet':
        await Promise.all(this.#busy)
        this.#faults.calm()
        return checkQuiet(this.#world)
      default:
        return item satisfies never
    }
  }
}

/** After each step: what is lent is never more than there is, and nothing that was promised to fail has failed. */
const checkStep = (world: World): void => {
  if (world.failure !== undefined) throw world.failure
  const { timers } = world.clock
  if (timers > 20_000) throw new Violation(`${timers} timers wait`)
}

const run = async (world: World): Promise<void> => {
  let outcome: { error?: unknown } | undefined
  new Telling(world).tell().then(
    () => {
      outcome = {}
    },
    (error) => {
      outcome = { error }
    },
  )
  let steps = 0
  const goesOn = (): boolean => {
    if (outcome) return false
    checkStep(world)
    if (steps++ === STEPS_MAX) throw new Violation(`it does not end within ${STEPS_MAX} steps`)
    return true
  }
  if (!(await world.scheduler.runWhile(goesOn))) {
    throw new Violation('everybody waits, and nothing is left that could happen')
  }
  const { error } = outcome as unknown as { error?: unknown }
  if (error !== undefined) throw error
}

export const simulate = async (story: Story): Promise<SimulationResult> => {
  const tally = new Tally()
  const world = new World(story, tally)
  let failure: Error | undefined
  const onStray = (error: unknown): void => world.fail(error)
  process.on('unhandledRejection', onStray)
  try {
    await run(world)
  } catch (error) {
    failure = error instanceof Violation ? error : asMoraineError(error)
    world.life?.end()
  } finally {
    process.off('unhandledRejection', onStray)
  }
  const simulatedMs = world.clock.monotonicMs()
  return { failure, tally, simulatedMs, turns: world.scheduler.turns, told: world.said }
}
