// Time for a store in memory that a test waits for: twenty times as fast as it is, since what is waited for are periods of
// seconds. It goes on a step at a time, and between two steps all that can be done without it is done; so on a machine that stands
// still for a while no deadline passes that would not have passed elsewhere.
import { SimulatedClock } from './simulated-clock.ts'

const STEP_MS = 100
const EVERY_MS = 5

export interface HurriedClock {
  readonly clock: SimulatedClock
  /** It stands still from now on. */
  stop(): void
}

export const createHurriedClock = (): HurriedClock => {
  const clock = new SimulatedClock(Date.now())
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  const goOn = (): void => {
    if (isStopped) return
    timer = setTimeout(() => void clock.advance(STEP_MS).then(goOn), EVERY_MS)
    // Whoever waits for it keeps the process alive, or nobody does.
    timer.unref()
  }
  goOn()
  return {
    clock,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
