// The disk actor: one disk, one directory. All shard and segment I/O of that disk passes its mailbox, so a disk that is
// slow, full or gone is known here first, and only here. The work itself is storage/disk.ts; this file maps messages
// to it, keeps the disk's row of the roster true, and ends by a fault when the disk can no longer be trusted: the
// supervisor starts it again, it looks for its disk anew, and is out until there is one.
import { codeOf, fault, unavailable } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { MINUTE, MiB, SECOND } from '../base/units.ts'
import { type Address, behavior, type Context, type Handlers } from '../runtime/actor.ts'
import type { Disk } from '../storage/disk.ts'
import type { ShardWriter } from '../storage/shard-files.ts'
import { entryBytesOf } from '../storage/unit.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import { type ClaimOf, createClaimOf, writing } from './disk-claim.ts'
import { attachListeners } from './disk-listeners.ts'
import { createDiskPace, type DiskPace } from './disk-pace.ts'
import type { DiskProtocol } from './disk-protocol.ts'
import type { KeeperProtocol } from './keeper.ts'
import { findInSlot, openSlot } from './open-slot.ts'
import { attachRoster, type Roster } from './roster.ts'
import { attachClaims } from './slot-claims.ts'
import { rootIn } from './slot-roots.ts'
import { storePublisher } from './store-events.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'
import { viewOf } from './stripe-buffer.ts'

export interface DiskArgs {
  readonly slot: number
}

/** How often a disk that is out is looked for, and one that is full asked for room. */
const LOOK_EVERY_MS = 2 * SECOND
const TELL_ROOM_EVERY_MS = 1 * MINUTE

const OVERLAP = 64
/** What every name of a shard file begins with. */
const WRITE_ID_DIGITS = 32
/** More stripes than any arena has room for: the disk has a line of its own for units, and a journal waits in none. */
const UNITS_MAX = 4096

export const disk = behavior<DiskProtocol, DiskArgs>(import.meta.url, 'disk', {
  // The units of some forty stripes and the frames of several journals; bytes in slabs are counted by the arena.
  mailbox: { messagesMax: 4096, bytesMax: 64 * MiB },
  // What a later release wrote is no fault of this disk: whoever asked for it does without, everything else goes on.
  answers: ['DISK_FULL', 'RECORD_VERSION'],
  // Pulled out, unmounted or emptied: the actor looks for its disk anew, and until it is found the others do without it.
  // One that cannot be written to any more is out until it can be.
  tells: {
    DISK_GONE: { level: 'warn', event: 'disk-gone' },
    DISK_READ_ONLY: { level: 'warn', event: 'disk-read-only' },
  },
  // The disk orders what must be ordered itself, and joins what is asked for at once into one sync.
  interleave: {
    writeUnit: UNITS_MAX,
    sealShard: OVERLAP,
    packShard: 512,
    readUnit: OVERLAP,
    readSegment: 256,
    appendSegment: OVERLAP,
    listSegments: OVERLAP,
    createSegment: OVERLAP,
    restoreSegment: OVERLAP,
    removeSegment: OVERLAP,
    removeShards: 8,
    freePacked: 8,
    writerGone: OVERLAP,
    verifyUnits: 4,
    listShardDirectories: 4,
    listShards: 4,
    listVolumes: 4,
    volumeUsages: 4,
    closeVolume: 4,
    repack: 4,
    looseEntries: 4,
    removeStrays: 4,
    // A write that hangs must not keep it from being seen.
    look: OVERLAP,
  },
  async setup(context, { slot }) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    const listeners = attachListeners(facts.listeners)
    const claims = attachClaims(facts.claims)
    const announce = (): void => {
      for (const partition of listeners.partitions()) {
        context.ref<BucketProtocol>(PATHS.bucket(partition)).tell('diskChanged', {})
      }
    }
    roster.setState(slot, 'out')
    const claim = createClaimOf(context, claims, slot)
    const opened = await claim.open(() => openSlot(facts, roster, slot, context.log))
    if (!opened) {
      claim.forfeit()
      // A slot without a directory waits until one is added.
      if (rootIn(facts, slot) !== undefined) {
        announce()
        context.ref<KeeperProtocol>(PATHS.keeper).tell('diskOut', { slot })
      }
      context.every(LOOK_EVERY_MS, 'look', {})
      return outHandlers(context, roster, claim, slot)
    }
    const { disk: here, set } = opened
    const pace = createDiskPace(roster, slot, context.clock, context.log)
    const report = createReport(context, here, roster, slot, pace)
    roster.enter(slot, { number: here.number, set, state: here.report().space.hasRoom ? 'up' : 'full' })
    report.now()
    announce()
    const publish = storePublisher(context)
    publish({ kind: 'disk-entered', slot, disk: here.number })
    context.ref<KeeperProtocol>(PATHS.keeper).tell('diskIn', { slot })
    context.defer(async () => {
      roster.setState(slot, 'out')
      publish({ kind: 'disk-left', slot, disk: here.number })
      announce()
      await here.close()
    })
    context.every(LOOK_EVERY_MS, 'look', {})
    const hasLeft = (): boolean => roster.row(slot).number !== here.number
    return claim.guard(inHandlers(context, here, pace, report, claim, hasLeft))
  },
})

