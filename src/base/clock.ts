// Time comes in through an argument. Production passes `systemClock`; tests and simulation pass a clock they move by
// hand. Nothing outside base/ may call Date.now, performance.now or setTimeout.

/** A timer that was set and can be taken back. Cancelling one that has fired does nothing. */
export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump either way; never decides the order of anything. */
  nowMs(): number
  /** Milliseconds since a start that all threads share; never goes back. Deadlines and rates use this one. */
  monotonicMs(): number
  /** Calls `action` once after at least `delayMs`. A pending timer does not keep the process alive unless `keepsAlive`. */
  setTimer(delayMs: number, action: () => void, keepsAlive?: boolean): Timer
}

/**
 * What to add to `performance.now()`, whose start differs from thread to thread, while deadlines travel between threads.
 * Both read the same clock of the machine; asked together once, they differ by less than a microsecond.
 */
const threadStartMs = (() => {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1000 + nanoseconds / 1e6 - performance.now()
})()

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => threadStartMs + performance.now(),
  setTimer(delayMs, action, keepsAlive = false) {
    const timer = setTimeout(action, delayMs)
    if (!keepsAlive) timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** A clock whose timers end with their owner: `close` cancels those that are pending, and from then on none is set. */
export interface OwnClock extends Clock {
  close(): void
}

const NO_TIMER: Timer = { cancel: () => undefined }

export const createOwnClock = (clock: Clock): OwnClock => {
  const pending = new Set<Timer>()
  let isClosed = false
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    setTimer(delayMs, action, keepsAlive) {
      if (isClosed) return NO_TIMER
      const timer = clock.setTimer(
        delayMs,
        () => {
          pending.delete(timer)
          action()
        },
        keepsAlive,
      )
      pending.add(timer)
      return {
        cancel() {
          pending.delete(timer)
          timer.cancel()
        },
      }
    },
    close() {
      isClosed = true
      for (const timer of pending) timer.cancel()
      pending.clear()
    },
  }
}

/** Resolves after at least `delayMs` on `clock`. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => void clock.setTimer(delayMs, resolve, true))
