import type { Redundancy } from '../../src/actors/inspector.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { replaceDisk } from '../../src/offline/disks.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import type { DiskTable } from '../../src/storage/identity-file.ts'
import { inspectDirectory } from '../../src/storage/inspect.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import {
  type CrashedDisks,
  committedTables,
  redundancyOf,
  withCrashedStore,
} from '../support/crashed-store.ts'
import { contentOf } from '../support/disk-images.ts'
import { readFile, writeFile } from '../support/disks.ts'
import type { LogRecord } from '../support/faulty-files.ts'
import { emptyTree } from '../support/memory-tree.ts'
import { roundsOf } from '../support/rounds.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import {
  findCommit,
  type Ground,
  prepareGround,
  type Recording,
  recordLife,
  type StoreState,
  storeStates,
} from '../support/store-crash.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'
import { withoutSyncOfRenames } from './planted.ts'
import {
  BUCKETS,
  bytesOf,
  type Change,
  LOST,
  OBJECTS,
  OTHERS,
  PARTITIONS,
  ROOTS,
  same,
  TableChecks,
} from './table-check.ts'

const test = suite('a change of the table of disks')
const LIMIT_MS = 240_000

const OWNER = 'a'.repeat(64)
const WHERE = { roots: ROOTS, partitions: PARTITIONS }
/** Enough to commit and publish a change, and for the first of the repair. */
const WHILE_MS = 3_000

const putAll = async (store: SimulatedStore): Promise<void> => {
  for (const name of BUCKETS) {
    await store.run(store.engine.buckets.create(name, { owner: OWNER, region: 'us-east-1' }))
  }
  for (const object of OBJECTS) {
    const request = { ...object, owner: OWNER, headers: [], metadata: [] }
    await store.run(store.engine.objects.put(request, bodyOf(bytesOf(object))))
  }
}
const readAll = async (store: SimulatedStore): Promise<void> => {
  for (const object of OBJECTS) {
    const bytes = await store.run(readBytes(store.engine, object))
    assert.ok(bytesOf(object).equals(bytes), `${object.bucket}/${object.key} is whole`)
  }
}

/** The table on each disk that is there and counts. */
const tablesOn = async (files: FileSystem): Promise<Map<string, DiskTable>> => {
  const found = new Map<string, DiskTable>()
  for (const root of ROOTS) {
    const { content } = await inspectDirectory(files, root)
    if (content.kind === 'disk' && content.identity.phase === 'member')
      found.set(root, content.identity.table)
  }
  return found
}

const checkState = async (
  simulation: Simulation,
  { old, made, askAgain }: Change,
  state: CrashedDisks & Pick<StoreState, 'marks' | 'description'>,
  turn: number,
): Promise<void> => {
  const { files, marks } = state
  const outs = [0, 1].map((i) => [undefined, ...OTHERS][(turn + i) % 5])
  try {
    // The old table or the new one; if the new one, every partition has committed it.
    const first = await withCrashedStore(
      simulation,
      state,
      { ...WHERE, outs: outs.slice(0, 1) },
      async (store) => {
        const { table } = store.started
        assert.ok(same(table, old) || same(table, made), 'the old table or the new one')
        if (marks.has('disk-adopted')) assert.equal(table, made, 'the change counted before the cut')
        if (same(table, made))
          assert.equal(await committedTables(store), [made, made], 'what counts is committed')
        await readAll(store)
        await store.pass(WHILE_MS)
        return table
      },
    )
    // The disk that was away is back, with whatever it was told; another one is away.
    const second = await withCrashedStore(
      simulation,
      state,
      { ...WHERE, outs: outs.slice(1) },
      async (store) => {
        const { table } = store.started
        assert.ok(table.version >= first.version, 'no way back')
        await readAll(store)
        await store.pass(WHILE_MS)
        return table
      },
    )
    if (askAgain && same(second, old)) await askAgain(files)
    const last = await withCrashedStore(simulation, state, WHERE, async (store) => {
      assert.ok(store.started.table.version >= second.version, 'no way back')
      for (let i = 0; i < 60 && !isFull(await redundancyOf(store)); i++) await store.pass(2_000)
      assert.ok(isFull(await redundancyOf(store)), JSON.stringify(await redundancyOf(store)))
      await readAll(store)
      return committedTables(store)
    })
    const tables = await tablesOn(files)
    assert.is(tables.size, ROOTS.length)
    for (const [root, table] of tables) assert.equal(table, tables.get('/d1'), `${root} knows`)
    assert.equal(last, [tables.get('/d1'), tables.get('/d1')])
    // Redundancy is what it was: any two may be lost.
    const two = [turn, turn + 1].map((i) => OTHERS[i % 4])
    if (turn % 3 === 0) await withCrashedStore(simulation, state, { ...WHERE, outs: two }, readAll)
  } catch (error) {
    const told = `${state.description}; without ${outs.map((out) => out ?? 'none').join(' and then ')}`
    throw new Error(`${told}: ${(error as Error).message}`, { cause: error })
  }
}
const isFull = ({ waiting, disks }: Redundancy): boolean =>
  waiting.shards === 0 && waiting.bytes === 0 && disks.every(({ state }) => state === 'present')