/** Keeps the disk's row of the roster true about its room, and whether it lags. */
interface RoomReport {
  /** By the disk's own estimate. */
  now(): void
  /** As `now`, but before it says full the file system is asked. */
  later(): void
  /** Asks the file system. */
  afresh(): Promise<void>
}

const createReport = (
  { clock, log }: Context<DiskProtocol>,
  here: Disk,
  roster: Roster,
  slot: number,
  pace: DiskPace,
): RoomReport => {
  let isAsking = false
  let toldRoom = true
  let toldAtMs = Number.NEGATIVE_INFINITY
  /** A disk at the brink has room and none in turns: each look tells again what has become of it, not each write. */
  const tellRoom = (hasRoom: boolean, freeBytes: number): void => {
    if (hasRoom === toldRoom || clock.monotonicMs() - toldAtMs < TELL_ROOM_EVERY_MS) return
    toldRoom = hasRoom
    toldAtMs = clock.monotonicMs()
    const fields = { slot, disk: here.number, freeBytes }
    if (hasRoom) log.info('disk-has-room', fields)
    else log.warn('disk-full', fields)
  }
  const now = (): void => {
    // A late answer of a life that has ended says nothing about the next.
    if (roster.row(slot).state === 'out') return
    const { freeBytes, totalBytes, hasRoom } = here.report().space
    roster.setSpace(slot, { freeMiB: Math.floor(freeBytes / MiB), totalMiB: Math.floor(totalBytes / MiB) })
    tellRoom(hasRoom, freeBytes)
    const isSlow = pace.judge()
    roster.setState(slot, hasRoom ? (isSlow ? 'slow' : 'up') : 'full')
  }
  const afresh = async (): Promise<void> => {
    isAsking = true
    try {
      await here.refreshSpace()
      now()
    } finally {
      isAsking = false
    }
  }
  return {
    now,
    later() {
      if (here.report().space.hasRoom) return now()
      // A disk that cannot say how full it is fails at its next look.
      if (!isAsking) void afresh().catch(() => undefined)
    },
    afresh,
  }
}

/** The disk is out: whoever asks hears so at once, and goes to its peers. */
const outHandlers = (
  context: Context<DiskProtocol>,
  roster: Roster,
  claim: ClaimOf,
  slot: number,
): Handlers<DiskProtocol> => {
  const facts = context.workerData as StoreFacts
  const keeper = context.ref<KeeperProtocol>(PATHS.keeper)
  const isOut = (): never => {
    throw unavailable('TOO_FEW_DISKS', 'the disk is out', { slot })
  }
  return {
    writeUnit: isOut,
    sealShard: isOut,
    packShard: isOut,
    readUnit: isOut,
    removeShards: isOut,
    freePacked: isOut,
    writerGone: () => undefined,
    listSegments: isOut,
    createSegment: isOut,
    appendSegment: isOut,
    readSegment: isOut,
    restoreSegment: isOut,
    removeSegment: isOut,
    verifyUnits: isOut,
    listShardDirectories: isOut,
    listShards: isOut,
    listVolumes: isOut,
    volumeUsages: isOut,
    closeVolume: isOut,
    repack: isOut,
    looseEntries: isOut,
    removeStrays: isOut,
    async look() {
      if (rootIn(facts, slot) === undefined) return
      const isFound = (await findInSlot(facts, roster, slot)) !== undefined
      if (isFound && (await claim.isHeld())) {
        // Found, and locked: the supervisor starts this actor again, and the new one opens the disk.
        context.log.info('disk-found', { slot, root: rootIn(facts, slot) })
        return void context.stop(context.self)
      }
      keeper.tell(isFound ? 'claim' : 'diskOut', { slot })
    },
  }
}

