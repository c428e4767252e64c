// Why the disks of slots are not what they should be, one sentence each, for the operator.
import type { Log } from '../base/log.ts'

export interface SlotNote {
  readonly slot: number
  readonly message: string
}

export class SlotNotes {
  readonly #log: Log
  readonly #messages = new Map<number, string>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Says why a slot stays out: once in the log, always to who asks. */
  staysOut(slot: number, message: string): void {
    if (this.#messages.get(slot) === message) return
    this.#messages.set(slot, message)
    this.#log.warn('disk-stays-out', { slot, message })
  }

  /** For who asks alone. */
  set(slot: number, message: string): void {
    this.#messages.set(slot, message)
  }

  delete(slot: number): void {
    this.#messages.delete(slot)
  }

  list(): SlotNote[] {
    return [...this.#messages].map(([slot, message]) => ({ slot, message }))
  }
}