interface CheckOptions extends Pick<Change, 'askAgain'>, Pick<CrashedDisks, 'through'> {
  /** The last cut; how a change goes on was cut off elsewhere. */
  readonly until?: number
}

/** Cuts a recorded change off everywhere, and checks what comes of it. */
const checkChange = async (
  { simulation, seed }: { simulation: Simulation; seed: number },
  recording: Recording,
  { askAgain, through, until = Number.POSITIVE_INFINITY }: CheckOptions = {},
): Promise<void> => {
  const before = createMemoryFiles()
  await recording.ground.disks(before)
  const [old, made] = [(await tablesOn(before)).get('/d1')!, (await tablesOn(recording.faulty)).get('/d1')!]
  assert.equal([old.version, made.version], [1, 2])
  const change: Change = { old, made, askAgain }
  const checks = new TableChecks(change, through)
  let turn = 0
  for await (const state of storeStates(recording, { samples: SAMPLES, random: createPrng(seed) })) {
    if (state.point > until) break
    turn++
    const out = [undefined, ...OTHERS][state.point % 5]
    await checks.check(state, out).catch((error: Error) => {
      throw new Error(`${state.description}; without ${out ?? 'none'}: ${error.message}`, { cause: error })
    })
    if (turn % WHOLE_EVERY !== 0) continue
    const { marks, description } = state
    const crashed = { marks, description, files: state.image(), shelf: state.shelf() }
    await checkState(simulation, change, { ...crashed, ...(through && { through }) }, turn / WHOLE_EVERY)
  }
  assert.ok(turn >= STATES_MIN, `${turn} states`)
}

const groundOf = (simulation: Simulation): Promise<Ground> =>
  prepareGround(simulation, ROOTS, [putAll], PARTITIONS)
const MARKS = ['disk-adopted']
/** Fewer would be a log that was not recorded. */
const STATES_MIN = 100
/** One state in so many is looked at by the whole store, which goes on with the change; prime to the number of disks. */
const WHOLE_EVERY = roundsOf(89, 11)
const SAMPLES = 1

const lose: Parameters<typeof recordLife>[2] = async (store, mark, files) => {
  await files.rename(LOST, '/lost')
  await files.makeDirectory(LOST)
  await files.syncDirectory('/')
  mark('lost')
  await store.pass(20_000)
}
const sinceLost = (recording: Recording): Recording => {
  const isLost = (record: LogRecord): boolean => record.kind === 'mark' && record.label === 'lost'
  return { ...recording, first: recording.faulty.log.findIndex(isLost) + 1 }
}

test(
  'history 8: an adoption by a running store, cut off at every step',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const recording = await recordLife(seed + 1, await groundOf(simulation), lose, { marks: MARKS })
    await checkChange({ simulation, seed }, sinceLost(recording))
  }),
)

