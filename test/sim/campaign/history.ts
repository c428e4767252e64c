// What clients saw, register by register: a key of the lasting bucket each, and the fleeting bucket as one, since it comes
// and goes as a whole. Values are ETags; NONE where there is nothing.
import { type Event, isLinearizable } from './linear.ts'

export const NONE = 'none'

/** What was found to be wrong; anything else that is thrown is a defect of the simulation, or of the store, as well. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

export interface Seen {
  readonly calledAt: number
  /** Undefined: nobody knows. */
  readonly answeredAt: number | undefined
}

interface Register {
  initial: string
  events: Event<string>[]
}

export class History {
  readonly #registers = new Map<string, Register>()
  #now = 0

  /** Another instant. */
  tick(): number {
    return ++this.#now
  }

  registers(): string[] {
    return [...this.#registers.keys()]
  }

  note(
    register: string,
    { calledAt, answeredAt }: Seen,
    told: string,
    apply: (state: string) => string | undefined,
  ): void {
    const known = this.#registers.get(register) ?? { initial: NONE, events: [] }
    this.#registers.set(register, known)
    known.events.push({ calledAt, answeredAt: answeredAt ?? Number.POSITIVE_INFINITY, apply, told })
  }

  /** At a quiet point, when all was read: throws when no order explains it, and begins anew from what was read. */
  close(read: ReadonlyMap<string, string>): void {
    for (const [name, register] of this.#registers) {
      const value = read.get(name) ?? NONE
      const calledAt = this.tick()
      const last: Event<string> = {
        ...{ calledAt, answeredAt: this.tick(), told: `it is ${value} in the end` },
        apply: (state) => (state === value ? state : undefined),
      }
      const events = [...register.events, last]
      if (!isLinearizable(register.initial, events)) {
        const lines = events.map((event) => `  ${event.calledAt}-${event.answeredAt} ${event.told}`)
        throw new Violation(`no order explains ${name}, which was ${register.initial}:\n${lines.join('\n')}`)
      }
      this.#registers.set(name, { initial: value, events: [] })
    }
  }
}

/** The fleeting bucket: NONE, or its keys and what they hold. */
export type Content = Readonly<Record<string, string>>
export const contentOf = (state: string): Content | undefined =>
  state === NONE ? undefined : (JSON.parse(state) as Content)
export const stateOf = (content: Content): string =>
  JSON.stringify(Object.fromEntries(Object.entries(content).sort()))
