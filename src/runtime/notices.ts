// What the operator hears of the actors. Faults, each by the name it has; and things that went astray, a dead letter or a
// refused tell: nobody waits for them, so the operator must be able to see them, and must not drown in them.
import type { Clock } from '../base/clock.ts'
import type { MoraineError } from '../base/errors.ts'
import type { Log, LogFields } from '../base/log.ts'
import { MINUTE } from '../base/units.ts'
import type { Expectations } from './actor.ts'

/** What broke an actor, and what becomes of it. One that belongs to its life has a name, and needs no stack. */
export const tellFault = (
  log: Log,
  tells: Expectations['tells'],
  { path, decision, error }: { path: string; decision: string; error: MoraineError },
): void => {
  const { code, message, detail } = error
  const telling = tells?.[code]
  if (telling) log[telling.level](telling.event, { actor: path, decision, code, message, ...detail })
  else log.error('actor failed', { actor: path, decision, code, error })
}

/** Paths remembered as logged. */
const PATHS_MAX = 1000

/** Counted always, logged once per path per minute. */
export class Notices {
  readonly what: string
  readonly #clock: Clock
  readonly #log: Log
  readonly #loggedAtMs = new Map<string, number>()
  #count = 0
  /** In an orderly end it is no news that somebody has gone before: who looks closely hears of it still. */
  isExpected = false

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
    if (!this.isNews(path)) return
    this.#log[this.isExpected ? 'debug' : 'warn'](this.what, {
      actor: path,
      type,
      count: this.#count,
      ...fields,
    })
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
