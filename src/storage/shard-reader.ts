// Reading shards of one disk: blocks for whoever wants the bytes, and whole units for whoever only wants to know that the
// medium still has them. Either way nothing is said to be there before its checksums hold.
import { assert } from '../base/errors.ts'
import type { OpenFile } from '../base/files.ts'
import type { DamageLog } from './damage-log.ts'
import type { DiskContext } from './disk-context.ts'
import { shardPath, volumePath } from './layout.ts'
import { createWindow } from './medium.ts'
import type { OpenFiles } from './open-files.ts'
import { isNotThere } from './shard-files.ts'
import { unitPosition } from './stripes.ts'
import {
  BLOCK_BYTES,
  blocksOf,
  checkBlocks,
  checkHeader,
  fileBytesOf,
  headerBytesOf,
  PAGE_BYTES,
  SLAB_BYTES,
  type UnitAddress,
} from './unit.ts'
import type { PackedPlace } from './volumes.ts'

/** A unit and where it lies: in a volume, or without `place` in the file named by its write id. */
export interface PlacedUnit extends UnitAddress {
  readonly place?: PackedPlace
}

/** Which blocks of which unit, and where they are to go. */
export interface ReadRequest extends PlacedUnit {
  readonly firstBlock: number
  readonly blockCount: number
  /**
   * Page aligned, in shared memory: the first page is overwritten, the blocks follow it one after another, `firstBlock`
   * first. Nothing else is touched, so who wants one block needs room for one.
   */
  readonly slab: Uint8Array
}

export type ShardRead =
  | { readonly status: 'ok' }
  | { readonly status: 'missing' }
  | { readonly status: 'corrupt'; readonly reason: string }

export interface ShardReader {
  /** Reads and verifies blocks of a unit. `ok`: they lie in the slab. Rejects only with faults of the whole disk. */
  readBlocks(request: ReadRequest): Promise<ShardRead>
  /**
   * Reads the units from the medium, past the system's cache where the file system can, and verifies every block of them;
   * one outcome for each. Uses a buffer of its own, so units are read one after another.
   */
  verifyUnits(units: readonly PlacedUnit[]): Promise<ShardRead[]>
}

const OK: ShardRead = { status: 'ok' }
const MISSING: ShardRead = { status: 'missing' }
const corrupt = (reason: string): ShardRead => ({ status: 'corrupt', reason })

/** System codes that say the name was tampered with or the medium cannot be read there: others hold the same bytes. */
export const UNREADABLE: ReadonlySet<string> = new Set([
  ...['EIO', 'EMLINK', 'ELOOP', 'EINVAL', 'EISDIR', 'EUCLEAN', 'EFSCORRUPTED', 'EBADMSG'],
])

/** Bytes of the slab that the blocks asked for take. */
const payloadBounds = (request: ReadRequest): [start: number, end: number] => {
  const { firstBlock, blockCount, payloadBytes } = request
  const start = firstBlock * BLOCK_BYTES
  const end = Math.min(payloadBytes, (firstBlock + blockCount) * BLOCK_BYTES)
  assert(start >= 0 && start < end, 'the blocks are inside of the unit')
  return [start, end]
}

/** Where the blocks that were asked for go. */
const roomOf = (slab: Uint8Array, [start, end]: [start: number, end: number]): Uint8Array =>
  slab.subarray(PAGE_BYTES, PAGE_BYTES + end - start)

/** Both results, or the first error once both have ended: until then they may still write to the slab. */
const both = async (a: Promise<number>, b: Promise<number>): Promise<[number, number]> => {
  await Promise.allSettled([a, b])
  return Promise.all([a, b])
}

const check = (header: Uint8Array, request: ReadRequest): ShardRead => {
  const { slab, firstBlock, blockCount } = request
  const count = Math.min(blockCount, blocksOf(request.payloadBytes) - firstBlock)
  const reason = checkHeader(header, request) ?? checkBlocks(slab, header, request, firstBlock, count)
  return reason === undefined ? OK : corrupt(reason)
}

const wholeOf = (unit: PlacedUnit, slab: Uint8Array): ReadRequest => ({
  ...unit,
  firstBlock: 0,
  blockCount: blocksOf(unit.payloadBytes),
  slab,
})

/**
 * One unit at any place of a file, whose pages are read as they are: one in front of it, so that a packed unit's header fits
 * into the page that a slab has for it.
 */
const WINDOW_BYTES = PAGE_BYTES + SLAB_BYTES + 2 * PAGE_BYTES

