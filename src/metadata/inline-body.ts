// Reads the body of a small object from one of the copies of its segment: from one that is quick, and from another one as well
// when that one is late.
import { crc32 } from 'node:zlib'
import type { Clock } from '../base/clock.ts'
import { fault, unavailable } from '../base/errors.ts'
import { gather } from '../base/hedge.ts'
import type { ReadPace, ReadTiming } from '../base/read-pace.ts'
import type { BodyPlace } from './entry.ts'
import type { SegmentDisk } from './segment-disk.ts'
import { type ReadableSegment, readPiece } from './segment-reader.ts'

export interface BodyReading {
  readonly clock: Clock
  readonly pace: ReadPace
  /** Told of each copy whose bytes did not verify. */
  damaged(disk: SegmentDisk): void
}

/** The copies in their order, those that are slow last; one of these that is to be tried comes first. */
const byPace = (copies: readonly SegmentDisk[], pace: ReadPace): SegmentDisk[] => {
  const rank = ({ disk }: SegmentDisk): number => (pace.isSlow(disk) ? (pace.mayTry(disk) ? -1 : 1) : 0)
  return [...copies].sort((a, b) => rank(a) - rank(b))
}

/** An inline body from the first copy that verifies; another one is read as well when the first is late. */
export const readBody = async (
  { header, copies }: ReadableSegment,
  body: BodyPlace,
  { clock, pace, damaged }: BodyReading,
): Promise<Uint8Array> => {
  let answered = 0
  let whole: Buffer | undefined
  const read = async (copy: SegmentDisk, timing: ReadTiming): Promise<boolean> => {
    const bytes = await readPiece(copy, header, body.offset, body.length)
    timing.end(bytes.length > 0)
    if (bytes.length === 0) return false
    answered++
    const isWhole = bytes.length === body.length && crc32(bytes) === body.checksum
    if (isWhole) whole ??= bytes
    else damaged(copy)
    return isWhole
  }
  await gather({
    clock,
    candidates: byPace(copies, pace),
    needed: 1,
    start(copy) {
      const timing = pace.begin(copy.disk, body.length)
      return { ended: read(copy, timing), lateMs: timing.lateMs }
    },
    mayHedge: () => pace.takeHedge(1),
  })
  if (whole) return whole
  const detail = { segment: header.segment, offset: body.offset }
  if (answered < copies.length || copies.length === 0) {
    throw unavailable('QUORUM_READ', 'no readable copy of an inline body', detail)
  }
  throw fault('OBJECT_LOST', 'every copy of an inline body is damaged', detail)
}
