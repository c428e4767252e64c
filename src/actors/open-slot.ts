// From a slot to the disk that is in it: looked at anew each time its actor starts, because what is there now need not be
// what was there before. A disk is what its disk.json says it is; only one that the store's table names is opened.
import { fault } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { Disk } from '../storage/disk.ts'
import type { DiskIdentity } from '../storage/identity-file.ts'
import { inspectDirectory } from '../storage/inspect.ts'
import { firstVolumeOf } from '../storage/session-file.ts'
import type { Roster } from './roster.ts'
import { rootIn, slotsWithRoot } from './slot-roots.ts'
import { filesOf, type StoreFacts } from './store-facts.ts'

/** The member of this store that lies in the slot; undefined when there is none that counts now. */
export const findInSlot = async (
  facts: StoreFacts,
  roster: Roster,
  slot: number,
): Promise<DiskIdentity | undefined> => {
  const root = rootIn(facts, slot)
  if (root === undefined) return undefined
  const { content } = await inspectDirectory(filesOf(facts), root)
  if (content.kind !== 'disk' || content.identity.storeId !== facts.storeId) return undefined
  const { identity } = content
  const row = roster.find(identity.number)
  if (identity.phase !== 'member' || row === undefined) return undefined
  // A disk that moved to another slot counts there once its old slot has let go of it.
  return row.slot === slot || row.state === 'out' ? identity : undefined
}

/** Opens the disk in the slot; undefined when there is none that counts now. */
export const openSlot = async (
  facts: StoreFacts,
  roster: Roster,
  slot: number,
  log: Log,
): Promise<{ disk: Disk; set: number } | undefined> => {
  const identity = await findInSlot(facts, roster, slot)
  if (!identity) return undefined
  const { storeId, diskId, number } = identity
  const member = identity.table.disks.find((disk) => disk.number === number)
  if (!member) throw fault('DISK_FORMAT', 'a disk is not in its own table of disks', { slot })
  const disk = await Disk.open({
    root: rootIn(facts, slot)!,
    files: filesOf(facts),
    log,
    sharers: await countSharers(facts, slot),
    // An older copy of the disk may come back while the store runs: it does not know the numbers it has had since.
    volumeNumberMin: Math.max(firstVolumeOf(facts.session), roster.highestVolume() + 1),
    onVolume: (volume) => roster.noteVolume(slot, volume),
    ...{ storeId, diskId, number },
  })
  return { disk, set: member.set }
}

/** Directories of the store on the device of this slot's: a laptop may have all of them on one. */
const countSharers = async (facts: StoreFacts, slot: number): Promise<number> => {
  const files = filesOf(facts)
  const known = slotsWithRoot(facts)
  const stats = await Promise.all(known.map(({ root }) => files.stat(root).catch(() => undefined)))
  const device = stats[known.findIndex((one) => one.slot === slot)]?.device
  return Math.max(1, stats.filter((stat) => stat !== undefined && stat.device === device).length)
}
