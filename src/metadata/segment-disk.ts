// A disk as the journal sees it: the segments of a partition on one disk. The disk actor is one implementation, the
// faulty file system of the tests another. Nothing here interprets the bytes.
import type { DiskNumber } from '../base/ids.ts'

export interface SegmentFile {
  readonly segment: number
  /** Length of the file, torn tail included. */
  readonly length: number
}

export interface SegmentDisk {
  readonly disk: DiskNumber
  /** Every segment file of the partition on this disk, in no order. */
  list(partition: number): Promise<SegmentFile[]>
  /** Makes a new segment file with `header`. File, length and directory entry are synced when it resolves. */
  create(partition: number, segment: number, header: Uint8Array): Promise<void>
  /**
   * Writes `pieces` one after another at `offset`. Synced when it resolves, and the file is known to be still there
   * (its link count and its directory were checked after the write). After a failure the segment is not appended to again.
   */
  append(partition: number, segment: number, offset: number, pieces: readonly Uint8Array[]): Promise<void>
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. Unchecked: the reader verifies. */
  read(partition: number, segment: number, offset: number, length: number): Promise<Uint8Array>
  /**
   * As `read`, from the medium, past the system's cache: for who wants to know whether it still has them. What cannot be read there is
   * no fault of the disk but the end of the answer.
   */
  readMedium(partition: number, segment: number, offset: number, length: number): Promise<Uint8Array>
  /**
   * Restores a lost or damaged copy of a sealed segment piece by piece, in order. Only after the last piece, when the
   * whole file is synced, does it take the segment's name (rename, directory sync).
   */
  restore(
    partition: number,
    segment: number,
    offset: number,
    piece: Uint8Array,
    isLast: boolean,
  ): Promise<void>
  /** Removes the segment file; the directory is synced when it resolves. Nothing happens when there is none. */
  remove(partition: number, segment: number): Promise<void>
}
