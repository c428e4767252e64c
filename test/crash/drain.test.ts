import type { DrainAnswer } from '../../src/actors/draining.ts'
import type { KeeperProtocol } from '../../src/actors/keeper.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { KiB, SECOND } from '../../src/base/units.ts'
import type { DiskTable } from '../../src/storage/identity-file.ts'
import { inspectDirectory } from '../../src/storage/inspect.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { committedTables, redundancyOf, withCrashedStore } from '../support/crashed-store.ts'
import type { LogRecord } from '../support/faulty-files.ts'
import { roundsOf } from '../support/rounds.ts'
import { createSimulation, type SimulatedStore, type Simulation } from '../support/simulated-store.ts'
import {
  prepareGround,
  type Recording,
  recordLife,
  type StoreState,
  storeStates,
} from '../support/store-crash.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('a drain and power cuts')
const LIMIT_MS = 240_000
/** 3+2, then 2+2. */
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5']
const DRAINED = 2 as DiskNumber
const OTHERS = ROOTS.filter((root) => root !== '/d2')
const PARTITIONS = 2
const WHERE = { roots: ROOTS, partitions: PARTITIONS }
const OWNER = 'a'.repeat(64)
const LIMIT = { withinMs: 60 * SECOND }
const OBJECTS = ['bucket-a', 'bucket-b'].flatMap((bucket) =>
  [3, 40, 100].map((size) => ({ bucket, key: `${size}`, size: size * KiB })),
)
/** Every so many-th state of all, and of those around a change of the table. */
const STRIDE = roundsOf(80, 3)
const STRIDE_OF_CHANGES = roundsOf(6, 1)

const bytesOf = ({ bucket, key, size }: (typeof OBJECTS)[number]): Buffer =>
  Buffer.alloc(size, `${bucket}/${key}/`)
const putAll = async ({ run, engine }: SimulatedStore): Promise<void> => {
  for (const name of ['bucket-a', 'bucket-b']) {
    await run(engine.buckets.create(name, { owner: OWNER, region: 'us-east-1' }))
  }
  for (const { size, ...object } of OBJECTS) {
    const request = { ...object, owner: OWNER, headers: [], metadata: [] }
    await run(engine.objects.put(request, bodyOf(bytesOf({ ...object, size }))))
  }
}
const readAll = async ({ run, engine }: SimulatedStore): Promise<void> => {
  for (const object of OBJECTS) {
    const { bucket, key } = object
    const bytes = await run(readBytes(engine, { bucket, key }))
    assert.ok(bytesOf(object).equals(bytes), `${bucket}/${key} is whole`)
  }
}
const drain = ({ run, system }: SimulatedStore): Promise<DrainAnswer> =>
  run(system.ref<KeeperProtocol>(PATHS.keeper).ask('drain', { disk: DRAINED }, LIMIT))
const untilItLeft = async (store: SimulatedStore): Promise<void> => {
  for (let i = 0; i < 60; i++) {
    const { disks, draining, waiting } = await redundancyOf(store)
    if (disks.length === OTHERS.length && !draining && waiting.shards === 0) return
    await store.pass(3 * SECOND)
  }
  throw new Error(`it does not leave: ${JSON.stringify(await redundancyOf(store))}`)
}
type StageOf = 'whole' | 'draining' | 'left'
const stageOf = ({ disks }: DiskTable): StageOf =>
  disks.length < ROOTS.length
    ? 'left'
    : disks.some(({ state }) => state === 'draining')
      ? 'draining'
      : 'whole'
const STAGES: readonly StageOf[] = ['whole', 'draining', 'left']

const checkState = async (simulation: Simulation, state: StoreState, turn: number): Promise<StageOf> => {
  const { marks } = state
  const crashed = { files: state.image(), shelf: state.shelf() }
  const out = [undefined, ...OTHERS][turn % 5]
  try {
    const first = await withCrashedStore(simulation, crashed, { ...WHERE, outs: [out] }, async (store) => {
      await readAll(store)
      const { table } = store.started
      for (const known of await committedTables(store)) {
        const { version } = (known ?? { version: 1 }) as Pick<DiskTable, 'version'>
        assert.ok(version >= table.version, 'what counts is committed')
      }
      await store.pass(SECOND)
      return table
    })
    const before = STAGES.indexOf(stageOf(first))
    const acknowledged = marks.has('disk-drained') ? 2 : marks.has('disk-draining') ? 1 : 0
    assert.ok(out !== undefined || before >= acknowledged, `${stageOf(first)} after ${[...marks]}`)
    const isAgain = await withCrashedStore(simulation, crashed, WHERE, async (store) => {
      const { table } = store.started
      assert.ok(table.version >= first.version, 'no way back')
      const stage = stageOf(table)
      assert.ok(STAGES.indexOf(stage) >= acknowledged, `${stage} after ${[...marks]}`)
      if (stage === 'whole') assert.is((await drain(store)).kind, 'begun')
      await untilItLeft(store)
      await readAll(store)
      return stage === 'whole'
    })
    const tables = await Promise.all(
      OTHERS.map(async (root) => {
        const { content } = await inspectDirectory(crashed.files, root)
        return content.kind === 'disk' ? content.identity.table : undefined
      }),
    )
    for (const table of tables) assert.equal(table, tables[0])
    // Neither the disk nor two others are needed.
    const two = [turn, turn + 1].map((i) => OTHERS[i % 4]!)
    if (turn % 3 === 0)
      await withCrashedStore(simulation, crashed, { ...WHERE, outs: ['/d2', ...two] }, readAll)
    return isAgain ? 'whole' : stageOf(first)
  } catch (error) {
    const told = `${state.description}; without ${out ?? 'none'}`
    throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
  }
}

/** Points at which a disk.json is written or gets its name: where the changes of the table are. */
const isOfTable = (record: LogRecord | undefined): boolean =>
  record !== undefined && JSON.stringify(record).includes('disk.json')

const record = async (simulation: Simulation, seed: number): Promise<Recording> => {
  const ground = await prepareGround(simulation, ROOTS, [putAll], PARTITIONS)
  const operation = async (store: SimulatedStore): Promise<void> => {
    await drain(store)
    await untilItLeft(store)
  }
  return recordLife(seed + 1, ground, operation, { marks: ['disk-draining', 'disk-drained'] })
}

test(
  'a drain is begun, goes on and ends, whenever the power is cut',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const recording = await record(simulation, seed)
    const found = new Map<StageOf, number>()
    let seen = 0
    let near = 0
    let turn = 0
    const { log } = recording.faulty
    const isWanted = ({ point, extent }: Pick<StoreState, 'point' | 'extent'>): boolean => {
      const isNear = [-1, 0, 1].some((by) => isOfTable(log[point + by]))
      const isOfChange = isNear && extent === 'whole' && near++ % STRIDE_OF_CHANGES === 0
      return seen++ % STRIDE === 0 || isOfChange
    }
    for await (const state of storeStates(recording, { isIndexRotated: true, isWanted })) {
      const stage = await checkState(simulation, state, turn++)
      found.set(stage, (found.get(stage) ?? 0) + 1)
    }
    for (const stage of STAGES)
      assert.ok((found.get(stage) ?? 0) > 0, `${stage}: ${JSON.stringify([...found])}`)
  }),
)

test.run()
