// Reads segments frame by frame, each frame from any copy: what one copy lost or garbled another one has.
import { createHash } from 'node:crypto'
import { fault, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { KiB, MiB } from '../base/units.ts'
import { isZero } from '../base/zeros.ts'
import {
  decodeFrame,
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameContent,
  type FrameContext,
  type FrameHeader,
  isLaterFrame,
} from './frame.ts'
import { decodeSegmentHeader, type SegmentHeader } from './segment.ts'
import type { SegmentDisk } from './segment-disk.ts'

/** A segment and the disks that hold a copy of it, the best first. */
export interface ReadableSegment {
  readonly header: SegmentHeader
  readonly copies: readonly SegmentDisk[]
}

/** What was read of one copy, and is not what another copy says. */
export interface CopyDamage {
  readonly disk: DiskNumber
  readonly reason: 'header' | 'frame' | 'body' | 'short' | 'stale' | 'hash' | 'missing'
  /** The first that was met; undefined when it is the copy as a whole. */
  readonly offset?: number
  /** How many were met. */
  readonly frames?: number
}

export interface ReadFrame {
  readonly offset: number
  readonly header: FrameHeader
  readonly content: FrameContent
  /** The whole frame when bodies are read, else without them. */
  readonly bytes: Buffer
}

const WINDOW_BYTES = 256 * KiB
/** Bodies of a frame that are longer are jumped over; shorter ones cost less to read along than another trip. */
const BODIES_READ_ALONG_BYTES = 32 * KiB
/** Header and records of a frame with a few small commits. */
const SMALL_WINDOW_BYTES = 4 * KiB

const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** `length` bytes at `offset`, fewer at the end; nothing when the disk fails: another copy may have them. */
export const readPiece = async (
  disk: SegmentDisk,
  { partition, segment }: { partition: number; segment: number },
  offset: number,
  length: number,
): Promise<Buffer> => {
  try {
    return asBuffer(await disk.read(partition, segment, offset, length))
  } catch {
    // A failing copy is as good as a short one here: the caller goes on to the next, and says so when none is left.
    return Buffer.alloc(0)
  }
}

/** One copy, read through a window so that small frames do not cost a read each. */
class CopyReader {
  readonly disk: SegmentDisk
  readonly #segment: SegmentHeader
  #start = 0
  #window: Buffer = Buffer.alloc(0)
  /** The last piece could not be read: nothing is known of what is there. */
  hasFailed = false

  constructor(disk: SegmentDisk, segment: SegmentHeader) {
    this.disk = disk
    this.#segment = segment
  }

  /** What was read of it may have changed. */
  forget(): void {
    this.#window = Buffer.alloc(0)
  }

  /** `window`: how much to read when it has to be read. */
  async at(offset: number, length: number, window: number): Promise<Buffer> {
    const from = offset - this.#start
    if (from >= 0 && from + length <= this.#window.length) return this.#window.subarray(from, from + length)
    const { partition, segment } = this.#segment
    this.hasFailed = false
    try {
      this.#window = asBuffer(await this.disk.read(partition, segment, offset, Math.max(length, window)))
    } catch {
      // As in `readPiece`: another copy may have it.
      this.hasFailed = true
      this.#window = Buffer.alloc(0)
    }
    this.#start = offset
    return this.#window.subarray(0, length)
  }
}

/** Walks a segment's frames in order. `withBodies` verifies bodies too; otherwise they are skipped, not read. */
export class FrameWalk {
  readonly #segment: SegmentHeader
  readonly #copies: CopyReader[]
  readonly #withBodies: boolean
  #offset: number
  #previous: number
  #index = 0
  #window: number
  /** By disk: frames it did not have whole, and another one has. */
  readonly #damage = new Map<DiskNumber, { offset: number; frames: number }>()
  /** Those that did not have the last frame whole. */
  #missed: readonly DiskNumber[] = []
  #missedAt = 0

  constructor(readable: ReadableSegment, withBodies: boolean) {
    this.#segment = readable.header
    this.#copies = readable.copies.map((disk) => new CopyReader(disk, readable.header))
    this.#withBodies = withBodies
    this.#window = withBodies ? WINDOW_BYTES : SMALL_WINDOW_BYTES
    this.#offset = readable.header.length
    this.#previous = readable.header.checksum
  }

  get offset(): number {
    return this.#offset
  }

  get context(): FrameContext {
    const { partition, segment, id } = this.#segment
    return { partition, segment, segmentId: id, previous: this.#previous, index: this.#index }
  }

  /** The next frame from the first copy that has it whole; undefined when none does. */
  async next(): Promise<ReadFrame | undefined> {
    for (let i = 0; i < this.#copies.length; i++) {
      const frame = await this.#read(this.#copies[i]!)
      if (!frame) continue
      this.#countMissed()
      this.#missed = this.#copies.slice(0, i).flatMap(({ disk, hasFailed }) => (hasFailed ? [] : disk.disk))
      this.#missedAt = this.#offset
      // The copy that was good is asked first from now on.
      if (i > 0) this.#copies.unshift(...this.#copies.splice(i, 1))
      this.#offset += frame.header.length
      this.#previous = frame.header.checksum
      this.#index++
      // The next frame is likely to be like this one.
      const isJumped = !this.#withBodies && frame.header.bodiesLength > BODIES_READ_ALONG_BYTES
      this.#window = isJumped ? SMALL_WINDOW_BYTES + frame.header.recordsLength : WINDOW_BYTES
      return frame
    }
    return undefined
  }

  /** Whether there is a next frame now, whatever was read of the copies before. */
  async hasMore(): Promise<boolean> {
    for (const copy of this.#copies) copy.forget()
    for (const copy of this.#copies) if (await this.#read(copy)) return true
    return false
  }

  /** Disks whose copies did not have the last frame whole, although they could be read. */
  get missed(): readonly DiskNumber[] {
    return this.#missed
  }

  /** What was found of each copy so far, the last frame aside unless it is wanted: that one may only be in doubt. */
  damage(withLast: boolean): CopyDamage[] {
    if (withLast) this.#countMissed()
    return [...this.#damage].map(([disk, found]) => ({ disk, reason: 'frame', ...found }))
  }

  #countMissed(): void {
    for (const disk of this.#missed) {
      const { offset, frames } = this.#damage.get(disk) ?? { offset: this.#missedAt, frames: 0 }
      this.#damage.set(disk, { offset, frames: frames + 1 })
    }
    this.#missed = []
  }

  async #read(copy: CopyReader): Promise<ReadFrame | undefined> {
    const header = decodeFrameHeader(
      await copy.at(this.#offset, FRAME_HEADER_BYTES, this.#window),
      this.context,
    )
    if (!header) return undefined
    const length = this.#withBodies ? header.length : FRAME_HEADER_BYTES + header.recordsLength
    const bytes = await copy.at(this.#offset, length, this.#window)
    const content = decodeFrame(header, bytes, this.#segment.segment, this.#offset, this.#withBodies)
    return content && { offset: this.#offset, header, content, bytes }
  }
}

/** What the newest segment holds: everything but its last frame, which is the one that may be in doubt. */
export interface NewestSegment {
  /** Bytes before the last whole frame. */
  readonly length: number
  /** SHA-256 of those bytes. */
  readonly hash: Uint8Array
  readonly frameCount: number
  readonly last: ReadFrame
  /** Of copies that were read. One whose last frame alone is damaged is whole up to `length`. */
  readonly damage: readonly CopyDamage[]
  readonly damagedLast: readonly CopyDamage[]
}

/**
 * Finds the last whole frame of the newest segment on any copy. Undefined: not even a first one, so the segment does
 * not count. What follows can only be a torn frame, for the next is written when the one before is synced on all; a
 * later frame beyond means damage in the middle, and the partition is not served. The next frame itself may lie there: a
 * disk put it in the wrong place, and the writer was killed before another disk had it in the right one.
 */
export const readNewest = async (readable: ReadableSegment): Promise<NewestSegment | undefined> => {
  const walk = new FrameWalk(readable, true)
  const hash = createHash('sha256').update(await readHeaderBytes(readable))
  let last: ReadFrame | undefined
  let frameCount = 0
  for (;;) {
    for (let frame = await walk.next(); frame; frame = await walk.next()) {
      if (last) hash.update(last.bytes)
      last = frame
      frameCount++
    }
    if (!(await hasLaterFrame(readable, walk))) break
    // Of a store that is running: the next frame was written meanwhile, and one behind it.
    if (await walk.hasMore()) continue
    throw fault('METADATA_CORRUPT', `segment ${readable.header.segment} is damaged in the middle`, {
      segment: readable.header.segment,
      offset: walk.offset,
    })
  }
  if (!last) return undefined
  const damagedLast = await findDamagedLast(readable, walk.missed, last)
  const found = { damage: walk.damage(false), damagedLast }
  return { length: last.offset, hash: hash.digest(), frameCount, last, ...found }
}

/** Which copies of the last frame are not merely torn: a write that was cut off leaves nothing, or zeros, in place of bytes. */
const findDamagedLast = async (
  { header, copies }: ReadableSegment,
  missed: readonly DiskNumber[],
  { offset, bytes }: ReadFrame,
): Promise<CopyDamage[]> => {
  const damaged: CopyDamage[] = []
  for (const copy of copies.filter(({ disk }) => missed.includes(disk))) {
    const held = await readPiece(copy, header, offset, bytes.length)
    const isTorn = held.every((byte, i) => byte === 0 || byte === bytes[i])
    if (!isTorn) damaged.push({ disk: copy.disk, reason: 'frame', offset, frames: 1 })
  }
  return damaged
}

const TAIL_PIECE_BYTES = MiB

const hasLaterFrame = async (readable: ReadableSegment, walk: FrameWalk): Promise<boolean> => {
  const { context } = walk
  const magic = Buffer.from('MFRM', 'latin1')
  for (const disk of readable.copies) {
    // From 1 on: the torn frame itself begins at 0. Pieces overlap by a header, so that none is cut in two.
    for (let start = walk.offset + 1; ; start += TAIL_PIECE_BYTES - FRAME_HEADER_BYTES) {
      const piece = await readPiece(disk, readable.header, start, TAIL_PIECE_BYTES)
      for (let at = piece.indexOf(magic); at !== -1; at = piece.indexOf(magic, at + 1)) {
        if (isLaterFrame(piece.subarray(at), context)) return true
      }
      if (piece.length < TAIL_PIECE_BYTES) break
    }
  }
  return false
}

/** The header's bytes from the first copy where they are this header's. */
const readHeaderBytes = async ({ header, copies }: ReadableSegment): Promise<Buffer> => {
  for (const disk of copies) {
    const bytes = await readPiece(disk, header, 0, header.length)
    const found = decodeSegmentHeader(bytes)
    if (found?.checksum === header.checksum && Buffer.from(found.id).equals(header.id)) return bytes
  }
  throw unavailable('QUORUM_READ', `no copy of segment ${header.segment} has its header`)
}

/**
 * The bytes of a segment up to `length`: the header, then frame by frame, each verified, from any copy. `damaged` is told in
 * the end of each copy that was read and did not verify.
 */
export async function* wholePieces(
  readable: ReadableSegment,
  length: number,
  damaged: (damage: CopyDamage) => void,
): AsyncGenerator<{ bytes: Buffer; content?: FrameContent }> {
  yield { bytes: await readHeaderBytes(readable) }
  const walk = new FrameWalk(readable, true)
  try {
    while (walk.offset < length) {
      const frame = await walk.next()
      if (!frame) {
        throw unavailable('QUORUM_READ', `segment ${readable.header.segment} lacks a frame at ${walk.offset}`)
      }
      yield { bytes: frame.bytes, content: frame.content }
    }
  } finally {
    for (const damage of walk.damage(true)) damaged(damage)
  }
}

/** Whether the copy on `disk` is of this very segment. */
export const hasHeader = async (disk: SegmentDisk, header: SegmentHeader): Promise<boolean> => {
  const bytes = await readPiece(disk, header, 0, header.length)
  const found = decodeSegmentHeader(bytes)
  return found !== undefined && found.checksum === header.checksum && Buffer.from(found.id).equals(header.id)
}

/** Enough of a frame's end that only a body of zeros has none but zeros there. */
const TAIL_BYTES = 64

/**
 * Which of these copies have only zeros where `length` ends, although another one has not: an old state of the segment,
 * with the zeros that are kept ahead of frames in place of its last ones. Their length does not tell them.
 */
export const findStale = async (
  { header, copies }: ReadableSegment,
  length: number,
): Promise<ReadonlySet<DiskNumber>> => {
  const hasFrames = await Promise.all(
    copies.map(async (disk) => {
      const tail = await readPiece(disk, header, length - TAIL_BYTES, TAIL_BYTES)
      return !isZero(tail)
    }),
  )
  const stale = copies.filter((_, i) => !hasFrames[i]).map(({ disk }) => disk)
  return new Set(stale.length < copies.length ? stale : [])
}

/** Bytes of a restore's piece, at most. */
export const RESTORE_PIECE_BYTES = 4 * MiB
