// The start of a journal: list, choose, void, and prove that all that is left is whole. Nothing here writes.
//
// The newest segment with a whole first frame on any copy counts; its header lists the others that are alive. What it
// does not list is void. Every listed one must be there, or the partition is not served and says which disks it needs.
import { fault, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { KiB } from '../base/units.ts'
import { isZero } from '../base/zeros.ts'
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
  type CopyDamage,
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
  /** Of copies that were read: they count for less, or for nothing. */
  readonly damage: readonly CopyDamage[]
}

interface FoundNewest {
  readonly readable: ReadableSegment
  readonly content: NewestSegment
  /** Of copies that are not among the readable. */
  readonly damage: readonly CopyDamage[]
}

/** Of a copy that was read, or should have been there. */
interface FoundDamage {
  readonly segment: number
  readonly damage: CopyDamage
  /** What is needed of the copy is whole, or nothing of it is there. */
  readonly isOnlyTold: boolean
}

export interface JournalStart {
  readonly damage: readonly FoundDamage[]
  /** Oldest first, without the newest. */
  readonly sealed: readonly FoundSegment[]
  /** Undefined for a journal that never had a frame. */
  readonly newest: FoundNewest | undefined
  /** Not seen on any disk. */
  readonly nextNumber: number
  /** Disks that said what they have. */
  readonly listed: ReadonlySet<DiskNumber>
  /** Every file seen, to tell later what is void. */
  readonly files: readonly { readonly disk: SegmentDisk; readonly segment: number }[]
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

interface Listing {
  readonly found: ReadonlyMap<number, readonly FoundCopy[]>
  readonly listed: ReadonlySet<DiskNumber>
}

const listAll = async (members: Members, partition: number): Promise<Listing> => {
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
  // Whoever answers first: copies are read in the same order at every start.
  for (const copies of found.values()) copies.sort((a, b) => a.disk.disk - b.disk.disk)
  return { found, listed }
}

/** The header of one copy; undefined when it is torn. A damaged one that has frames behind it says so. */
const readHeader = async (
  { disk, length }: FoundCopy,
  partition: number,
  segment: number,
): Promise<{ header?: SegmentHeader; isDamaged: boolean; isRead: boolean }> => {
  const place = { partition, segment }
  const first = await readPiece(disk, place, 0, 4 * KiB)
  const isRead = first.length > 0 || length === 0
  const headerLength = segmentHeaderLength(first)
  if (headerLength === undefined || headerLength > SEGMENT_HEADER_BYTES_MAX) {
    // The header is synced before the first frame: garbage with more behind it was once a header.
    const isTorn = length <= 4 * KiB || isZero(first.subarray(0, SEGMENT_FIXED_BYTES))
    return { isDamaged: !isTorn, isRead }
  }
  const bytes = headerLength <= first.length ? first : await readPiece(disk, place, 0, headerLength)
  const header = decodeSegmentHeader(bytes)
  if (!header) return { isDamaged: length > headerLength, isRead }
  if (header.partition !== partition || header.segment !== segment) return { isDamaged: true, isRead }
  return { header, isDamaged: false, isRead }
}

interface Candidates {
  readonly byId: ReadonlyMap<string, ReadableSegment & { lengths: number[] }>
  /** Copies with garbage for a header, in which there may have been frames. */
  readonly damaged: number
  /** Disks whose copies were read and have none, torn ones too. */
  readonly headless: ReadonlySet<DiskNumber>
}

/** The copies of one number, by the segment's random id. */
const readCandidates = async (
  copies: readonly FoundCopy[],
  partition: number,
  segment: number,
): Promise<Candidates> => {
  const byId = new Map<string, ReadableSegment & { lengths: number[] }>()
  const headless = new Set<DiskNumber>()
  let damaged = 0
  const read = await Promise.all(
    copies.map(async (copy) => ({ copy, ...(await readHeader(copy, partition, segment)) })),
  )
  for (const { copy, header, isDamaged, isRead } of read) {
    if (isDamaged) damaged++
    if (!header && isRead) headless.add(copy.disk.disk)
    if (!header) continue
    const id = hex(header.id)
    const known = byId.get(id)
    byId.set(id, {
      header,
      copies: [...(known?.copies ?? []), copy.disk],
      lengths: [...(known?.lengths ?? []), copy.length],
    })
  }
  return { byId, damaged, headless }
}

/** Of the disks that had a copy, those that have none now, or one without a header: that was synced on each. */
const findLost = (
  disks: readonly DiskNumber[],
  copies: readonly FoundCopy[],
  { headless }: Candidates,
  { listed }: Listing,
): CopyDamage[] =>
  disks.flatMap((disk): CopyDamage[] => {
    // What others have under this number they may have begun themselves, and not got far with.
    if (headless.has(disk)) return [{ disk, reason: 'header', offset: 0 }]
    const isMissing = listed.has(disk) && !copies.some((copy) => copy.disk.disk === disk)
    return isMissing ? [{ disk, reason: 'missing' }] : []
  })

const findNewest = async (listing: Listing, partition: number): Promise<FoundNewest | undefined> => {
  const { found } = listing
  for (const segment of [...found.keys()].sort((a, b) => b - a)) {
    const held = found.get(segment)!
    const candidates = await readCandidates(held, partition, segment)
    const { byId, damaged } = candidates
    const counting: FoundNewest[] = []
    for (const readable of byId.values()) {
      const content = await readNewest(readable)
      const damage = findLost(readable.header.disks, held, candidates, listing)
      if (content) counting.push({ readable, content, damage })
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
  listing: Listing,
  partition: number,
  members: Members,
): Promise<FoundSegment> => {
  const held = listing.found.get(sealed.segment) ?? []
  const candidates = await readCandidates(held, partition, sealed.segment)
  const candidate = candidates.byId.get(hex(sealed.id))
  const long = candidate?.copies.filter((_, i) => candidate.lengths[i]! >= sealed.length) ?? []
  const stale = candidate && (await findStale({ ...candidate, copies: long }, sealed.length))
  const whole = long.filter(({ disk }) => !stale?.has(disk))
  if (!candidate || whole.length === 0) {
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
    copies: whole,
    damage: [
      ...findLost(sealed.disks, held, candidates, listing),
      ...candidate.copies
        .filter((disk) => !whole.includes(disk))
        .map(({ disk }) => ({ disk, reason: stale?.has(disk) ? ('stale' as const) : ('short' as const) })),
    ],
  }
}

const damageOf = (sealed: readonly FoundSegment[], newest: FoundNewest | undefined): FoundDamage[] => {
  const found = (segment: number, damage: readonly CopyDamage[]): FoundDamage[] =>
    damage.map((one) => ({ segment, damage: one, isOnlyTold: one.reason === 'missing' }))
  const all = sealed.flatMap(({ sealed: { segment }, damage }) => found(segment, damage))
  if (!newest) return all
  const { segment } = newest.readable.header
  const { damage, damagedLast } = newest.content
  // The last frame is written anew, and what is before it is whole.
  const last = damagedLast.map((one) => ({ segment, damage: one, isOnlyTold: true }))
  return [...all, ...found(segment, [...newest.damage, ...damage]), ...last]
}

/** `TOO_FEW_DISKS` names what is missing; `METADATA_CORRUPT` when what is there contradicts itself. */
export const findJournal = async (members: Members, partition: number): Promise<JournalStart> => {
  const listing = await listAll(members, partition)
  const { found, listed } = listing
  const newest = await findNewest(listing, partition)
  const live = newest?.readable.header.live ?? []
  const sealed: FoundSegment[] = []
  for (let start = 0; start < live.length; start += FOUND_AT_ONCE) {
    const some = live.slice(start, start + FOUND_AT_ONCE)
    sealed.push(...(await Promise.all(some.map((one) => findSealed(one, listing, partition, members)))))
  }
  return {
    ...{ sealed, newest, listed },
    damage: damageOf(sealed, newest),
    nextNumber: Math.max(0, ...found.keys()) + 1,
    files: [...found].flatMap(([segment, copies]) => copies.map(({ disk }) => ({ disk, segment }))),
  }
}
