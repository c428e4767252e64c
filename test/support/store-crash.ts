// The whole store and power cuts: a life of the store is recorded, write by write over the whole tree of its disks, and
// given back as the disks and indexes that a power cut at any point would leave. The actors are the real ones, in simulation
// (simulated-store.ts); only the disks and the databases of the indexes are stand-ins, as is the clock.
//
// What is enumerated: of the disks, what boundedCrashStates says, for all disks at once: each file is a choice of its own,
// so one disk may have what another lost. Of the indexes, which take their batches synced, that each lacks none of its batches,
// some of the last, all since the life began, or has nothing. Several of these, in turn, where the disks have all that was
// written, and one for each other state.
import type { MemoryIndexes } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import type { Random } from '../../src/base/prng.ts'
import type { IndexOperation, IndexStore } from '../../src/metadata/index-slot.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import type { ClosableIndex } from '../../src/storage/level-index.ts'
import { digestOf } from './contents.ts'
import { type BoundedState, boundedCrashStates } from './crash-states.ts'
import { contentOf, type MakeFiles } from './disk-images.ts'
import { createFaultyFiles, type FaultyFiles, type LogRecord } from './faulty-files.ts'
import type { ImageFiles, Inodes } from './image-files.ts'
import { createSnapshotIndex, IndexHistory } from './index-history.ts'
import { RecordingStore } from './index-stores.ts'
import { filesBelow } from './memory-tree.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from './simulated-store.ts'
import { countState } from './state-count.ts'

type Batches = readonly (readonly IndexOperation[])[]

/** The indexes of a store in memory, by partition and position; they outlive it. */
export class IndexShelf {
  #held = new Map<string, RecordingStore>()
  readonly #onBatch: (index: string) => void
  readonly #given = new Set<string>()
  /** An index that held something was emptied. */
  isCleared = false

  constructor(held: ReadonlyMap<string, Batches> = new Map(), onBatch = (_index: string): void => undefined) {
    for (const [index, batches] of held) this.#held.set(index, new RecordingStore(batches))
    this.#onBatch = onBatch
  }

  /** What one store gets. A store that asks twice has lost what it had. */
  readonly give: MemoryIndexes = (partition, position): ClosableIndex => {
    const index = `${partition}/${position}`
    const known = this.#given.has(index) ? undefined : this.#held.get(index)
    const store = known ?? new RecordingStore()
    this.#held.set(index, store)
    this.#given.add(index)
    return {
      getSync: (key) => store.getSync(key),
      iterator: (range) => store.iterator(range),
      clear: () => {
        this.isCleared ||= store.batches.length > 0
        return store.clear()
      },
      close: async () => undefined,
      batch: async (operations, options) => {
        await store.batch(operations, options)
        this.#onBatch(index)
      },
    }
  }

  /** The same indexes for the next store. */
  again(): IndexShelf {
    const next = new IndexShelf()
    next.#held = this.#held
    return next
  }

