// One case: a store lives on three disks (2+1), an operation runs, and one of its I/O steps meets a fault. What has to hold then:
//
//   the answer    right, or an error that says that the store is not able to; a read is always answered, one disk can be missing
//   service       without a restart GET and PUT work, while the fault lasts and after it
//   nothing lost  when it is over redundancy is full again, tours of the scrub end with one that finds nothing, and GET, HEAD and
//                 LIST agree with what was acknowledged: in this life, and in the next one after a power cut and without another disk
//   no leaks      every slab was given back; when the store has ended, every file is closed
import type { InspectorProtocol } from '../../src/actors/inspector.ts'
import type { KeeperProtocol } from '../../src/actors/keeper.ts'
import type { Findings } from '../../src/actors/scrub-state.ts'
import type { ScrubberProtocol } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { asMoraineError, codeOf, type MoraineError } from '../../src/base/errors.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { KiB, MINUTE, SECOND } from '../../src/base/units.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import {
  BYSTANDERS,
  bodyFrom,
  put,
  ROOTS,
  type Shown,
  type Step,
  THE_BUCKET,
  THERE,
} from '../crash/scenario.ts'
import { lookAt, sorted } from '../crash/store-check.ts'
import { readBytes } from '../model/engine-contract.ts'
import { cutPower } from '../support/crash-states.ts'
import { createFaultyFiles, type FaultyFiles } from '../support/faulty-files.ts'
import { HANG_MS, type Step as IoStep, IoSteps, type PlannedFault } from '../support/io-steps.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import { type Ground, IndexShelf } from '../support/store-crash.ts'
import { assert } from '../support/uvu.ts'

export interface FaultedOperation {
  readonly name: string
  /** What happened before, in a life of its own. */
  readonly life?: (store: SimulatedStore, files: FileSystem) => Promise<unknown>
  readonly segmentBytes?: number
  readonly prepare?: (store: SimulatedStore, files: FileSystem) => Promise<unknown>
  /** Done at the same time. */
  readonly steps: readonly Step[]
  /** Only reads: never refused because of one fault. */
  readonly isRead?: boolean
  /** `start`, `close`: it is the start or the end of the store that meets the fault. */
  readonly of?: 'start' | 'close'
  /** How long what it began goes on behind its answer. */
  readonly afterMs?: number
  /** What lies on the disks is damaged before it begins. */
  readonly isDamaged?: boolean
  /** That it did what it is called, where nothing went wrong. */
  readonly events?: readonly string[]
  /** In the first life, before all that there is is looked at. */
  readonly verify?: (store: SimulatedStore, isDone: readonly boolean[]) => Promise<unknown>
}

const SETTLE_MS = 1 * SECOND
const SERVES_WITHIN_MS = 60 * SECOND
const FULL_WITHIN_MS = 20 * MINUTE
const TOURS_MAX = 6
const ASK = { withinMs: 30 * SECOND }
const PROBE = 'probe'
const probeBody = bodyFrom(3 * KiB, 900)

/** What a client may hear when the store is not able to: 503, 507, or 500 for a fault of one disk. */
const DOCUMENTED: ReadonlySet<string> = new Set(['DISK_FULL', 'DISK_IO', 'DISK_GONE', 'DISK_READ_ONLY'])
const checkError = (caught: unknown): MoraineError => {
  const error = asMoraineError(caught)
  const isDocumented = error.kind === 'unavailable' || DOCUMENTED.has(error.code)
  assert.ok(isDocumented, `${error.code}: ${error.stack} ${(error.cause as Error | undefined)?.stack ?? ''}`)
  return error
}

interface Stage {
  readonly operation: FaultedOperation
  readonly simulation: Simulation
  readonly files: FaultyFiles
  readonly io: IoSteps
  readonly shelf: IndexShelf
  readonly events: string[]
  readonly isDeep: boolean
}

const open = ({ operation, simulation, io, shelf, events }: Stage): Promise<SimulatedStore> => {
  const note = (event: string): void => void events.push(event)
  return openSimulatedStore(simulation, {
    ...{ files: io.files, roots: ROOTS, memoryIndexes: io.indexes(shelf.again().give) },
    ...(operation.segmentBytes !== undefined && { segmentBytes: operation.segmentBytes }),
    log: { debug: note, info: note, warn: note, error: note },
  })
}

/** A start that may be told to try again, as whoever looks after the process does. */
const start = async (stage: Stage): Promise<SimulatedStore> => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open(stage)
    } catch (caught) {
      const error = checkError(caught)
      if (attempt === 3) throw error
      stage.io.disarm()
    }
  }
}

/** Tries until it is answered; every error on the way is one that may be. */
const insist = async <T>(
  store: SimulatedStore,
  simulation: Simulation,
  withinMs: number,
  action: () => Promise<T>,
): Promise<T> => {
  const endMs = simulation.clock.monotonicMs() + withinMs
  for (;;) {
    try {
      return await store.run(action())
    } catch (caught) {
      const error = checkError(caught)
      if (simulation.clock.monotonicMs() > endMs) throw error
      await store.pass(2 * SECOND)
    }
  }
}

