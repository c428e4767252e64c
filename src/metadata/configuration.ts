// Configuration entries: identities, the table of disks and whatever else belongs to the store rather than to an object.
// They are commits like any other; what is secret in them was sealed by the caller.
import type { DiskNumber } from '../base/ids.ts'
import { afterPrefix, configKey, fromBinary, SPACE } from './keys.ts'
import type { CommitLimits, Room } from './room.ts'

/** Name of the entry with the table of disks, committed before a change of it counts: see storage/table-change.ts. */
export const DISKS_ENTRY = 'disks'

/** Name of the entry with the session each disk was last whole in, by its number: see actors/disk-sessions.ts. */
export const SESSIONS_ENTRY = 'sessions'

/** Name of the entry with when the file that says so was made, and for which session, by the number of the disk. */
export const SESSION_FILES_ENTRY = 'session-files'

export interface PutConfig extends CommitLimits {
  readonly name: string
  /** Anything JSON can say; undefined removes the entry. */
  readonly value: unknown
  /**
   * Begin a new segment with this commit, on m + 1 of these disks: a change of the table of disks goes to disks of the
   * old and the new table before it counts.
   */
  readonly onDisks?: ReadonlySet<DiskNumber> | undefined
}

export const getConfig = ({ ledger }: Room, name: string): unknown =>
  (ledger.get(configKey(name))?.record as { value: unknown } | undefined)?.value

export const putConfig = ({ ledger }: Room, request: PutConfig): Promise<void> => {
  const { name, value, onDisks } = request
  if (onDisks) ledger.journal.wantSegment(onDisks)
  return ledger.decide((decision) => {
    if (value === undefined) decision.delete(configKey(name))
    else decision.put(configKey(name), { value })
  }, request)
}

/** All entries, in order of names; there are few. */
export const listConfig = async ({ ledger }: Room): Promise<{ name: string; value: unknown }[]> => {
  const scan = ledger.scan(SPACE.config, afterPrefix(SPACE.config))
  const found: { name: string; value: unknown }[] = []
  try {
    for (let rows = await scan.next(256); rows.length > 0; rows = await scan.next(256)) {
      for (const { key, record } of rows) {
        found.push({ name: fromBinary(key.slice(1)), value: (record as { value: unknown }).value })
      }
    }
  } finally {
    await scan.close()
  }
  return found
}
