// The real engine without HTTP: the whole tree on one thread over disks in memory, with an actor in the gateway's place
// that hands the engine out.

import { type CodecJobs, createCodecJobs, createCoder, type StripeCoder } from '../../src/actors/coder.ts'
import { connectGateway } from '../../src/actors/connect-gateway.ts'
import type { Engine } from '../../src/actors/engine.ts'
import { createEngine } from '../../src/actors/gateway-engine.ts'
import type { StoreFacts } from '../../src/actors/store-facts.ts'
import { tree } from '../../src/actors/tree.ts'
import { silentLog } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/prng.ts'
import { MiB, SECOND } from '../../src/base/units.ts'
import type { SharedMemory } from '../../src/base/wasm.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../../src/codec/index.ts'
import { type Behavior, child } from '../../src/runtime/actor.ts'
import { type Arena, createArena } from '../../src/runtime/arena.ts'
import { createEvents } from '../../src/runtime/events.ts'
import { createSystem, type System } from '../../src/runtime/system.ts'
import { factsOf } from '../../src/server.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { noLock } from '../../src/storage/lock.ts'
import { startStore } from '../../src/storage/start.ts'

interface EngineProbeProtocol {
  engine(m: Record<string, never>): Engine
  /** Breaks: its supervisor starts it again. */
  fail(m: Record<string, never>): void
}

/** The coder of a probed store, from the jobs over its own kernel. Where a pool codes, its threads have POOL_REGIONS. */
export type MakeCoder = (jobs: CodecJobs, memory: SharedMemory) => StripeCoder

export const POOL_REGIONS = { first: 2, count: 4 }
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
      fail() {
        throw new Error('asked to fail')
      },
    }
  },
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

/** Opens a store on `files`; the same files open the same store again. */
export const openProbedStore = async (
  files = createMemoryFiles(),
  disks = 6,
  makeCoder: MakeCoder = (jobs) => createCoder(jobs),
): Promise<ProbedStore> => {
  const roots = Array.from({ length: disks }, (_, slot) => `/store/d${slot + 1}`)
  const filesOf = (): MemoryFiles => files
  const common = { takeLock: noLock, random: systemRandom, log: silentLog, partitions: 2 }
  const started = await startStore({ roots, filesOf, ...common })
  const arena = createArena({ bytes: 64 * MiB, codecReservedBytes: REGIONS * CODEC_RESERVED_BYTES })
  const system: System = await createSystem({
    spec: tree({
      slots: disks,
      partitions: 2,
      gateways: [child(engineProbe, 'probe', { makeCoder })],
      inspector: { inspect: () => system.inspect() },
      events: createEvents().spec,
      keeper: started,
      repairer: { codecOffset: CODEC_RESERVED_BYTES },
    }),
    arena,
    workerData: factsOf({ disks: roots, region: 'us-east-1' }, started, files),
  })
  const probe = system.ref<EngineProbeProtocol>('root/gateways/probe')
  const engineNow = () => probe.ask('engine', {}, { withinMs: 5 * SECOND })
  return {
    engine: await engineNow(),
    ...{ system, arena, files, roots },
    async restartGateway() {
      await probe.ask('fail', {}, { withinMs: 5 * SECOND }).catch(() => undefined)
      return engineNow()
    },
    close: () => system.close(),
  }
}
