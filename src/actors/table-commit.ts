// Steps 2 and 3 of a change of the table of disks, and what comes before them: see storage/table-change.ts. Every partition commits the
// change, every disk.json says it; what was committed and cut off earlier is succeeded, never repeated.
import type { DiskNumber } from '../base/ids.ts'
import { SECOND } from '../base/units.ts'
import { DISKS_ENTRY } from '../metadata/configuration.ts'
import type { ActorRef } from '../runtime/actor.ts'
import { applyJoin, writeTable } from '../storage/forming.ts'
import type { DiskIdentity, DiskTable, TableDisk } from '../storage/identity-file.ts'
import { planSuccessor, type TableChange } from '../storage/table-change.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import type { Roster } from './roster.ts'
import { rootIn } from './slot-roots.ts'
import { filesOf, type StoreFacts } from './store-facts.ts'

const COMMIT_LIMIT = { withinMs: 60 * SECOND }

export interface TableCommit {
  /**
   * The change to be made: `change`, or its successor when another one was committed and cut off, and a disk that is away been told
   * of it. Without one to be made that is the table itself; undefined when nothing is.
   */
  reconcile(table: DiskTable, change: TableChange | undefined): Promise<TableChange | undefined>
  /** Durable in every partition when it resolves. */
  commit(change: TableChange): Promise<void>
  /** Every disk.json says the new table, the newcomers' last: until one of the others says so they do not count. */
  publish(change: TableChange): Promise<void>
}

/** What disk.json of a member says. */
export const memberIdentity = (
  storeId: string,
  table: DiskTable,
  { id, number }: TableDisk,
): DiskIdentity => ({
  ...{ storeId, diskId: id, number, phase: 'member', table },
})

export const createTableCommit = (
  facts: StoreFacts,
  roster: Roster,
  buckets: readonly ActorRef<BucketProtocol>[],
): TableCommit => {
  const { storeId, storeKey } = facts
  const files = filesOf(facts)
  return {
    async reconcile(table, prepared) {
      const asked = buckets.map((bucket) => bucket.ask('config', { name: DISKS_ENTRY }, COMMIT_LIMIT))
      const committed = (await Promise.all(asked)) as (DiskTable | undefined)[]
      const newest = committed.reduce((a, b) => ((b?.version ?? 0) > (a?.version ?? 0) ? b : a), undefined)
      const change = prepared ?? { from: table, to: table, left: [], joined: [] }
      if (newest === undefined || newest.version < change.to.version) return prepared
      if (JSON.stringify(newest) === JSON.stringify(change.to)) return prepared
      const next = planSuccessor(change, newest)
      for (const { root, identity } of next.joined) await applyJoin(files, root, identity, storeKey)
      return next
    },
    async commit({ from, to }) {
      const stay = to.disks.filter(({ id }) => from.disks.some((disk) => disk.id === id))
      const onDisks = stay.filter(({ state }) => state === 'active').map(({ number }) => number)
      const value = { name: DISKS_ENTRY, value: to, onDisks }
      await Promise.all(buckets.map((bucket) => bucket.ask('putConfig', value, COMMIT_LIMIT)))
    },
    async publish({ to, joined }) {
      const find = (number: DiskNumber): TableDisk | undefined =>
        to.disks.find((member) => member.number === number)
      const write = (root: string, disk: TableDisk): Promise<void> =>
        writeTable(files, root, memberIdentity(storeId, to, disk))
      const writing = roster.present().flatMap(({ slot, number }) => {
        const disk = find(number)
        return disk ? [write(rootIn(facts, slot)!, disk)] : []
      })
      const written = (await Promise.allSettled(writing)).filter(({ status }) => status === 'fulfilled')
      // n − m disks of the next start must meet one that knows: those that failed here are told when they are back.
      if (written.length < Math.min(writing.length, to.m + 1)) await Promise.all(writing)
      for (const { root, identity } of joined) await write(root, find(identity.number)!)
    },
  }
}
