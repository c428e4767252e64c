// How long reads of each disk take, as one reader of them sees it: when to stop waiting for a read and get the same bytes
// from other disks ("The Tail at Scale", CACM 2013), and which disks had better not be asked at all. Nothing here is a
// fixed guess: late is what takes half as long again as nine in ten recent reads of the disk's peers.
//
// Each reader (a gateway, a partition) keeps its own: it then counts the way to the disk as well, and needs no other thread
// to learn that a disk hangs. Writes are judged in storage/pace.ts. Reads of one disk and of about one size are compared:
//
//   disk × size up to 4, 16, 64, 256 KiB, more  →  the last 32 durations  →  their 0.9 quantile
import type { Clock } from './clock.ts'
import type { DiskNumber } from './ids.ts'
import { KiB, SECOND } from './units.ts'

const CLASS_BYTES = [4 * KiB, 16 * KiB, 64 * KiB, 256 * KiB, Number.POSITIVE_INFINITY] as const
const WINDOW = 32
const QUANTILE = 0.9
/** Of fewer reads nothing is concluded. */
const SAMPLES_MIN = 4
/** Quantiles move slowly: sorting a window for each read would cost more than the timer. */
const LEARN_EVERY = 16
/** So many times its peers' quantile, and a read is late. */
const LATE_FACTOR = 1.5
/** Sooner than that nothing is late: a collection of garbage takes as long, and timers go by whole milliseconds. */
const LATE_MS_MIN = 2
/** Nor does anybody wait longer, also while nothing is known of the peers. */
const LATE_MS_MAX = 1 * SECOND
/** Each read moves the average of its disk by an eighth … */
const WEIGHT = 1 / 8
/** … and counts for no more than this: one hiccup does not make a disk slow, two that soon follow each other do. */
const LATENESS_MAX = 8
/** A disk is slow when its reads take, on average, so many times as long as what is late … */
const SLOW_LATENESS = 2
/** … and so many times as long as those of the middle one of its peers. When all are slow, none is. */
const SLOW_FACTOR = 4
/** A slow disk is tried again after this; twice as long after each try that failed. One read pays for a try. */
const TRY_AFTER_MS = 5 * SECOND
const TRY_AFTER_MS_MAX = 60 * SECOND
/** Reads that hedges, and doing without what is not proven slow, may add, as a share of all reads: a store that is slow as a whole is not made slower. */
const HEDGE_SHARE = 1 / 20
/** Saved up while nothing is late: what is hedged until a disk is known to be slow. */
const HEDGE_READS_MAX = 64

/** A read that is under way. */
export interface ReadTiming {
  /** From its beginning on; what takes longer is late. */
  readonly lateMs: number
  /** It has ended. `isWhole`: with the bytes; what failed says nothing of the pace, unless it was late. */
  end(isWhole: boolean): void
}

export interface ReadPace {
  begin(disk: DiskNumber, bytes: number): ReadTiming
  /** Its reads are far slower than those of its peers, or one under way has been for long. */
  isSlow(disk: DiskNumber): boolean
  /** Reads that have ended show it, or one that has been under way for very long. A shorter wait may be everybody's. */
  isProvenSlow(disk: DiskNumber): boolean
  /** Whether one read should show if a slow disk still is. */
  mayTry(disk: DiskNumber): boolean
  /** Takes `reads` of what hedges may add; false when that is used up. */
  takeHedge(reads: number): boolean
}

interface Window {
  readonly samplesMs: Float64Array
  count: number
  quantileMs: number
}

interface DiskReads {
  readonly windows: readonly Window[]
  /** By class; what is late by the peers of this disk. */
  readonly lateMs: number[]
  /** The oldest first. */
  readonly underWay: Set<{ readonly startedMs: number; readonly lateMs: number }>
  /** How long its reads take, as a share of what is late. */
  lateness: number
  triedMs: number
  failedTries: number
}

const classOf = (bytes: number): number => CLASS_BYTES.findIndex((most) => bytes <= most)

const medianOf = (values: readonly number[]): number | undefined =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]

const createReads = (): DiskReads => ({
  windows: CLASS_BYTES.map(() => ({ samplesMs: new Float64Array(WINDOW), count: 0, quantileMs: 0 })),
  lateMs: CLASS_BYTES.map(() => LATE_MS_MAX),
  underWay: new Set(),
  lateness: 0,
  triedMs: 0,
  failedTries: 0,
})

const learn = (window: Window): void => {
  const known = window.samplesMs.slice(0, Math.min(window.count, WINDOW)).sort()
  window.quantileMs = known[Math.floor((known.length - 1) * QUANTILE)] ?? 0
}

