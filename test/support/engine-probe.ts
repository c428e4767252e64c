// The real engine without HTTP: the whole tree on one thread over disks in memory, with an actor in the gateway's place
// that hands the engine out.

import { type CodecJobs, createCodecJobs, createCoder, type StripeCoder } from '../../src/actors/coder.ts'
import { connectGateway } from '../../src/actors/connect-gateway.ts'
import type { Engine } from '../../src/actors/engine.ts'
import { createEngine } from '../../src/actors/gateway-engine.ts'
import type { RunningWritesProtocol } from '../../src/actors/gateway-parts.ts'
import type { ScrubberArgs } from '../../src/actors/scrubber.ts'
import { type MemoryIndexes, PATHS, type StoreFacts } from '../../src/actors/store-facts.ts'
import { tree } from '../../src/actors/tree.ts'
import type { Clock } from '../../src/base/clock.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { type Random, systemRandom } from '../../src/base/prng.ts'
import { GiB, MiB, SECOND } from '../../src/base/units.ts'
import type { SharedMemory } from '../../src/base/wasm.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../../src/codec/index.ts'
import { type Behavior, child } from '../../src/runtime/actor.ts'
import { type Arena, createArena } from '../../src/runtime/arena.ts'
import { createEvents } from '../../src/runtime/events.ts'
import type { Scheduler } from '../../src/runtime/scheduler.ts'
import { createSystem, type System } from '../../src/runtime/system.ts'
import { factsOf } from '../../src/server.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { noLock, type TakeLock } from '../../src/storage/lock.ts'
import { type StartedStore, startStore } from '../../src/storage/start.ts'
import { createHurriedClock } from './hurried-clock.ts'

export type ScrubRates = Omit<ScrubberArgs, 'gateways'>

interface EngineProbeProtocol extends RunningWritesProtocol {
  engine(m: Record<string, never>): Engine
  /** Breaks: its supervisor starts it again. */
  fail(m: Record<string, never>): void
}

/** The coder of a probed store, from the jobs over its own kernel. Where a pool codes, its threads have POOL_REGIONS. */
export type MakeCoder = (jobs: CodecJobs, memory: SharedMemory) => StripeCoder

const localCoder: MakeCoder = (jobs) => createCoder(jobs)

export const POOL_REGIONS = { first: 3, count: 4 }
const REGIONS = POOL_REGIONS.first + POOL_REGIONS.count

const engineProbe: Behavior<EngineProbeProtocol, { makeCoder: MakeCoder }> = {
  mailbox: { messagesMax: 4, bytesMax: 4096 },
  setup(context, { makeCoder }) {
    const { memory } = context.arena
    const coder = makeCoder(createCodecJobs(createKernel({ memory, reservedOffset: 0 })), memory)
    const { parts, reading } = connectGateway(context, context.workerData as StoreFacts, coder)
    const engine = createEngine(parts, reading)
    return {
      engine: () => engine,
      runningWrites: () => [...parts.running],
      fail() {
        throw new Error('asked to fail')
      },
    }
  },
}

export interface EngineOptions {
  readonly files: FileSystem
  readonly roots: readonly string[]
  readonly arena: Arena
  readonly partitions: number
  readonly parity?: number
  readonly random?: Random
  readonly log?: Log
  /** In simulation. */
  readonly clock?: Clock
  readonly scheduler?: Scheduler
  /** Unless a test says no, what is sent is moved: see `SystemOptions`. */
  readonly movesBytes?: boolean
  /** Indexes that outlive the store; without them each start finds none. */
  readonly memoryIndexes?: MemoryIndexes
  readonly segmentBytes?: number
  readonly makeCoder?: MakeCoder
  /** By default none that is not asked for. */
  readonly scrub?: ScrubRates
  readonly repairBytesPerSecond?: number
  /** In memory nobody else is there to lock anything against. */
  readonly takeLock?: TakeLock
  /** For disks that are added while it runs; none by default. */
  readonly spareSlots?: number
}

