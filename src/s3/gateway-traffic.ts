// What is under way: the gateway's bounds are kept here. Requests beyond them are refused with 503, and slow bodies are
// looked after.
import type { Clock } from '../base/clock.ts'
import { unavailable } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import type { Exchange } from '../http/exchange.ts'
import type { SocketSource } from './bodies-socket.ts'

export interface TrafficLimits {
  readonly requestsMax: number
  readonly bodyWindowMs: number
}

export interface Traffic {
  /** Counts the exchange until it has settled. */
  enter(exchange: Exchange, source: SocketSource | undefined): void
  /** Throws `DRAINING` or `MAILBOX_FULL` when there is no room for one more. */
  admit(exchange: Exchange): void
  isDraining(): boolean
  inFlight(): number
  /** From now on nothing is admitted. Resolves when nothing is under way, or after `limitMs`. */
  drain(limitMs: number): Promise<void>
}

export const createTraffic = (clock: Clock, limits: TrafficLimits): Traffic => {
  const bodies = new Set<SocketSource>()
  const waiters = new Set<() => void>()
  let inFlight = 0
  let isDraining = false

  // Runs only while bodies are being received.
  const watchEveryMs = Math.min(SECOND, limits.bodyWindowMs / 4)
  let isWatching = false
  const watch = (): void => {
    isWatching = bodies.size > 0
    if (!isWatching) return
    const nowMs = clock.monotonicMs()
    for (const body of bodies) body.check(nowMs)
    clock.setTimer(watchEveryMs, watch)
  }

  return {
    enter(exchange, source) {
      inFlight++
      exchange.onSettled = () => {
        inFlight--
        if (source) bodies.delete(source)
        if (inFlight === 0) for (const wake of waiters) wake()
      }
      if (!source) return
      bodies.add(source)
      if (isWatching) return
      isWatching = true
      clock.setTimer(watchEveryMs, watch)
    },
    admit({ isSurplus }) {
      if (isDraining) throw unavailable('DRAINING', 'The server is going down.')
      if (isSurplus || inFlight > limits.requestsMax) {
        throw unavailable('MAILBOX_FULL', 'Please reduce your request rate.')
      }
    },
    isDraining: () => isDraining,
    inFlight: () => inFlight,
    drain(limitMs) {
      isDraining = true
      if (inFlight === 0) return Promise.resolve()
      return new Promise((resolve) => {
        const wake = (): void => {
          timer.cancel()
          waiters.delete(wake)
          resolve()
        }
        const timer = clock.setTimer(limitMs, wake, true)
        waiters.add(wake)
      })
    },
  }
}
