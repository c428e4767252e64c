// The two indexes of a partition and the disks they are on: opened at a start, moved to another disk when theirs is
// lost. An index holds nothing that the journal does not, so whatever is wrong with one, the mend is to drop it.
import { dirname } from 'node:path'
import type { MemoryLevel } from 'memory-level'
import { type Clock, sleep } from '../base/clock.ts'
import { codeOf } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { require } from '../base/require.ts'
import { SECOND } from '../base/units.ts'
import type { IndexPosition, IndexStore } from '../metadata/index-slot.ts'
import { indexPath } from '../storage/layout.ts'
import { findLevelDamage } from '../storage/level-files.ts'
import { type ClosableIndex, classicLevel, indexStoreOf, LEVEL_ENCODING } from '../storage/level-index.ts'
import type { Roster } from './roster.ts'
import { rootIn, slotsWithRoot } from './slot-roots.ts'
import { filesOf, type StoreFacts } from './store-facts.ts'

const POSITIONS: readonly IndexPosition[] = [0, 1]

/** Loaded with the first index of its kind, as its sibling is: a store has one kind only. */
const createMemoryLevel = (): MemoryLevel<Buffer, Buffer> => {
  const { MemoryLevel } = require('memory-level') as typeof import('memory-level')
  return new MemoryLevel<Buffer, Buffer>(LEVEL_ENCODING)
}

export interface Indexes {
  /** By position; undefined where no disk could take it. */
  open(): Promise<(IndexStore | undefined)[]>
  /** Positions of those that write into a directory that is no longer the one in its place, or to a disk that leaves the store. */
  moved(): Promise<IndexPosition[]>
  /** Closes what was lost and opens an index in its place, on another disk when its own is out. */
  reopen(position: IndexPosition): Promise<IndexStore | undefined>
  close(): Promise<void>
}

interface OpenIndex {
  readonly level: ClosableIndex
  readonly slot: number
  /** Undefined in memory. */
  readonly place?: IndexPlace
}

/** Which disk it was opened on, and in which directory: that is another one each time the index is cleared. */
interface IndexPlace {
  readonly disk: DiskNumber
  directory: string | undefined
}

export interface IndexesOptions {
  readonly facts: StoreFacts
  readonly roster: Roster
  readonly partition: number
  readonly clock: Clock
  readonly log: Log
}

/** One that is lost again so soon is not opened again at once: its disk may be full, or fail at every write. */
const LOST_AGAIN_MS = 10 * SECOND
const PAUSE_MS = 1 * SECOND

