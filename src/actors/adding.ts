// Adding disks: the keeper's part of it. The directories are looked at and locked, prepared as any newcomer is, and a change of the table
// makes them members. A cut before that leaves directories that do not count, and that may be added again.
import { unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { formatMiB } from '../base/units.ts'
import { applyJoin } from '../storage/forming.ts'
import type { DiskTable } from '../storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../storage/inspect.ts'
import { createRoom } from '../storage/room.ts'
import { describe } from '../storage/start-locks.ts'
import { planWidening, type TableChange } from '../storage/table-change.ts'
import { planSet, whyNotEmpty } from '../storage/widen.ts'
import { attachRoster } from './roster.ts'
import { countSpare, giveSlot, slotOf, slotsWithRoot } from './slot-roots.ts'
import { filesOf, type StoreFacts } from './store-facts.ts'

export type AddAnswer =
  | {
      readonly kind: 'added'
      readonly disks: readonly { readonly number: DiskNumber; readonly directory: string }[]
      readonly set: number
      /** Disks of the set now, and their parity. */
      readonly size: number
      readonly parity: number
      /** Every directory of the store: what a start is to be given from now on. */
      readonly directories: readonly string[]
    }
  /** One sentence for the operator. */
  | { readonly kind: 'refused'; readonly message: string }

export interface AddingOptions {
  readonly facts: StoreFacts
  readonly log: Log
  newId(): string
  table(): DiskTable
  relock(root: string): Promise<void>
  carryOut(change: TableChange): Promise<void>
}

export type Adding = (directories: readonly string[]) => Promise<AddAnswer>

/** What the next start is to be given: disks that were added earlier, and not given at this one, are still the store's. */
const nextDirectories = (facts: StoreFacts, table: DiskTable): string[] => {
  const roster = attachRoster(facts.roster)
  const isThere = (disk: DiskNumber): boolean => (roster.find(disk)?.state ?? 'out') !== 'out'
  const known = slotsWithRoot(facts).map(({ root }) => root)
  const left = table.disks.flatMap(({ number, directory }) =>
    directory === undefined || known.includes(directory) || isThere(number) ? [] : [directory],
  )
  return [...known, ...left]
}

export const createAdding = ({ facts, log, newId, relock, ...keeper }: AddingOptions): Adding => {
  const { storeId, storeKey } = facts
  const files = filesOf(facts)

  const findTwin = async (state: DirectoryState, others: readonly string[]): Promise<string | undefined> => {
    for (const root of others) {
      const stat = await files.stat(root).catch(() => undefined)
      if (root !== state.root && stat?.device === state.device && stat?.inode === state.inode) return root
    }
    return undefined
  }

  const whyFull = async (root: string): Promise<string | undefined> => {
    const room = createRoom(0, () => files.space(root))
    await room.refresh()
    const { freeBytes, reserveBytes, hasRoom } = room.space()
    if (hasRoom) return undefined
    return `${root} is on a full disk: ${formatMiB(freeBytes)} are free above its reserve of ${formatMiB(reserveBytes)}`
  }

  const whyNot = async (root: string, others: readonly string[]): Promise<string | undefined> => {
    if (!root.startsWith('/')) return `${root} is no absolute path`
    const state = await inspectDirectory(files, root)
    const reason = whyNotEmpty(state, storeId, keeper.table())
    if (reason !== undefined) return reason
    const twin = await findTwin(state, others)
    return twin === undefined ? undefined : `${root} and ${twin} are the same directory`
  }

  const whyNotHeld = async (root: string): Promise<string | undefined> => {
    try {
      await relock(root)
      return await whyFull(root)
    } catch (error) {
      return (error as Error).message
    }
  }

  const refuse = async (directories: readonly string[]): Promise<string | undefined> => {
    const known = slotsWithRoot(facts).map(({ root }) => root)
    const twice = directories.find((root, i) => directories.indexOf(root) !== i)
    if (twice !== undefined) return `${twice} is named twice`
    const needed = directories.filter((root) => slotOf(facts, root) === -1).length
    const spare = countSpare(facts)
    if (needed > spare) {
      return `${needed} disks cannot be added now: ${spare} more can be before the next start, which makes room for others`
    }
    for (const root of directories) {
      const reason = await whyNot(root, [...known, ...directories])
      if (reason !== undefined) return reason
    }
    // Last: it leaves a lock in each, which this process holds.
    for (const root of directories) {
      const reason = await whyNotHeld(root)
      if (reason !== undefined) return reason
    }
    return undefined
  }

  return async (directories) => {
    const set = planSet(keeper.table(), directories.length)
    const message = typeof set === 'string' ? set : await refuse(directories)
    if (typeof set === 'string' || message !== undefined)
      return { kind: 'refused', message: message ?? `${set}` }
    const change = planWidening({ storeId, table: keeper.table() }, directories, set, newId)
    for (const { root, identity } of change.joined) {
      if (giveSlot(facts, root) === undefined)
        return { kind: 'refused', message: `${root} has too long a path` }
      try {
        await applyJoin(files, root, identity, storeKey)
      } catch (error) {
        return { kind: 'refused', message: (describe(error, root) as Error).message }
      }
    }
    try {
      await keeper.carryOut(change)
    } catch (error) {
      const why = `the disks are added as soon as the others agree, and that is tried again: ${(error as Error).message}`
      throw unavailable('TOO_FEW_DISKS', why, {}, error)
    }
    const table = keeper.table()
    const disks = directories.flatMap((directory) =>
      table.disks.filter((disk) => disk.directory === directory).map(({ number }) => ({ number, directory })),
    )
    for (const { number, directory } of disks) log.info('disk-added', { disk: number, set, directory })
    return {
      ...{ kind: 'added', disks, set, parity: table.m },
      size: table.disks.filter((disk) => disk.set === set).length,
      directories: nextDirectories(facts, table),
    }
  }
}
