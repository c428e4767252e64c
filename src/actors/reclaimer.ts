// The reclaimer of one partition: removes from the disks what commits left to be freed, then has the free entries
// confirmed, and asks for the oldest journal segments to be dropped, which may take a compaction: that goes on beside the
// removal. It is told when there may be work and otherwise sleeps. What it does may be repeated: a crash between the removal and the confirmation costs a second attempt.
//
// An entry one of whose disks is out waits for that disk and holds up nobody: the tour goes on behind it, and begins
// again when a disk has come back. A number that the roster does not know was retired: nothing of it is anywhere.
import { codeOf } from '../base/errors.ts'
import type { DiskNumber, WriteId } from '../base/ids.ts'
import { KiB, SECOND } from '../base/units.ts'
import type { FreeWork } from '../metadata/frees.ts'
import { behavior, type Context } from '../runtime/actor.ts'
import type { FreedEntry } from '../storage/garbage.ts'
import { planStripes } from '../storage/stripes.ts'
import { createAlarm } from './alarm.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { CompactorProtocol } from './compactor.ts'
import { type DiskProtocol, packedEntries } from './disk-protocol.ts'
import { attachRoster, type Roster } from './roster.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'

export interface ReclaimerProtocol {
  /** A commit left something, a reading ended, or a disk is back. */
  wake(m: Record<string, never>): void
  /** One bounded piece of removal. */
  step(m: Record<string, never>): Promise<void>
  /** Drops segments, one compaction at most. */
  drop(m: Record<string, never>): Promise<void>
}

export interface ReclaimerArgs {
  readonly partition: number
}

/** A burst of commits is one tour. */
const GATHER_MS = 100
const RETRY_MS = 5 * SECOND
/** Dropping segments begins a new one: not after every commit. */
const DROP_EVERY_MS = 2 * SECOND
/** About: what is handed out last may be 256 parts. */
const SHARDS_PER_STEP = 1024
const SHARDS_PER_ASK = 512
const BUCKET_LIMIT = { withinMs: 30 * SECOND }
const DROP_LIMIT = { withinMs: 120 * SECOND }
const DISK_LIMIT = { withinMs: 30 * SECOND }

/** What one disk is to remove. */
interface Removal {
  readonly writes: WriteId[]
  readonly entries: FreedEntry[]
}

/** By disk: large shards by their write, packed ones by where they lie. Pure. */
export const planRemovals = (works: readonly FreeWork[]): Map<DiskNumber, Removal> => {
  const removals = new Map<DiskNumber, Removal>()
  for (const { write, size, k, places } of works.flatMap(({ shards }) => shards)) {
    const { diskBytes } = planStripes(size, k)
    for (const place of places) {
      const removal = removals.get(place.disk) ?? { writes: [], entries: [] }
      removals.set(place.disk, removal)
      const packed = packedEntries([place], diskBytes)
      if (packed.length > 0) removal.entries.push(...packed)
      else removal.writes.push(write)
    }
  }
  return removals
}

/** Those whose every disk is in `done`. */
const isDone = (work: FreeWork, done: ReadonlySet<DiskNumber>): boolean =>
  work.shards.every(({ places }) => places.every(({ disk }) => done.has(disk)))

/** Where the next step begins: behind what was looked at, but not behind an upload of which parts are left. */
const cursorAfter = (works: readonly FreeWork[], done: readonly FreeWork[], before: string): string => {
  const partial = works.findIndex((work) => work.hasMore && done.includes(work))
  return (partial === -1 ? works.at(-1) : works[partial - 1])?.id ?? before
}

