// The gateway actor: one listening socket on one thread, and the engine behind it. Everything between a request's first
// byte and its answer happens here or in actors that are asked from here. When its thread dies its connections die with
// it, and the actor that takes its place listens on the same port.

import { createRegions, freeRegions } from '../actors/codec-regions.ts'
import type { CodecThreadData } from '../actors/codec-thread.ts'
import {
  type CodecJobs,
  createCodecJobs,
  createCoder,
  createLateJobs,
  type StripeCoder,
} from '../actors/coder.ts'
import { connectGateway } from '../actors/connect-gateway.ts'
import { createEngine } from '../actors/gateway-engine.ts'
import type { RunningWritesProtocol } from '../actors/gateway-parts.ts'
import type { CodecThreadsProtocol, InspectorProtocol } from '../actors/inspector.ts'
import type { KeeperProtocol } from '../actors/keeper.ts'
import { createReadiness } from '../actors/readiness.ts'
import { findRootKeys } from '../actors/root-keys.ts'
import type { ScrubberProtocol } from '../actors/scrubber.ts'
import { PATHS, type StoreFacts } from '../actors/store-facts.ts'
import { createAdmin, type DiskControl, type ScrubControl } from '../admin/admin.ts'
import { type KeyPair, rootCredential } from '../auth/root.ts'
import { KiB, MINUTE, SECOND } from '../base/units.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../codec/index.ts'
import { type ActorRef, behavior, type Context } from '../runtime/actor.ts'
import type { PoolThreadView } from '../runtime/pool.ts'
import { authorizeRequest } from './authorization.ts'
import { createDispatch } from './dispatch.ts'
import { errorResponse } from './errors.ts'
import { createFailureLog } from './failures.ts'
import { createGateway } from './gateway.ts'

/** Clients give up after a minute without a byte, some proxies after half of one. */
const SILENCE_MAX_MS = 10 * SECOND

export interface GatewayArgs {
  /** Counted from 0: which cell of `ports` is its own. */
  readonly gateway: number
  readonly codec: CodecShare
  readonly host: string
  /** 0 for any; the one that was taken is kept in `ports`. */
  readonly port: number
  readonly ports: SharedArrayBuffer
  readonly connectionsMax: number
  readonly domain?: string
  /** Given by the operator: it counts instead of the stored one. */
  readonly rootKeys?: KeyPair
}

/** Regions of the arena's reserve for codecs, and how many threads code large stripes; 0: this one. */
export interface CodecShare {
  readonly region: number
  readonly poolRegions: { readonly first: number; readonly count: number }
  readonly threads: number
}

export interface GatewayProtocol extends CodecThreadsProtocol, RunningWritesProtocol {
  /** New requests get 503; resolves when those in flight have ended, or were cut after `withinMs`. */
  drain(m: { withinMs: number }): Promise<void>
}

const CODEC_THREAD = new URL('../actors/codec-thread.js', import.meta.url)
const INSPECT_LIMIT = { withinMs: 10 * SECOND }
/** Two commits in each partition, and what they may wait for. */
const CHANGE_LIMIT = { withinMs: 2 * MINUTE }

export const gateway = behavior<GatewayProtocol, GatewayArgs>(import.meta.url, 'gateway', {
  mailbox: { messagesMax: 16, bytesMax: 64 * KiB },
  // Who looks does not wait for the drain.
  interleave: { drain: 1, codecThreads: 4, runningWrites: 4 },
  async setup(context, args) {
    const { gateway: number, codec, host, port, ports, connectionsMax, domain, rootKeys } = args
    const facts = context.workerData as StoreFacts
    const taken = new Int32Array(ports)
    const { coder, codecThreads } = await openCoder(context, codec)
    const { parts, reading } = connectGateway(context, facts, coder)
    const keys = rootKeys ?? (await findRootKeys(parts.buckets, facts, context.log))
    const root = rootCredential(facts.storeId, keys)
    const whyNotReady = createReadiness(facts)
    let isDraining = false
    const server = createGateway({
      dispatch: createDispatch({
        engine: createEngine(parts, reading),
        region: facts.region,
        onError: createFailureLog(context.log, context.clock),
        patience: { clock: context.clock, waitMs: SILENCE_MAX_MS },
      }),
      errorResponse,
      authorize: authorizeRequest,
      findCredential: (accessKeyId) => (accessKeyId === root.accessKeyId ? root : undefined),
      adminHandler: createAdmin({
        whyNotReady: () => (isDraining ? 'the server is draining' : whyNotReady()),
        redundancy: () =>
          context.ref<InspectorProtocol>(PATHS.inspector).ask('redundancy', {}, INSPECT_LIMIT),
        actors: () => context.ref<InspectorProtocol>(PATHS.inspector).ask('actors', {}, INSPECT_LIMIT),
        scrub: scrubControl(context.ref<ScrubberProtocol>(PATHS.scrubber)),
        disks: diskControl(context.ref<KeeperProtocol>(PATHS.keeper)),
      }),
      region: facts.region,
      limits: { connectionsMax },
      ...(domain !== undefined && { domain }),
      clock: context.clock,
      random: context.random,
      log: context.log,
    })
    context.defer(() => server.close({ drainMs: 0 }))
    const address = await server.listen({ host, port: Atomics.load(taken, number) || port })
    Atomics.store(taken, number, address.port)
    return {
      codecThreads,
      runningWrites: () => [...parts.running],
      async drain({ withinMs }) {
        isDraining = true
        await server.close({ drainMs: withinMs })
      },
    }
  },
})

const diskControl = (keeper: ActorRef<KeeperProtocol>): DiskControl => ({
  drain: (target) => keeper.ask('drain', target, CHANGE_LIMIT),
  add: (directories) => keeper.ask('add', { directories }, CHANGE_LIMIT),
})

const scrubControl = (scrubber: ActorRef<ScrubberProtocol>): ScrubControl => ({
  status: () => scrubber.ask('status', {}, INSPECT_LIMIT),
  pause: () => scrubber.ask('pause', {}, INSPECT_LIMIT),
  resume: () => scrubber.ask('resume', {}, INSPECT_LIMIT),
  begin: () => scrubber.ask('begin', {}, INSPECT_LIMIT),
  demand: (demand) => scrubber.ask('demand', demand, INSPECT_LIMIT),
})

const openCoder = async (
  context: Context<GatewayProtocol>,
  { region, poolRegions, threads }: CodecShare,
): Promise<{ coder: StripeCoder; codecThreads: () => PoolThreadView[] }> => {
  const { memory } = context.arena
  const makeJobs = (): CodecJobs =>
    createCodecJobs(createKernel({ memory, reservedOffset: region * CODEC_RESERVED_BYTES }))
  if (threads === 0) return { coder: createCoder(createLateJobs(makeJobs)), codecThreads: () => [] }
  // A server says at its start that its installation is damaged.
  const jobs = makeJobs()
  const regions = createRegions(poolRegions.count)
  const workerData: CodecThreadData = { memory, regions, first: poolRegions.first }
  const onThreadEnded = (living: ReadonlySet<number>): void => freeRegions(regions, living)
  // Loaded here: a store in memory has no pool.
  const { createPool } = await import('../runtime/pool.ts')
  const pool = createPool<CodecJobs>({ module: CODEC_THREAD, threads, workerData, onThreadEnded })
  context.defer(() => pool.close())
  return { coder: createCoder(jobs, pool), codecThreads: () => pool.view() }
}
