// A disk actor as the journal sees it: every method is one ask. The journal passes over a disk that takes too long by
// its own clock; the deadlines here only bound what would never end.

import type { DiskNumber } from '../base/ids.ts'
import { SECOND } from '../base/units.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { DiskProtocol } from './disk.ts'

const LIMIT = { withinMs: 30 * SECOND }

/** The segments of `disk`, by asking its actor. */
export const segmentDiskOf = (disk: DiskNumber, ref: ActorRef<DiskProtocol>): SegmentDisk => ({
  disk,
  list: (partition) => ref.ask('listSegments', { partition }, LIMIT),
  create: (partition, segment, header) => ref.ask('createSegment', { partition, segment, header }, LIMIT),
  append: (partition, segment, offset, pieces) =>
    ref.ask('appendSegment', { partition, segment, offset, pieces }, LIMIT),
  read: (partition, segment, offset, length) =>
    ref.ask('readSegment', { partition, segment, offset, length }, LIMIT),
  restore: (partition, segment, offset, piece, isLast) =>
    ref.ask('restoreSegment', { partition, segment, offset, piece, isLast }, LIMIT),
  remove: (partition, segment) => ref.ask('removeSegment', { partition, segment }, LIMIT),
})
