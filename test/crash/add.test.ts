// A disk is added, with the power cut at every step, on the whole store: a start after it finds the old table of disks or the new one and
// never goes back, with another disk away, with and without the new directory; and what was cut off can be said again.
import type { AddAnswer } from '../../src/actors/adding.ts'
import type { KeeperProtocol } from '../../src/actors/keeper.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { KiB, SECOND } from '../../src/base/units.ts'
import type { DiskTable } from '../../src/storage/identity-file.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { redundancyOf, withCrashedStore } from '../support/crashed-store.ts'
import { roundsOf } from '../support/rounds.ts'
import { createSimulation, type SimulatedStore, type Simulation } from '../support/simulated-store.ts'
import { type Life, prepareGround, recordLife, type StoreState, storeStates } from '../support/store-crash.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('an added disk and power cuts')
const LIMIT_MS = 240_000
/** 2+2, then 3+2. */
const ROOTS = ['/d1', '/d2', '/d3', '/d4']
const ADDED = '/d5'
const PARTITIONS = 2
const WHERE = { partitions: PARTITIONS, spareSlots: 1 }
const OWNER = 'a'.repeat(64)
const LIMIT = { withinMs: 60 * SECOND }
const OBJECTS = [3, 100].map((size) => ({ bucket: 'bucket', key: `${size}`, size: size * KiB }))
const STRIDE = roundsOf(24, 2)

const putAll: Life = async ({ run, engine }, files) => {
  await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
  for (const { size, ...object } of OBJECTS) {
    const request = { ...object, owner: OWNER, headers: [], metadata: [] }
    await run(engine.objects.put(request, bodyOf(Buffer.alloc(size, object.key))))
  }
  await files.makeDirectory(ADDED)
  await files.syncDirectory('/')
}
const readAll = async ({ run, engine }: SimulatedStore): Promise<void> => {
  for (const { size, ...object } of OBJECTS) {
    const bytes = await run(readBytes(engine, object))
    assert.ok(Buffer.alloc(size, object.key).equals(bytes), `${object.key} is whole`)
  }
}
const add = ({ run, system }: SimulatedStore): Promise<AddAnswer> =>
  run(system.ref<KeeperProtocol>(PATHS.keeper).ask('add', { directories: [ADDED] }, LIMIT))
const untilAllAreThere = async (store: SimulatedStore): Promise<void> => {
  for (let i = 0; i < 30; i++) {
    const { disks, waiting } = await redundancyOf(store)
    if (waiting.shards === 0 && disks.length === 5 && disks.every(({ state }) => state === 'present')) return
    await store.pass(2 * SECOND)
  }
  throw new Error(JSON.stringify(await redundancyOf(store)))
}
const hasAdded = ({ disks }: DiskTable): boolean => disks.length > ROOTS.length

const checkState = async (simulation: Simulation, state: StoreState, turn: number): Promise<boolean> => {
  const [old, all] = [ROOTS, [...ROOTS, ADDED]]
  const out = [undefined, ...ROOTS][turn % 5]
  const crashed = { files: state.image(), shelf: state.shelf() }
  const isAcknowledged = state.marks.has('disk-added')
  try {
    // An empty directory that is given while a disk is missing takes that one's place, as ever.
    const opening = { ...WHERE, roots: out === undefined ? all : old, outs: [out] }
    const first = await withCrashedStore(simulation, crashed, opening, async (store) => {
      await readAll(store)
      await store.pass(SECOND)
      return store.started.table
    })
    const second = await withCrashedStore(simulation, crashed, { ...WHERE, roots: all }, async (store) => {
      const { table } = store.started
      assert.ok(table.version >= first.version, 'no way back')
      assert.ok(hasAdded(table) || !isAcknowledged, 'what was acknowledged is there')
      if (!hasAdded(table)) {
        const answer = await add(store)
        assert.is(answer.kind, 'added', JSON.stringify(answer))
      }
      await untilAllAreThere(store)
      await readAll(store)
      return table
    })
    await withCrashedStore(simulation, crashed, { ...WHERE, roots: old }, async (store) => {
      assert.is(hasAdded(store.started.table), true)
      await readAll(store)
    })
    return hasAdded(second)
  } catch (error) {
    const told = `${state.description}; without ${out ?? 'none'}`
    throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
  }
}

test(
  'a disk is added or not, whenever the power is cut',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const ground = await prepareGround(simulation, ROOTS, [putAll], PARTITIONS)
    const operation = async (store: SimulatedStore): Promise<void> => {
      assert.is((await add(store)).kind, 'added')
      await untilAllAreThere(store)
    }
    const recording = await recordLife(seed + 1, ground, operation, { marks: ['disk-added'], spareSlots: 1 })
    const found = { added: 0, not: 0 }
    let seen = 0
    let turn = 0
    const isWanted = (): boolean => seen++ % STRIDE === 0
    for await (const state of storeStates(recording, { isIndexRotated: true, isWanted })) {
      found[(await checkState(simulation, state, turn++)) ? 'added' : 'not']++
    }
    assert.ok(found.added > 0 && found.not > 0, JSON.stringify(found))
  }),
)

test.run()
