// Volumes: append-only files of packed shards. All entries that wait form one batch: one write, one fdatasync. A volume
// is never continued after a start or after anything failed in it, and is closed at 1 GiB.
//
//   | header, 64 | entry | entry | …            entry = unit header, payload, zeros to a multiple of 64
//
// The highest volume number on a disk is never dropped, so that no number is ever given twice: what index or journal
// still say of an old volume can never be taken for something about a new one.
import { crc32 } from 'node:zlib'
import { assert, fault, unavailable } from '../base/errors.ts'
import type { OpenFile } from '../base/files.ts'
import { GiB, MiB } from '../base/units.ts'
import type { DiskContext, DiskIds } from './disk-context.ts'
import { numberOf, volumePath, volumesPath } from './layout.ts'
import { ENTRY_ALIGNMENT } from './unit.ts'

export const VOLUME_BYTES_MAX = 1 * GiB
export const VOLUME_HEADER_BYTES = 64
const VOLUME_VERSION = 1
const MAGIC = 0x4f56_524d // 'MRVO'
/** What one write takes, and what may wait: a mailbox of the disk's own. */
const BATCH_BYTES_MAX = 16 * MiB
const QUEUE_ENTRIES_MAX = 8_192

export interface PackedPlace {
  readonly volume: number
  readonly offset: number
}

export interface VolumeFile {
  readonly volume: number
  readonly bytes: number
}

export interface Volumes {
  /**
   * Appends one packed shard: `pieces` are its unit header and its payload. Durable when it resolves. The pieces must
   * stay as they are until this settles. `isUpkeep`: moved to free space, for which the reserve is there.
   */
  append(pieces: readonly Uint8Array[], isUpkeep?: boolean): Promise<PackedPlace>
  list(): Promise<VolumeFile[]>
  /** The one that is being appended to. */
  current(): number | undefined
  /** Whether the volume is closed and not the highest: only such a one may be dropped. */
  isDroppable(volume: number): boolean
  /** Gives the volume that is appended to, or the last one that was, a successor before its time: it may be dropped then. */
  succeed(volume: number): Promise<void>
  /** Ends the volume that is being appended to; the next entry goes to a new one. */
  close(): Promise<void>
}

interface Entry {
  readonly pieces: readonly Uint8Array[]
  readonly bytes: number
  readonly isUpkeep: boolean
  resolve(place: PackedPlace): void
  reject(error: unknown): void
}

interface OpenVolume {
  readonly volume: number
  readonly file: OpenFile
  length: number
}

/** The 64 bytes at the start of a volume. */
export const encodeVolumeHeader = (ids: DiskIds, volume: number): Uint8Array => {
  const header = Buffer.alloc(VOLUME_HEADER_BYTES)
  header.writeUInt32LE(MAGIC, 0)
  header.writeUInt16LE(VOLUME_VERSION, 4)
  header.writeUInt16LE(VOLUME_HEADER_BYTES, 6)
  header.write(ids.storeId, 8, 'hex')
  header.write(ids.diskId, 24, 'hex')
  header.writeUInt32LE(ids.number, 40)
  header.writeUInt32LE(volume, 44)
  header.writeUInt32LE(crc32(header.subarray(0, VOLUME_HEADER_BYTES - 4)), VOLUME_HEADER_BYTES - 4)
  return header
}

/** True when it is the header of this volume on this disk. Throws RECORD_VERSION when it is of a later release. */
export const checkVolumeHeader = (bytes: Uint8Array, ids: DiskIds, volume: number): boolean => {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header.length < VOLUME_HEADER_BYTES || header.readUInt32LE(0) !== MAGIC) return false
  const end = header.readUInt16LE(6) - 4
  if (end < 4 || end + 4 > header.length || header.readUInt32LE(end) !== crc32(header.subarray(0, end))) {
    return false
  }
  const version = header.readUInt16LE(4)
  if (version !== VOLUME_VERSION) {
    throw fault(
      'RECORD_VERSION',
      `volume ${volume} has format ${version}, this release reads format ${VOLUME_VERSION}: use a newer release`,
    )
  }
  return header.subarray(0, VOLUME_HEADER_BYTES).equals(encodeVolumeHeader(ids, volume))
}

const lengthOf = (pieces: readonly Uint8Array[]): number =>
  pieces.reduce((sum, piece) => sum + piece.length, 0)

const paddings = Array.from({ length: ENTRY_ALIGNMENT }, (_, length) => new Uint8Array(length))
const paddingOf = (bytes: number): Uint8Array => paddings[-bytes & (ENTRY_ALIGNMENT - 1)]!

export interface VolumeOptions {
  /** Numbers that are taken; the next volume gets a higher one. */
  readonly highest: number
  /** The next one is not lower; 1 by default. */
  readonly numberMin?: number
  readonly bytesMax?: number
  /** Called with the number of each new volume, before anything is in it. */
  onBegun?(volume: number): void
  /** Called when a volume has got a successor: it may be dropped now, and may be all garbage already. */
  onSucceeded(volume: number): void
}

