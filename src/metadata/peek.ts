// Reads one configuration entry, or the counters of one disk, from the journal alone: nothing is opened for writing, nothing is locked, so it works on
// the disks of a store that is running. What it says was true when its last segment was read.
import type { Clock } from '../base/clock.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { Counts } from './counters.ts'
import { findJournal } from './journal-start.ts'
import { configKey, diskCounterKey } from './keys.ts'
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

/** Shards and bytes that are counted under the number of a disk. The first frame of a segment has all counters. */
export const peekDiskCounts = async (
  disks: readonly MemberDisk[],
  { parity, partition, disk, clock }: { parity: number; partition: number; disk: DiskNumber; clock: Clock },
): Promise<{ shards: number; bytes: number }> => {
  const { newest } = await findJournal(new Members(disks, parity, clock), partition)
  const key = diskCounterKey(disk)
  let counts: Counts = {}
  const walk = newest && new FrameWalk(newest.readable, false)
  for (let frame = await walk?.next(); frame; frame = await walk?.next()) {
    for (const entry of frame.content.counters) {
      if (entry.key === key) counts = (entry.record as Counts | undefined) ?? {}
    }
  }
  return { shards: counts.shards ?? 0, bytes: counts.bytes ?? 0 }
}
