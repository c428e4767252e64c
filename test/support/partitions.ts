// A partition on disks and indexes in memory, and the few words tests need to talk to it.
import { MemoryLevel } from 'memory-level'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import type { DiskNumber, WriteId } from '../../src/base/ids.ts'
import { createPrng } from '../../src/base/prng.ts'
import { type Entry, encodeEnvelope } from '../../src/metadata/entry.ts'
import type { IndexStore } from '../../src/metadata/index-slot.ts'
import { keyBytes } from '../../src/metadata/keys.ts'
import type { MemberDisk } from '../../src/metadata/members.ts'
import { Partition, type PartitionOptions } from '../../src/metadata/partition.ts'
import type { VersionFacts } from '../../src/metadata/records.ts'
import type { SegmentDisk } from '../../src/metadata/segment-disk.ts'
import type { MemorySegmentDisk } from './segment-disks.ts'

export const createIndexStore = (): IndexStore =>
  new MemoryLevel<Buffer, Buffer>({ keyEncoding: 'buffer', valueEncoding: 'buffer' })

/**
 * What indexes hold once all of it was committed, where committing it would take a minute. For a partition that is closed; nothing
 * in its journal speaks of it.
 */
export const addToIndexes = async (
  indexes: readonly IndexStore[],
  entries: readonly Entry[],
): Promise<void> => {
  const operations = entries.map((entry) => {
    return { type: 'put' as const, key: keyBytes(entry.key), value: encodeEnvelope(entry) }
  })
  for (const index of indexes) await index.batch(operations, { sync: true })
}

/** One erasure set; disks whose number is in `out` are members that are not there. */
export const membersOf = (disks: readonly MemorySegmentDisk[], out: readonly number[] = []): MemberDisk[] =>
  disks.map((io) => ({ number: io.disk, set: 0, io: out.includes(io.disk) ? undefined : io }))

export interface TestStore {
  readonly disks: readonly MemorySegmentDisk[]
  readonly indexes: (IndexStore | undefined)[]
}

let seed = 0

/** What a partition writes through: once it is dead, nothing of it lands any more. */
interface Fence {
  isDead: boolean
}
const fences = new WeakMap<Partition, Fence>()
const never = new Promise<never>(() => undefined)

/** Kills a partition as kill -9 would: what it has under way is not written. */
export const kill = (partition: Partition): void => {
  fences.get(partition)!.isDead = true
}

const fencedIndex = (store: IndexStore, fence: Fence): IndexStore => ({
  getSync: (key) => store.getSync(key),
  batch: (operations, options) => (fence.isDead ? never : store.batch(operations, options)),
  iterator: (range) => store.iterator(range),
  clear: () => (fence.isDead ? never : store.clear()),
  ...(store.verifyFiles && { verifyFiles: () => store.verifyFiles!() }),
})

const fencedDisk = (io: MemorySegmentDisk, fence: Fence): SegmentDisk => ({
  disk: io.disk,
  list: () => io.list(),
  read: (...args) => io.read(...args),
  readMedium: (...args) => io.readMedium(...args),
  create: (...args) => (fence.isDead ? never : io.create(...args)),
  append: (...args) => (fence.isDead ? never : io.append(...args)),
  restore: (...args) => (fence.isDead ? never : io.restore(...args)),
  remove: (...args) => (fence.isDead ? never : io.remove(...args)),
})

export const openPartition = async (
  { disks, indexes }: TestStore,
  options: Partial<PartitionOptions> & { out?: readonly number[] } = {},
): Promise<Partition> => {
  const { out = [], clock = systemClock as Clock, ...rest } = options
  const fence: Fence = { isDead: false }
  const members = membersOf(disks, out).map((member, i) => ({
    ...member,
    io: member.io && fencedDisk(disks[i]!, fence),
  }))
  const partition = await Partition.open({
    partition: 0,
    members,
    parity: 2,
    indexes: indexes.map((store) => store && fencedIndex(store, fence)),
    clock,
    random: createPrng(++seed),
    partBytesMin: 8,
    ...rest,
  })
  fences.set(partition, fence)
  return partition
}

export const factsOf = (size: number, etag = `etag-${size}`): VersionFacts => ({
  size,
  etag,
  headers: [['content-type', 'text/plain']],
  metadata: [],
  owner: 'owner',
  storageClass: 'STANDARD',
})

export const putText = (partition: Partition, bucket: string, key: string, text: string) => {
  const bytes = Buffer.from(text)
  return partition.putVersion({
    bucket,
    key,
    facts: factsOf(bytes.length, text),
    data: { kind: 'inline', bytes },
  })
}

/** The text under a key, read from the journal; undefined for none. */
export const readText = async (
  partition: Partition,
  bucket: string,
  key: string,
): Promise<string | undefined> => {
  let found: ReturnType<Partition['lookUp']>
  try {
    found = partition.lookUp({ bucket, key })
  } catch (error) {
    if ((error as { code?: string }).code === 'NoSuchKey') return undefined
    throw error
  }
  const { data } = found
  if (data.kind !== 'inline') throw new Error('not inline')
  return Buffer.from(await partition.readInline(data)).toString()
}

export const shardsData = (write: string, size: number, disks: readonly number[], k: number) => ({
  kind: 'shards' as const,
  write: write.padStart(32, '0') as never,
  set: 0,
  k,
  m: disks.length - k,
  size,
  places: disks.map((disk) => ({ disk: disk as DiskNumber })),
})

/** Whether any record names the write, one that waits to be reclaimed included. Rejects while the indexes differ and none does. */
export const isKnownWrite = async (partition: Partition, write: WriteId): Promise<boolean> =>
  (await partition.fatesOf([write]))[0]!.kind !== 'unknown'