const inHandlers = (
  context: Context<DiskProtocol>,
  here: Disk,
  pace: DiskPace,
  report: RoomReport,
  claim: ClaimOf,
  hasLeft: () => boolean,
): Handlers<DiskProtocol> => {
  const writers = new Map<WriteId, Promise<ShardWriter>>()
  const begin = (
    writer: Address,
    write: WriteId,
    diskBytes: number,
    isRepair: boolean,
  ): Promise<ShardWriter> => {
    const begun = isRepair ? here.replaceShard(write, diskBytes) : here.createShard(write, diskBytes)
    writers.set(write, begun)
    context.watch(writer, 'writerGone', { write })
    return begun
  }
  const { segments } = here
  /** A write that finds no room says so before it is answered: what is tried next goes elsewhere. */
  const telling = async <T>(write: () => Promise<T>): Promise<T> => {
    try {
      return await writing(write)
    } catch (error) {
      if (codeOf(error) === 'DISK_FULL') report.now()
      throw error
    }
  }
  const timed = <T>(write: () => Promise<T>): Promise<T> => telling(() => pace.time(write))
  return {
    async writeUnit({ writer, write, diskBytes, unit, isRepair = false }) {
      await telling(async () => {
        const shard = await (writers.get(write) ?? begin(writer, write, diskBytes, isRepair))
        await pace.time(() => shard.append(viewOf(unit)))
      })
    },
    async sealShard({ write }) {
      const shard = await writers.get(write)
      if (!shard) throw unavailable('TOO_FEW_DISKS', 'the disk was opened anew during the write')
      await timed(() => shard.seal())
      writers.delete(write)
      report.later()
    },
    async packShard({ payloadBytes, unit }) {
      const place = await timed(() => here.writePacked(viewOf(unit), payloadBytes))
      report.later()
      return place
    },
    async readUnit({ unit, place, firstBlock, blockCount, into }) {
      const slab = viewOf(into)
      return (await here.readBlocks({ ...unit, ...(place && { place }), firstBlock, blockCount, slab }))
        .status
    },
    removeShards: ({ writes }) => writing(() => here.removeShards(writes)),
    freePacked: ({ entries }) => writing(() => here.freePacked(entries)),
    async writerGone({ write }) {
      const begun = writers.get(write)
      writers.delete(write)
      // What could not even be begun its writer has heard, and there is nothing to take back.
      await begun?.then(
        (shard) => shard.abort(),
        () => undefined,
      )
    },
    listSegments: ({ partition }) => segments.list(partition),
    createSegment: ({ partition, segment, header }) =>
      timed(() => segments.create(partition, segment, header)),
    async appendSegment({ partition, segment, offset, pieces }) {
      const bytes = pieces.map((piece) => (piece instanceof Uint8Array ? piece : viewOf(piece)))
      await timed(() => segments.append(partition, segment, offset, bytes))
      report.later()
    },
    readSegment: ({ partition, segment, offset, length, isMedium = false }) =>
      isMedium
        ? segments.readMedium(partition, segment, offset, length)
        : segments.read(partition, segment, offset, length),
    restoreSegment: ({ partition, segment, offset, piece, isLast }) =>
      writing(() => segments.restore(partition, segment, offset, piece, isLast)),
    removeSegment: ({ partition, segment }) => writing(() => segments.remove(partition, segment)),
    verifyUnits: async ({ units }) => (await here.verifyUnits(units)).map(({ status }) => status),
    listShardDirectories: () => here.listShardDirectories(),
    async listShards({ directory }) {
      const { writes, strays } = await here.listShards(directory)
      const isIdle = (name: string): boolean => !writers.has(name.slice(0, WRITE_ID_DIGITS) as WriteId)
      return { writes: writes.filter(isIdle), strays: strays.filter(isIdle) }
    },
    listVolumes: async () => (await here.listVolumes()).map(({ volume }) => volume),
    volumeUsages: () => here.volumeUsages(),
    closeVolume: ({ volume }) => writing(() => here.closeVolume(volume)),
    repack: ({ units }) => telling(() => Promise.all(units.map((unit) => here.repack(unit)))),
    async looseEntries({ volume, offset, passesDamage = false }) {
      const { entries, next } = await here.looseEntries(volume, offset, passesDamage)
      const found = entries.map((entry) => ({
        ...{ write: entry.write, index: entry.index, offset: entry.offset },
        bytes: entryBytesOf(entry.payloadBytes),
      }))
      return { entries: found, ...(next !== undefined && { next }) }
    },
    removeStrays: ({ directory, names }) => writing(() => here.removeStrays(directory, names)),
    async look() {
      // Drained: the slot is nobody's, and the next life of this actor finds nothing to open.
      if (hasLeft()) return void context.stop(context.self)
      report.now()
      await here.checkPresence()
      if (!(await claim.isHeld())) {
        throw fault('DISK_GONE', `disk ${here.number}: its lock is no longer there`, { disk: here.number })
      }
      await report.afresh()
    },
  }
}
