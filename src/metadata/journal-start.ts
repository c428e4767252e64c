// The start of a journal: list, choose, void, and prove that all that is left is whole. Nothing here writes.
//
// The newest segment with a whole first frame on any copy counts; its header lists the others that are alive. What it
// does not list is void. Every listed one must be there, or the partition is not served and says which disks it needs.
import { fault, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { KiB } from '../base/units.ts'
import type { Members } from './members.ts'
import {
  decodeSegmentHeader,
  SEGMENT_FIXED_BYTES,
  SEGMENT_HEADER_BYTES_MAX,
  type SealedSegment,
  type SegmentHeader,
  segmentHeaderLength,
} from './segment.ts'
import type { SegmentDisk } from './segment-disk.ts'
import {
  findStale,
  type NewestSegment,
  type ReadableSegment,
  readNewest,
  readPiece,
} from './segment-reader.ts'

/** Segments whose headers are read side by side: a journal may have a thousand. */
const FOUND_AT_ONCE = 16

interface FoundCopy {
  readonly disk: SegmentDisk
  readonly length: number
}

/** A sealed segment and its copies, whole by length. */
export interface FoundSegment extends ReadableSegment {
  readonly sealed: SealedSegment
}

export interface JournalStart {
  /** Oldest first, without the newest. */
  readonly sealed: readonly FoundSegment[]
  /** Undefined for a journal that never had a frame. */
  readonly newest: { readonly readable: ReadableSegment; readonly content: NewestSegment } | undefined
  /** Not seen on any disk. */
  readonly nextNumber: number
  /** Disks that said what they have. */
  readonly listed: ReadonlySet<DiskNumber>
  /** Every file seen, to tell later what is void. */
  readonly files: readonly { readonly disk: SegmentDisk; readonly segment: number }[]
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const listAll = async (
  members: Members,
  partition: number,
): Promise<{ found: Map<number, FoundCopy[]>; listed: Set<DiskNumber> }> => {
  const listed = new Set<DiskNumber>()
  const found = new Map<number, FoundCopy[]>()
  await Promise.all(
    members.present().map(async (disk) => {
      let files: Awaited<ReturnType<SegmentDisk['list']>>
      try {
        files = await disk.list(partition)
      } catch {
        // A disk that cannot list is out; the quorum below decides whether the start can do without it.
        return
      }
      listed.add(disk.disk)
      for (const { segment, length } of files) {
        found.set(segment, [...(found.get(segment) ?? []), { disk, length }])
      }
    }),
  )
  members.assertQuorum(listed)
  return { found, listed }
}

/** The header of one copy; undefined when it is torn. A damaged one that has frames behind it says so. */
const readHeader = async (
  { disk, length }: FoundCopy,
  partition: number,
  segment: number,
): Promise<{ header?: SegmentHeader; isDamaged: boolean }> => {
  const place = { partition, segment }
  const first = await readPiece(disk, place, 0, 4 * KiB)
  const headerLength = segmentHeaderLength(first)
  if (headerLength === undefined || headerLength > SEGMENT_HEADER_BYTES_MAX) {
    // The header is synced before the first frame: garbage with more behind it was once a header.
    const isTorn = length <= 4 * KiB || first.subarray(0, SEGMENT_FIXED_BYTES).every((byte) => byte === 0)
    return { isDamaged: !isTorn }
  }
  const bytes = headerLength <= first.length ? first : await readPiece(disk, place, 0, headerLength)
  const header = decodeSegmentHeader(bytes)
  if (!header) return { isDamaged: length > headerLength }
  if (header.partition !== partition || header.segment !== segment) return { isDamaged: true }
  return { header, isDamaged: false }
}

/** The copies of one number, by the segment's random id. */
const readCandidates = async (
  copies: readonly FoundCopy[],
  partition: number,
  segment: number,
): Promise<{ byId: Map<string, ReadableSegment & { lengths: number[] }>; damaged: number }> => {
  const byId = new Map<string, ReadableSegment & { lengths: number[] }>()
  let damaged = 0
  const read = await Promise.all(
    copies.map(async (copy) => ({ copy, ...(await readHeader(copy, partition, segment)) })),
  )
  for (const { copy, header, isDamaged } of read) {
    if (isDamaged) damaged++
    if (!header) continue
    const id = hex(header.id)
    const known = byId.get(id)
    byId.set(id, {
      header,
      copies: [...(known?.copies ?? []), copy.disk],
      lengths: [...(known?.lengths ?? []), copy.length],
    })
  }
  return { byId, damaged }
}

const findNewest = async (
  found: ReadonlyMap<number, readonly FoundCopy[]>,
  partition: number,
): Promise<JournalStart['newest']> => {
  for (const segment of [...found.keys()].sort((a, b) => b - a)) {
    const { byId, damaged } = await readCandidates(found.get(segment)!, partition, segment)
    const counting: NonNullable<JournalStart['newest']>[] = []
    for (const readable of byId.values()) {
      const content = await readNewest(readable)
      if (content) counting.push({ readable, content })
    }
    if (counting.length > 1) {
      throw fault('METADATA_CORRUPT', `two segments are numbered ${segment}`, { partition, segment })
    }
    if (counting[0]) return counting[0]
    if (byId.size === 0 && damaged > 0) {
      throw fault('METADATA_CORRUPT', `no readable header of segment ${segment}`, { partition, segment })
    }
  }
  return undefined
}

const findSealed = async (
  sealed: SealedSegment,
  found: ReadonlyMap<number, readonly FoundCopy[]>,
  partition: number,
  members: Members,
): Promise<FoundSegment> => {
  const { byId } = await readCandidates(found.get(sealed.segment) ?? [], partition, sealed.segment)
  const candidate = byId.get(hex(sealed.id))
  // Copies that are whole by length come first; a short one still helps frame by frame.
  const long = candidate?.copies.filter((_, i) => candidate.lengths[i]! >= sealed.length) ?? []
  const stale = candidate && (await findStale({ ...candidate, copies: long }, sealed.length))
  const order = candidate?.copies
    .map((disk) => ({ disk, isWhole: long.includes(disk) && !stale?.has(disk.disk) }))
    .sort((a, b) => Number(b.isWhole) - Number(a.isWhole))
  if (!candidate || !order?.[0]?.isWhole) {
    const out = sealed.disks.filter((disk) => !members.io(disk))
    throw unavailable('TOO_FEW_DISKS', `segment ${sealed.segment} of partition ${partition} is missing`, {
      partition,
      segment: sealed.segment,
      needs: (out.length > 0 ? out : sealed.disks).join(' or '),
    })
  }
  return {
    sealed,
    header: candidate.header,
    copies: order.filter(({ isWhole }) => isWhole).map(({ disk }) => disk),
  }
}

/** `TOO_FEW_DISKS` names what is missing; `METADATA_CORRUPT` when what is there contradicts itself. */
export const findJournal = async (members: Members, partition: number): Promise<JournalStart> => {
  const { found, listed } = await listAll(members, partition)
  const newest = await findNewest(found, partition)
  const live = newest?.readable.header.live ?? []
  const sealed: FoundSegment[] = []
  for (let start = 0; start < live.length; start += FOUND_AT_ONCE) {
    const some = live.slice(start, start + FOUND_AT_ONCE)
    sealed.push(...(await Promise.all(some.map((one) => findSealed(one, found, partition, members)))))
  }
  return {
    sealed,
    newest,
    listed,
    nextNumber: Math.max(0, ...found.keys()) + 1,
    files: [...found].flatMap(([segment, copies]) => copies.map(({ disk }) => ({ disk, segment }))),
  }
}
