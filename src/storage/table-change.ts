// Replacing disks of a store by empty directories, adding some, and taking disks out of it. A change of the table of disks is made in this order,
// and a crash anywhere leaves the old table or the new one:
//
//   1. prepare   each newcomer gets store.key and a disk.json in the phase `joining`: it does not count
//   2. commit    every partition commits the change in a new segment on m + 1 disks of the old and the new table
//   3. publish   every disk.json says the new table, newcomers become members
//   4. count     placement, journal and repair use the new table
//
// Before 3 a start finds the old table and begins again at 1; from the first disk.json of 3 on it finds the new one and goes
// on, or it finds the old one because that disk is away: then the next change must not be taken for the one that was cut
// off. What the partitions have committed says that there was one, and the next one is its successor.
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

/** The disk that is being drained, if there is one. */
export const drainingOf = ({ disks }: DiskTable): TableDisk | undefined =>
  disks.find(({ state }) => state === 'draining')

/**
 * The change in which directories become disks that the store did not have: with a position behind all others, and the directory, so
 * that a start that is not given it can say which one is missing. Pure; who calls has decided that they may be used.
 */
export const planWidening = (
  { storeId, table: from }: { readonly storeId: string; readonly table: DiskTable },
  roots: readonly string[],
  set: number,
  newId: () => string,
): TableChange => {
  const firstPosition = 1 + Math.max(...from.disks.map(({ position }) => position))
  const added = roots.map((directory, i): TableDisk & { readonly directory: string } => ({
    id: newId(),
    number: (from.nextDiskNumber + i) as DiskNumber,
    position: firstPosition + i,
    set,
    state: 'active',
    directory,
  }))
  const to: DiskTable = {
    ...from,
    version: from.version + 1,
    nextDiskNumber: (from.nextDiskNumber + roots.length) as DiskNumber,
    disks: [...from.disks, ...added],
  }
  const joined = added.map(({ id: diskId, number, directory: root }) => ({
    root,
    identity: { storeId, diskId, number, phase: 'joining' as const, table: to },
  }))
  return { from, to, left: [], joined }
}

/** From then on nothing new is written to the disk, and what is on it is moved. Pure. */
export const planDrain = (from: DiskTable, number: DiskNumber): TableChange => {
  const disks = from.disks.map((disk) =>
    disk.number === number ? { ...disk, state: 'draining' as const } : disk,
  )
  return { from, to: { ...from, version: from.version + 1, disks }, left: [], joined: [] }
}

/** The end of a drain: nothing names the disk any more. Pure. */
export const planLeave = (from: DiskTable, number: DiskNumber): TableChange => {
  const left = from.disks.filter((disk) => disk.number === number)
  const disks = from.disks.filter((disk) => disk.number !== number)
  return { from, to: { ...from, version: from.version + 1, disks }, left, joined: [] }
}

/**
 * The same change after another one was committed and cut off: with a higher version, so that it wins over what a disk
 * that is away may have been told, and with numbers that were never given. Pure.
 */
export const planSuccessor = (change: TableChange, committed: DiskTable): TableChange => {
  const { from, left } = change
  let next = Math.max(from.nextDiskNumber, committed.nextDiskNumber)
  const joined = change.joined.map(({ root, identity }) => {
    const renumbered = { ...identity, number: next as DiskNumber }
    next += 1
    return { root, identity: renumbered }
  })
  const to: DiskTable = {
    ...change.to,
    version: committed.version + 1,
    nextDiskNumber: next as DiskNumber,
    disks: change.to.disks.map((disk) => {
      const newcomer = joined.find(({ identity }) => identity.diskId === disk.id)
      return newcomer ? { ...disk, number: newcomer.identity.number } : disk
    }),
  }
  return {
    from,
    to,
    left,
    joined: joined.map(({ root, identity }) => ({ root, identity: { ...identity, table: to } })),
  }
}
