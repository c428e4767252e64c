// Hedging: not to wait for what is late, but to start something else as well, and to take what comes first. What is no longer
// waited for goes on to its end: nothing under way can be taken back, and its memory is its own until then.
import type { Clock, Timer } from './clock.ts'

/**
 * Calls `action` when `delayMs` have passed. A timer that comes far too late means that this thread stood still, and what it
 * waits for may be there, unheard: then it waits as long once more.
 */
export const whenLate = (clock: Clock, delayMs: number, action: () => void): Timer => {
  const startedMs = clock.monotonicMs()
  let timer = clock.setTimer(delayMs, () => {
    if (clock.monotonicMs() - startedMs >= 2 * delayMs + 1) timer = clock.setTimer(delayMs, action)
    else action()
  })
  return { cancel: () => timer.cancel() }
}

/** What `promise` comes to, or `late` when that takes longer than `delayMs`. */
export const orLate = <T>(clock: Clock, promise: Promise<T>, delayMs: number): Promise<T | 'late'> =>
  new Promise((resolve, reject) => {
    const timer = whenLate(clock, delayMs, () => resolve('late'))
    promise.then(resolve, reject).finally(() => timer.cancel())
  })

export interface Attempt {
  /** Whether it was a success. */
  readonly ended: Promise<boolean>
  /** What takes longer is late. */
  readonly lateMs: number
}

export interface Gathering<T> {
  readonly clock: Clock
  /** The best first. */
  readonly candidates: readonly T[]
  /** How many successes are wanted. */
  readonly needed: number
  start(candidate: T): Attempt
  /** Asked when an attempt is late, while there is another candidate. */
  mayHedge(): boolean
}

/**
 * Attempts as many candidates as are needed, another one for each that fails, and one more for each that is late. Resolves
 * with the number of successes as soon as there are enough, or every candidate has ended; rejects as an attempt does.
 */
export const gather = <T>({ clock, candidates, needed, start, mayHedge }: Gathering<T>): Promise<number> =>
  new Promise((resolve, reject) => {
    const waiting = [...candidates]
    const timers = new Set<Timer>()
    let found = 0
    /** Under way, those aside that another one was started for because they are late. */
    let counted = 0
    let running = 0
    let isOver = false
    const finish = (): void => {
      isOver = true
      for (const timer of timers) timer.cancel()
      resolve(found)
    }
    const startNext = (): void => {
      const { ended, lateMs } = start(waiting.shift()!)
      let isCounted = true
      counted++
      running++
      const onLate = (): void => {
        if (isOver || waiting.length === 0 || !mayHedge()) return
        isCounted = false
        counted--
        goOn()
      }
      // Where nothing else could be started, nobody need know that it is late.
      const timer =
        waiting.length > 0 && lateMs < Number.POSITIVE_INFINITY ? whenLate(clock, lateMs, onLate) : undefined
      if (timer) timers.add(timer)
      const settle = (): void => {
        timer?.cancel()
        if (timer) timers.delete(timer)
        running--
        if (isCounted) counted--
      }
      ended.then(
        (isFound) => {
          settle()
          if (isOver) return
          if (isFound) found++
          goOn()
        },
        (error: unknown) => {
          settle()
          isOver = true
          for (const other of timers) other.cancel()
          reject(error)
        },
      )
    }
    const goOn = (): void => {
      while (found + counted < needed && waiting.length > 0) startNext()
      if (found >= needed || running === 0) finish()
    }
    goOn()
  })
