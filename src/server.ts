// The composition root: from a configuration to a running store. It recognises the disks, makes what all threads share
// (arena, roster, facts), starts the tree and hands out what the outside may hold. Everything it opens it closes, in
// reverse, also when the start fails half-way.
import { availableParallelism } from 'node:os'
import type { Observable } from 'rxjs'
import type { AddAnswer } from './actors/adding.ts'
import type { BucketProtocol } from './actors/bucket-protocol.ts'
import { createListenersMemory } from './actors/disk-listeners.ts'
import type { DrainAnswer, DrainTarget } from './actors/draining.ts'
import type { ActorsView, InspectorProtocol, Redundancy } from './actors/inspector.ts'
import type { KeeperProtocol } from './actors/keeper.ts'
import { findRootKeys } from './actors/root-keys.ts'
import { createRoster, type Roster } from './actors/roster.ts'
import { createServedMemory } from './actors/served-partitions.ts'
import { attachClaims, createClaimsMemory, lockPlace } from './actors/slot-claims.ts'
import { createAddedMemory, SPARE_SLOTS } from './actors/slot-roots.ts'
import type { StoreEvent } from './actors/store-events.ts'
import { bucketRefs, PATHS, type StoreFacts } from './actors/store-facts.ts'
import { type Patience, planThreads, tree } from './actors/tree.ts'
import type { KeyPair } from './auth/root.ts'
import { MoraineError } from './base/errors.ts'
import type { FileSystem } from './base/files.ts'
import type { Log } from './base/log.ts'
import { systemRandom } from './base/prng.ts'
import { MINUTE, MiB, SECOND } from './base/units.ts'
import { CODEC_RESERVED_BYTES } from './codec/index.ts'
import type { Config } from './config.ts'
import { connectionsWithin, descriptorsMax } from './descriptors.ts'
import { type ActorRef, child } from './runtime/actor.ts'
import { createArena } from './runtime/arena.ts'
import { createEvents } from './runtime/events.ts'
import { createSystem, type System } from './runtime/system.ts'
import { type CodecShare, type GatewayProtocol, gateway } from './s3/actor.ts'
import { GATEWAY_LIMITS } from './s3/gateway.ts'
import { checkPort } from './s3/port.ts'
import { nodeFiles } from './storage/files-node.ts'
import { createLevelLock, noLock } from './storage/lock.ts'
import { slotsOfMissing } from './storage/missing-slots.ts'
import { type StartedStore, startStore } from './storage/start.ts'
import { drainingOf } from './storage/table-change.ts'

export interface ServerDependencies {
  readonly log: Log
  /** A store in memory: no files, no lock, one thread. */
  readonly memory?: FileSystem
  /** For tests; see `TreeOptions`. */
  readonly patience?: Patience
  /** For tests: of the metadata of a new store, instead of what the machine's cores call for. */
  readonly partitions?: number
}

export interface Server {
  /** `http://HOST:PORT` as a client on this machine reaches it. */
  readonly endpoint: string
  readonly region: string
  /** `isStored`: made at the first start and kept with the store, not given by the operator. */
  readonly credentials: KeyPair & { readonly isStored: boolean }
  /** Settles when the store has ended: resolved after `close`, rejected with what was too much for the root supervisor. */
  readonly closed: Promise<void>
  /** What happens in the store, as it happens; completes when it has ended. */
  readonly events: Observable<StoreEvent>
  /** New requests get 503; resolves when those in flight have ended, or after `withinMs`. */
  drain(withinMs: number): Promise<void>
  /** Idempotent and bounded; leaves no thread, timer, socket or file. */
  close(): Promise<void>
  redundancy(): Promise<Redundancy>
  actors(): Promise<ActorsView>
  /** See actors/draining.ts. */
  drainDisk(target: DrainTarget): Promise<DrainAnswer>
  /** See actors/adding.ts. */
  addDisks(directories: readonly string[]): Promise<AddAnswer>
}

/** One metadata partition per this many cores: a journal of its own costs syncs of its own. */
const CORES_PER_PARTITION = 8
/** Codecs that may be in use at once: the gateway's own, those of its pool's threads, dead ones included, the repairer's, the recoder's. */
const CODECS_MAX = 64
/** What compaction may copy on each disk in a second. */
const COMPACTION = { bytesPerSecond: 64 * MiB }
const ASK_LIMIT = { withinMs: 30 * SECOND }
const CHANGE_LIMIT = { withinMs: 2 * MINUTE }

