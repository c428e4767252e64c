// Every copy of every segment of a journal that counts, to its last byte: sealed ones by the hash that the newest lists, the
// newest frame by frame with its bodies.
import { createHash } from 'node:crypto'
import { systemClock } from '../base/clock.ts'
import { MiB } from '../base/units.ts'
import { findJournal } from '../metadata/journal-start.ts'
import { Members } from '../metadata/members.ts'
import type { SegmentHeader } from '../metadata/segment.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import { FrameWalk, hasHeader, readPiece } from '../metadata/segment-reader.ts'
import { readableMembers } from './known-store.ts'
import { ofDisk, type Verification } from './verification.ts'

interface Segment {
  readonly header: SegmentHeader
  /** Bytes that count. */
  readonly length: number
  /** Undefined for the newest. */
  readonly hash: Uint8Array | undefined
  /** Disks that had a copy when the segment was begun, or sealed. */
  readonly expected: ReadonlySet<number>
}

interface CopyDamage {
  readonly reason: string
  readonly offset?: number
}

const hasHash = async (io: SegmentDisk, { header, length, hash }: Segment): Promise<boolean> => {
  if (!hash) return false
  const found = createHash('sha256')
  for (let offset = 0; offset < length; ) {
    const piece = await readPiece(io, header, offset, Math.min(MiB, length - offset))
    if (piece.length === 0) return false
    found.update(piece)
    offset += piece.length
  }
  return found.digest().equals(hash)
}

/** Where the first frame is that this copy does not have whole; undefined when it has all. */
const firstDamage = async (io: SegmentDisk, { header, length }: Segment): Promise<number | undefined> => {
  const walk = new FrameWalk({ header, copies: [io] }, true)
  while (walk.offset < length) if (!(await walk.next())) return walk.offset
  return undefined
}

/** Undefined when the copy is whole. */
const damageOf = async (io: SegmentDisk, segment: Segment): Promise<CopyDamage | undefined> => {
  if (!(await hasHeader(io, segment.header))) return { reason: 'its header is damaged', offset: 0 }
  if (await hasHash(io, segment)) return undefined
  const offset = await firstDamage(io, segment)
  if (offset !== undefined) return { reason: 'a frame is damaged or missing', offset }
  return segment.hash ? { reason: 'it does not have its hash' } : undefined
}

/** Resolves to whether a whole copy is left. */
const verifySegment = async (
  verification: Verification,
  disks: readonly { readonly io: SegmentDisk; readonly files: ReadonlySet<number> }[],
  segment: Segment,
): Promise<boolean> => {
  const { findings, store } = verification
  const { partition, segment: number } = segment.header
  const missing: SegmentDisk[] = []
  let [whole, damaged] = [0, 0]
  const file = `journal/${partition}/${number}.log`
  const add = (io: SegmentDisk, { reason, offset }: CopyDamage): void =>
    findings.add({
      ...{ severity: 'damaged', what: 'segment', ...ofDisk(verification, io.disk), file },
      ...(offset !== undefined && { offset }),
      reason,
    })
  for (const { io, files } of disks) {
    const isExpected = segment.expected.has(io.disk)
    if (!files.has(number)) {
      if (isExpected) missing.push(io)
      continue
    }
    const damage = await damageOf(io, segment)
    if (!damage) whole++
    // One of another id on a disk that never had a copy is none of ours.
    else if (isExpected || damage.offset !== 0) {
      damaged++
      add(io, damage)
    }
  }
  // A copy that was made on another disk is as good.
  if (whole <= store.table.m) for (const io of missing) add(io, { reason: 'the copy is missing' })
  const away = store.plan.missing.filter((disk) => segment.expected.has(disk.number)).length
  if (whole + missing.length + damaged + away <= store.table.m) {
    const reason = `segment ${number} of partition ${partition} has ${whole} of ${store.table.m + 1} copies; the others were on disks that left`
    findings.add({ severity: 'damaged', what: 'segment', reason })
  }
  return whole > 0
}

/**
 * Resolves to the numbers of segments without a whole copy: what is inline in them may be lost. Rejects as a start would when
 * the journal is not there, or contradicts itself.
 */
export const verifySegments = async (
  verification: Verification,
  partition: number,
): Promise<ReadonlySet<number>> => {
  const { store, files, findings } = verification
  const members = new Members(readableMembers(store, files), store.table.m, systemClock)
  const { sealed, newest } = await findJournal(members, partition)
  const disks = await Promise.all(
    members.present().map(async (io) => {
      const listed = await io.list(partition)
      return { io, files: new Set(listed.map(({ segment }) => segment)) }
    }),
  )
  const segments: Segment[] = sealed.map(({ sealed: { length, hash, disks: had }, header }) => ({
    ...{ header, length, hash },
    expected: new Set([...header.disks, ...had]),
  }))
  if (newest) {
    const { header } = newest.readable
    const { length, damagedLast } = newest.content
    // The last frame may be in doubt; a copy that has something else in its place is damaged, and that is known.
    segments.push({ header, length, hash: undefined, expected: new Set(header.disks) })
    for (const { disk, offset = length } of damagedLast) {
      const where = {
        ...ofDisk(verification, disk),
        file: `journal/${partition}/${header.segment}.log`,
        offset,
      }
      findings.add({ severity: 'damaged', what: 'segment', ...where, reason: 'the last frame is damaged' })
    }
  }
  const broken = new Set<number>()
  for (const segment of segments) {
    verification.signal.throwIfAborted()
    if (!(await verifySegment(verification, disks, segment))) broken.add(segment.header.segment)
  }
  const known = new Set(segments.map(({ header }) => header.segment))
  for (const { io, files: numbers } of disks) {
    for (const number of numbers) {
      if (known.has(number)) continue
      const where = { ...ofDisk(verification, io.disk), file: `journal/${partition}/${number}.log` }
      findings.add({ severity: 'note', what: 'stray', ...where, reason: 'the journal does not list it' })
    }
  }
  return broken
}
