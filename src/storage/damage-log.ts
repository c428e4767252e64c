// What the operator hears of shards that did not verify, or are not there. One that is hot is read thousands of times before it is
// repaired, and a dying disk damages all it has: each shard is told once, and when that is too many, how many there were.
import type { WriteId } from '../base/ids.ts'
import type { Log, LogFields } from '../base/log.ts'

/** More say nothing that these have not said. */
const TOLD_MAX = 100

export interface DamageLog {
  /** `place`: what tells it from other shards of this write. */
  note(write: WriteId, place: string, fields: LogFields): void
  /** It is written anew: what is wrong with it from then on is news. */
  renewed(write: WriteId): void
}

export const createDamageLog = (log: Log, event: string): DamageLog => {
  const told = new Map<WriteId, Set<string>>()
  let count = 0
  return {
    note(write, place, fields) {
      const places = told.get(write)
      if (places?.has(place)) return
      count++
      if (count <= TOLD_MAX) {
        log.warn(event, fields)
        if (places) places.add(place)
        else told.set(write, new Set([place]))
        return
      }
      // Counted again and again now, as nothing more is remembered: a measure of how bad it is.
      if (Number.isInteger(Math.log10(count))) log.warn(event, { ...fields, count })
    },
    renewed: (write) => void told.delete(write),
  }
}