/** Resolves when the store serves. Rejects with a fault whose message is one sentence for the operator. */
export const startServer = async (config: Config, dependencies: ServerDependencies): Promise<Server> => {
  const { log, memory } = dependencies
  const cores = availableParallelism()
  await checkPort(config.host, config.port)
  const started = await startStore({
    roots: config.disks,
    filesOf: () => memory ?? nodeFiles,
    takeLock: memory ? noLock : createLevelLock(nodeFiles),
    random: systemRandom,
    log,
    ...(config.parity !== undefined && { parity: config.parity }),
    partitions: dependencies.partitions ?? Math.max(1, Math.floor(cores / CORES_PER_PARTITION)),
  })
  try {
    return await startSystem(config, dependencies, started, cores)
  } catch (error) {
    await started.release()
    throw error
  }
}

/** What every actor is told of a store whose disks were recognised. */
export const factsOf = async (
  { disks: roots, region }: Pick<Config, 'disks' | 'region'>,
  started: StartedStore,
  memory?: FileSystem,
  spareSlots = 0,
): Promise<StoreFacts> => {
  // A disk of the table that no directory was given for is out, not retired.
  const firstSpareSlot = Math.max(roots.length, started.table.disks.length)
  const roster = createRoster(firstSpareSlot + spareSlots)
  assignSlots(roster, roots, started, firstSpareSlot)
  roster.setDraining(drainingOf(started.table)?.number ?? 0)
  const claims = createClaimsMemory(roster.slots)
  const locked = [...started.disks, ...(started.change?.joined ?? [])].map(async ({ root }) => {
    try {
      const place = await lockPlace(memory ?? nodeFiles, root, started.relock)
      attachClaims(claims).set(roots.indexOf(root), place)
    } catch {
      // Lost since it was locked: the keeper tries again, and says why it cannot.
    }
  })
  await Promise.all(locked)
  const { storeId, key: storeKey, table, session } = started
  return {
    ...{
      storeId,
      storeKey,
      region,
      roots,
      firstSpareSlot,
      session,
      parity: table.m,
      partitions: table.partitions,
      roster: roster.shared,
      listeners: createListenersMemory(table.partitions),
      claims,
      added: createAddedMemory(spareSlots),
      served: createServedMemory(table.partitions),
    },
    ...(memory && { memory }),
  }
}

const startSystem = async (
  config: Config,
  { log, memory, patience }: ServerDependencies,
  started: StartedStore,
  cores: number,
): Promise<Server> => {
  const facts = await factsOf(config, started, memory, SPARE_SLOTS)
  const ports = new SharedArrayBuffer(4)
  const { host, port, domain, rootCredentials } = config
  const gatewayArgs = {
    ...{ gateway: 0, codec: codecShare(memory ? 0 : cores), host, port, ports },
    connectionsMax: connectionsWithin(GATEWAY_LIMITS.connectionsMax, descriptorsMax()),
    ...(domain !== undefined && { domain }),
    ...(rootCredentials && { rootKeys: rootCredentials }),
  }
  const events = createEvents<StoreEvent>()
  const system: System = await createSystem({
    spec: tree({
      slots: facts.firstSpareSlot + SPARE_SLOTS,
      partitions: facts.partitions,
      gateways: [child(gateway, 'gateway-0', gatewayArgs)],
      inspector: { inspect: () => system.inspect(), gateways: [PATHS.gateway(0)] },
      events: events.spec,
      keeper: started,
      repairer: {
        codecOffset: (CODECS_MAX - 1) * CODEC_RESERVED_BYTES,
        bytesPerSecond: config.repairBytesPerSecond,
      },
      scrubber: { ...config.scrub, gateways: [PATHS.gateway(0), PATHS.recoder] },
      compactor: COMPACTION,
      recoder: {
        codecOffset: (CODECS_MAX - 2) * CODEC_RESERVED_BYTES,
        bytesPerSecond: config.repairBytesPerSecond,
      },
      ...(patience && { patience }),
    }),
    placement: memory ? {} : planThreads(cores),
    arena: createArena({ bytes: config.arenaBytes, codecReservedBytes: CODECS_MAX * CODEC_RESERVED_BYTES }),
    workerData: facts,
    log,
  })
  let running: Omit<Server, 'events'>
  try {
    running = await serverOf({ system, config, facts, ports, started }, log)
  } catch (error) {
    await system.close()
    throw error
  }
  running.closed.then(events.complete, events.complete)
  return { ...running, events: events.stream }
}