export const createShardReader = (
  context: DiskContext,
  readers: OpenFiles,
  damage: DamageLog,
): ShardReader => {
  const { counters, root, files, guarded } = context
  let window: Uint8Array | undefined
  /** The window has one user at a time. */
  let last: Promise<unknown> = Promise.resolve()

  const pathOf = ({ write, place }: PlacedUnit): string =>
    place === undefined ? shardPath(root, write) : volumePath(root, place.volume)

  const readAndCheck = async (
    file: OpenFile,
    position: number,
    into: Uint8Array,
    request: ReadRequest,
  ): Promise<ShardRead> => {
    const count = await file.read(into, position)
    counters.readBytes += count
    return count < into.length ? corrupt('the file is too short') : check(into, request)
  }

  const readFromFile = async (file: OpenFile, request: ReadRequest): Promise<ShardRead> => {
    const position = unitPosition(request.stripe)
    const { slab, firstBlock } = request
    const [start, end] = payloadBounds(request)
    if (firstBlock === 0) return readAndCheck(file, position, slab.subarray(0, PAGE_BYTES + end), request)
    const page = slab.subarray(0, PAGE_BYTES)
    const [headerBytes, payloadBytes] = await both(
      file.read(page, position),
      file.read(roomOf(slab, [start, end]), position + PAGE_BYTES + start),
    )
    counters.readBytes += headerBytes + payloadBytes
    if (headerBytes < PAGE_BYTES || payloadBytes < end - start) return corrupt('the file is too short')
    return check(page, request)
  }

  const readFromVolume = async (
    file: OpenFile,
    request: ReadRequest,
    place: PackedPlace,
  ): Promise<ShardRead> => {
    const headerBytes = headerBytesOf(request.payloadBytes)
    const { slab, firstBlock } = request
    const [start, end] = payloadBounds(request)
    const headerStart = PAGE_BYTES - headerBytes
    // In the volume the payload follows its header: so it does here, and block 0 needs no second read.
    if (firstBlock === 0)
      return readAndCheck(file, place.offset, slab.subarray(headerStart, PAGE_BYTES + end), request)
    const header = slab.subarray(headerStart, PAGE_BYTES)
    const [headerRead, payloadRead] = await both(
      file.read(header, place.offset),
      file.read(roomOf(slab, [start, end]), place.offset + headerBytes + start),
    )
    counters.readBytes += headerRead + payloadRead
    if (headerRead < headerBytes || payloadRead < end - start) return corrupt('the volume is too short')
    return check(header, request)
  }

  /** A whole unit by the pages it touches, as a direct read must. */
  const verifyIn = async (file: OpenFile, unit: PlacedUnit): Promise<ShardRead> => {
    window ??= createWindow(WINDOW_BYTES)
    const { payloadBytes, place } = unit
    const headerBytes = place ? headerBytesOf(payloadBytes) : PAGE_BYTES
    const start = place ? place.offset : unitPosition(unit.stripe)
    const first = start - (start % PAGE_BYTES)
    const end = place ? start + headerBytes + payloadBytes : start + fileBytesOf(payloadBytes)
    const bytes = Math.ceil((end - first) / PAGE_BYTES) * PAGE_BYTES
    const count = await file.read(window.subarray(PAGE_BYTES, PAGE_BYTES + bytes), first)
    counters.readBytes += count
    if (count < end - first) return corrupt('the file is too short')
    const headerAt = PAGE_BYTES + start - first
    const header = window.subarray(headerAt, headerAt + headerBytes)
    return check(header, wholeOf(unit, window.subarray(headerAt + headerBytes - PAGE_BYTES)))
  }

  /** What is wrong with the file, or with the name, when that is no fault of the whole disk. */
  const whyUnread = async (error: unknown): Promise<ShardRead> => {
    const code = (error as { code?: string }).code ?? ''
    if (UNREADABLE.has(code)) return corrupt(code)
    if (!isNotThere(error)) throw error
    await context.checkPresence()
    return MISSING
  }

  const note = (unit: PlacedUnit, read: ShardRead): void => {
    counters.reads += 1
    if (read.status === 'missing') counters.missingReads += 1
    if (read.status !== 'corrupt') return
    counters.corruptReads += 1
    const { write, index, stripe, place } = unit
    const file = pathOf(unit).slice(root.length + 1)
    const offset = place?.offset ?? unitPosition(stripe)
    const fields = { disk: context.number, write, index, stripe, file, offset, reason: read.reason }
    damage.note(write, `${file}/${place?.offset ?? ''}`, fields)
  }

  /** Units of one file. */
  const verifyFile = async (
    path: string,
    units: readonly PlacedUnit[],
    direct: boolean,
  ): Promise<ShardRead[]> => {
    let file: OpenFile
    try {
      file = await files.open(path, 'read', { direct })
    } catch (error) {
      const read = await whyUnread(error)
      return units.map(() => read)
    }
    try {
      const outcomes: ShardRead[] = []
      for (const unit of units) outcomes.push(await verifyIn(file, unit))
      return outcomes
    } catch (error) {
      // Some file systems take the flag and refuse the read: that is no damage.
      if (file.isDirect && (error as { code?: string }).code === 'EINVAL')
        return verifyFile(path, units, false)
      const read = await whyUnread(error)
      if (units.length === 1) return [read]
      const [first, ...others] = units
      return [...(await verifyFile(path, [first!], direct)), ...(await verifyFile(path, others, direct))]
    } finally {
      await file.close()
    }
  }

  const verifyAll = async (units: readonly PlacedUnit[]): Promise<ShardRead[]> => {
    const outcomes: ShardRead[] = []
    while (outcomes.length < units.length) {
      const path = pathOf(units[outcomes.length]!)
      const others = units.findIndex((unit, i) => i > outcomes.length && pathOf(unit) !== path)
      const here = units.slice(outcomes.length, others === -1 ? undefined : others)
      outcomes.push(...(await guarded(() => verifyFile(path, here, true))))
    }
    return outcomes
  }

  return {
    async readBlocks(request) {
      const { place } = request
      const read = await guarded(async () => {
        try {
          return await readers.use(pathOf(request), (file) =>
            place === undefined ? readFromFile(file, request) : readFromVolume(file, request, place),
          )
        } catch (error) {
          return whyUnread(error)
        }
      })
      note(request, read)
      return read
    },
    verifyUnits(units) {
      const verified = last.then(async () => {
        const outcomes = await verifyAll(units)
        for (const [i, read] of outcomes.entries()) note(units[i]!, read)
        return outcomes
      })
      last = verified.catch(() => undefined)
      return verified
    },
  }
}