export const createVolumes = (context: DiskContext, options: VolumeOptions): Volumes => {
  const { root, files, counters, room } = context
  const bytesMax = options.bytesMax ?? VOLUME_BYTES_MAX
  const queue: Entry[] = []
  let highest = options.highest
  let open: OpenVolume | undefined
  let isRunning = false
  let idle: Promise<void> = Promise.resolve()

  const closeVolume = async (): Promise<void> => {
    const closing = open
    if (closing === undefined) return
    open = undefined
    await closing.file.close()
  }
  const createVolume = async (): Promise<OpenVolume> => {
    const volume = Math.max(highest + 1, options.numberMin ?? 1)
    let file: OpenFile
    options.onBegun?.(volume)
    try {
      file = await files.open(volumePath(root, volume), 'create')
    } catch (error) {
      // A number that somebody else took is passed over the next time.
      if ((error as { code?: string }).code === 'EEXIST') highest = volume
      throw error
    }
    if (highest > 0) options.onSucceeded(highest)
    highest = volume
    return { volume, file, length: 0 }
  }

  /** Takes from the queue what fits one write and one volume; at least one entry. */
  const takeBatch = (length: number): Entry[] => {
    let bytes = 0
    let count = 0
    for (const entry of queue) {
      const total = bytes + entry.bytes
      if (count > 0 && (total > BATCH_BYTES_MAX || length + total > bytesMax)) break
      bytes = total
      count += 1
    }
    return queue.splice(0, count)
  }

  const writeBatch = async (target: OpenVolume, batch: readonly Entry[]): Promise<PackedPlace[]> => {
    const start = target.length
    const pieces: Uint8Array[] = start === 0 ? [encodeVolumeHeader(context, target.volume)] : []
    let offset = start + lengthOf(pieces)
    const places = batch.map((entry) => {
      const place = { volume: target.volume, offset }
      pieces.push(...entry.pieces, paddingOf(lengthOf(entry.pieces)))
      offset += entry.bytes
      return place
    })
    await target.file.write(pieces, start)
    counters.writes += 1
    counters.writtenBytes += offset - start
    const isNew = start === 0
    await Promise.all([
      context.syncFile(target.file),
      isNew ? context.syncDirectory(volumesPath(root)) : undefined,
    ])
    target.length = offset
    return places
  }

  const writeOrClose = async (batch: readonly Entry[]): Promise<PackedPlace[]> => {
    try {
      open ??= await createVolume()
      return await writeBatch(open, batch)
    } catch (error) {
      // What lies behind the last acknowledged entry is unknown now: nothing may follow it.
      await closeVolume()
      throw error
    }
  }

  const commitBatch = async (): Promise<void> => {
    const next = queue[0]
    if (open !== undefined && next !== undefined && open.length + next.bytes > bytesMax) await closeVolume()
    const batch = takeBatch(open?.length ?? 0)
    const bytes = batch.reduce((sum, entry) => sum + entry.bytes, 0)
    try {
      const places = await context.guarded(async () => {
        const reservation = await room.take(
          bytes,
          batch.every(({ isUpkeep }) => isUpkeep),
        )
        try {
          const written = await writeOrClose(batch)
          reservation.use(bytes)
          return written
        } finally {
          reservation.release()
        }
      })
      for (const [i, entry] of batch.entries()) entry.resolve(places[i]!)
    } catch (error) {
      for (const entry of batch) entry.reject(error)
    }
  }

  /** Writes what waits until nothing does. */
  const run = async (): Promise<void> => {
    // One turn of the microtask queue: what is asked for together is written together.
    await Promise.resolve()
    while (queue.length > 0) await commitBatch()
    isRunning = false
  }

  return {
    append(pieces, isUpkeep = false) {
      const bytes = lengthOf(pieces)
      assert(bytes > 0 && bytes < 2 * MiB, 'a packed shard is one unit')
      if (queue.length >= QUEUE_ENTRIES_MAX) {
        return Promise.reject(unavailable('MAILBOX_FULL', `disk ${context.number} has too much to write`))
      }
      const placed = new Promise<PackedPlace>((resolve, reject) => {
        queue.push({ pieces, bytes: bytes + paddingOf(bytes).length, isUpkeep, resolve, reject })
      })
      if (!isRunning) {
        isRunning = true
        idle = run()
      }
      return placed
    },
    async list() {
      const names = await context.guarded(() => files.list(volumesPath(root)))
      const numbers = names.flatMap((name) => numberOf(name, 'vol') ?? [])
      const stats = await Promise.all(numbers.map((volume) => files.stat(volumePath(root, volume))))
      return numbers.flatMap((volume, i) => (stats[i] ? [{ volume, bytes: stats[i].size }] : []))
    },
    current: () => open?.volume,
    async succeed(volume) {
      while (isRunning) await idle
      if (volume !== (open?.volume ?? highest)) return
      isRunning = true
      let failure: unknown
      const turn = async (): Promise<void> => {
        try {
          await context.guarded(async () => {
            await closeVolume()
            open = await createVolume()
          })
        } catch (error) {
          failure = error
        }
        await run()
      }
      idle = turn()
      await idle
      if (failure) throw failure
    },
    isDroppable: (volume) => volume !== open?.volume && volume < highest,
    async close() {
      await idle
      await closeVolume()
    },
  }
}
