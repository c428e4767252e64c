// A simulated store with one bucket, and the book of what should be in it: for what compacts it from below.
import type { ScrubberProtocol } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { HOUR } from '../../src/base/units.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedOptions,
  type SimulatedStore,
  type Simulation,
} from './simulated-store.ts'
import { assert } from './uvu.ts'

/** 4+2. */
export const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5', '/d6']
export const LIMIT = { withinMs: HOUR }
const OWNER = 'a'.repeat(64)
export const address = (key: string) => ({ bucket: 'bucket', key })

export type StageOptions = Pick<SimulatedOptions, 'partitions' | 'segmentBytes'>

export interface Stage {
  readonly simulation: Simulation
  readonly files: MemoryFiles
  readonly options: StageOptions
  readonly store: SimulatedStore
  /** What should be there. */
  readonly bodies: Map<string, Buffer>
}

const open = ({ simulation, files, options }: Omit<Stage, 'store' | 'bodies'>): Promise<SimulatedStore> =>
  openSimulatedStore(simulation, { files, roots: ROOTS, ...options })

export const beginStage = async (seed: number, options: StageOptions): Promise<Stage> => {
  const place = { simulation: createSimulation(seed), files: createMemoryFiles(), options }
  const store = await open(place)
  await store.run(store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
  return { ...place, store, bodies: new Map() }
}

/** The next life of a store that was closed. */
export const reopen = async (stage: Stage): Promise<Stage> => ({ ...stage, store: await open(stage) })

export const put = async (
  { store: { run, engine }, bodies }: Stage,
  key: string,
  body: Buffer,
): Promise<void> => {
  bodies.set(key, body)
  const request = { ...address(key), owner: OWNER, headers: [], metadata: [] }
  await run(engine.objects.put(request, bodyOf(body)))
}

export const remove = async ({ store: { run, engine }, bodies }: Stage, key: string): Promise<void> => {
  bodies.delete(key)
  await run(engine.objects.delete(address(key)))
}

/** It is listed, and nothing else, and reads as it was put. */
export const check = async ({ store: { run, engine }, bodies }: Stage): Promise<void> => {
  const page = { bucket: 'bucket', prefix: '', delimiter: '', after: '', limit: 1000 }
  const { versions } = await run(engine.objects.list(page))
  assert.equal(versions.map(({ key }) => key).sort(), [...bodies.keys()].sort())
  for (const [key, body] of bodies) {
    assert.ok(Buffer.compare(await run(readBytes(engine, address(key))), body) === 0, key)
  }
}

/** What a tour of the scrub finds in a store where all is well. */
export const WELL = { bytes: 0, missing: 0, corrupt: 0, segments: 0, indexes: 0, orphans: 0, skipped: 0 }

/** What one finds, however much it read. */
export const scrub = async ({ store: { run, pass, system } }: Stage): Promise<typeof WELL> => {
  const scrubber = system.ref<ScrubberProtocol>(PATHS.scrubber)
  await run(scrubber.ask('begin', {}, LIMIT))
  await pass(HOUR)
  const { last } = await run(scrubber.ask('status', {}, LIMIT))
  return { ...last!.findings, bytes: 0 }
}
