// Bringing an index up to the journal: at a start, when it was lost, and when it comes back after it was dropped.
// Records are read, not bodies. An index that is older than the oldest segment is cleared first: commits it would need
// are gone, and what they deleted would come back.
import { asMoraineError, fault } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { MiB } from '../base/units.ts'
import type { Counters } from './counters.ts'
import type { Entry } from './entry.ts'
import { entryBytes } from './entry.ts'
import type { FrameContent } from './frame.ts'
import { decodeRow } from './index-row.ts'
import {
  addLiveness,
  countLiveness,
  IndexSlot,
  type IndexStore,
  keepsAlive,
  liveBytes,
} from './index-slot.ts'
import type { Journal } from './journal.ts'
import { type BinaryKey, SPACE } from './keys.ts'
import type { Ledger } from './ledger.ts'
import type { Liveness } from './table.ts'

const BATCH_BYTES = 4 * MiB
const SCAN_ROWS = 1000

interface OpenSlotsOptions {
  readonly partition: number
  readonly journal: Journal
  /** The last frame of the journal, which `replay` leaves out. */
  readonly last: FrameContent | undefined
  readonly log: Log
}

const lastSequenceOf = ({ firstSequence, commits }: FrameContent): number =>
  firstSequence + commits.length - 1

const isUsable = (slot: IndexSlot, journal: Journal): boolean => {
  const first = journal.firstSequence()
  return slot.sequence >= 0 && (first === undefined || slot.sequence >= first - 1)
}

/** `ready` follow the journal up to its last frame; `later` have to be rebuilt. At least one is ready. */
export const openSlots = async (
  stores: readonly (IndexStore | undefined)[],
  options: OpenSlotsOptions,
): Promise<{ ready: IndexSlot[]; later: IndexSlot[] }> => {
  const { partition, journal, last, log } = options
  const end = last ? lastSequenceOf(last) : 0
  const usable: IndexSlot[] = []
  const lost: IndexSlot[] = []
  stores.slice(0, 2).forEach((store, position) => {
    if (!store) return
    const slot = new IndexSlot(position === 0 ? 0 : 1, store, partition)
    try {
      slot.open()
    } catch (error) {
      const known = asMoraineError(error)
      if (known.code === 'RECORD_VERSION') throw known
      log.warn('index-unreadable', { ...slot.where, message: known.message })
      slot.forget()
    }
    if (slot.sequence > end) {
      // Only synced frames reach an index: the journal that is here is older than what was acknowledged.
      throw fault('METADATA_CORRUPT', 'the journal ends before its index', {
        partition,
        journal: end,
        index: slot.sequence,
      })
    }
    ;(isUsable(slot, journal) ? usable : lost).push(slot)
  })
  let ready: IndexSlot[] = []
  const keepIf = async (slots: readonly IndexSlot[], isGood: (slot: IndexSlot) => Promise<boolean>) => {
    ready = []
    for (const slot of slots) {
      if (await unlessOfIndex(log, slot, () => isGood(slot))) {
        ready.push(slot)
        continue
      }
      log.warn('index-lacks-records', slot.where)
      slot.forget()
      lost.push(slot)
    }
  }
  await keepIf(usable, (slot) => isBroughtUp(slot, journal, last))
  // What one index has was acknowledged: then the other may have it too, and they agree on everything.
  if (last && ready.some(({ sequence }) => sequence === end)) {
    await keepIf(ready, (slot) => replayInto(slot, [last]))
  }
  // One that cannot be written to is tried again later, and then anew.
  const failed: IndexSlot[] = []
  while (ready.length === 0) {
    const first = lost.shift()
    if (!first) throw fault('METADATA_CORRUPT', 'a partition needs an index', { partition })
    // A new store lacks nothing.
    if (last) log.warn('index-rebuilt', first.where)
    const isRebuilt = await unlessOfIndex(log, first, async () => {
      await rebuildIndex(first, journal)
      return true
    })
    ;(isRebuilt ? ready : failed).push(first)
  }
  lost.push(...failed)
  // A new store has nothing to read: both are ready at once.
  if (journal.firstSequence() === undefined) {
    for (const slot of lost.splice(0)) {
      await rebuildIndex(slot, journal)
      ready.push(slot)
    }
  }
  return { ready, later: lost }
}

/** False when what `action` rejects with comes from the index itself: a table that is damaged, a disk that fails. */
const unlessOfIndex = async (log: Log, slot: IndexSlot, action: () => Promise<boolean>): Promise<boolean> => {
  try {
    return await action()
  } catch (error) {
    const known = asMoraineError(error)
    // The journal's errors have codes of ours; whatever else is thrown, the database has thrown.
    if (known.code !== 'UNEXPECTED') throw known
    log.warn('index-failed', { ...slot.where, message: known.message })
    return false
  }
}

/** Follows the journal up to its last frame; false when it cannot be relied on. */
const isBroughtUp = async (
  slot: IndexSlot,
  journal: Journal,
  last: FrameContent | undefined,
): Promise<boolean> => {
  if (!(await holdsTail(slot, journal, last)) || !(await readCounters(slot))) return false
  return replayInto(slot, journal.replay(slot.sequence - 1))
}

/** Whether the index has, as the journal says, what it took in last: see `settled` of its mark. */
const holdsTail = async (
  slot: IndexSlot,
  journal: Journal,
  last: FrameContent | undefined,
): Promise<boolean> => {
  const newest = new Map<BinaryKey, Entry>()
  const take = (frame: FrameContent): void => {
    for (const entry of [...frame.commits.flat(), ...frame.counters]) newest.set(entry.key, entry)
  }
  for await (const frame of journal.replay(slot.settled)) {
    if (lastSequenceOf(frame) > slot.sequence) break
    take(frame)
  }
  if (last && lastSequenceOf(last) <= slot.sequence) take(last)
  return [...newest.values()].every((entry) => isHeld(slot.get(entry.key), entry))
}

