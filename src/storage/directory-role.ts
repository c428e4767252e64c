// What one directory is to a store, by what lies in it: a disk of it, room for a new one, or neither, and why.
import type { DiskIds } from './disk-context.ts'
import type { DirectoryState } from './inspect.ts'

/** What keeps a new store from being formed in the directory. */
export const whyNotFormable = (state: DirectoryState): string | undefined => {
  const { root, content } = state
  if (content.kind === 'foreign') return `${root} is not empty: it holds ${content.name}`
  if (content.kind === 'unusable') return `${root} cannot be used: ${content.reason}`
  if (content.kind === 'unwritable') return content.message
  if (content.kind === 'bare' && (content.hasData || content.isDamaged)) {
    return `${root} holds data of a store, but its disk.json is missing or damaged`
  }
  return undefined
}

/** A member has its directories from before it was one: without any, all it had is gone, though its disk.json is not. */
const isWiped = (content: DirectoryState['content']): boolean =>
  content.kind === 'disk' && content.identity.phase === 'member' && !content.hasData

/**
 * Present disks whose disk.json is lost or damaged are known by their key, if their data is there: a wiped disk that only
 * kept its key is none, for it would stand for journal and shards it no longer has.
 */
export const identify = ({ content }: DirectoryState, storeId: string): DiskIds | undefined => {
  if (content.kind === 'disk') return isWiped(content) ? undefined : content.identity
  if (content.kind !== 'bare' || !content.hasData) return undefined
  return content.key?.storeId === storeId ? content.key : undefined
}

/** What keeps the directory from being a disk of the store, for the operator. */
export const whyOut = (state: DirectoryState, storeId: string): string => {
  const { root, content } = state
  switch (content.kind) {
    case 'absent':
      return `${root} does not exist: its disk is out`
    case 'foreign':
      return `${root} holds ${content.name} and no disk of this store: it stays out`
    case 'unusable':
      return `${root} cannot be used: ${content.reason}`
    case 'unwritable':
      return `${content.message}: its disk is out`
    case 'newer':
      return `${root} was written by a newer release (format ${content.format})`
    case 'disk':
      if (content.identity.storeId !== storeId) return `${root} holds a disk of another store: it stays out`
      if (content.identity.phase === 'joining') return `${root} is to take the place of a disk that was lost`
      if (isWiped(content)) return `${root} has lost its data`
      return `${root} holds a disk that is no longer part of this store: it stays out`
    case 'bare':
      if (!content.hasData && !content.isDamaged && content.key === undefined) return `${root} is empty`
      return `${root} has lost its identity: it stays out; 'moraine disk replace' takes it in as a new disk`
  }
}

/** An empty directory, or what is left of a wiped disk: nothing that anybody could want back. */
export const isVacant = ({ content }: DirectoryState): boolean => {
  if (content.kind === 'bare') return !content.isDamaged && !(content.hasData && content.key !== undefined)
  return content.kind === 'disk' && (content.identity.phase === 'joining' || isWiped(content))
}
