// The worlds in which the promises of the runtime are tested: everything on one thread, every actor on a thread of its own,
// and everything on one thread under a seeded scheduler with simulated time. The tests are the same.
import { type Clock, sleep, systemClock } from '../../src/base/clock.ts'
import type { Log, LogFields } from '../../src/base/log.ts'
import { createPrng } from '../../src/base/prng.ts'
import { MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import type { ActorRef, ChildSpec, SupervisorSpec } from '../../src/runtime/actor.ts'
import { type Arena, createArena } from '../../src/runtime/arena.ts'
import { createSeededScheduler } from '../../src/runtime/scheduler.ts'
import { createSystem, type System, type SystemOptions } from '../../src/runtime/system.ts'
import { createLogLines } from '../support/log-lines.ts'
import type { ProbeArgs, ProbeProtocol } from '../support/probe.ts'
import { createLines, readLines } from '../support/shared-lines.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { deadline, seeded } from '../support/uvu.ts'

export type ProbeRef = ActorRef<ProbeProtocol>
export const SOON = { withinMs: 5 * SECOND }

export interface World {
  readonly clock: Clock
  readonly arena: Arena
  readonly logged: { level: keyof Log; event: string; fields: LogFields }[]
  readonly hasThreads: boolean
  /** A system of these children; those that have a name write down what happens to them. */
  open(
    children: readonly ChildSpec[],
    root?: Partial<SupervisorSpec>,
    options?: Partial<SystemOptions>,
  ): Promise<System>
  sleep(ms: number): Promise<void>
  /** What they have written so far, in the order it happened, on whichever threads. */
  written(): string[]
  ref(path: string): ProbeRef
}

type Body = (world: World) => Promise<void>
type Test = (name: string, body: () => Promise<void>) => void

const spec = (children: readonly ChildSpec[], root: Partial<SupervisorSpec> = {}): SupervisorSpec => ({
  name: 'root',
  strategy: 'one-for-one',
  intensity: { restartsMax: 10, periodMs: MINUTE },
  backoff: { minMs: 1, maxMs: 20, jitter: 0.2 },
  decide: () => 'restart',
  children,
  ...root,
})

/** The same children, those that are named with lines to write on. */
const withLines = (children: readonly ChildSpec[], lines: SharedArrayBuffer): ChildSpec[] =>
  children.map((one) => {
    if ('children' in one) return { ...one, children: withLines(one.children, lines) }
    const args = one.args as ProbeArgs
    return args.name === undefined ? one : { ...one, args: { ...args, lines } }
  })

const createWorld = (clock: Clock, extra: Omit<SystemOptions, 'spec'>, hasThreads: boolean) => {
  const systems: System[] = []
  const { log, lines: logged } = createLogLines()
  const arena = createArena({ bytes: 8 * MiB, clock })
  const lines = createLines()
  const ref = (path: string): ProbeRef => systems.at(-1)!.ref<ProbeProtocol>(path)
  const world: World = {
    clock,
    arena,
    logged,
    hasThreads,
    async open(children, root, options) {
      const whole = spec(withLines(children, lines), root)
      const system = await createSystem({
        spec: whole,
        clock,
        log,
        arena,
        placement: hasThreads ? placeEach(whole.children, whole.name) : {},
        ...extra,
        ...options,
      })
      systems.push(system)
      return system
    },
    sleep: (ms) => sleep(clock, ms),
    written: () => readLines(lines),
    ref,
  }
  const close = async () => {
    for (const system of systems) await system.close()
  }
  return { world, close }
}

/** Every actor on a thread named after it. */
const placeEach = (children: readonly ChildSpec[], path: string): Record<string, string> =>
  Object.assign(
    {},
    ...children.map((one) => {
      if ('children' in one) return placeEach(one.children, `${path}/${one.name}`)
      return { [`${path}/${one.name}`]: one.name }
    }),
  )

const runIn =
  (make: () => ReturnType<typeof createWorld>) =>
  (test: Test) =>
  (name: string, body: Body): void =>
    test(
      name,
      deadline(20 * SECOND, async () => {
        const { world, close } = make()
        try {
          await body(world)
        } finally {
          await close()
        }
      }) as () => Promise<void>,
    )

export const onOneThread = runIn(() => createWorld(systemClock, { movesBytes: true }, false))
export const onManyThreads = runIn(() => createWorld(systemClock, { movesBytes: true }, true))

/** A failure names its seed, and `SEED=N` replays it, turn by turn. */
export const underSeed =
  (test: Test) =>
  (name: string, body: Body): void =>
    test(
      name,
      seeded(20 * SECOND, async (random, seed) => {
        const clock = new SimulatedClock()
        const scheduler = createSeededScheduler(random, clock.advanceToNext)
        const prng = createPrng(seed + 1)
        const { world, close } = createWorld(clock, { scheduler, random: prng, movesBytes: true }, false)
        const run = async () => {
          try {
            await body(world)
          } finally {
            await close()
          }
        }
        await scheduler.runUntil(run())
      }) as () => Promise<void>,
    )
