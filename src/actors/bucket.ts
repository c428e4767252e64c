// The bucket actor: one per partition, deciding for every bucket of it. What may be committed is decided here, one
// message at a time, so conditional writes are linearizable; what is durable is the journal's affair. The work itself is
// metadata/partition.ts: this file maps messages to it and defers each reply until what it rests on is synced.
import { createKeyPair, sealKeyPair } from '../auth/root.ts'
import type { DiskNumber } from '../base/ids.ts'
import { MiB } from '../base/units.ts'
import type { IndexCheck } from '../metadata/index-check.ts'
import type { Partition } from '../metadata/partition.ts'
import type { VersionRecord } from '../metadata/records.ts'
import type { CommitLimits } from '../metadata/room.ts'
import {
  type Address,
  behavior,
  type Context,
  type Deferred,
  deferReply,
  type Handlers,
} from '../runtime/actor.ts'
import {
  type BucketProtocol,
  type CommitTerms,
  type DiskSession,
  type InlineData,
  type Opened,
  type RepairedSegment,
  ROOT_KEYS,
  type Waiting,
} from './bucket-protocol.ts'
import { attachListeners } from './disk-listeners.ts'
import { createOpener, type PartitionOpener } from './open-partition.ts'
import { createPartitionDoor } from './partition-door.ts'
import type { ReclaimerProtocol } from './reclaimer.ts'
import { attachRoster, type Roster } from './roster.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'

export interface BucketArgs {
  readonly partition: number
}

/** The terms of a commit, with the sessions checked when it is decided. */
const limitsOf = (roster: Roster, { deadlineMs, sessions }: CommitTerms): CommitLimits => ({
  deadlineMs,
  isValid: () => areCurrent(roster, sessions),
})

const areCurrent = (roster: Roster, sessions: readonly DiskSession[] = []): boolean =>
  sessions.every(({ disk, session }) => roster.find(disk)?.session === session && roster.isOpen(disk))

export const bucket = behavior<BucketProtocol, BucketArgs>(import.meta.url, 'bucket', {
  // Small bodies travel in the messages: 4,096 of them at their largest.
  mailbox: { messagesMax: 8192, bytesMax: 64 * MiB },
  // Disks without room, and a body that all its copies have lost, are no fault of who looked.
  answers: ['DISK_FULL', 'OBJECT_LOST'],
  async setup(context, { partition: number }) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    const listeners = attachListeners(facts.listeners)
    listeners.listen(number, true)
    context.defer(() => listeners.listen(number, false))
    const opener = createOpener(context, facts, roster, number)
    const openPartition = async (): Promise<Handlers<BucketProtocol>> => {
      const partition = await opener.open()
      const work = announceWork(context, partition, number)
      return {
        ...reads(context, partition, work),
        ...commits(context, partition, roster, work),
        ...upkeep(partition, roster, opener, work),
      }
    }
    const door = createPartitionDoor({ context, facts, roster, partition: number, openPartition })
    await door.open()
    return door.handlers
  },
})

/** Tells the reclaimer that there may be work, once until it has come and looked. */
interface WorkAnnouncement {
  announce(): void
  /** The reclaimer is looking. */
  noteLook(): void
}

const announceWork = (
  context: Context<BucketProtocol>,
  partition: Partition,
  number: number,
): WorkAnnouncement => {
  const reclaimer = context.ref<ReclaimerProtocol>(PATHS.reclaimer(number))
  let isTold = false
  return {
    announce() {
      if (isTold || (partition.freesCount === 0 && !partition.segments.mayDrop)) return
      isTold = reclaimer.tell('wake', {})
    },
    noteLook() {
      isTold = false
    },
  }
}

type Some<K extends keyof BucketProtocol> = Pick<Handlers<BucketProtocol>, K>

/** Look-ups: each answers from what synced commits left. */
const reads = (
  context: Context<BucketProtocol>,
  partition: Partition,
  work: WorkAnnouncement,
): Some<
  | 'getBucket'
  | 'listBuckets'
  | 'open'
  | 'close'
  | 'readerGone'
  | 'head'
  | 'list'
  | 'getUpload'
  | 'listParts'
  | 'listUploads'
  | 'partsAt'
  | 'partRange'
  | 'readInline'
  | 'config'