  batches(): Map<string, Batches> {
    return new Map([...this.#held].map(([index, { batches }]) => [index, batches]))
  }
}

/** What lies on the disks and in the indexes when a life begins; all of it durable. */
export interface Ground {
  readonly roots: readonly string[]
  readonly partitions: number
  readonly segmentBytes: number | undefined
  readonly disks: MakeFiles
  readonly indexes: ReadonlyMap<string, Batches>
}

export type Life = (store: SimulatedStore, files: MemoryFiles) => Promise<unknown>

const SETTLE_MS = 1_000
/** Enough for indexes to follow, frees to be done and confirmed, segments to be dropped. */
const QUIET_MS = 8_000

/** A new store that went through these lives, each from a start to an end. */
export const prepareGround = async (
  simulation: Simulation,
  roots: readonly string[],
  lives: readonly Life[],
  partitions = 1,
  segmentBytes?: number,
): Promise<Ground> => {
  const files = createMemoryFiles()
  let shelf = new IndexShelf()
  for (const live of lives) {
    shelf = shelf.again()
    const store = await openSimulatedStore(simulation, {
      files,
      roots,
      partitions,
      memoryIndexes: shelf.give,
      ...(segmentBytes !== undefined && { segmentBytes }),
    })
    await live(store, files)
    await store.close()
  }
  return { roots, partitions, segmentBytes, disks: await contentOf(files), indexes: shelf.batches() }
}

export interface Recording {
  readonly ground: Ground
  readonly faulty: FaultyFiles
  readonly start: 0
  /** Where the operation began; before it is the start of the store. */
  readonly first: number
  /** Where its first commit began to be written. */
  readonly firstCommit: number
  readonly batches: ReadonlyMap<string, Batches>
}

export interface RecordOptions {
  /** The store sees its disks through something, when they are to have a fault. */
  readonly through?: (files: FaultyFiles) => FileSystem
  /** Told every event of the log. */
  readonly onEvent?: (event: string, mark: (label: string) => void) => void
  /** Events of the log that are to be marks. */
  readonly marks?: readonly string[]
  /** Done to the disks before the store starts; recorded as well. */
  readonly before?: (files: FaultyFiles) => Promise<unknown>
  readonly spareSlots?: number
}

/**
 * Records a start on `ground` and `operation`, then what the store does by itself afterwards. `mark` names a point:
 * what was acknowledged.
 */
export const recordLife = async (
  seed: number,
  ground: Ground,
  operation: (store: SimulatedStore, mark: (label: string) => void, files: FaultyFiles) => Promise<unknown>,
  { through = (files) => files, marks = [], before, onEvent, spareSlots = 0 }: RecordOptions = {},
): Promise<Recording> => {
  const { roots, partitions, segmentBytes, disks, indexes } = ground
  const faulty = await createFaultyFiles({ direct: true }, disks)
  const shelf = new IndexShelf(indexes, (index) => faulty.mark(`index ${index}`))
  const note = (event: string): void => {
    onEvent?.(event, faulty.mark)
    if (marks.includes(event)) faulty.mark(event)
  }
  await before?.(faulty)
  const store = await openSimulatedStore(createSimulation(seed), {
    files: through(faulty),
    ...{ roots, partitions, memoryIndexes: shelf.give, spareSlots },
    ...(segmentBytes !== undefined && { segmentBytes }),
    log: { debug: note, info: note, warn: note, error: note },
  })
  await store.pass(SETTLE_MS)
  const first = faulty.log.length
  await operation(store, faulty.mark, faulty)
  await store.pass(QUIET_MS)
  faulty.mark('quiet')
  if (shelf.isCleared) throw new Error('an index was lost while it was recorded')
  const firstCommit = await findCommit(faulty, roots, first)
  return { ground, faulty, start: 0, first, firstCommit, batches: shelf.batches() }
}

/** The first record from `first` on that writes to a segment. */
export const findCommit = async (
  faulty: FaultyFiles,
  roots: readonly string[],
  first: number,
): Promise<number> => {
  const segments = new Set<number>()
  for (const root of roots) {
    for (const { path } of await filesBelow(faulty, `${root}/journal`)) {
      segments.add((await faulty.stat(path))!.inode)
    }
  }
  const isCommit = (record: LogRecord): boolean => record.kind === 'write' && segments.has(record.node)
  return faulty.log.findIndex((record, i) => i >= first && isCommit(record))
}

/**
 * Of the two indexes: how many of their last batches each lacks; `all` for those since the life began, `empty` for everything. Some
 * of these where all that was written is on the disks, elsewhere one; in turn.
 */
type Lost = number | 'all' | 'empty'
const LOSSES: readonly (readonly [Lost, Lost])[] = [
  [0, 0],
  ['empty', 'empty'],
  [1, 'all'],
  ['empty', 0],
  ['all', 0],
  [0, 1],
  [1, 1],
  ['all', 'all'],
  [0, 'empty'],
  [2, 1],
  [0, 3],
]
const LOSSES_OF_WHOLE = 4

export interface StoreState {
  readonly point: number
  readonly extent: BoundedState['extent']
  /** The disks, another file system each time. Before the next state is asked for. */
  image(): ImageFiles
  /** What `image` gives, to be compared with others. */
  readonly inodes: Inodes
  /** Of all that both indexes of all partitions hold. */
  readonly indexDigest: string
  /** The indexes as the store in memory takes them, other ones each time. */
  shelf(): IndexShelf
  /** The same for who looks at few states of the store: by partition, both indexes. */
  indexesOf(partition: number): IndexStore[]
  readonly marks: ReadonlySet<string>
  readonly description: string
  /** Not one state that was looked at before has these bytes. */
  readonly isNew: boolean
}

/** How many batches each index holds at each point of the log. */
const countBatches = ({ ground, faulty, batches }: Recording): Map<string, number[]> => {
  const counts = new Map<string, number[]>()
  for (const index of [...batches.keys()].sort()) {
    let count = ground.indexes.get(index)?.length ?? 0
    const atPoint = [count]
    for (const record of faulty.log) {
      if (record.kind === 'mark' && record.label === `index ${index}`) count++
      atPoint.push(count)
    }
    counts.set(index, atPoint)
  }
  return counts
}

type StatePoint = Pick<BoundedState, 'point' | 'extent'>

interface StatesOptions {
  readonly first?: number
  /** Each state has its indexes in one of their states, in turn. */
  readonly isIndexRotated?: boolean
  readonly samples?: number
  readonly random?: Random
  /** Chooses among them. */
  isWanted?(state: StatePoint): boolean
}

/** Every state a power cut during a recorded life may leave, from its operation on, or from `first`. */
export async function* storeStates(
  recording: Recording,
  { first = recording.first, isIndexRotated = false, isWanted = () => true, ...bounds }: StatesOptions = {},
): AsyncGenerator<StoreState> {
  const { ground, faulty, batches } = recording
  const counts = countBatches(recording)
  const histories = new Map([...batches].map(([index, all]) => [index, new IndexHistory(all)]))
  const heldAt = (point: number, losses: readonly [Lost, Lost]): Map<string, number> => {
    const held = new Map<string, number>()
    for (const [i, [index, atPoint]] of [...counts].entries()) {
      const lost = losses[i % 2]!
      const before = atPoint[0]!
      if (typeof lost === 'number') held.set(index, Math.max(0, atPoint[point]! - lost))
      else held.set(index, lost === 'all' ? before : 0)
    }
    return held
  }
  let turn = 0
  for await (const state of boundedCrashStates(faulty, ground.disks, { ...bounds, first })) {
    // A state costs its image, so those that nobody looks at are passed over before.
    if (!isWanted(state)) continue
    const isOne = isIndexRotated || state.extent !== 'whole'
    for (let i = 0; i < (isOne ? 1 : LOSSES_OF_WHOLE); i++) {
      const losses = LOSSES[turn++ % LOSSES.length]!
      const held = heldAt(state.point, losses)
      const indexDigest = [...held].map(([index, count]) => histories.get(index)!.digestAt(count)).join('')
      const { image, inodes, point, marks, extent, description } = state
      yield {
        ...{ image, inodes, indexDigest, point, marks, extent },
        shelf: () =>
          new IndexShelf(
            new Map([...held].map(([index, count]) => [index, batches.get(index)!.slice(0, count)])),
          ),
        indexesOf: (partition) =>
          ['0', '1'].map((position) => {
            const index = `${partition}/${position}`
            return histories.get(index)?.storeAt(held.get(index)!) ?? createSnapshotIndex([])
          }),
        isNew: countState(digestOf(Buffer.from(`${state.digest}${indexDigest}`, 'latin1'))),
        description: `${description}, indexes lack ${losses.join(' and ')}`,
      }
    }
  }
}
