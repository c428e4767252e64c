// A store without its actors: the real start, the real disks and the real partitions, over files and indexes in memory. It shows
// what a start finds, which is what a power cut is judged by, in a fraction of the time that the whole tree takes.
import type { FileSystem } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Random } from '../../src/base/prng.ts'
import type { IndexStore } from '../../src/metadata/index-slot.ts'
import { Partition } from '../../src/metadata/partition.ts'
import type { SegmentDisk } from '../../src/metadata/segment-disk.ts'
import { Disk } from '../../src/storage/disk.ts'
import { segmentPath } from '../../src/storage/layout.ts'
import { noLock } from '../../src/storage/lock.ts'
import { type StartedStore, startStore } from '../../src/storage/start.ts'
import type { ImageFiles } from './image-files.ts'
import { SimulatedClock } from './simulated-clock.ts'

export interface QuickStore {
  readonly started: StartedStore
  readonly partitions: readonly Partition[]
  close(): Promise<void>
}

export interface QuickOptions {
  readonly files: ImageFiles
  /** What the start says of these disks, where that is known. */
  readonly known?: StartedStore | undefined
  /** How the store sees them. */
  readonly through?: ((files: FileSystem) => FileSystem) | undefined
  readonly roots: readonly string[]
  readonly partitions: number
  readonly indexesOf: (partition: number) => IndexStore[]
  readonly random: Random
  readonly segmentBytes?: number | undefined
}

/** The start as it says what is on the disks, without anything opened. */
export const startQuickly = ({
  files,
  through = (same) => same,
  roots,
  random,
  partitions,
}: Omit<QuickOptions, 'indexesOf'>): Promise<StartedStore> => {
  const seen = through(files)
  return startStore({ roots, filesOf: () => seen, takeLock: noLock, random, log: silentLog, partitions })
}

/** The disks that a start found, opened where the state has them. */
export const openDisk = (started: StartedStore, number: DiskNumber, files: FileSystem): Promise<Disk> => {
  const { root, identity } = started.disks.find((disk) => disk.identity.number === number)!
  const { storeId, diskId } = identity
  return Disk.open({ root, files, log: silentLog, storeId, diskId, number })
}

/** The disk's segments, of which no more is asked for than there is: a window of a mebibyte is much for a file of a page. */
const segmentsOf = ({ number, segments }: Disk, root: string, files: ImageFiles): SegmentDisk => {
  const read: SegmentDisk['read'] = (partition, segment, offset, length) => {
    const size = files.contentAt(segmentPath(root, partition, segment))?.size ?? offset + length
    return segments.read(partition, segment, offset, Math.max(1, Math.min(length, size - offset)))
  }
  return {
    disk: number,
    list: (partition) => segments.list(partition),
    read,
    readMedium: read,
    create: (...args) => segments.create(...args),
    append: (...args) => segments.append(...args),
    restore: (...args) => segments.restore(...args),
    remove: (...args) => segments.remove(...args),
  }
}

export const openQuickStore = async (options: QuickOptions): Promise<QuickStore> => {
  const { files, through = (same) => same, random, segmentBytes } = options
  const seen = through(files)
  const started = options.known ?? (await startQuickly(options))
  const { table } = started
  const disks = new Map<DiskNumber, Disk>()
  const ios = new Map<DiskNumber, SegmentDisk>()
  for (const { root, identity } of started.disks) {
    const disk = await openDisk(started, identity.number, seen)
    disks.set(identity.number, disk)
    ios.set(identity.number, segmentsOf(disk, root, files))
  }
  const clock = new SimulatedClock()
  const members = table.disks.map(({ number, set }) => ({ number, set, io: ios.get(number) }))
  const partitions: Partition[] = []
  for (let partition = 0; partition < table.partitions; partition++) {
    const indexes = options.indexesOf(partition)
    const shared = { partition, members, indexes, parity: table.m, clock, random, log: silentLog }
    partitions.push(await Partition.open({ ...shared, ...(segmentBytes !== undefined && { segmentBytes }) }))
  }
  return {
    ...{ started, partitions },
    async close() {
      for (const partition of partitions) await partition.close()
      for (const disk of disks.values()) await disk.close()
    },
  }
}
