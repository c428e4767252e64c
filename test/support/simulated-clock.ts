// A clock the test moves by hand. Timers fire in the order of their time, and of their setting where times are equal;
// nothing fires while time stands still. The wall clock can be made to jump: the monotonic one cannot.
import type { Clock, Timer } from '../../src/base/clock.ts'

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
}

export class SimulatedClock implements Clock {
  #monotonicMs = 0
  #wallOffsetMs: number
  #order = 0
  /** The latest first. */
  readonly #pending: Pending[] = []

  constructor(wallStartMs = Date.UTC(2024, 0, 1)) {
    this.#wallOffsetMs = wallStartMs
  }

  nowMs(): number {
    return Math.floor(this.#wallOffsetMs + this.#monotonicMs)
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  setTimer(delayMs: number, action: () => void): Timer {
    const pending = { atMs: this.#monotonicMs + Math.max(0, delayMs), order: this.#order++, action }
    const at = this.#placeOf(pending)
    this.#pending.splice(at, 0, pending)
    return {
      cancel: () => {
        const its = this.#placeOf(pending)
        if (this.#pending[its] === pending) this.#pending.splice(its, 1)
      },
    }
  }

  /** How many timers wait: a test that closed everything finds 0. */
  get timers(): number {
    return this.#pending.length
  }

  /** The wall clock jumps; time itself goes on as before. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs
  }

  /** Fires the earliest timer, moving time to it; false when none waits. Pass it to the seeded scheduler. */
  advanceToNext = (): boolean => {
    const next = this.#takeUntil(Number.POSITIVE_INFINITY)
    next?.action()
    return next !== undefined
  }

  /** Moves time by `byMs`, firing what falls due; between timers the promises they settled run on. */
  async advance(byMs: number): Promise<void> {
    const endMs = this.#monotonicMs + byMs
    await settle()
    for (let next = this.#takeUntil(endMs); next; next = this.#takeUntil(endMs)) {
      next.action()
      await settle()
    }
    this.#monotonicMs = endMs
  }

  /** Where it stands, or would stand, among those that wait. */
  #placeOf({ atMs, order }: Pending): number {
    let [low, high] = [0, this.#pending.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      const other = this.#pending[middle]!
      const isLater = other.atMs > atMs || (other.atMs === atMs && other.order > order)
      if (isLater) low = middle + 1
      else high = middle
    }
    return low
  }

  #takeUntil(limitMs: number): Pending | undefined {
    const first = this.#pending.at(-1)
    if (!first || first.atMs > limitMs) return undefined
    this.#pending.pop()
    this.#monotonicMs = Math.max(this.#monotonicMs, first.atMs)
    return first
  }
}

/** Lets every promise that can settle without time settle. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
