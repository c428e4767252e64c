// The inspector answers what an operator asks of the running store. It lives on the main thread, because only the system
// itself can see every thread; everything it says is read, never changed.
import { codeOf } from '../base/errors.ts'
import { KiB, SECOND } from '../base/units.ts'
import type { Behavior, Context } from '../runtime/actor.ts'
import type { SystemView } from '../runtime/system.ts'
import type { BucketProtocol } from './bucket.ts'
import type { KeeperProtocol, SlotNote } from './keeper.ts'
import type { RepairerProtocol } from './repairer.ts'
import { attachRoster, type RosterRow } from './roster.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'

/** Full redundancy: nothing waits, every disk is present and every partition served. */
export interface Redundancy {
  /** What does not lie where it should: exact, from the counters in the commits. */
  readonly waiting: { readonly shards: number; readonly bytes: number }
  readonly disks: readonly DiskPresence[]
  /** Partitions whose buckets answer 503: what waits there is not known. Most often empty. */
  readonly notServed: readonly PartitionNote[]
}

export interface PartitionNote {
  readonly partition: number
  /** What it needs. */
  readonly message: string
}

export interface DiskPresence {
  /** In the order of the configuration, from 1. */
  readonly position: number
  readonly directory: string
  /** `out`: counts for nothing until it is back or replaced. */
  readonly state: 'present' | 'out'
  /** What an operator should know of it. */
  readonly message?: string
}

const MESSAGES: Readonly<Partial<Record<RosterRow['state'], string>>> = {
  out: 'the disk is not there, or its directory does not hold it',
  full: 'the disk is full: it is read and deleted from, not written to',
  'read-only': 'the disk is read-only',
  slow: 'the disk lags behind its peers and is passed over',
}

const presenceOf = ({ slot, state }: RosterRow, directory: string, note?: string): DiskPresence => {
  const message = note ?? MESSAGES[state]
  return {
    ...{ position: slot + 1, directory, state: state === 'out' ? 'out' : 'present' },
    ...(message !== undefined && { message }),
  }
}

export interface InspectorProtocol {
  actors(m: Record<string, never>): Promise<SystemView>
  redundancy(m: Record<string, never>): Promise<Redundancy>
}

export interface InspectorArgs {
  /** Filled in by the composition root once the system is there. */
  inspect(): Promise<SystemView>
}

export const inspector: Behavior<InspectorProtocol, InspectorArgs> = {
  mailbox: { messagesMax: 64, bytesMax: 64 * KiB },
  interleave: { actors: 4, redundancy: 4 },
  setup(context, { inspect }) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    return {
      actors: () => inspect(),
      redundancy: async () => {
        const { waiting, notes, notServed } = await lookAround(context, facts.partitions)
        return {
          waiting,
          notServed,
          disks: roster.rows().map((row) => {
            const note = notes.find(({ slot }) => slot === row.slot)
            return presenceOf(row, facts.roots[row.slot] ?? 'no directory is given for it', note?.message)
          }),
        }
      },
    }
  },
}

const LOOK_LIMIT = { withinMs: 10 * SECOND }

const lookAround = async (
  context: Context<InspectorProtocol>,
  partitions: number,
): Promise<Pick<Redundancy, 'waiting' | 'notServed'> & { notes: readonly SlotNote[] }> => {
  const notServed: PartitionNote[] = []
  const buckets = Array.from({ length: partitions }, async (_, partition) => {
    try {
      return await context.ref<BucketProtocol>(PATHS.bucket(partition)).ask('waiting', {}, LOOK_LIMIT)
    } catch (error) {
      if (codeOf(error) !== 'PARTITION_SHUT') throw error
      notServed.push({ partition, message: (error as Error).message })
      return { shards: 0, bytes: 0 }
    }
  })
  const damaged = context.ref<RepairerProtocol>(PATHS.repairer).ask('waiting', {}, LOOK_LIMIT)
  const notes = context.ref<KeeperProtocol>(PATHS.keeper).ask('notes', {}, LOOK_LIMIT)
  const all = await Promise.all([damaged, ...buckets])
  return {
    waiting: {
      shards: all.reduce((sum, { shards }) => sum + shards, 0),
      bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    notServed,
    notes: await notes,
  }
}
