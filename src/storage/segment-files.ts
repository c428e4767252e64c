// The segments of a disk for a reader that must not write: the disk may belong to a store that is running. Everything
// that would change something is a bug of the caller.
import { MoraineError } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { SegmentDisk } from '../metadata/segment-disk.ts'
import { journalPath, numberOf, segmentPath } from './layout.ts'

const refuse = (): never => {
  throw new MoraineError('bug', 'ASSERTION', 'a disk that was opened for reading is written to')
}

/** Segments under `root`, read file by file. */
export const readSegmentFiles = (files: FileSystem, root: string, disk: DiskNumber): SegmentDisk => ({
  disk,
  readMedium(partition, segment, offset, length) {
    return this.read(partition, segment, offset, length)
  },
  async list(partition) {
    const path = journalPath(root, partition)
    if (!(await files.stat(path))) return []
    const found = (await files.list(path)).flatMap((name) => numberOf(name, 'log') ?? [])
    const stats = await Promise.all(found.map((segment) => files.stat(segmentPath(root, partition, segment))))
    return found.flatMap((segment, i) => (stats[i] ? [{ segment, length: stats[i].size }] : []))
  },
  async read(partition, segment, offset, length) {
    const file = await files.open(segmentPath(root, partition, segment), 'read')
    try {
      const bytes = new Uint8Array(length)
      return bytes.subarray(0, await file.read(bytes, offset))
    } finally {
      await file.close()
    }
  },
  create: refuse,
  append: refuse,
  restore: refuse,
  remove: refuse,
})
