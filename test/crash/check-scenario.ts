// Records a scenario and looks at every state that a power cut may leave of it: at each by a start, and at some by the whole store.
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { contentOf } from '../support/disk-images.ts'
import type { FaultyFiles } from '../support/faulty-files.ts'
import { createSimulation, type SimulatedStore, type Simulation } from '../support/simulated-store.ts'
import {
  type Ground,
  prepareGround,
  type Recording,
  recordLife,
  type StoreState,
  storeStates,
} from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'
import { QuickChecks } from './quick-check.ts'
import { firstLife, ROOTS, type Scenario } from './scenario.ts'
import { checkWholeStore } from './store-check.ts'

/** Fewer would be a log that was not recorded. */
const STATES_MIN = 20
const SECOND_EVERY = 23

export interface CheckOptions {
  /** Random choices for each point of the log, besides the telling ones. */
  readonly samples?: number
  /** One state in so many is looked at by the whole store; one in three of these beyond its first start. */
  readonly wholeEvery?: number
  /** One state in so many is started twice, which costs as much as two hundred others; prime to the number of disks that may be out. */
  readonly secondEvery?: number
  /** The store sees its disks through something that has a fault. */
  readonly through?: (files: FaultyFiles) => FileSystem
}

const damagedGround = async (ground: Ground, damage: Scenario['damage']): Promise<Ground> => {
  if (!damage) return ground
  const files = createMemoryFiles()
  await ground.disks(files)
  await damage(files)
  return { ...ground, disks: await contentOf(files) }
}

const record = async (
  seed: number,
  scenario: Scenario,
  through: CheckOptions['through'],
): Promise<Recording> => {
  const simulation = createSimulation(seed)
  const { life, isNew = false, steps, segmentBytes, damage } = scenario
  const lives = [...(isNew ? [] : [firstLife]), ...(life ? [life] : [])]
  const ground = await damagedGround(await prepareGround(simulation, ROOTS, lives, 1, segmentBytes), damage)
  const operation = async (store: SimulatedStore, mark: (label: string) => void): Promise<void> => {
    await store.run(
      Promise.all(steps.map((step, i) => step.run(store).then(() => mark(`acknowledged ${i}`)))),
    )
    mark('acknowledged')
  }
  const events: string[] = []
  const awaited = [...(scenario.mended ?? [])]
  const onEvent = (event: string, mark: (label: string) => void): void => {
    events.push(event)
    if (awaited[0] !== event) return
    awaited.shift()
    if (awaited.length === 0) mark('mended')
  }
  const recording = await recordLife(seed + 1, ground, operation, { onEvent, ...(through && { through }) })
  assert.equal(awaited, [], 'what was to be mended')
  scenario.recorded?.(events)
  return recording
}

interface Checks {
  readonly simulation: Simulation
  readonly scenario: Scenario
  readonly quick: QuickChecks
  readonly wholeEvery: number
  readonly secondEvery: number
}

const checkState = async (
  { simulation, scenario, quick, wholeEvery, secondEvery }: Checks,
  state: StoreState,
  turn: number,
): Promise<void> => {
  const isMended = scenario.damaged === undefined || state.marks.has('mended')
  const mayBeOut = [undefined, ...(isMended ? ROOTS : (scenario.damaged ?? []))]
  // Neighbouring states lack the same disk: they have more in common then.
  const outs = [0, 1, 2].map((i) => mayBeOut[(state.point + i) % mayBeOut.length])
  try {
    await quick.check(state, { outs, isSecond: turn % secondEvery === 0 })
    if (turn % wholeEvery !== 0) return
    const isFuture = scenario.damaged === undefined && turn % (3 * wholeEvery) === 0
    await checkWholeStore(simulation, scenario, state, { outs, isFuture })
  } catch (error) {
    const told = `${state.description}; one after another without ${outs.map((out) => out ?? 'none').join()}`
    throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
  }
}

/** Resolves to the number of states that were looked at; rejects with the first that is wrong. */
export const checkScenario = async (
  seed: number,
  scenario: Scenario,
  {
    samples = 0,
    wholeEvery = Number.POSITIVE_INFINITY,
    secondEvery = SECOND_EVERY,
    through,
  }: CheckOptions = {},
): Promise<number> => {
  const recording = await record(seed, scenario, through)
  const checks = {
    simulation: createSimulation(seed),
    scenario,
    quick: new QuickChecks(scenario),
    ...{ wholeEvery, secondEvery },
  }
  const random = createPrng(seed + 2)
  let turn = 0
  const first = recording[scenario.from ?? 'first']
  for await (const state of storeStates(recording, { first, samples, random })) {
    await checkState(checks, state, ++turn)
  }
  assert.ok(turn >= STATES_MIN, `${turn} states`)
  return turn
}
