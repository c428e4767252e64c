// One life of a store on what a power cut left of its disks and its indexes, and what is asked of it about its table of disks.
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import type { InspectorProtocol, Redundancy } from '../../src/actors/inspector.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { SECOND } from '../../src/base/units.ts'
import { DISKS_ENTRY } from '../../src/metadata/configuration.ts'
import {
  openSimulatedStore,
  type SimulatedOptions,
  type SimulatedStore,
  type Simulation,
} from './simulated-store.ts'
import type { IndexShelf } from './store-crash.ts'

/** What a power cut left. */
export interface CrashedDisks {
  readonly files: FileSystem
  readonly shelf: IndexShelf
  /** How the store sees its disks. */
  readonly through?: (files: FileSystem) => FileSystem
}

export interface CrashedLife extends Omit<SimulatedOptions, 'files' | 'memoryIndexes'> {
  /** Directories that are taken out meanwhile. */
  readonly outs?: readonly (string | undefined)[]
}

const LIMIT = { withinMs: 10 * SECOND }
const awayOf = (root: string): string => root.replace('/', '/away-')

/** Opens a store there and closes it when `action` is done. */
export const withCrashedStore = async <T>(
  simulation: Simulation,
  { files, shelf, through = (same) => same }: CrashedDisks,
  { outs = [], ...options }: CrashedLife,
  action: (store: SimulatedStore) => Promise<T>,
): Promise<T> => {
  for (const out of outs) if (out !== undefined) await files.rename(out, awayOf(out))
  const memoryIndexes = shelf.again().give
  const store = await openSimulatedStore(simulation, { ...options, files: through(files), memoryIndexes })
  const result = await action(store)
  await store.close()
  for (const out of outs) if (out !== undefined) await files.rename(awayOf(out), out)
  return result
}

/** What each partition has committed of the table of disks. */
export const committedTables = ({ run, system, started }: SimulatedStore): Promise<unknown[]> =>
  run(
    Promise.all(
      Array.from({ length: started.table.partitions }, (_, partition) =>
        system.ref<BucketProtocol>(PATHS.bucket(partition)).ask('config', { name: DISKS_ENTRY }, LIMIT),
      ),
    ),
  )

export const redundancyOf = ({ run, system }: SimulatedStore): Promise<Redundancy> =>
  run(system.ref<InspectorProtocol>(PATHS.inspector).ask('redundancy', {}, LIMIT))
