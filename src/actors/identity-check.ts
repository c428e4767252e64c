// Whether a disk that is used still says who it is: a start could not go by what nobody has read for months. What does not is written
// anew from what the keeper holds, as a start writes it from the other disks.
import { isDeepStrictEqual } from 'node:util'
import type { FileSystem } from '../base/files.ts'
import { identify } from '../storage/directory-role.ts'
import { writeIdentity } from '../storage/forming.ts'
import type { DiskIdentity } from '../storage/identity-file.ts'
import { type DirectoryContent, inspectDirectory } from '../storage/inspect.ts'
import { IDENTITY_NAME, KEY_NAME } from '../storage/layout.ts'

/** An older table was not damaged: its disk missed a change. */
const isOlder = (content: DirectoryContent, { table }: DiskIdentity): boolean =>
  content.kind === 'disk' && content.identity.table.version < table.version

const isSaid = (content: DirectoryContent, wanted: DiskIdentity): boolean =>
  content.kind === 'disk' && isDeepStrictEqual(content.identity, JSON.parse(JSON.stringify(wanted)))

const isKept = (content: DirectoryContent, { diskId, number }: DiskIdentity, key: Uint8Array): boolean => {
  const found = content.kind === 'disk' || content.kind === 'bare' ? content.key : undefined
  return found?.diskId === diskId && found.number === number && Buffer.compare(found.key, key) === 0
}

/**
 * Resolves to the files that were damaged, and are whole again. A directory where neither says that the disk is there is left alone:
 * it may be a mount point.
 */
export const checkIdentity = async (
  files: FileSystem,
  root: string,
  wanted: DiskIdentity,
  key: Uint8Array,
): Promise<string[]> => {
  const state = await inspectDirectory(files, root)
  const { content } = state
  if (identify(state, wanted.storeId)?.diskId !== wanted.diskId) return []
  const isWhole = isSaid(content, wanted)
  const hasKey = isKept(content, wanted, key)
  if (isWhole && hasKey) return []
  await writeIdentity(files, root, wanted, key)
  return [...(isWhole || isOlder(content, wanted) ? [] : [IDENTITY_NAME]), ...(hasKey ? [] : [KEY_NAME])]
}
