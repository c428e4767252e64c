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

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs() {
    // Not performance.now(): its start differs from thread to thread, and deadlines travel between threads.
    const [seconds, nanoseconds] = process.hrtime()
    return seconds * 1000 + nanoseconds / 1e6
  },
  setTimer(delayMs, action, keepsAlive = false) {
    const timer = setTimeout(action, delayMs)
    if (!keepsAlive) timer.unref()
    return { cancel: () => clearTimeout(timer) }
  },
}

/** Resolves after at least `delayMs` on `clock`. */
export const sleep = (clock: Clock, delayMs: number): Promise<void> =>
  new Promise((resolve) => void clock.setTimer(delayMs, resolve, true))
