// An ask of this thread, wherever it went: a promise, and the deadline every ask has.
//
// Invariant: it settles exactly once; an answer that comes later is dropped, and the slabs in it are given up.
import { type MoraineError, unavailable } from '../base/errors.ts'
import { Expiring } from './deadlines.ts'
import type { Hub, Place } from './hub.ts'
import type { ReplyTo } from './mailbox.ts'
import { releaseSlabs } from './payload.ts'

export class LocalAsk extends Expiring implements ReplyTo {
  readonly withinMs: number
  readonly #hub: Hub
  readonly #to: Place
  readonly #type: string
  readonly #resolve: (value: unknown) => void
  readonly #reject: (error: MoraineError) => void
  #isSettled = false
  /** Called once it is settled, by a link that keeps a list of what is in flight. */
  onSettled: (() => void) | undefined

  constructor(
    hub: Hub,
    to: Place,
    type: string,
    withinMs: number,
    resolve: (value: unknown) => void,
    reject: (error: MoraineError) => void,
  ) {
    super(hub.clock.monotonicMs() + withinMs)
    this.withinMs = withinMs
    this.#hub = hub
    this.#to = to
    this.#type = type
    this.#resolve = resolve
    this.#reject = reject
  }

  expire(): void {
    const { path, thread } = this.#to
    const message = `${path} did not answer ${this.#type} within ${this.withinMs} ms`
    this.reject(unavailable('ASK_TIMEOUT', message, { path }))
    if (thread !== this.#hub.thread) this.#hub.onSilence(thread)
  }

  resolve(value: unknown): void {
    if (this.#settle()) this.#resolve(value)
    else releaseSlabs(value)
  }

  reject(error: MoraineError): void {
    if (this.#settle()) this.#reject(error)
  }

  #settle(): boolean {
    if (this.#isSettled) return false
    this.#isSettled = true
    this.#hub.deadlines.remove(this)
    this.onSettled?.()
    return true
  }
}
