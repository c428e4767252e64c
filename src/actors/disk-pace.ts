// The pace of one disk beside that of its peers: kept in the roster for them, and judged now and then. A disk that lags is
// passed over for new shards for a while, as if it were out, and then tried again; the journal has a quicker eye of its own.
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import { createPace, isLagging } from '../storage/pace.ts'
import type { Roster } from './roster.ts'

const PASSED_OVER_MS = 30 * SECOND

export interface DiskPace {
  /** Runs a write of this disk. */
  time<T>(write: () => Promise<T>): Promise<T>
  /** Whether the disk is passed over, as of now. */
  judge(): boolean
}

export const createDiskPace = (roster: Roster, slot: number, clock: Clock, log: Log): DiskPace => {
  const pace = createPace(clock)
  let slowUntilMs = 0
  const peersMs = (): number[] => {
    const own = roster.row(slot)
    const peers = roster.rows().filter(({ set, state }) => set === own.set && state !== 'out')
    return peers.filter((row) => row.slot !== slot).map(({ paceMs }) => paceMs)
  }
  return {
    time: pace.time,
    judge() {
      const nowMs = clock.monotonicMs()
      const isTriedAgain = slowUntilMs !== 0 && nowMs >= slowUntilMs
      if (isTriedAgain) {
        slowUntilMs = 0
        pace.forget()
      }
      const operationMs = pace.operationMs()
      roster.setPace(slot, operationMs)
      if (slowUntilMs === 0 && isLagging(operationMs, peersMs)) {
        slowUntilMs = nowMs + PASSED_OVER_MS
        log.warn('disk-lags', { slot, operationMs: Math.round(operationMs), forMs: PASSED_OVER_MS })
      } else if (isTriedAgain) log.info('disk-tried-again', { slot })
      return slowUntilMs !== 0
    },
  }
}
