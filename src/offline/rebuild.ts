// `moraine metadata rebuild`: the indexes of a stopped store made anew from its journal, with up to m disks away. A start does the
// same by itself when it finds an index that is wrong; this does it whatever is found, without starting, and says what it did.
//
// Each is made beside the old one and looked through before that goes: a process that ends on the way leaves the old index,
// or none and a start that makes one.
import { createHash } from 'node:crypto'
import { fault } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import { IndexSlot } from '../metadata/index-slot.ts'
import type { Journal } from '../metadata/journal.ts'
import { SPACE } from '../metadata/keys.ts'
import { nodeFiles } from '../storage/files-node.ts'
import { indexPath } from '../storage/layout.ts'
import { type ClosableIndex, classicLevel, openLevelIndex } from '../storage/level-index.ts'
import type { TakeLock } from '../storage/lock.ts'
import { makeIndex } from './expected-index.ts'
import { type HeldStore, withHeldStore } from './held-store.ts'
import { findJournalOf } from './journals.ts'
import { rowsOf } from './rows.ts'

const INDEXES = 2

export interface RebuiltIndex {
  readonly partition: number
  readonly disk: DiskNumber
  readonly directory: string
  /** Records in it. */
  readonly records: number
  /** The last commit in it. */
  readonly sequence: number
  /** SHA-256 of all its records: the same for every index of a partition. */
  readonly digest: string
}

export interface Rebuilt {
  readonly indexes: readonly RebuiltIndex[]
  /** Directories of indexes that were dropped and not made anew: a partition has two. */
  readonly dropped: readonly string[]
  /** Disks that are away. */
  readonly missing: readonly DiskNumber[]
}

/** Where indexes lie: LevelDBs in directories of the disks. Where the disks are in memory their indexes are as well. */
export interface IndexPlaces {
  isThere(location: string): Promise<boolean>
  /** Opens the one at `location`, or makes it. */
  open(location: string, disk?: DiskNumber): Promise<ClosableIndex>
  /** Afterwards there is nothing. */
  drop(location: string): Promise<void>
  /** Whatever is at `location` makes room for what is at `fresh`. */
  replace(location: string, fresh: string): Promise<void>
}

export interface RebuildOptions {
  readonly files?: FileSystem
  readonly places?: IndexPlaces
  readonly takeLock?: TakeLock
}

interface Site {
  readonly disk: DiskNumber
  /** Of the index. */
  readonly location: string
  readonly isThere: boolean
}

/** In the order in which a start would take them: those that have one first. */
const sitesOf = async (store: HeldStore, partition: number, places: IndexPlaces): Promise<Site[]> => {
  const sites = [...store.rootOf].map(async ([disk, root]): Promise<Site> => {
    const location = indexPath(root, partition)
    return { disk, location, isThere: await places.isThere(location) }
  })
  return (await Promise.all(sites)).sort((a, b) => Number(b.isThere) - Number(a.isThere) || a.disk - b.disk)
}

/** Reads all of it again, from its files: every record must verify. */
const lookThrough = async (
  location: string,
  partition: number,
  places: IndexPlaces,
): Promise<Pick<RebuiltIndex, 'records' | 'sequence' | 'digest'>> => {
  const store = await places.open(location)
  try {
    const slot = new IndexSlot(0, store, partition)
    slot.open()
    const hash = createHash('sha256')
    let records = 0
    for await (const { key, row, bytes } of rowsOf(slot, SPACE.bucket, undefined)) {
      if (!row) throw fault('METADATA_CORRUPT', `a record of the new index ${location} does not verify`)
      hash.update(key, 'latin1').update(bytes)
      records++
    }
    if (slot.sequence < 0) throw fault('METADATA_CORRUPT', `the new index ${location} has no mark`)
    return { records, sequence: slot.sequence, digest: hash.digest('hex') }
  } finally {
    await store.close()
  }
}

const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))

const rebuildAt = async (
  journal: Journal,
  { disk, location }: Site,
  partition: number,
  places: IndexPlaces,
): Promise<RebuiltIndex> => {
  const fresh = `${location}.new`
  await places.drop(fresh)
  const { store } = await makeIndex(journal, fresh, {
    ...{ partition, disk },
    open: (at, on) => places.open(at, on),
  })
  await store.close()
  const looked = await lookThrough(fresh, partition, places)
  await places.replace(location, fresh)
  return { partition, disk, directory: location, ...looked }
}

/** Those of a store's directories. */
const levelPlaces = (files: FileSystem): IndexPlaces => {
  const Level = classicLevel()
  /** LevelDB removes what it knows; what else lies there keeps nothing alive. */
  const drop = async (location: string): Promise<void> => {
    const stat = await files.stat(location)
    if (stat === undefined) return
    if (stat.kind === 'directory') {
      await Level.destroy(location)
      if ((await files.stat(location)) === undefined) return
      for (const name of await files.list(location)) await files.remove(`${location}/${name}`)
    }
    await files.remove(location)
  }
  return {
    isThere: async (location) => (await files.stat(location))?.kind === 'directory',
    async open(location, disk) {
      await files.makeDirectory(parentOf(location))
      return openLevelIndex(location, disk)
    },
    drop,
    async replace(location, fresh) {
      await drop(location)
      await files.rename(fresh, location)
      await files.syncDirectory(parentOf(location))
    },
  }
}

const rebuildPartition = async (
  store: HeldStore,
  partition: number,
  { files, places }: { files: FileSystem; places: IndexPlaces },
): Promise<{ indexes: RebuiltIndex[]; dropped: string[] }> => {
  const journal = await findJournalOf(store, partition, files)
  const sites = await sitesOf(store, partition, places)
  const indexes: RebuiltIndex[] = []
  for (const site of sites.slice(0, INDEXES)) indexes.push(await rebuildAt(journal, site, partition, places))
  if (new Set(indexes.map(({ digest }) => digest)).size > 1) {
    throw fault('METADATA_CORRUPT', `the new indexes of partition ${partition} differ: rebuild them again`)
  }
  const dropped: string[] = []
  for (const { location, isThere } of sites.slice(INDEXES)) {
    if (!isThere) continue
    await places.drop(location)
    dropped.push(location)
  }
  return { indexes, dropped }
}

/** Rejects as a start would; with everything as it was, up to the partition that the error is about. */
export const rebuildMetadata = (
  roots: readonly string[],
  { files = nodeFiles, places = levelPlaces(files), takeLock }: RebuildOptions = {},
): Promise<Rebuilt> =>
  withHeldStore(
    roots,
    async (store) => {
      const indexes: RebuiltIndex[] = []
      const dropped: string[] = []
      for (let partition = 0; partition < store.table.partitions; partition++) {
        const rebuilt = await rebuildPartition(store, partition, { files, places })
        indexes.push(...rebuilt.indexes)
        dropped.push(...rebuilt.dropped)
      }
      return { indexes, dropped, missing: store.plan.missing.map(({ number }) => number) }
    },
    files,
    takeLock,
  )

export const formatRebuilt = ({ indexes, dropped, missing }: Rebuilt): string =>
  [
    ...indexes.map(
      ({ partition, disk, directory, records, sequence }) =>
        `partition ${partition}  disk ${disk}  ${directory}  ${records} records up to commit ${sequence}  made anew`,
    ),
    ...dropped.map((directory) => `${directory}  dropped`),
    ...(missing.length === 0 ? [] : [`disks that are missing: ${missing.join(', ')}`]),
    '',
  ].join('\n')
