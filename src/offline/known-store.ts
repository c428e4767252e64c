// What the directories of a store say of it, read from beside the store, running or not: nothing is opened for writing and
// nothing is locked. Every command that works on a store's directories begins here.
import { fault } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { MemberDisk } from '../metadata/members.ts'
import { nodeFiles } from '../storage/files-node.ts'
import { NO_KEY } from '../storage/identity.ts'
import type { DiskTable } from '../storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../storage/inspect.ts'
import { readSegmentFiles } from '../storage/segment-files.ts'

export interface KnownStore {
  readonly states: readonly DirectoryState[]
  readonly storeId: string
  readonly key: Uint8Array
  readonly table: DiskTable
  /** Directory of each member that is there, by its number. */
  readonly rootOf: ReadonlyMap<DiskNumber, string>
}

/** What the directories say of their store. Rejects with a fault for the operator when no disk of one can be read. */
export const readStore = async (
  roots: readonly string[],
  files: FileSystem = nodeFiles,
): Promise<KnownStore> => {
  const states = await Promise.all(roots.map((root) => inspectDirectory(files, root)))
  const found = states.flatMap(({ root, content }) =>
    content.kind === 'disk' && content.identity.phase === 'member' ? [{ root, ...content }] : [],
  )
  const key = found.find((disk) => disk.key)?.key?.key
  const newest = found.sort((a, b) => b.identity.table.version - a.identity.table.version)[0]
  if (newest && !key) throw fault('DISK_FORMAT', NO_KEY)
  if (!key || !newest) {
    throw fault('DISK_FORMAT', `no disk of a store can be read in ${roots.join(', ')}`)
  }
  const { storeId, table } = newest.identity
  const members = new Set(table.disks.map(({ id }) => id))
  const present = found.filter(({ identity }) => members.has(identity.diskId))
  const rootOf = new Map(present.map(({ root, identity }) => [identity.number, root]))
  return { states, storeId, key, table, rootOf }
}

/** The disks of the table as the journal sees them, for reading alone: those that no directory holds are out. */
export const readableMembers = (
  { table, rootOf }: Pick<KnownStore, 'table' | 'rootOf'>,
  files: FileSystem = nodeFiles,
): MemberDisk[] =>
  table.disks.map(({ number, set }) => {
    const root = rootOf.get(number)
    return { number, set, io: root === undefined ? undefined : readSegmentFiles(files, root, number) }
  })