> => {
  /** By reader, the leases that it has open: its own names for the partition's. */
  const readers = new Map<string, Map<number, number>>()
  const leasesOf = (reader: Address): Map<number, number> => {
    const known = readers.get(reader.path)
    if (known) return known
    const leases = new Map<number, number>()
    readers.set(reader.path, leases)
    context.watch(reader, 'readerGone', { reader: reader.path })
    return leases
  }
  const openInline = async (version: VersionRecord, data: InlineData, reader: string): Promise<Opened> => {
    const lease = partition.beginRead(reader)
    try {
      return { version, body: await partition.readInline(data) }
    } finally {
      partition.endRead(lease)
    }
  }
  return {
    getBucket: ({ name }) => partition.getBucket(name),
    listBuckets: (request) => deferReply(partition.listBuckets(request)),
    open({ address, reader, lease }) {
      const leases = leasesOf(reader)
      const version = partition.lookUp(address)
      const { data } = version
      if (data.kind !== 'inline') {
        leases.set(lease, partition.beginRead(reader.path))
        return { version, lease }
      }
      const body = partition.recentInline(data)
      return body ? { version, body } : deferReply(openInline(version, data, reader.path))
    },
    close({ reader, lease }) {
      const leases = readers.get(reader)
      const open = leases?.get(lease)
      if (open === undefined) return
      leases?.delete(lease)
      partition.endRead(open)
      work.announce()
    },
    readerGone({ reader }) {
      readers.delete(reader)
      partition.endReadsOf(reader)
      work.announce()
    },
    head: (address) => partition.lookUp(address),
    list: (request) => deferReply(partition.listVersions(request)),
    getUpload: (address) => partition.getUpload(address),
    listParts: ({ address, page }) => deferReply(partition.listParts(address, page)),
    listUploads: (request) => deferReply(partition.listUploads(request)),
    partsAt: ({ version, offset, limit }) => partition.partsAt(version, offset, limit),
    partRange: ({ version, partNumber }) => partition.partRange(version, partNumber),
    readInline: ({ data }) => deferReply(partition.readInline(data)),
    config: ({ name }) => partition.getConfig(name),
  }
}

/** Commands: each decides and queues at once; its reply resolves with the frame it went into. */
const commits = (
  context: Context<BucketProtocol>,
  partition: Partition,
  roster: Roster,
  work: WorkAnnouncement,
): Some<
  | 'createBucket'
  | 'deleteBucket'
  | 'put'
  | 'delete'
  | 'createUpload'
  | 'putPart'
  | 'completeUpload'
  | 'abortUpload'
  | 'putConfig'
  | 'rootKeys'
> => {
  const committed = <T>(promise: Promise<T>): Deferred<T> => {
    // Beside the reply, not before it: there is one of these for every commit.
    promise.then(work.announce, work.announce)
    return deferReply(promise)
  }
  return {
    createBucket: (m) => committed(partition.createBucket(m.name, m, limitsOf(roster, m))),
    deleteBucket: (m) => committed(partition.deleteBucket({ bucket: m.name }, limitsOf(roster, m))),
    put({ bucket: name, incarnation, key, facts, data, conditions, deadlineMs, sessions }) {
      const isValid = (): boolean => areCurrent(roster, sessions)
      const request = { bucket: name, incarnation, key, facts, data, conditions, deadlineMs, isValid }
      return committed(partition.putVersion(request))
    },
    delete: (m) =>
      committed(partition.deleteVersion({ ...m.address, conditions: m.conditions, ...limitsOf(roster, m) })),
    createUpload(m) {
      const { bucket: name, key, owner, headers, metadata, checksumAlgorithm, checksumType } = m.request
      const facts = {
        ...{ owner, headers, metadata, storageClass: 'STANDARD' as const },
        ...(checksumAlgorithm && { checksumAlgorithm }),
        ...(checksumType && { checksumType }),
      }
      return committed(partition.createUpload({ bucket: name, key, facts, ...limitsOf(roster, m) }))
    },
    putPart: ({ address, ...m }) =>
      committed(partition.putPart({ ...address, ...m, ...limitsOf(roster, m) })),
    completeUpload: (m) => committed(partition.completeUpload({ ...m.request, ...limitsOf(roster, m) })),
    abortUpload: (m) => committed(partition.abortUpload({ ...m.address, ...limitsOf(roster, m) })),
    // Not deferred: two gateways that start at once must not make two pairs.
    async rootKeys() {
      const known = partition.getConfig(ROOT_KEYS)
      if (typeof known === 'string') return known
      const { storeKey } = context.workerData as StoreFacts
      const sealed = sealKeyPair(storeKey, createKeyPair(context.random), context.random)
      const value = Buffer.from(sealed).toString('base64')
      await partition.putConfig({ name: ROOT_KEYS, value })
      return value
    },
    putConfig: ({ name, value, onDisks }) =>
      committed(partition.putConfig({ name, value, onDisks: onDisks && new Set(onDisks) })),
  }
}

