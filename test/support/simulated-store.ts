// The whole store in simulation: the tree of src/actors/tree.ts on one thread, a seeded scheduler, a clock that moves only
// when nobody has anything to do, and disks of the test's choice. A seed replays exactly.
//
// One simulation is used for many stores, one after another: they share its clock, its chance and its arena.
import type { Engine } from '../../src/actors/engine.ts'
import type { MemoryIndexes } from '../../src/actors/store-facts.ts'
import { sleep } from '../../src/base/clock.ts'
import type { FileSystem } from '../../src/base/files.ts'
import type { Log } from '../../src/base/log.ts'
import { createPrng, type Random } from '../../src/base/prng.ts'
import { MiB } from '../../src/base/units.ts'
import type { Arena } from '../../src/runtime/arena.ts'
import { createSeededScheduler } from '../../src/runtime/scheduler.ts'
import type { System } from '../../src/runtime/system.ts'
import type { StartedStore } from '../../src/storage/start.ts'
import { createProbeArena, openEngine, type ScrubRates } from './engine-probe.ts'
import { SimulatedClock } from './simulated-clock.ts'

export interface Simulation {
  readonly clock: SimulatedClock
  readonly random: Random
  readonly arena: Arena
}

/** Room for a few large stripes. */
const ARENA_BYTES = 24 * MiB

export const createSimulation = (seed: number): Simulation => {
  const clock = new SimulatedClock()
  return { clock, random: createPrng(seed), arena: createProbeArena(ARENA_BYTES, clock) }
}

export interface SimulatedOptions {
  readonly files: FileSystem
  readonly roots: readonly string[]
  readonly partitions?: number
  readonly parity?: number
  readonly log?: Log
  readonly memoryIndexes?: MemoryIndexes
  readonly segmentBytes?: number
  readonly scrub?: ScrubRates
  readonly repairBytesPerSecond?: number
  readonly spareSlots?: number
}

export interface SimulatedStore {
  readonly engine: Engine
  readonly system: System
  readonly started: StartedStore
  /** Lets everything run until `action` settles, and returns or throws what it did. */
  run<T>(action: Promise<T>): Promise<T>
  /** Lets everything run for so long. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

export const openSimulatedStore = async (
  { clock, random, arena }: Simulation,
  { partitions = 1, ...options }: SimulatedOptions,
): Promise<SimulatedStore> => {
  const scheduler = createSeededScheduler(random, clock.advanceToNext)
  const run = <T>(action: Promise<T>): Promise<T> => scheduler.runUntil(action)
  const opened = await run(
    openEngine({ ...options, partitions, clock, random, arena, scheduler, movesBytes: true }),
  )
  return {
    ...opened,
    run,
    pass: (ms) => run(sleep(clock, ms)),
    close: () => run(opened.system.close()),
  }
}
