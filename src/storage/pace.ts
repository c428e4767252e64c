// How fast a disk is just now, and whether it lags so far behind its peers that new shards had better go elsewhere. A disk
// that hangs says nothing at all: what it has not finished counts with its age.
import type { Clock } from '../base/clock.ts'
import { SECOND } from '../base/units.ts'

/** Each operation moves the average by an eighth: one hiccup is forgotten after some ten operations. */
const WEIGHT = 1 / 8
/** Below this nobody minds, however fast the peers are. Directories of one device hold each other up for longer than tenths. */
const LAG_MS_MIN = 1 * SECOND
/** So many times slower than the middle one of its peers. */
const LAG_FACTOR = 10

export interface Pace {
  /** Runs `operation`, which counts from now until it settles. */
  time<T>(operation: () => Promise<T>): Promise<T>
  /** Milliseconds an operation takes, on average of late, or has been taking when one is stuck. 0 when nothing is known. */
  operationMs(): number
  /** What is known becomes nothing: the disk gets a new chance. What is stuck stays so. */
  forget(): void
}

export const createPace = (clock: Clock): Pace => {
  /** When each operation under way began; the first is the oldest. */
  const underWay = new Map<number, number>()
  let lastOperation = 0
  let averageMs = 0

  return {
    async time(operation) {
      const number = ++lastOperation
      const startedMs = clock.monotonicMs()
      underWay.set(number, startedMs)
      try {
        return await operation()
      } finally {
        underWay.delete(number)
        averageMs += (clock.monotonicMs() - startedMs - averageMs) * WEIGHT
      }
    },
    operationMs() {
      const oldestMs = underWay.values().next().value
      return oldestMs === undefined ? averageMs : Math.max(averageMs, clock.monotonicMs() - oldestMs)
    },
    forget() {
      averageMs = 0
    },
  }
}

/** Whether a disk whose operations take `ownMs` is to be passed over, with `peersMs` those of the other disks of its set. */
export const isLagging = (ownMs: number, peersMs: () => readonly number[]): boolean => {
  if (ownMs < LAG_MS_MIN) return false
  const sorted = [...peersMs()].sort((a, b) => a - b)
  if (sorted.length === 0) return false
  return ownMs > LAG_FACTOR * sorted[Math.floor(sorted.length / 2)]!
}