/** What disks, reclaimer and repairer ask for. */
const upkeep = (
  partition: Partition,
  roster: Roster,
  opener: PartitionOpener,
  work: WorkAnnouncement,
): Some<
  | 'diskChanged'
  | 'nextFrees'
  | 'confirmFrees'
  | 'giveBackFrees'
  | 'dropSegments'
  | 'shardsOn'
  | 'heldData'
  | 'fatesOf'
  | 'dataOfWrite'
  | 'relocate'
  | 'recode'
  | 'waiting'
  | 'leftOn'
  | 'segments'
  | 'verifySegment'
  | 'checkIndexes'
  | 'repairSegment'
> => {
  let check: IndexCheck | undefined
  return {
    diskChanged() {
      const changed = partition.setMembers(opener.members()).then(() => opener.loseMovedIndexes())
      return deferReply(changed.finally(work.announce))
    },
    nextFrees({ shardsMax, after, isAfresh = false }) {
      work.noteLook()
      if (isAfresh) partition.giveBackFrees()
      return deferReply(partition.nextFrees(shardsMax, after))
    },
    confirmFrees: ({ ids }) => deferReply(partition.confirmFrees(ids)),
    giveBackFrees: ({ ids }) => partition.giveBackFrees(ids),
    dropSegments: () => deferReply(partition.segments.dropOldest().then(() => restOfDropping(partition))),
    shardsOn: ({ disk, cursor, limit }) => deferReply(partition.shardsOn(disk, cursor, limit)),
    heldData: (request) => deferReply(partition.heldData(request)),
    fatesOf: ({ writes }) => deferReply(partition.fatesOf(writes)),
    dataOfWrite: ({ write }) =>
      deferReply(partition.dataOfWrite(write).then((data) => (data ? { data } : {}))),
    relocate: ({ relocations, ...m }) =>
      deferReply(partition.relocate(relocations, limitsOf(roster, m)).finally(work.announce)),
    recode: ({ write, data, ...m }) =>
      deferReply(partition.recode(write, data, limitsOf(roster, m)).finally(work.announce)),
    waiting: () => waitingOf(partition, roster),
    leftOn: ({ disk }) => deferReply(partition.leftOn(disk)),
    segments: () => partition.segments.list(),
    verifySegment: ({ segment, disk }) => deferReply(partition.segments.verify(segment, disk)),
    checkIndexes({ isNew }) {
      if (isNew || !check) {
        void check?.end()
        check = partition.checkIndexes()
      }
      return deferReply(check.next())
    },
    repairSegment: () => deferReply(repairSegment(partition)),
  }
}

const restOfDropping = (partition: Partition): { isIndexing: boolean; isCompacting: boolean } => ({
  isIndexing: partition.isIndexing || partition.segments.isDropping,
  isCompacting: partition.segments.goesOn,
})

const waitingOf = (partition: Partition, roster: Roster): Waiting => {
  const damaged = partition.segments.damaged()
  const lacking = damaged.map(({ missing, leaving, length }) => ({
    copies: Math.max(0, missing - leaving),
    length,
  }))
  let shards = lacking.reduce((sum, { copies }) => sum + copies, 0)
  let bytes = lacking.reduce((sum, { copies, length }) => sum + copies * length, 0)
  const retired: DiskNumber[] = []
  const onDisks = [...partition.diskCounters()].map(([disk, counts]) => ({ disk, ...counts }))
  for (const { disk, ...counts } of onDisks) {
    const row = roster.find(disk)
    if (row && row.state !== 'out') continue
    shards += counts.shards
    bytes += counts.bytes
    if (!row) retired.push(disk)
  }
  const leavingSegments = damaged.filter(({ leaving }) => leaving > 0).length
  return { shards, bytes, retired, onDisks, leavingSegments, reduced: partition.reducedShards }
}

const repairSegment = async (partition: Partition): Promise<RepairedSegment | undefined> => {
  for (const { segment } of partition.segments.damaged()) {
    const disk = await partition.segments.repair(segment)
    if (disk !== undefined) return { segment, disk }
  }
  return undefined
}
