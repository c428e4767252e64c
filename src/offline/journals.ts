// The journal of a partition, read from the store's directories. Nothing is opened for writing, so the store may be running: then
// what is read is what its journal said a moment ago, and a segment may go while it is read.
import { systemClock } from '../base/clock.ts'
import { codeOf } from '../base/errors.ts'
import type { FileSystem } from '../base/files.ts'
import { silentLog } from '../base/log.ts'
import { systemRandom } from '../base/prng.ts'
import type { Entry } from '../metadata/entry.ts'
import type { FrameContent } from '../metadata/frame.ts'
import { Journal } from '../metadata/journal.ts'
import type { BinaryKey } from '../metadata/keys.ts'
import { Members } from '../metadata/members.ts'
import { type KnownStore, readableMembers } from './known-store.ts'

/** `TOO_FEW_DISKS` when it cannot be read whole, `METADATA_CORRUPT` when it contradicts itself. */
export const findJournalOf = (
  store: Pick<KnownStore, 'table' | 'rootOf'>,
  partition: number,
  files: FileSystem,
): Promise<Journal> =>
  Journal.find({
    partition,
    members: new Members(readableMembers(store, files), store.table.m, systemClock),
    ...{ clock: systemClock, random: systemRandom, log: silentLog },
  })

/** Every frame that counts, oldest first, the last one included. */
export async function* allFrames(journal: Journal): AsyncGenerator<FrameContent> {
  yield* journal.replay((journal.firstSequence() ?? 1) - 1)
  const last = journal.lastFrame()
  if (last) yield last
}

/** The newest entries of the keys that are `wanted`, those that are deleted left out. */
export const newestEntries = async (
  journal: Journal,
  wanted: (key: BinaryKey) => boolean,
): Promise<Map<BinaryKey, Entry>> => {
  const newest = new Map<BinaryKey, Entry>()
  for await (const { commits } of allFrames(journal)) {
    for (const entry of commits.flat()) {
      if (!wanted(entry.key)) continue
      if (entry.payload === undefined) newest.delete(entry.key)
      else newest.set(entry.key, entry)
    }
  }
  return newest
}

const TRIES = 5
/** What a segment that was dropped while it was read looks like. */
const MAY_PASS = new Set(['TOO_FEW_DISKS', 'METADATA_CORRUPT', 'QUORUM_READ'])

/** Runs `action` again where it failed because the store went on while it read. */
export const withJournalOf = async <T>(
  store: Pick<KnownStore, 'table' | 'rootOf'>,
  partition: number,
  files: FileSystem,
  action: (journal: Journal) => Promise<T>,
): Promise<T> => {
  for (let tries = 1; ; tries++) {
    try {
      return await action(await findJournalOf(store, partition, files))
    } catch (error) {
      if (tries === TRIES || !MAY_PASS.has(codeOf(error))) throw error
    }
  }
}
