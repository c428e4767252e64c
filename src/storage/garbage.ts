// What is garbage in the volumes of a disk. Every freed entry is noted, synced, in `volumes/N.free`; a closed volume in which
// everything was freed is dropped. Notes are never taken back, and the same entry noted twice (after a crash the reclaimer
// repeats itself) counts once where it matters: before a drop the whole file of notes is read and its offsets are compared.
//
//   note = offset / 64, bytes / 64, sum of the bytes noted so far / 64 (with repetitions), CRC-32 of these
//
// Nothing is read at a start: the sum of a volume is found in its last note when the volume is next freed from.
import { crc32 } from 'node:zlib'
import { assert } from '../base/errors.ts'
import type { FileSystem, OpenFile } from '../base/files.ts'
import { MiB } from '../base/units.ts'
import { isZero } from '../base/zeros.ts'
import type { DiskContext } from './disk-context.ts'
import { isTooManyOpen } from './disk-errors.ts'
import { freePath, numberOf, volumePath, volumesPath } from './layout.ts'
import { isNotThere } from './shard-files.ts'
import { ENTRY_ALIGNMENT } from './unit.ts'
import { type PackedPlace, VOLUME_HEADER_BYTES, type Volumes } from './volumes.ts'

const NOTE_BYTES = 16
/** Notes read from the end of a file to find the last whole one; a torn batch is shorter than this. */
const NOTES_BATCH_MAX = 4_096

/** Below this the last volume is left to fill up: a new one costs two syncs of its directory. */
const SUCCEED_BYTES_MIN = 8 * MiB

export interface FreedEntry extends PackedPlace {
  /** `entryBytesOf` its payload. */
  readonly bytes: number
}

export interface VolumeUsage {
  readonly volume: number
  /** Of entries, alive or not. */
  readonly bytes: number
  /** Of what was freed; an entry that was noted twice counts twice. */
  readonly garbageBytes: number
}

export interface Garbage {
  /**
   * Notes entries as garbage and drops volumes that are all garbage. Durable when it resolves; may be repeated. Entries of
   * volumes that are gone are passed over.
   */
  free(entries: readonly FreedEntry[]): Promise<void>
  /** Bytes freed in a volume (an entry that was noted twice counts twice) of those its file has. */
  usage(volume: number): Promise<{ bytes: number; garbageBytes: number } | undefined>
  /** Of every volume in which something was freed, as `usage`. */
  usages(): Promise<VolumeUsage[]>
  /** Offsets of the entries of a volume that were noted as garbage. */
  noted(volume: number): Promise<ReadonlySet<number>>
  /** Drops the volume if everything in it was freed and it may be dropped. */
  dropIfGarbage(volume: number): Promise<void>
}

interface Note {
  readonly offset: number
  readonly bytes: number
  readonly sum: number
}

const encodeNote = (note: Note, volume: number): Uint8Array => {
  const bytes = Buffer.alloc(NOTE_BYTES)
  bytes.writeUInt32LE(note.offset / ENTRY_ALIGNMENT, 0)
  bytes.writeUInt32LE(note.bytes / ENTRY_ALIGNMENT, 4)
  bytes.writeUInt32LE(note.sum / ENTRY_ALIGNMENT, 8)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 12), volume), 12)
  return bytes
}

interface ReadNotes {
  readonly notes: readonly Note[]
  /** Where in the file the first damaged one lies, and how many there are. */
  readonly damage: { readonly offset: number; readonly notes: number } | undefined
}

/** `start`: of `bytes` in the file. */
const decodeNotes = (bytes: Uint8Array, volume: number, start: number): ReadNotes => {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const notes: Note[] = []
  let first: number | undefined
  let damaged = 0
  for (let at = 0; at + NOTE_BYTES <= view.length; at += NOTE_BYTES) {
    const bytesOfNote = view.subarray(at, at + NOTE_BYTES)
    // A torn or damaged note is only a place in the volume that is freed later or never.
    if (view.readUInt32LE(at + 12) !== crc32(view.subarray(at, at + 12), volume)) {
      // What a power cut left unwritten is zeros.
      if (isZero(bytesOfNote)) continue
      first ??= start + at
      damaged++
      continue
    }
    notes.push({
      offset: view.readUInt32LE(at) * ENTRY_ALIGNMENT,
      bytes: view.readUInt32LE(at + 4) * ENTRY_ALIGNMENT,
      sum: view.readUInt32LE(at + 8) * ENTRY_ALIGNMENT,
    })
  }
  return { notes, damage: first === undefined ? undefined : { offset: first, notes: damaged } }
}