/** The indexes of `partition`. */
export const createIndexes = ({ facts, roster, partition, clock, log }: IndexesOptions): Indexes => {
  const files = filesOf(facts)
  const lostMs = new Map<IndexPosition, number>()
  /** Openings, one after another: `close` must not miss one that is under way. */
  let last: Promise<unknown> = Promise.resolve()
  let isClosed = false
  const levels = new Map<IndexPosition, OpenIndex>()

  const isPresent = (slot: number): boolean => roster.row(slot).state !== 'out'
  const diskIn = (slot: number): DiskNumber => roster.row(slot).number
  const locationIn = (slot: number): string => indexPath(rootIn(facts, slot)!, partition)
  /**
   * Where one could be opened, the best first: on `first`, then where there is one already, in whichever order the
   * directories were given. Made anew elsewhere it would have to be rebuilt.
   */
  const candidates = async (first: number | undefined): Promise<number[]> => {
    const used = new Set([...levels.values()].map(({ slot }) => slot))
    const isFree = (slot: number): boolean =>
      isPresent(slot) && !roster.row(slot).isDraining && !used.has(slot)
    const free = slotsWithRoot(facts)
      .map(({ slot }) => slot)
      .filter(isFree)
    const ranked = free.map(async (slot) => {
      const stat = await files.stat(locationIn(slot)).catch(() => undefined)
      return { slot, rank: slot === first ? 0 : stat?.kind === 'directory' ? 1 : 2 }
    })
    return (await Promise.all(ranked))
      .sort((a, b) => a.rank - b.rank || diskIn(a.slot) - diskIn(b.slot))
      .map(({ slot }) => slot)
  }

  /** Undefined when there is none. */
  const directoryIn = async (slot: number): Promise<string | undefined> => {
    const stat = await files.stat(locationIn(slot)).catch(() => undefined)
    return stat && `${stat.device}:${stat.inode}`
  }

  /** Tells what is damaged in the files there. True when it is not to be opened as it is. */
  const isRuined = async (slot: number): Promise<boolean> => {
    const found = await findLevelDamage(files, locationIn(slot)).catch(() => [])
    for (const { file, isFatal, ...damage } of found) {
      const path = `index/${partition}/${file}`
      log.warn('index-file-damaged', { partition, disk: diskIn(slot), file: path, ...damage, isFatal })
    }
    return found.some(({ isFatal }) => isFatal)
  }

  const openAt = async (slot: number): Promise<OpenIndex | undefined> => {
    const location = locationIn(slot)
    // LevelDB would make all that is missing, also where a file system is no longer mounted.
    const above = await files.stat(dirname(location)).catch(() => undefined)
    if (above?.kind !== 'directory') return undefined
    const Level = classicLevel()
    const isFromNothing = await isRuined(slot)
    for (const isSecondTry of [false, true]) {
      const level = new Level<Buffer, Buffer>(location, { ...LEVEL_ENCODING, multithreading: false })
      try {
        if (isSecondTry || isFromNothing) await Level.destroy(location)
        await level.open()
        const place: IndexPlace = { disk: diskIn(slot), directory: undefined }
        const onMade = async (): Promise<void> => {
          place.directory = await directoryIn(slot)
        }
        await onMade()
        return { level: indexStoreOf(level, { location, disk: place.disk, files, onMade }), slot, place }
      } catch (error) {
        const code = codeOf((error as Error).cause ?? error)
        log.warn('index-open-failed', { partition, slot, disk: diskIn(slot), code })
        await level.close()
      }
    }
    return undefined
  }

  const openOne = async (position: IndexPosition, first?: number): Promise<IndexStore | undefined> => {
    if (facts.memory) {
      const level = facts.memoryIndexes?.(partition, position) ?? createMemoryLevel()
      levels.set(position, { level, slot: -1 - position })
      return level
    }
    for (const slot of await candidates(first)) {
      const index = await openAt(slot)
      if (!index) continue
      levels.set(position, index)
      return index.level
    }
    return undefined
  }

  const openAnew = async (position: IndexPosition): Promise<IndexStore | undefined> => {
    const nowMs = clock.monotonicMs()
    const before = lostMs.get(position) ?? Number.NEGATIVE_INFINITY
    lostMs.set(position, nowMs)
    if (nowMs - before < LOST_AGAIN_MS) await sleep(clock, PAUSE_MS)
    const lost = levels.get(position)
    levels.delete(position)
    await lost?.level.close()
    if (isClosed) return undefined
    // The same disk again, emptied, when it is still there: its neighbours may be needed by other partitions.
    if (lost && lost.slot >= 0 && isPresent(lost.slot)) {
      const Level = classicLevel()
      await Level.destroy(locationIn(lost.slot)).catch((error: unknown) =>
        log.warn('index-not-emptied', { partition, slot: lost.slot, code: codeOf(error) }),
      )
    }
    return openOne(position, lost?.slot)
  }

  return {
    async open() {
      const stores = []
      for (const position of POSITIONS) stores.push(await openOne(position))
      return stores
    },
    async moved() {
      const found = [...levels].map(async ([position, { slot, place }]) => {
        if (!place) return []
        if (roster.row(slot).isDraining || diskIn(slot) === 0) return [position]
        if (!isPresent(slot)) return []
        if (diskIn(slot) !== place.disk) return [position]
        // Of a disk that is just going its actor will say so.
        const now = await directoryIn(slot)
        return now === undefined || now === place.directory ? [] : [position]
      })
      return (await Promise.all(found)).flat()
    },
    reopen(position) {
      const opened = last.then(() => openAnew(position))
      last = opened.catch(() => undefined)
      return opened
    },
    async close() {
      isClosed = true
      await last
      await Promise.allSettled([...levels.values()].map(({ level }) => level.close()))
      levels.clear()
    },
  }
}
