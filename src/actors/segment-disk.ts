// A disk actor as the journal sees it: every method is one ask. The journal passes over a disk that takes too long by
// its own clock; the deadlines here only bound what would never end.

import type { DiskNumber } from '../base/ids.ts'
import { SECOND } from '../base/units.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { DiskProtocol } from './disk.ts'

const LIMIT = { withinMs: 30 * SECOND }

/** A message moves its bytes, and the same frame goes to m + 1 disks: each is sent a copy. (`slice` of a Buffer is a view.) */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

/** The segments of `disk`, by asking its actor. */
export const segmentDiskOf = (disk: DiskNumber, ref: ActorRef<DiskProtocol>): SegmentDisk => ({
  disk,
  list: (partition) => ref.ask('listSegments', { partition }, LIMIT),
  create: (partition, segment, header) =>
    ref.ask('createSegment', { partition, segment, header: copyOf(header) }, LIMIT),
  append: (partition, segment, offset, pieces) =>
    ref.ask('appendSegment', { partition, segment, offset, pieces: pieces.map(copyOf) }, LIMIT),
  read: (partition, segment, offset, length) =>
    ref.ask('readSegment', { partition, segment, offset, length }, LIMIT),
  restore: (partition, segment, offset, piece, isLast) =>
    ref.ask('restoreSegment', { partition, segment, offset, piece, isLast }, LIMIT),
  remove: (partition, segment) => ref.ask('removeSegment', { partition, segment }, LIMIT),
})
