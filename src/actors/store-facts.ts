// What every actor of one store knows from the start, on every thread: plain data and shared memory, made once by the
// composition root and given to the system as `workerData`. What changes while the store runs is in the roster.
import type { FileSystem } from '../base/files.ts'
import type { IndexPosition } from '../metadata/index-slot.ts'
import type { ActorRef, Context } from '../runtime/actor.ts'
import { nodeFiles } from '../storage/files-node.ts'
import type { ClosableIndex } from '../storage/level-index.ts'
import type { BucketProtocol } from './bucket-protocol.ts'

export interface StoreFacts {
  readonly storeId: string
  /** Seals secrets in the metadata. 32 bytes. */
  readonly storeKey: Uint8Array
  readonly region: string
  /** m of every erasure set. */
  readonly parity: number
  readonly partitions: number
  /** Of this start, as the disks have it: goes up with each. */
  readonly session: number
  readonly roster: SharedArrayBuffer
  /** Partitions that are told of disks that come and go: see disk-listeners.ts. */
  readonly listeners: SharedArrayBuffer
  /** Slots whose directories are locked: see slot-claims.ts. */
  readonly claims: SharedArrayBuffer
  /** Partitions that are served: see served-partitions.ts. */
  readonly served: SharedArrayBuffer
  /** Directory of each slot that was given one at the start: ask slot-roots.ts, which knows of those that were added, too. */
  readonly roots: readonly string[]
  readonly firstSpareSlot: number
  readonly added: SharedArrayBuffer
  /** Only of a store in memory, whose actors are all on one thread; else the machine's own. */
  readonly memory?: FileSystem
  /** Where a store in memory keeps its indexes when it is not to forget them with its end: in tests that go on after it. */
  readonly memoryIndexes?: MemoryIndexes
  /** How long a journal segment gets: in tests that look at many. */
  readonly segmentBytes?: number
}

/** Asked again for an index it gave before, it gives an empty one: the first was lost. */
export type MemoryIndexes = (partition: number, position: IndexPosition) => ClosableIndex

/** The file system the store's disks are on. */
export const filesOf = (facts: StoreFacts): FileSystem => facts.memory ?? nodeFiles

/** Addresses in the tree; where each of them runs is the placement table's affair. */
export const PATHS = {
  disk: (slot: number): string => `root/storage/disk-${slot}`,
  bucket: (partition: number): string => `root/metadata/bucket-${partition}`,
  gateway: (gateway: number): string => `root/gateways/gateway-${gateway}`,
  inspector: 'root/inspector',
  keeper: 'root/upkeep/keeper',
  repairer: 'root/upkeep/repairer',
  scrubber: 'root/upkeep/scrubber',
  compactor: 'root/upkeep/compactor',
  recoder: 'root/upkeep/recoder',
  reclaimer: (partition: number): string => `root/upkeep/reclaimer-${partition}`,
} as const

/** The actors of all partitions, in order: by way of a context, or of the system itself. */
export const bucketRefs = (
  from: Pick<Context<never>, 'ref'>,
  { partitions }: Pick<StoreFacts, 'partitions'>,
): ActorRef<BucketProtocol>[] =>
  Array.from({ length: partitions }, (_, partition) => from.ref<BucketProtocol>(PATHS.bucket(partition)))
