// Whether the store can do what it is there for, as a load balancer asks: read everything and take new versions. Answered from
// shared memory, at once, because anyone may ask as often as he likes.
import { MiB } from '../base/units.ts'
import { type DiskView, whyNotServing } from '../storage/placement.ts'
import { attachRoster, type Roster } from './roster.ts'
import { attachServed } from './served-partitions.ts'
import type { StoreFacts } from './store-facts.ts'

/** The disks of the table as a writer sees them now. */
export const diskViews = (roster: Roster): DiskView[] =>
  roster
    .rows()
    .filter(({ number }) => number !== 0)
    .map(({ number, set, state, isDraining, totalMiB, freeMiB }) => ({
      number,
      set,
      capacityBytes: totalMiB * MiB,
      freeBytes: freeMiB * MiB,
      isReachable: state !== 'out' && state !== 'read-only',
      isDraining,
      isSlow: state === 'slow',
      hasRoom: state === 'up' || state === 'slow',
    }))

/** Asked again and again; says why not in a few words, without a path or a number of a disk. */
export const createReadiness = (facts: StoreFacts): (() => string | undefined) => {
  const roster = attachRoster(facts.roster)
  const served = attachServed(facts.served)
  return () => {
    const reason = whyNotServing(facts.parity, diskViews(roster))
    if (reason !== undefined) return reason
    const count = served.countShut()
    return count === 0
      ? undefined
      : `${count} of ${facts.partitions} partitions of the metadata cannot be served`
  }
}