const isHeld = (held: ReturnType<IndexSlot['get']>, entry: Entry): boolean => {
  if (held === 'damaged') return false
  if (held === undefined || entry.payload === undefined)
    return held === undefined && entry.payload === undefined
  // Counters carry no sequence of their own.
  return keepsAlive(entry.key)
    ? held.sequence === entry.sequence
    : Buffer.compare(held.payload!, entry.payload) === 0
}

/**
 * Frames from the one on that the slot's mark ends with, with the liveness counted against what the slot holds. False when that
 * is damaged.
 */
export const replayInto = async (
  slot: IndexSlot,
  frames: AsyncIterable<FrameContent> | Iterable<FrameContent>,
): Promise<boolean> => {
  let batch = new Map<BinaryKey, Entry>()
  let bytes = 0
  let live = copyOf(slot.live)
  let sequence = slot.sequence
  const flush = async (): Promise<void> => {
    await slot.applyEntries(batch.values(), sequence, live)
    batch = new Map()
    live = copyOf(live)
    bytes = 0
  }
  for await (const frame of frames) {
    const last = lastSequenceOf(frame)
    if (last < sequence) continue
    for (const entry of frame.commits.flat()) {
      const before = batch.get(entry.key) ?? slot.get(entry.key)
      if (before === 'damaged') return false
      // The frame that the index took in last may have been written anew since: what it says is known, but not where it lies.
      if (last === sequence && isInPlace(before, entry)) continue
      countLiveness(live, entry, before)
      batch.set(entry.key, entry)
      bytes += entryBytes(entry)
    }
    if (last > sequence) for (const entry of frame.counters) batch.set(entry.key, entry)
    sequence = last
    if (bytes >= BATCH_BYTES) await flush()
  }
  if (batch.size > 0 || sequence > slot.sequence || slot.sequence < 0) await flush()
  return true
}

const isInPlace = (held: Entry | undefined, entry: Entry): boolean =>
  held === undefined
    ? entry.payload === undefined
    : held.sequence === entry.sequence && held.segment === entry.segment

/** From nothing: no look-ups on the way, the liveness is counted at the end. */
export const rebuildIndex = async (slot: IndexSlot, journal: Journal): Promise<void> => {
  await slot.clear()
  const first = (journal.firstSequence() ?? 1) - 1
  let batch = new Map<BinaryKey, Entry>()
  let bytes = 0
  let sequence = first
  for await (const frame of journal.replay(first)) {
    for (const entry of [...frame.commits.flat(), ...frame.counters]) {
      batch.set(entry.key, entry)
      bytes += entryBytes(entry)
    }
    sequence = lastSequenceOf(frame)
    if (bytes < BATCH_BYTES) continue
    // A crash on the way starts anew: the mark claims nothing until the liveness is counted.
    await slot.applyUnclaimed(batch.values(), sequence)
    batch = new Map()
    bytes = 0
  }
  await slot.applyUnclaimed(batch.values(), sequence)
  const live = new Map<number, Liveness>()
  const iterator = slot.iterator(SPACE.bucket, undefined)
  try {
    for (
      let rows = await iterator.nextv(SCAN_ROWS);
      rows.length > 0;
      rows = await iterator.nextv(SCAN_ROWS)
    ) {
      for (const [key, value] of rows) {
        const entry = decodeRow(key, value)
        if (!entry) throw fault('METADATA_CORRUPT', 'a new index entry does not verify')
        if (keepsAlive(entry.key)) addLiveness(live, entry.segment, { entries: 1, bytes: liveBytes(entry) })
      }
    }
  } finally {
    await iterator.close()
  }
  await slot.applyEntries([], sequence, live)
}

const copyOf = (live: ReadonlyMap<number, Liveness>): Map<number, Liveness> =>
  new Map([...live].map(([segment, { entries, bytes }]) => [segment, { entries, bytes }]))

/** While commits go on: replays until what is left is in the table, then attaches the slot. */
export const catchUp = async (slot: IndexSlot, ledger: Ledger): Promise<void> => {
  const { journal, table, indexes } = ledger
  slot.open()
  if (!isUsable(slot, journal)) await rebuildIndex(slot, journal)
  const follow = async (): Promise<void> => {
    if (await replayInto(slot, journal.replay(slot.sequence - 1))) return
    throw fault('METADATA_CORRUPT', 'an index entry does not verify', { index: slot.position })
  }
  // The first pass may be long; the table does not have to keep what it covers.
  await follow()
  const pin = table.pin()
  try {
    await follow()
    slot.appliedFrame = table.numberOf(slot.sequence)
    if (!ledger.isClosed) indexes.attach(slot)
  } finally {
    table.unpin(pin)
  }
}

/** Counters are kept in memory; an index has them as of its mark. Undefined when one does not verify. */
const readCounters = async (slot: IndexSlot): Promise<Entry[] | undefined> => {
  const entries: Entry[] = []
  const iterator = slot.iterator(SPACE.counter, `${SPACE.counter}\xff`)
  try {
    for (
      let rows = await iterator.nextv(SCAN_ROWS);
      rows.length > 0;
      rows = await iterator.nextv(SCAN_ROWS)
    ) {
      for (const [key, value] of rows) {
        const entry = decodeRow(key, value)
        if (!entry) return undefined
        entries.push(entry)
      }
    }
    return entries
  } finally {
    await iterator.close()
  }
}

export const loadCounters = async (counters: Counters, slot: IndexSlot): Promise<void> => {
  const entries = await readCounters(slot)
  if (!entries) throw fault('METADATA_CORRUPT', 'a counter does not verify')
  counters.load(entries)
}
