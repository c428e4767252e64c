// Reads one configuration entry from the journal alone: nothing is opened for writing, nothing is locked, so it works on
// the disks of a store that is running. What it says was true when its last segment was read.
import type { Clock } from '../base/clock.ts'
import { findJournal } from './journal-start.ts'
import { configKey } from './keys.ts'
import { type MemberDisk, Members } from './members.ts'
import { FrameWalk } from './segment-reader.ts'

/** The newest value of `name`; undefined when there is none. `TOO_FEW_DISKS` when the journal cannot be read whole. */
export const peekConfig = async (
  disks: readonly MemberDisk[],
  { parity, partition, name, clock }: { parity: number; partition: number; name: string; clock: Clock },
): Promise<unknown> => {
  const { sealed, newest } = await findJournal(new Members(disks, parity, clock), partition)
  const key = configKey(name)
  let value: unknown
  for (const readable of [...sealed, ...(newest ? [newest.readable] : [])]) {
    const walk = new FrameWalk(readable, false)
    for (let frame = await walk.next(); frame; frame = await walk.next()) {
      for (const entry of frame.content.commits.flat()) {
        if (entry.key === key) value = (entry.record as { value: unknown } | undefined)?.value
      }
    }
  }
  return value
}