/** GET at once, and PUT within a minute, whatever still hangs. */
const checkService = async (store: SimulatedStore, { simulation, operation }: Stage): Promise<void> => {
  // One disk was lost already: another one that hangs is more than the redundancy takes, and has to come back first.
  const withinMs = SERVES_WITHIN_MS + (operation.isDamaged ? HANG_MS : 0)
  for (const [key, { bytes }] of BYSTANDERS) {
    const read = await insist(store, simulation, withinMs, () =>
      readBytes(store.engine, { bucket: 'bucket', key }),
    )
    assert.ok(bytes.equals(read), `${key} is whole`)
  }
  await insist(store, simulation, withinMs, () => put(store, PROBE, probeBody.bytes))
}

const becomesFull = async (store: SimulatedStore, { simulation }: Stage): Promise<void> => {
  const inspector = store.system.ref<InspectorProtocol>(PATHS.inspector)
  const endMs = simulation.clock.monotonicMs() + FULL_WITHIN_MS
  let last: unknown
  while (simulation.clock.monotonicMs() < endMs) {
    try {
      const redundancy = await store.run(inspector.ask('redundancy', {}, ASK))
      const { waiting, disks, notServed } = redundancy
      const arePresent = disks.every(({ state, message }) => state === 'present' && message === undefined)
      if (waiting.shards + waiting.bytes + notServed.length === 0 && arePresent) return
      last = redundancy
    } catch (error) {
      last = codeOf(error)
    }
    await store.pass(2 * SECOND)
  }
  throw new Error(`redundancy does not become full: ${JSON.stringify(last)}`)
}

const countOf = ({ bytes: _, ...found }: Findings): number =>
  Object.values(found).reduce((sum, count) => sum + count, 0)

/** Every shard and every segment, as an operator may ask for it, disk by disk. */
const lookOver = async (store: SimulatedStore, scrubber: ActorRef<ScrubberProtocol>): Promise<Findings[]> => {
  const numbers: number[] = []
  // Those that are members now: one may have been replaced since the start.
  const keeper = store.system.ref<KeeperProtocol>(PATHS.keeper)
  const { disks } = await store.run(keeper.ask('overview', {}, ASK))
  for (const { number } of disks)
    numbers.push(await store.run(scrubber.ask('demand', { kind: 'disk', disk: number }, ASK)))
  for (;;) {
    await store.pass(2 * SECOND)
    const { demands } = await store.run(scrubber.ask('status', {}, ASK))
    const its = demands.filter(({ number }) => numbers.includes(number))
    if (its.every(({ state }) => state === 'done')) return its.map(({ findings }) => findings)
    assert.not.ok(
      its.some(({ state }) => state === 'failed'),
      'what was asked for is looked at',
    )
  }
}

/** As `lookOver`, with the indexes and what is nobody's. */
const wholeTour = async (
  store: SimulatedStore,
  scrubber: ActorRef<ScrubberProtocol>,
): Promise<Findings[]> => {
  const before = (await store.run(scrubber.ask('status', {}, ASK))).last?.number ?? 0
  await store.run(scrubber.ask('begin', {}, ASK))
  for (;;) {
    const { state, last } = await store.run(scrubber.ask('status', {}, ASK))
    if (state === 'idle' && last && last.number > before) return [last.findings]
    await store.pass(10 * SECOND)
  }
}

/** The scrub finds nothing in the end, and no shard that is not whole at its first look: of every fault the store was told. */
const becomesClean = async (store: SimulatedStore, stage: Stage, isDeep: boolean): Promise<void> => {
  const scrubber = store.system.ref<ScrubberProtocol>(PATHS.scrubber)
  let last: Findings[] = []
  for (let i = 0; i < TOURS_MAX; i++) {
    last = await (isDeep ? wholeTour : lookOver)(store, scrubber)
    if (last.every((found) => countOf(found) === 0)) return
    if (i === 0 && !stage.operation.isDamaged) {
      const damaged = last.reduce((sum, { missing, corrupt }) => sum + missing + corrupt, 0)
      assert.is(damaged, 0, 'every shard is whole')
    }
    await store.pass(5 * SECOND)
    await becomesFull(store, stage)
  }
  throw new Error(`the scrub still finds something: ${JSON.stringify(last)}`)
}

