// Whether and how directories can be added to a store as new disks: pure functions of the table and of what lies in the directories. What
// they refuse they refuse in one sentence.
import { whyNotFormable } from './directory-role.ts'
import { DISKS_MAX, SET_DISKS_MAX } from './geometry.ts'
import type { DiskTable } from './identity-file.ts'
import type { DirectoryState } from './inspect.ts'

/** The erasure set that `count` new disks widen, the smallest; else why it cannot be. */
export const planSet = ({ disks, m }: DiskTable, count: number): number | string => {
  if (m === 0) {
    return 'the store has parity 0: with one disk more it would need one more of its disks, so none is added'
  }
  const total = disks.length + count
  if (total > DISKS_MAX) {
    return `the store has ${disks.length} disks, and with ${count} more it would have ${total}: ${DISKS_MAX} are the most`
  }
  const sizes = new Map<number, number>()
  for (const { set } of disks) sizes.set(set, (sizes.get(set) ?? 0) + 1)
  const [smallest] = [...sizes].sort((a, b) => a[1] - b[1] || a[0] - b[0])
  const [set, size] = smallest ?? [0, 0]
  // Until they are opened they are missing from their set, and with more than m missing it takes no writes.
  if (count > m) {
    return `${count} disks cannot be added at once: with parity ${m} an erasure set is widened by ${m} at most, then by others`
  }
  if (size + count <= SET_DISKS_MAX) return set
  return `${count} cannot be added: an erasure set has at most ${SET_DISKS_MAX} disks, and the smallest of this store has ${size}`
}

/** Whether an add of this store prepared the directory and was cut off: then nothing of it counts. */
export const isWidening = ({ content }: DirectoryState, table: DiskTable): boolean =>
  content.kind === 'disk' &&
  content.identity.phase === 'joining' &&
  content.identity.table.disks.length > table.disks.length

/** What keeps the directory from being a new disk of the store; undefined when it is empty. */
export const whyNotEmpty = (state: DirectoryState, storeId: string, table: DiskTable): string | undefined => {
  const { root, content } = state
  switch (content.kind) {
    case 'absent':
      return `${root} does not exist: make it first`
    case 'foreign':
    case 'unusable':
    case 'unwritable':
      return whyNotFormable(state)
    case 'newer':
      return `${root} was written by a newer release (format ${content.format})`
    case 'disk': {
      const { identity } = content
      if (identity.storeId !== storeId) return `${root} holds a disk of another store`
      const member = table.disks.find(({ id }) => id === identity.diskId)
      if (member) return `${root} is disk ${member.number} of this store already`
      if (isWidening(state, table)) return undefined
      return `${root} holds what was a disk of this store, number ${identity.number}: empty it first`
    }
    case 'bare': {
      const { key } = content
      // A key without anything else is what a cut leaves of an add; that of a member is its own to explain.
      const isOurs = key?.storeId === storeId && !table.disks.some(({ id }) => id === key.diskId)
      if (!content.hasData && !content.isDamaged && (key === undefined || isOurs)) return undefined
      return `${root} is not empty: it holds what is left of a disk, empty it first`
    }
  }
}
