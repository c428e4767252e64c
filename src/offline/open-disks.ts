// The disks of a store opened for reading alone, as the store itself opens them.
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import { silentLog } from '../base/log.ts'
import { Disk } from '../storage/disk.ts'
import type { KnownStore } from './known-store.ts'
import { observedFiles } from './observed-files.ts'

/** Runs `action` with the disks that are there, by their numbers. */
export const withDisks = async <T>(
  { storeId, table, rootOf }: Pick<KnownStore, 'storeId' | 'table' | 'rootOf'>,
  files: FileSystem,
  action: (disks: ReadonlyMap<DiskNumber, Disk>) => Promise<T>,
): Promise<T> => {
  const disks = new Map<DiskNumber, Disk>()
  try {
    for (const { number, id } of table.disks) {
      const root = rootOf.get(number)
      if (root === undefined) continue
      const ids = { storeId, diskId: id, number }
      disks.set(number, await Disk.open({ ...ids, root, files: observedFiles(files), log: silentLog }))
    }
    return await action(disks)
  } finally {
    await Promise.all([...disks.values()].map((disk) => disk.close()))
  }
}
