// Looks at a configured directory without touching it: is there a disk, nothing, or something else?
import type { FileStat, FileSystem } from '../base/files.ts'
import {
  type Decoded,
  type DiskIdentity,
  decodeIdentity,
  decodeKey,
  readSmallFile,
  type StoreKey,
} from './identity-file.ts'
import { DIRECTORIES, IDENTITY_NAME, KEY_NAME, LOCK_NAME, SESSION_NAME } from './layout.ts'

export type DirectoryContent =
  | { readonly kind: 'absent' }
  /** A disk by its disk.json; `key` undefined when store.key is missing or damaged. */
  | {
      readonly kind: 'disk'
      readonly identity: DiskIdentity
      readonly key: StoreKey | undefined
      /** It has directories that hold data. A member without any has been wiped. */
      readonly hasData: boolean
    }
  /** Nothing but names of ours, and no disk.json that can be read: empty, half formed, wiped or damaged. */
  | {
      readonly kind: 'bare'
      /** It has directories that hold data. */
      readonly hasData: boolean
      /** There is a disk.json. */
      readonly isDamaged: boolean
      readonly key: StoreKey | undefined
    }
  /** Files that are none of ours, one of which is `name`. */
  | { readonly kind: 'foreign'; readonly name: string }
  | { readonly kind: 'newer'; readonly format: number }
  | { readonly kind: 'unusable'; readonly reason: string }
  /** Whatever it holds, it cannot be locked: found by a start, never by looking. `message` says which it is, and why. */
  | { readonly kind: 'unwritable'; readonly message: string }

export interface DirectoryState {
  readonly root: string
  readonly content: DirectoryContent
  /** Undefined when there is no directory. */
  readonly device?: number
  readonly inode?: number
}

/** Names a directory may have without being anybody's: the file system's own. */
const IGNORED = new Set(['lost+found'])
const OURS = new Set<string>([
  ...DIRECTORIES,
  IDENTITY_NAME,
  `${IDENTITY_NAME}.new`,
  KEY_NAME,
  `${KEY_NAME}.new`,
  LOCK_NAME,
  SESSION_NAME,
  `${SESSION_NAME}.new`,
])

const decodeFile = async <T>(
  files: FileSystem,
  path: string,
  decode: (bytes: Uint8Array) => Decoded<T>,
): Promise<Decoded<T> | undefined> => {
  try {
    const bytes = await readSmallFile(files, path)
    return bytes === undefined ? undefined : decode(bytes)
  } catch (error) {
    // A disk whose identity cannot be read, or that somebody replaced by a link, is as good as one where it is damaged.
    const code = (error as { code?: string }).code ?? ''
    if (['EIO', 'EMLINK', 'ELOOP', 'EINVAL', 'EISDIR'].includes(code)) return { kind: 'damaged' }
    throw error
  }
}

const readContent = async (files: FileSystem, root: string): Promise<DirectoryContent> => {
  const names = (await files.list(root)).filter((name) => !IGNORED.has(name))
  const [identity, key] = await Promise.all([
    decodeFile(files, `${root}/${IDENTITY_NAME}`, decodeIdentity),
    decodeFile(files, `${root}/${KEY_NAME}`, decodeKey),
  ])
  if (identity?.kind === 'newer') return identity
  if (key?.kind === 'newer') return key
  const goodKey = key?.kind === 'ok' ? key.value : undefined
  const hasData = names.some((name) => (DIRECTORIES as readonly string[]).includes(name))
  if (identity?.kind === 'ok') return { kind: 'disk', identity: identity.value, key: goodKey, hasData }
  const foreign = names.find((name) => !OURS.has(name))
  if (foreign !== undefined) return { kind: 'foreign', name: foreign }
  return { kind: 'bare', hasData, isDamaged: identity !== undefined, key: goodKey }
}

/** Reads only. Rejects never: what cannot be looked at is `unusable`. */
export const inspectDirectory = async (files: FileSystem, root: string): Promise<DirectoryState> => {
  let stat: FileStat | undefined
  try {
    stat = await files.stat(root)
    if (stat === undefined) return { root, content: { kind: 'absent' } }
    if (stat.kind !== 'directory') {
      return {
        root,
        content: { kind: 'unusable', reason: 'it is not a directory (and no link is followed)' },
      }
    }
    const { device, inode } = stat
    return { root, device, inode, content: await readContent(files, root) }
  } catch (error) {
    const reason = (error as { code?: string }).code ?? String(error)
    return { root, content: { kind: 'unusable', reason } }
  }
}
