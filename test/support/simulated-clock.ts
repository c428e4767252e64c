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
  #pending: Pending[] = []

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
    this.#pending.push(pending)
    return {
      cancel: () => {
        this.#pending = this.#pending.filter((other) => other !== pending)
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

  #takeUntil(limitMs: number): Pending | undefined {
    let first: Pending | undefined
    for (const pending of this.#pending) {
      if (
        !first ||
        pending.atMs < first.atMs ||
        (pending.atMs === first.atMs && pending.order < first.order)
      ) {
        first = pending
      }
    }
    if (!first || first.atMs > limitMs) return undefined
    this.#pending = this.#pending.filter((other) => other !== first)
    this.#monotonicMs = Math.max(this.#monotonicMs, first.atMs)
    return first
  }
}

/** Lets every promise that can settle without time settle. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