const readNotes = async (file: OpenFile, volume: number, notesMax: number): Promise<ReadNotes> => {
  const { size } = await file.stat()
  const end = size - (size % NOTE_BYTES)
  const bytes = new Uint8Array(Math.min(end, notesMax * NOTE_BYTES))
  const start = end - bytes.length
  const count = await file.read(bytes, start)
  return decodeNotes(bytes.subarray(0, count), volume, start)
}

export interface FreedPlaces {
  /** Where the entries begin. */
  readonly offsets: ReadonlySet<number>
  readonly damage: ReadNotes['damage']
}

/** What the notes of a volume say was freed in it, for whoever looks at a disk without its being open. */
export const readFreed = async (files: FileSystem, root: string, volume: number): Promise<FreedPlaces> => {
  if ((await files.stat(freePath(root, volume))) === undefined)
    return { offsets: new Set(), damage: undefined }
  const file = await files.open(freePath(root, volume), 'read')
  try {
    const { notes, damage } = await readNotes(file, volume, Number.MAX_SAFE_INTEGER)
    return { offsets: new Set(notes.map(({ offset }) => offset)), damage }
  } finally {
    await file.close()
  }
}

/**
 * Whether every byte from the header to `end` belongs to a freed entry. What was freed is compared by its place, not added up:
 * the same entry may be noted twice, and an entry that was noted may have been lost behind the end by a power cut.
 */
const isCovered = (notes: readonly Note[], end: number): boolean => {
  let covered = VOLUME_HEADER_BYTES
  for (const { offset, bytes } of notes.toSorted((a, b) => a.offset - b.offset)) {
    if (offset > covered) return false
    covered = Math.max(covered, offset + bytes)
  }
  return covered >= end
}