export const reclaimer = behavior<ReclaimerProtocol, ReclaimerArgs>(import.meta.url, 'reclaimer', {
  mailbox: { messagesMax: 16, bytesMax: 64 * KiB },
  interleave: { wake: 16, step: 1, drop: 2 },
  setup(context, { partition }) {
    const roster = attachRoster((context.workerData as StoreFacts).roster)
    const bucket = context.ref<BucketProtocol>(PATHS.bucket(partition))
    const alarm = createAlarm(context, () => void context.self.tell('step', {}))
    const dropAlarm = createAlarm(context, () => void context.self.tell('drop', {}))
    let cursor = ''
    /** Disks and their sessions when the tour began. */
    let seen = ''
    /** At its start, and after an answer that did not come, works may be handed out that nobody does. */
    let isAfresh = true
    /** When the tour begins anew because something failed. */
    let retryAtMs = Number.POSITIVE_INFINITY
    let lastDropMs = Number.NEGATIVE_INFINITY
    let isDropWanted = true
    let isDropping = false

    const reclaim = async (works: readonly FreeWork[]): Promise<void> => {
      const { done, hasFailed } = await removeAll(context, roster, planRemovals(works))
      const finished = works.filter((work) => isDone(work, done))
      const rest = works.filter((work) => !finished.includes(work))
      if (rest.length > 0) bucket.tell('giveBackFrees', { ids: rest.map(({ id }) => id) })
      if (finished.length > 0)
        await bucket.ask('confirmFrees', { ids: finished.map(({ id }) => id) }, BUCKET_LIMIT)
      cursor = cursorAfter(works, finished, cursor)
      // The disk is there and did not do it: from the start, a little later. Now the tour goes on behind it.
      if (hasFailed) retryLater()
    }

    const retryLater = (): void => {
      retryAtMs = Math.min(retryAtMs, context.clock.monotonicMs() + RETRY_MS)
      alarm.set(RETRY_MS)
    }

    const setDropAlarm = (): void => {
      if (isDropWanted && !isDropping) {
        dropAlarm.set(Math.max(0, lastDropMs + DROP_EVERY_MS - context.clock.monotonicMs()))
      }
    }

    const dropSegments = async (): Promise<void> => {
      isDropWanted = false
      lastDropMs = context.clock.monotonicMs()
      const { isIndexing, isCompacting } = await bucket.ask('dropSegments', {}, DROP_LIMIT)
      // What is alive in a segment is known when the indexes have followed: within a second of the last commit.
      if (isIndexing || isCompacting) isDropWanted = true
      if (isCompacting) lastDropMs = Number.NEGATIVE_INFINITY
    }

    context.self.tell('wake', {})
    return {
      wake() {
        isDropWanted = true
        alarm.set(GATHER_MS)
      },
      async step() {
        const present = sessionsOf(roster)
        const isRetryDue = context.clock.monotonicMs() >= retryAtMs
        if (isRetryDue) retryAtMs = Number.POSITIVE_INFINITY
        if (isRetryDue || present !== seen) cursor = ''
        seen = present
        try {
          const request = { shardsMax: SHARDS_PER_STEP, after: cursor, isAfresh }
          const works = await bucket.ask('nextFrees', request, BUCKET_LIMIT)
          isAfresh = false
          if (works.length === 0) {
            // Whoever woke it since took the alarm of the retry.
            if (retryAtMs < Number.POSITIVE_INFINITY) alarm.set(retryAtMs - context.clock.monotonicMs())
            return setDropAlarm()
          }
          await reclaim(works)
          context.self.tell('step', {})
        } catch (error) {
          context.log.info('reclaim-postponed', { partition, code: codeOf(error) })
          isAfresh = true
          retryLater()
        }
      },
      async drop() {
        if (isDropping) return
        isDropping = true
        try {
          await dropSegments()
        } catch (error) {
          context.log.info('reclaim-postponed', { partition, code: codeOf(error) })
          isDropWanted = true
          lastDropMs = context.clock.monotonicMs() + RETRY_MS
        } finally {
          isDropping = false
          setDropAlarm()
        }
      },
    }
  },
})

/** Changes whenever a disk comes or goes. */
const sessionsOf = (roster: Roster): string =>
  roster
    .rows()
    .map(({ number, session, state }) => (state === 'out' ? `-${number}` : `${number}:${session}`))
    .join()

/** Disks that have removed what they were asked to, and retired ones. */
const removeAll = async (
  context: Context<ReclaimerProtocol>,
  roster: Roster,
  removals: ReadonlyMap<DiskNumber, Removal>,
): Promise<{ done: Set<DiskNumber>; hasFailed: boolean }> => {
  const done = new Set<DiskNumber>()
  const compactor = context.ref<CompactorProtocol>(PATHS.compactor)
  let hasFailed = false
  const removeOn = async (disk: DiskNumber, { writes, entries }: Removal): Promise<void> => {
    const row = roster.find(disk)
    // One that is out on its way out of the store is not waited for.
    if (row?.state === 'out' && !row.isDraining) return
    try {
      if (row && row.state !== 'out') {
        const ref = context.ref<DiskProtocol>(PATHS.disk(row.slot))
        for (let at = 0; at < writes.length; at += SHARDS_PER_ASK) {
          await ref.ask('removeShards', { writes: writes.slice(at, at + SHARDS_PER_ASK) }, DISK_LIMIT)
        }
        if (entries.length > 0) {
          await ref.ask('freePacked', { entries }, DISK_LIMIT)
          compactor.tell('wake', { slot: row.slot })
        }
      }
      done.add(disk)
    } catch (error) {
      context.log.info('reclaim-postponed', { disk, code: codeOf(error) })
      hasFailed = true
    }
  }
  await Promise.all([...removals].map(([disk, removal]) => removeOn(disk, removal)))
  return { done, hasFailed }
}
