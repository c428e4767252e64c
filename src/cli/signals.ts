// The signals that ask the program to stop. Ctrl-C under `npm start` arrives twice, from the terminal and passed on by npm,
// a few milliseconds apart: that is one wish, or the second would always cut off the drain that the first began.
import type { Clock } from '../base/clock.ts'

/** A service manager sends TERM, a terminal INT or, when it is closed, HUP. */
const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** Far longer than npm takes to pass one on, far shorter than a second thought. */
const ECHO_MS = 100

export interface SignalSource {
  on(name: (typeof STOP_SIGNALS)[number], action: (name: string) => void): unknown
}

/** Takes the signals over for good. Each call of the result resolves at the next signal that is not an echo. */
export const watchSignals = (source: SignalSource, clock: Clock): (() => Promise<string>) => {
  const waiting: ((name: string) => void)[] = []
  let lastMs = Number.NEGATIVE_INFINITY
  const take = (name: string): void => {
    const nowMs = clock.monotonicMs()
    const isEcho = nowMs - lastMs < ECHO_MS
    if (isEcho) return
    lastMs = nowMs
    waiting.shift()?.(name)
  }
  for (const name of STOP_SIGNALS) source.on(name, take)
  return () => new Promise((resolve) => waiting.push(resolve))
}