export const createGarbage = (
  context: DiskContext,
  volumes: Pick<Volumes, 'isDroppable' | 'succeed'>,
  forget: (path: string) => Promise<void>,
): Garbage => {
  const { root, files } = context
  /** Sums of the volumes freed from since the start. */
  const sums = new Map<number, number>()
  /** Whose notes could not be synced: no more are added until the disk is opened again. */
  const failed = new Map<number, unknown>()
  let last: Promise<unknown> = Promise.resolve()

  const openNotes = async (volume: number): Promise<{ file: OpenFile; isNew: boolean }> => {
    try {
      return { file: await files.open(freePath(root, volume), 'update'), isNew: false }
    } catch (error) {
      if (!isNotThere(error)) throw error
      return { file: await files.open(freePath(root, volume), 'create'), isNew: true }
    }
  }
  /** Volumes of whose notes it was told that some are damaged. */
  const told = new Set<number>()
  const notesOf = async (volume: number, file: OpenFile, notesMax: number): Promise<readonly Note[]> => {
    const { notes, damage } = await readNotes(file, volume, notesMax)
    if (damage && !told.has(volume)) {
      told.add(volume)
      const fields = { disk: context.number, volume, file: freePath('', volume).slice(1), ...damage }
      context.log.warn('disk.notes-damaged', fields)
    }
    return notes
  }
  const sumOf = async (volume: number, file: OpenFile): Promise<number> =>
    sums.get(volume) ?? (await notesOf(volume, file, NOTES_BATCH_MAX)).at(-1)?.sum ?? 0

  const appendNotes = async (volume: number, entries: readonly FreedEntry[]): Promise<void> => {
    const { file, isNew } = await openNotes(volume)
    try {
      let sum = await sumOf(volume, file)
      const notes = entries.map(({ offset, bytes }) => {
        assert(offset % ENTRY_ALIGNMENT === 0 && bytes % ENTRY_ALIGNMENT === 0, 'entries are aligned')
        sum += bytes
        return encodeNote({ offset, bytes, sum }, volume)
      })
      const { size } = await file.stat()
      // What found no room is no obstacle: it is written over the next time.
      await file.write(notes, size - (size % NOTE_BYTES))
      // Found is not durable: who made it may have died before it synced its name.
      await syncNotes(volume, file, isNew || !sums.has(volume))
      sums.set(volume, sum)
    } finally {
      await file.close()
    }
  }
  const syncNotes = async (volume: number, file: OpenFile, isNameToo: boolean): Promise<void> => {
    try {
      await context.syncFile(file)
      if (isNameToo) await context.syncDirectory(volumesPath(root))
    } catch (error) {
      // A directory that could not be opened was not synced in vain, and the disk goes on: the next time will tell.
      if (!isTooManyOpen(error)) failed.set(volume, error)
      throw error
    }
  }

  /** `size`: of the file of the volume. */
  const isAllGarbage = async (volume: number, size: number): Promise<boolean> => {
    const { file } = await openNotes(volume)
    try {
      if ((await sumOf(volume, file)) < size - VOLUME_HEADER_BYTES) return false
      return isCovered(await notesOf(volume, file, Number.MAX_SAFE_INTEGER), size)
    } finally {
      await file.close()
    }
  }

  const removeNotes = async (volume: number): Promise<void> => {
    sums.delete(volume)
    if ((await files.stat(freePath(root, volume))) !== undefined) await files.remove(freePath(root, volume))
  }
  const drop = async (volume: number): Promise<void> => {
    // Its successor's name may still be in memory only: were that lost, this number would be given again.
    await context.syncDirectory(volumesPath(root))
    // The notes go last: without the volume they mean nothing, without them it would seem to be all alive.
    await files.remove(volumePath(root, volume))
    await forget(volumePath(root, volume))
    await context.syncDirectory(volumesPath(root))
    await removeNotes(volume)
    context.log.info('disk.volume-dropped', { disk: context.number, volume })
  }

  const dropIfGarbage = async (volume: number): Promise<void> => {
    if (!volumes.isDroppable(volume)) return
    const [stat, notes] = await Promise.all([
      files.stat(volumePath(root, volume)),
      files.stat(freePath(root, volume)),
    ])
    if (stat === undefined || notes === undefined) return
    if (await isAllGarbage(volume, stat.size)) await drop(volume)
  }

  const freeIn = async (volume: number, entries: readonly FreedEntry[]): Promise<void> => {
    if ((await files.stat(volumePath(root, volume))) === undefined) return removeNotes(volume)
    const failure = failed.get(volume)
    if (failure !== undefined) throw failure
    for (let at = 0; at < entries.length; at += NOTES_BATCH_MAX) {
      await appendNotes(volume, entries.slice(at, at + NOTES_BATCH_MAX))
    }
    if (!volumes.isDroppable(volume)) await succeedIfGarbage(volume)
    await dropIfGarbage(volume)
  }

  /** A full disk is not written to, so the last volume on it would never have a successor and keep what it holds for good. */
  const succeedIfGarbage = async (volume: number): Promise<void> => {
    const size = (await files.stat(volumePath(root, volume)))?.size ?? 0
    if (size >= SUCCEED_BYTES_MIN && (await isAllGarbage(volume, size))) await volumes.succeed(volume)
  }

  /** One after another: notes have positions, and what is looked at may be dropped. */
  const inOrder = <T>(action: () => Promise<T>): Promise<T> => {
    const done = last.then(() => context.guarded(action))
    last = done.catch(() => undefined)
    return done
  }
  const usageOf = async (volume: number): Promise<Omit<VolumeUsage, 'volume'> | undefined> => {
    const stat = await files.stat(volumePath(root, volume))
    if (stat === undefined) return undefined
    const bytes = stat.size - VOLUME_HEADER_BYTES
    if ((await files.stat(freePath(root, volume))) === undefined) return { bytes, garbageBytes: 0 }
    const { file } = await openNotes(volume)
    try {
      return { bytes, garbageBytes: await sumOf(volume, file) }
    } finally {
      await file.close()
    }
  }

  return {
    free(entries) {
      const byVolume = new Map<number, FreedEntry[]>()
      for (const entry of entries) {
        const known = byVolume.get(entry.volume)
        if (known === undefined) byVolume.set(entry.volume, [entry])
        else known.push(entry)
      }
      return inOrder(async () => {
        for (const [volume, freed] of byVolume) await freeIn(volume, freed)
        await context.checkPresence()
      })
    },
    usage: (volume) => inOrder(() => usageOf(volume)),
    usages: () =>
      inOrder(async () => {
        const names = await files.list(volumesPath(root))
        const found: VolumeUsage[] = []
        for (const volume of names.flatMap((name) => numberOf(name, 'free') ?? [])) {
          const usage = await usageOf(volume)
          if (usage) found.push({ volume, ...usage })
        }
        return found
      }),
    noted: (volume) => inOrder(async () => (await readFreed(files, root, volume)).offsets),
    dropIfGarbage: (volume) => inOrder(() => dropIfGarbage(volume)),
  }
}