test(
  'the states find a table of disks that is renamed into its place, and the directory not synced',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const options = { marks: MARKS, through: withoutSyncOfRenames }
    const recording = await recordLife(seed + 1, await groundOf(simulation), lose, options)
    // Where it is said to count, it does not.
    const isSaid = (record: LogRecord): boolean => record.kind === 'mark' && record.label === MARKS[0]
    const first = recording.faulty.log.findIndex(isSaid)
    const outcome: unknown = await checkChange({ simulation, seed }, { ...recording, first }).catch(String)
    assert.match(String(outcome), /power cut after record/)
  }),
)

/** The disks, of which one directory was emptied. */
const withWiped = async (ground: Ground): Promise<Ground> => {
  const files = createMemoryFiles()
  await ground.disks(files)
  await emptyTree(files, LOST)
  return { ...ground, disks: await contentOf(files) }
}

test(
  'history 8: an adoption at a start, cut off at every step',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const wiped = await withWiped(await groundOf(simulation))
    const recording = await recordLife(seed + 1, wiped, (store) => store.pass(20_000), { marks: MARKS })
    const until = await findCommit(recording.faulty, ROOTS, 0)
    await checkChange({ simulation, seed }, { ...recording, first: 0 }, { until })
  }),
)

/** The directory lies on a device of its own: nobody takes it in without being told to. */
const elsewhere = (files: FileSystem): FileSystem => ({
  ...files,
  async stat(path) {
    const stat = await files.stat(path)
    return stat && path === LOST ? { ...stat, device: 99 } : stat
  },
})

test(
  'history 8: a replacement that the operator asked for, cut off at every step',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const wiped = await withWiped(await groundOf(simulation))
    const ask = (files: FileSystem): Promise<number> => replaceDisk(ROOTS, LOST, elsewhere(files))
    const recording = await recordLife(seed + 1, wiped, (store) => store.pass(20_000), {
      ...{ marks: MARKS, through: elsewhere, before: ask },
    })
    const until = await findCommit(recording.faulty, ROOTS, 0)
    await checkChange(
      { simulation, seed },
      { ...recording, first: 0 },
      { askAgain: ask, through: elsewhere, until },
    )
  }),
)

test(
  'history 8: a replaced disk that is back, with one that was not told of it, brings back nothing old',
  seeded(LIMIT_MS, async (_, seed) => {
    const simulation = createSimulation(seed)
    const roots = ['/d1', '/d2', '/d3']
    const files = createMemoryFiles()
    const open = (): Promise<SimulatedStore> => openSimulatedStore(simulation, { files, roots })
    const address = { bucket: 'bucket', key: 'key' }
    const write = (store: SimulatedStore, text: string): Promise<unknown> =>
      store.run(
        store.engine.objects.put({ ...address, owner: OWNER, headers: [], metadata: [] }, bodyOf(text)),
      )
    const first = await open()
    await first.run(first.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    await write(first, 'old')
    await first.close()
    const untold = await readFile(files, '/d2/disk.json')
    await files.rename('/d3', '/lost')
    await files.makeDirectory('/d3')
    // The third disk is replaced; the second hears of it in its journal only.
    const second = await open()
    await second.pass(60_000)
    await second.close()
    await files.remove('/d2/disk.json')
    await writeFile(files, '/d2/disk.json', untold)
    await files.rename('/d2', '/away')
    const third = await open()
    await write(third, 'new')
    await third.close()
    await files.rename('/away', '/d2')
    await files.rename('/d1', '/away')
    await files.rename('/d3', '/newcomer')
    await files.rename('/lost', '/d3')
    const shut = await open()
    const { message } = await rejectsWith('PARTITION_SHUT', () => shut.run(shut.engine.objects.head(address)))
    assert.match(message, /erasure set 0 lacks 2 disks: missing are disk 1 .*, disk 4/)
    await shut.close()
    await files.rename('/away', '/d1')
    await files.rename('/d3', '/lost')
    await files.rename('/newcomer', '/d3')
    const last = await open()
    assert.is(Buffer.from(await last.run(readBytes(last.engine, address))).toString(), 'new')
    await last.close()
  }),
)

test.run()