interface RunningParts {
  readonly system: System
  readonly config: Config
  readonly facts: StoreFacts
  readonly ports: SharedArrayBuffer
  readonly started: StartedStore
}

/** With one or two cores one thread codes large stripes; with more all but the gateway's. Without cores to give, none. */
const codecShare = (cores: number): CodecShare => ({
  region: 0,
  poolRegions: { first: 1, count: CODECS_MAX - 3 },
  threads: cores === 0 ? 0 : Math.min(16, Math.max(1, cores - 1)),
})

/** Present disks are in the slots where they were found. */
const assignSlots = (
  roster: Roster,
  roots: readonly string[],
  { disks, missing, table }: StartedStore,
  slots: number,
): void => {
  const setOf = new Map(table.disks.map(({ number, set }) => [number, set]))
  const found = new Map(disks.map(({ root, identity }) => [root, identity.number]))
  const isTaken = (slot: number): boolean => found.has(roots[slot] ?? '')
  const numbers = new Map(roots.map((root, slot) => [slot, found.get(root)]))
  for (const [number, slot] of slotsOfMissing(missing, slots, isTaken)) numbers.set(slot, number)
  for (const [slot, number] of numbers) {
    if (number !== undefined) roster.assign(slot, { number, set: setOf.get(number) ?? 0 })
  }
}

/** A store of which some partition serves is a store; where none does, the operator hears why, and not every client. */
const checkServed = async (buckets: readonly ActorRef<BucketProtocol>[]): Promise<void> => {
  const asked = await Promise.allSettled(buckets.map((ref) => ref.ask('waiting', {}, ASK_LIMIT)))
  const failures = asked.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason] : []))
  if (failures.length === buckets.length) throw failures[0]
}

/** What the supervisors could not mend, with its own code: whoever started the store must look at that. */
const gaveUp = (error: MoraineError): MoraineError => {
  const { kind, code, message, detail } = error
  return new MoraineError(kind, code, `the root supervisor gave up: ${message}`, detail, error)
}

const serverOf = async (
  { system, config, facts, ports, started }: RunningParts,
  log: Log,
): Promise<Omit<Server, 'events'>> => {
  const gatewayRef = system.ref<GatewayProtocol>(PATHS.gateway(0))
  const inspectorRef = system.ref<InspectorProtocol>(PATHS.inspector)
  const keeperRef = system.ref<KeeperProtocol>(PATHS.keeper)
  const port = new Int32Array(ports)[0]!
  const host = config.host === '0.0.0.0' || config.host === '::' ? '127.0.0.1' : config.host
  const buckets = bucketRefs(system, facts)
  await checkServed(buckets)
  const isStored = config.rootCredentials === undefined
  const keys = config.rootCredentials ?? (await findRootKeys(buckets, facts, log))
  const closed = system.closed.then(async (error) => {
    await started.release()
    if (error) throw gaveUp(error)
  })
  // Who does not look at `closed` has not missed an error: `close` and every request tell it, too.
  closed.catch(() => undefined)
  return {
    endpoint: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    region: config.region,
    credentials: { ...keys, isStored },
    closed,
    drain: (withinMs) => gatewayRef.ask('drain', { withinMs }, { withinMs: withinMs + 5 * SECOND }),
    async close() {
      await system.close()
      await closed.catch(() => undefined)
    },
    redundancy: () => inspectorRef.ask('redundancy', {}, ASK_LIMIT),
    actors: () => inspectorRef.ask('actors', {}, ASK_LIMIT),
    drainDisk: (target) => keeperRef.ask('drain', target, CHANGE_LIMIT),
    addDisks: (directories) => keeperRef.ask('add', { directories }, CHANGE_LIMIT),
  }
}
