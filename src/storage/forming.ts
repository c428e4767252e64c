// Carries out what identity.ts and table-change.ts plan, one directory at a time, so that each step can run where that
// directory's file system is. Every step may be repeated; a kill between any two leaves a state from which planStart goes on.
import { FileError, type FileSystem } from '../base/files.ts'
import type { FormPlan, OpenPlan, PlannedDisk } from './identity.ts'
import { type DiskIdentity, encodeIdentity, encodeKey, replaceFile } from './identity-file.ts'
import { DIRECTORIES, IDENTITY_NAME, KEY_NAME } from './layout.ts'
import type { TableChange } from './table-change.ts'

const parentOf = (root: string): string => root.slice(0, Math.max(1, root.lastIndexOf('/')))

/** Makes the directory, and those above it; the new names are durable when it resolves. */
export const makeRoot = async (files: FileSystem, root: string): Promise<void> => {
  const parent = parentOf(root)
  const above = parent === root ? undefined : await files.stat(parent)
  if (parent !== root && above === undefined) await makeRoot(files, parent)
  if (!(await files.makeDirectory(root))) return
  // Above its disks an operator may have a link, of ./data to a larger disk: that one is followed.
  await files.syncDirectory(above?.kind === 'other' ? `${parent}/.` : parent)
}

/**
 * Key first: a disk.json is never without one. The data directories last: one that has them belongs to somebody. A member
 * without any has been wiped. Durable when it resolves.
 */
export const writeIdentity = async (
  files: FileSystem,
  root: string,
  identity: DiskIdentity,
  key: Uint8Array,
): Promise<void> => {
  await replaceFile(files, root, KEY_NAME, encodeKey({ ...identity, key }))
  await replaceFile(files, root, IDENTITY_NAME, encodeIdentity(identity))
  for (const name of DIRECTORIES) await files.makeDirectory(`${root}/${name}`)
  await files.syncDirectory(root)
}

/** Writes disk.json alone: a new table, or a new phase. */
export const writeTable = (files: FileSystem, root: string, identity: DiskIdentity): Promise<void> =>
  replaceFile(files, root, IDENTITY_NAME, encodeIdentity(identity))

/** Where the file system of a directory is. */
export type FilesOf = (root: string) => FileSystem

/** Begins to form the store, or goes on: when it resolves every disk has its identity, and none counts. */
export const beginForming = async (filesOf: FilesOf, { disks, key }: FormPlan): Promise<void> => {
  for (const { root, identity } of disks) {
    await makeRoot(filesOf(root), root)
    await writeIdentity(filesOf(root), root, identity, key)
  }
}

/** Only then, when no disk is without its identity, may any of them say so. When it resolves every disk is a member. */
export const finishForming = async (filesOf: FilesOf, plan: FormPlan): Promise<PlannedDisk[]> => {
  const members = plan.disks.map(({ root, identity }) => ({
    root,
    identity: { ...identity, phase: 'member' as const },
  }))
  await Promise.all(members.map(({ root, identity }) => writeTable(filesOf(root), root, identity)))
  return members
}

/** Takes back what forming has made in a directory that had no identity before. */
export const unform = async (files: FileSystem, root: string): Promise<void> => {
  // As it was made, in reverse: a kill in between leaves nothing that looks like a disk with data.
  for (const name of DIRECTORIES) await removeTree(files, `${root}/${name}`)
  for (const name of [IDENTITY_NAME, KEY_NAME]) {
    await removeTree(files, `${root}/${name}`)
    await removeTree(files, `${root}/${name}.new`)
  }
  await files.syncDirectory(root)
}

/**
 * Brings present disks up to date: an older table, the last step of forming or joining, a damaged disk.json or key. Resolves to
 * those where it could not be done.
 */
export const applyOpen = async (
  filesOf: FilesOf,
  plan: OpenPlan,
): Promise<{ root: string; error: unknown }[]> => {
  const stale = plan.disks.filter((disk) => disk.isStale)
  const written = await Promise.all(
    stale.map(async ({ root, identity }) => {
      try {
        await writeIdentity(filesOf(root), root, identity, plan.key)
        return []
      } catch (error) {
        return [{ root, error }]
      }
    }),
  )
  return written.flat()
}

const removeTree = async (files: FileSystem, path: string): Promise<void> => {
  const stat = await files.stat(path)
  if (stat === undefined) return
  if (stat.kind === 'directory') {
    for (const name of await files.list(path)) await removeTree(files, `${path}/${name}`)
  }
  try {
    await files.remove(path)
  } catch (error) {
    if (!(error instanceof FileError) || error.code !== 'ENOENT') throw error
  }
}

/**
 * Step 1 of a change of the table, for one newcomer: removes what is left of the disk that was wiped there (only the data
 * directories, which without an identity nobody can use) and writes key and disk.json. It does not count yet.
 */
export const applyJoin = async (
  files: FileSystem,
  root: string,
  identity: DiskIdentity,
  key: Uint8Array,
): Promise<void> => {
  for (const name of DIRECTORIES) await removeTree(files, `${root}/${name}`)
  // Also what somebody else removed: beside the key of a disk that never joined, data would look like somebody's.
  await files.syncDirectory(root)
  await writeIdentity(files, root, identity, key)
}

/** A directory that holds a disk of the table, wherever it was found. */
export interface MemberDirectory {
  readonly root: string
  readonly identity: DiskIdentity
}

/**
 * Step 3: every disk.json says the new table. `members` are the present disks; those that leave are passed over. Resolves to
 * the members of the new table. The newcomers come last: until one of the others says so, they do not count.
 */
export const applyPublish = async (
  filesOf: FilesOf,
  members: readonly MemberDirectory[],
  change: TableChange,
): Promise<MemberDirectory[]> => {
  const stay = members.filter(({ identity }) => change.to.disks.some(({ id }) => id === identity.diskId))
  const renew = ({ root, identity }: MemberDirectory): MemberDirectory => ({
    root,
    identity: { ...identity, phase: 'member', table: change.to },
  })
  const write = ({ root, identity }: MemberDirectory): Promise<void> =>
    writeTable(filesOf(root), root, identity)
  const renewed = stay.map(renew)
  await Promise.all(renewed.map(write))
  const joined = change.joined.map(renew)
  await Promise.all(joined.map(write))
  return [...renewed, ...joined]
}