export const createReadPace = (clock: Clock): ReadPace => {
  const disks = new Map<DiskNumber, DiskReads>()
  const untilLearning: number[] = CLASS_BYTES.map(() => SAMPLES_MIN)
  let hedgeReads = HEDGE_READS_MAX

  const readsOf = (disk: DiskNumber): DiskReads => {
    const known = disks.get(disk)
    if (known) return known
    const reads = createReads()
    disks.set(disk, reads)
    // What the others have shown holds for the newcomer.
    for (let size = 0; size < CLASS_BYTES.length; size++) setLate(reads, size)
    return reads
  }
  const peersOf = (own: DiskReads): DiskReads[] => [...disks.values()].filter((reads) => reads !== own)
  /** Larger reads take no less: they say what smaller ones of which nothing is known take at most. */
  const setLate = (own: DiskReads, size: number): void => {
    let typicalMs: number | undefined
    for (let larger = size; larger < CLASS_BYTES.length && typicalMs === undefined; larger++) {
      const quantiles = (from: readonly DiskReads[]): number[] =>
        from.flatMap(({ windows }) => {
          const { count, quantileMs } = windows[larger]!
          return count >= SAMPLES_MIN ? quantileMs : []
        })
      typicalMs = medianOf(quantiles(peersOf(own))) ?? medianOf(quantiles([own]))
    }
    const lateMs = typicalMs === undefined ? LATE_MS_MAX : LATE_FACTOR * typicalMs
    own.lateMs[size] = Math.min(LATE_MS_MAX, Math.max(LATE_MS_MIN, lateMs))
  }
  const note = (reads: DiskReads, size: number, tookMs: number): void => {
    const window = reads.windows[size]!
    window.samplesMs[window.count++ % WINDOW] = tookMs
    if (--untilLearning[size]! > 0) return
    untilLearning[size] = window.count < LEARN_EVERY ? SAMPLES_MIN : LEARN_EVERY
    for (const { windows } of disks.values()) learn(windows[size]!)
    for (const each of disks.values())
      for (let smaller = 0; smaller <= size; smaller++) setLate(each, smaller)
  }
  const latenessOf = (reads: DiskReads): number => {
    const [oldest] = reads.underWay
    const age = oldest ? (clock.monotonicMs() - oldest.startedMs) / oldest.lateMs : 0
    return Math.max(reads.lateness, age)
  }
  const isFarBehind = (reads: DiskReads, lateness: number): boolean => {
    if (lateness <= SLOW_LATENESS) return false
    const peers = medianOf(peersOf(reads).map(latenessOf)) ?? 0
    return lateness > SLOW_FACTOR * peers
  }

  return {
    begin(disk, bytes) {
      hedgeReads = Math.min(HEDGE_READS_MAX, hedgeReads + HEDGE_SHARE)
      const reads = readsOf(disk)
      const size = classOf(bytes)
      const timing = { startedMs: clock.monotonicMs(), lateMs: reads.lateMs[size]! }
      const isTry = isFarBehind(reads, reads.lateness)
      reads.underWay.add(timing)
      return {
        lateMs: timing.lateMs,
        end(isWhole) {
          if (!reads.underWay.delete(timing)) return
          const tookMs = clock.monotonicMs() - timing.startedMs
          if (!isWhole && tookMs < timing.lateMs) return
          const lateness = Math.min(LATENESS_MAX, tookMs / timing.lateMs)
          // What was known of a disk that is tried is old: the try says how it is now.
          reads.lateness += (lateness - reads.lateness) * (isTry ? 1 : WEIGHT)
          reads.triedMs = clock.monotonicMs()
          if (isTry) reads.failedTries = lateness > SLOW_LATENESS ? reads.failedTries + 1 : 0
          note(reads, size, tookMs)
        },
      }
    },
    isSlow(disk) {
      const reads = disks.get(disk)
      return reads !== undefined && isFarBehind(reads, latenessOf(reads))
    },
    isProvenSlow(disk) {
      const reads = disks.get(disk)
      if (!reads) return false
      const lateness = latenessOf(reads)
      return isFarBehind(reads, lateness >= LATENESS_MAX ? lateness : reads.lateness)
    },
    mayTry(disk) {
      const reads = disks.get(disk)
      if (!reads || reads.underWay.size > 0) return false
      const afterMs = Math.min(TRY_AFTER_MS_MAX, TRY_AFTER_MS * 2 ** reads.failedTries)
      return clock.monotonicMs() - reads.triedMs >= afterMs
    },
    takeHedge(count) {
      if (hedgeReads < count) return false
      hedgeReads -= count
      return true
    },
  }
}
