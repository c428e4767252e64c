// One write to all copies of a segment, side by side. A copy that fails ends it, and so does one that lags far behind its
// peers while other disks could take its place: the journal then goes on in a new segment without that disk.
//
// Slowness is relative. When every disk is slow, because they share a device or all are busy, passing over one after the
// other would only end in too few disks, and in 503 for writes that merely take a while.
import type { Clock } from '../base/clock.ts'
import { codeOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import { type Members, reasonOf } from './members.ts'
import type { SegmentDisk } from './segment-disk.ts'

/** Nobody minds a copy that is synced sooner, however fast its peers are. Also how often the clock is looked at. */
const LAG_MS = SECOND
/** So many times slower than the quickest of its peers. */
const LAG_FACTOR = 10
/** What takes longer hangs, whatever the peers do. */
const STALL_MS = 10 * SECOND

export interface CopiesOptions {
  readonly partition: number
  readonly members: Members
  readonly clock: Clock
  readonly log: Log
}

/** True when `write` resolved for every disk; false as soon as one failed or lags, which is then passed over for a while. */
export const writeCopies = (
  { clock, members, log, partition }: CopiesOptions,
  disks: readonly SegmentDisk[],
  write: (disk: SegmentDisk) => Promise<void>,
): Promise<boolean> =>
  new Promise((resolve) => {
    const waiting = new Set(disks)
    /** Passed over for not answering: what they answer at last, a deadline of theirs most often, changes nothing. */
    const left = new Set<SegmentDisk>()
    let startedMs = clock.monotonicMs()
    let lookedMs = startedMs
    let quickestMs: number | undefined
    let timer = clock.setTimer(LAG_MS, () => onTime())
    const finish = (isSynced: boolean): void => {
      timer.cancel()
      resolve(isSynced)
    }
    const passOverWaiting = (reason: 'lagging' | 'failing'): void => {
      for (const member of waiting) {
        const { disk } = member
        left.add(member)
        members.passOver(disk, reason)
        log.warn('journal-disk-lags', { partition, disk, reason })
      }
      finish(false)
    }
    const onTime = (): void => {
      const nowMs = clock.monotonicMs()
      // This process stood still, not the disks: what they answered meanwhile has not been heard yet.
      if (nowMs - lookedMs >= 2 * LAG_MS) startedMs = nowMs
      lookedMs = nowMs
      const waitedMs = nowMs - startedMs
      const isLagging = quickestMs !== undefined && waitedMs >= Math.max(LAG_MS, LAG_FACTOR * quickestMs)
      if (waitedMs >= STALL_MS) passOverWaiting('failing')
      else if (isLagging && members.canDoWithout(waiting)) passOverWaiting('lagging')
      else timer = clock.setTimer(LAG_MS, onTime)
    }
    for (const disk of disks) {
      write(disk).then(
        () => {
          waiting.delete(disk)
          quickestMs ??= Math.max(0, clock.monotonicMs() - startedMs)
          if (waiting.size === 0) finish(true)
        },
        (error: unknown) => {
          if (left.has(disk)) return
          const code = codeOf(error)
          members.passOver(disk.disk, reasonOf(code))
          log.warn('journal-disk-failed', { partition, disk: disk.disk, code })
          finish(false)
        },
      )
    }
  })