export interface ProbedEngine {
  readonly engine: Engine
  readonly system: System
  /** What the start found. */
  readonly started: StartedStore
  /** The gateway's actor breaks and is started again; resolves to the engine of its next life. */
  restartGateway(): Promise<Engine>
}

const NO_SCRUB: ScrubRates = { periodMs: 0, bytesPerSecond: GiB }

const PROBE = 'root/gateways/probe'

/** The arena of a probed store. */
export const createProbeArena = (bytes: number, clock?: Clock): Arena =>
  createArena({ bytes, codecReservedBytes: REGIONS * CODEC_RESERVED_BYTES, ...(clock && { clock }) })

/** Starts the disks and the tree on them, on this thread. */
export const openEngine = async (options: EngineOptions): Promise<ProbedEngine> => {
  const { files, roots, arena, partitions, parity, memoryIndexes, segmentBytes, clock, scheduler } = options
  const { random = systemRandom, log = silentLog, makeCoder = localCoder, movesBytes = true } = options
  const { takeLock = noLock, scrub = NO_SCRUB, repairBytesPerSecond = GiB, spareSlots = 0 } = options
  const started = await startStore({
    ...{ roots, filesOf: () => files, takeLock, random, log, partitions },
    ...(parity !== undefined && { parity }),
  })
  const facts = await factsOf({ disks: roots, region: 'us-east-1' }, started, files, spareSlots)
  const system: System = await createSystem({
    spec: tree({
      slots: facts.firstSpareSlot + spareSlots,
      partitions,
      gateways: [child(engineProbe, 'probe', { makeCoder })],
      inspector: { inspect: () => system.inspect(), gateways: [] },
      events: createEvents().spec,
      keeper: started,
      repairer: { codecOffset: CODEC_RESERVED_BYTES, bytesPerSecond: repairBytesPerSecond },
      scrubber: { ...scrub, gateways: [PROBE, PATHS.recoder] },
      compactor: { bytesPerSecond: GiB },
      recoder: { codecOffset: 2 * CODEC_RESERVED_BYTES, bytesPerSecond: repairBytesPerSecond },
    }),
    ...{ arena, random, log, movesBytes },
    workerData: {
      ...facts,
      ...(memoryIndexes && { memoryIndexes }),
      ...(segmentBytes !== undefined && { segmentBytes }),
    },
    ...(clock && { clock }),
    ...(scheduler && { scheduler }),
  })
  const probe = system.ref<EngineProbeProtocol>(PROBE)
  // One that is replaced ends first what it was doing, which may wait for a disk: five seconds at most.
  const engineNow = () => probe.ask('engine', {}, { withinMs: 15 * SECOND })
  return {
    engine: await engineNow(),
    ...{ system, started },
    async restartGateway() {
      await probe.ask('fail', {}, { withinMs: 5 * SECOND }).catch(() => undefined)
      return engineNow()
    },
  }
}

export interface ProbedStore {
  readonly engine: Engine
  readonly system: System
  readonly arena: Arena
  readonly files: MemoryFiles
  readonly roots: readonly string[]
  /** The gateway's actor breaks and is started again; resolves to the engine of its next life. */
  restartGateway(): Promise<Engine>
  close(): Promise<void>
}

/** Opens a store on `files`, whose time is hurried; the same files open the same store again. */
export const openProbedStore = async (
  files = createMemoryFiles(),
  disks = 6,
  makeCoder: MakeCoder = localCoder,
  log: Log = silentLog,
): Promise<ProbedStore> => {
  const roots = Array.from({ length: disks }, (_, slot) => `/store/d${slot + 1}`)
  const { clock, stop } = createHurriedClock()
  const arena = createProbeArena(64 * MiB, clock)
  const opened = await openEngine({ files, roots, arena, partitions: 2, makeCoder, log, clock })
  const { engine, system, restartGateway } = opened
  const close = (): Promise<void> => system.close().finally(stop)
  return { engine, system, arena, files, roots, restartGateway, close }
}
