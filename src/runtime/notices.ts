// Things that went astray, a dead letter or a refused tell: nobody waits for them, so the operator must be able to see them,
// and must not drown in them.
import type { Clock } from '../base/clock.ts'
import type { Log, LogFields } from '../base/log.ts'
import { MINUTE } from '../base/units.ts'

/** Paths remembered as logged. */
const PATHS_MAX = 1000

/** Counted always, logged once per path per minute. */
export class Notices {
  readonly what: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #loggedAtMs = new Map<string, number>()
  #count = 0

  constructor(what: string, { clock, log }: { clock: Clock; log: Log }) {
    this.what = what
    this.#clock = clock
    this.#log = log
  }

  get count(): number {
    return this.#count
  }

  add(path: string, type: string, fields: LogFields = {}): void {
    this.#count++
    if (this.isNews(path)) this.#log.warn(this.what, { actor: path, type, count: this.#count, ...fields })
  }

  /** True once per path per minute. */
  isNews(path: string): boolean {
    const nowMs = this.#clock.monotonicMs()
    const lastMs = this.#loggedAtMs.get(path)
    if (lastMs !== undefined && nowMs - lastMs < MINUTE) return false
    // Paths of short-lived actors are many: what is too old to matter, or too much, is forgotten.
    if (this.#loggedAtMs.size >= PATHS_MAX) this.#loggedAtMs.clear()
    this.#loggedAtMs.set(path, nowMs)
    return true
  }
}
