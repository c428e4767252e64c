// The inspector answers what an operator asks of the running store. It lives on the main thread, because only the system
// itself can see every thread; everything it says is read, never changed.
import { KiB } from '../base/units.ts'
import type { Behavior } from '../runtime/actor.ts'
import type { SystemView } from '../runtime/system.ts'
import { attachRoster, type RosterRow } from './roster.ts'
import type { StoreFacts } from './store-facts.ts'

/** Full redundancy: nothing waits, and every disk is present. */
export interface Redundancy {
  /** What does not lie where it should: exact, from the counters in the commits. */
  readonly waiting: { readonly shards: number; readonly bytes: number }
  readonly disks: readonly DiskPresence[]
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

const presenceOf = ({ slot, state }: RosterRow, directory: string): DiskPresence => {
  const message = MESSAGES[state]
  return {
    ...{ position: slot + 1, directory, state: state === 'out' ? 'out' : 'present' },
    ...(message !== undefined && { message }),
  }
}

export interface InspectorProtocol {
  actors(m: Record<string, never>): Promise<SystemView>
  redundancy(m: Record<string, never>): Redundancy
}

export interface InspectorArgs {
  /** Filled in by the composition root once the system is there. */
  inspect(): Promise<SystemView>
}

export const inspector: Behavior<InspectorProtocol, InspectorArgs> = {
  mailbox: { messagesMax: 64, bytesMax: 64 * KiB },
  interleave: { actors: 4 },
  setup(context, { inspect }) {
    const facts = context.workerData as StoreFacts
    const roster = attachRoster(facts.roster)
    return {
      actors: () => inspect(),
      redundancy: () => ({
        waiting: { shards: 0, bytes: 0 },
        disks: roster.rows().map((row) => presenceOf(row, facts.roots[row.slot]!)),
      }),
    }
  },
}