/** What was acknowledged is there, what was refused is there whole or not at all, and nothing else appears. */
const checkShown = ({ steps }: FaultedOperation, shown: Shown, isDone: readonly boolean[]): void => {
  const rest = new Map(shown)
  const expect = (key: string, etag: string | undefined): void => {
    assert.is(rest.get(key), etag, `'${key}'`)
    rest.delete(key)
  }
  expect(THE_BUCKET, THERE)
  for (const [key, { etag }] of BYSTANDERS) expect(key, etag)
  expect(PROBE, probeBody.etag)
  for (const [i, { changes }] of steps.entries()) {
    const pairs = Object.entries(changes)
    const hasHappened = pairs.some(([key, [before, after]]) => before !== after && shown.get(key) === after)
    const changesSomething = pairs.some(([, [before, after]]) => before !== after)
    if (isDone[i] && changesSomething) assert.ok(hasHappened, `acknowledged change ${i} is there`)
    for (const [key, pair] of pairs) expect(key, pair[hasHappened ? 1 : 0])
  }
  assert.equal([...rest], [], 'nothing else appears')
}

/** Runs the steps; which of them were acknowledged. */
const attempt = (
  store: SimulatedStore,
  { steps, of, isRead = false }: FaultedOperation,
  io: IoSteps,
): Promise<boolean[]> => {
  const attempts = steps.map((step) =>
    step.run(store).then(
      () => true,
      (caught: unknown) => {
        const { code, stack } = checkError(caught)
        // Whatever hangs: who waits for an index is told so in time.
        assert.ok(!isRead || io.fault === 'hang', `a read was answered ${code}: ${stack}`)
        assert.ok(io.wasMet || of === 'close', `nothing was wrong, and it was answered ${code}: ${stack}`)
        return false
      },
    ),
  )
  return store.run(Promise.all(attempts))
}

const end = async (store: SimulatedStore, { io, simulation }: Stage): Promise<void> => {
  await store.close()
  assert.is(io.openFiles, 0, 'every file is closed')
  assert.equal(simulation.arena.inUse(), { small: 0, large: 0 }, 'every slab was given back')
}

/** The first life up to its end; what it showed last. */
const live = async (stage: Stage, plan: PlannedFault | undefined): Promise<Shown> => {
  const { operation, io, files, simulation } = stage
  if (operation.of === 'start') io.arm(plan)
  let store = await start(stage)
  await store.pass(SETTLE_MS)
  await operation.prepare?.(store, files)
  if (operation.of !== 'start') io.arm(plan)
  const attempted = attempt(store, operation, io)
  // It ends in the middle of what it was asked for.
  if (operation.of === 'close') await store.close()
  const isDone = await attempted
  if (operation.of === 'close') store = await start(stage)
  await store.pass(operation.afterMs ?? 0)
  io.disarm()
  await checkService(store, stage)
  // What hangs comes to its end.
  if (plan?.fault === 'hang') await store.pass(HANG_MS)
  if (plan) {
    await store.pass(10 * SECOND)
    await becomesFull(store, stage)
    await becomesClean(store, stage, stage.isDeep)
  }
  await operation.verify?.(store, isDone)
  const shown = await lookAt(store)
  checkShown(operation, shown, isDone)
  assert.equal(simulation.arena.inUse(), { small: 0, large: 0 }, 'every slab was given back')
  await end(store, stage)
  return shown
}

export interface CaseResult {
  readonly steps: readonly IoStep[]
  readonly events: readonly string[]
  readonly wasMet: boolean
}

/**
 * The power goes, and what a sync failed on and nothing wrote again is lost with it; and so is a disk that nothing was wrong with. Of
 * a sync that failed each of them in turn: only one of them has what was to be synced.
 */
const checkNext = async (
  { simulation, files, io, shelf }: Stage,
  ground: Ground,
  shown: Shown,
  plan: PlannedFault | undefined,
): Promise<void> => {
  const step = plan && io.steps[plan.at]
  const others = ROOTS.filter((root) => !step?.path.startsWith(root))
  const outs = step?.kind === 'sync' ? others : [others[(plan?.at ?? 0) % others.length]!]
  for (const out of outs) {
    const after = await cutPower(files, ground.disks)
    await after.rename(out, '/away')
    // Each from what the first life left: the next would have gone on with them.
    const memoryIndexes = new IndexShelf(shelf.batches()).give
    const next = await openSimulatedStore(simulation, { files: after, roots: ROOTS, memoryIndexes })
    assert.equal(sorted(await lookAt(next)), sorted(shown), `after a power cut and without ${out}`)
    await next.close()
  }
}

/** `isDeep`: with the longer checks, a whole tour of the scrub and a second life after a power cut. */
export const runCase = async (
  seed: number,
  ground: Ground,
  operation: FaultedOperation,
  plan?: PlannedFault,
  isDeep = false,
): Promise<CaseResult> => {
  const simulation = createSimulation(seed)
  const files = await createFaultyFiles({ direct: true }, ground.disks)
  const io = new IoSteps(files, simulation.clock)
  const shelf = new IndexShelf(ground.indexes)
  const stage: Stage = { operation, simulation, files, io, shelf, events: [], isDeep }
  const shown = await live(stage, plan)
  if (isDeep) await checkNext(stage, ground, shown, plan)
  return { steps: io.steps, events: stage.events, wasMet: io.wasMet }
}
