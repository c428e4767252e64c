// The deadlines of asks in flight. There are many, nearly all are met, and none needs to be exact: they are kept in
// buckets of 16 ms with one timer for the earliest, so that setting one and taking it back costs a few nanoseconds.
//
// Invariant: nothing expires before its deadline, and all that is overdue expires within one bucket's width.
import type { Clock, Timer } from '../base/clock.ts'

const BUCKET_MS = 16

/** Something with a deadline; it knows its place in its bucket, so that taking it back needs no search. */
export abstract class Expiring {
  /** -1 once it was taken back or has expired. */
  place = -1
  bucket: Expiring[] | undefined
  readonly expiresAtMs: number
  constructor(expiresAtMs: number) {
    this.expiresAtMs = expiresAtMs
  }

  /** Called once, when it was not taken back before. */
  abstract expire(): void
}

export class Deadlines {
  readonly #clock: Clock
  readonly #buckets = new Map<number, Expiring[]>()
  #timer: Timer | undefined
  #timerTick = Number.POSITIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(entry: Expiring): void {
    const tick = Math.ceil(entry.expiresAtMs / BUCKET_MS)
    let bucket = this.#buckets.get(tick)
    if (!bucket) {
      bucket = []
      this.#buckets.set(tick, bucket)
      if (tick < this.#timerTick) this.#arm(tick)
    }
    entry.bucket = bucket
    entry.place = bucket.push(entry) - 1
  }

  /** Does nothing when it has expired. */
  remove(entry: Expiring): void {
    const { bucket, place } = entry
    if (!bucket || place < 0) return
    const last = bucket.pop()!
    if (last !== entry) {
      bucket[place] = last
      last.place = place
    }
    entry.place = -1
    entry.bucket = undefined
  }

  close(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#timerTick = Number.NEGATIVE_INFINITY
    this.#buckets.clear()
  }

  #arm(tick: number): void {
    this.#timer?.cancel()
    this.#timerTick = tick
    const delayMs = Math.max(0, tick * BUCKET_MS - this.#clock.monotonicMs())
    this.#timer = this.#clock.setTimer(delayMs, () => this.#expire())
  }

  #expire(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#timerTick = Number.POSITIVE_INFINITY
    let earliest = Number.POSITIVE_INFINITY
    for (const [tick, bucket] of this.#buckets) {
      if (bucket.length === 0) this.#buckets.delete(tick)
      else if (tick * BUCKET_MS > nowMs) earliest = Math.min(earliest, tick)
      else {
        this.#buckets.delete(tick)
        for (const entry of bucket) {
          entry.place = -1
          entry.bucket = undefined
          entry.expire()
        }
      }
    }
    if (earliest < Number.POSITIVE_INFINITY) this.#arm(earliest)
  }
}
