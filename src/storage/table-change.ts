// Replacing disks of a store by empty directories. A change of the table of disks is made in this order, and a crash
// anywhere leaves the old table or the new one:
//
//   1. prepare   each newcomer gets store.key and a disk.json in the phase `joining`: it does not count
//   2. commit    every partition commits the change in a new segment on m + 1 disks of the old and the new table
//   3. publish   every disk.json says the new table, newcomers become members
//   4. count     placement, journal and repair use the new table
//
// Before 3 a start finds the old table and begins again at 1; from the first disk.json of 3 on it finds the new one and goes on.
import { assert } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { DiskIdentity, DiskTable, TableDisk } from './identity-file.ts'

export interface TableChange {
  readonly from: DiskTable
  readonly to: DiskTable
  /** Disks that leave; their numbers are never given again. */
  readonly left: readonly TableDisk[]
  /** Disks that join, in the phase `joining`, with the directories they are to live in. */
  readonly joined: readonly { readonly root: string; readonly identity: DiskIdentity }[]
}

/**
 * The change in which each directory takes the place of a lost disk: same position, same erasure set, new id, new number.
 * Pure; who calls has decided that the directories may be used.
 */
export const planReplacement = (
  store: { readonly storeId: string; readonly table: DiskTable },
  replacements: readonly { readonly root: string; readonly lost: DiskNumber }[],
  newId: () => string,
): TableChange => {
  const from = store.table
  const left: TableDisk[] = []
  const joined: { root: string; disk: TableDisk }[] = []
  let next: number = from.nextDiskNumber
  for (const { root, lost } of replacements) {
    const old = from.disks.find((disk) => disk.number === lost)
    assert(old !== undefined && !left.includes(old), 'a disk of the table is replaced, once')
    left.push(old)
    joined.push({ root, disk: { ...old, id: newId(), number: next as DiskNumber } })
    next += 1
  }
  const replace = (disk: TableDisk): TableDisk => joined[left.indexOf(disk)]?.disk ?? disk
  const to: DiskTable = {
    ...from,
    version: from.version + 1,
    nextDiskNumber: next as DiskNumber,
    disks: from.disks.map(replace),
  }
  return {
    from,
    to,
    left,
    joined: joined.map(({ root, disk }) => ({
      root,
      identity: { storeId: store.storeId, diskId: disk.id, number: disk.number, phase: 'joining', table: to },
    })),
  }
}
