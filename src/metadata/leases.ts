// Who is reading: a look-up that wants the bytes takes a lease, and what is freed afterwards waits for it.
export class Leases {
  /** In the order they were taken, so the first is the oldest. */
  readonly #open = new Map<number, { asOf: number; reader: string }>()
  #last: number

  /** `first`: where the numbers begin. */
  constructor(first = 0) {
    this.#last = first
  }

  /** `asOf`: the last commit the look-up could see. `reader` names who to end for when it dies without a word. */
  take(asOf: number, reader: string): number {
    this.#open.set(++this.#last, { asOf, reader })
    return this.#last
  }

  /** Idempotent. */
  end(lease: number): void {
    this.#open.delete(lease)
  }

  endOf(reader: string): void {
    for (const [lease, entry] of this.#open) if (entry.reader === reader) this.#open.delete(lease)
  }

  get count(): number {
    return this.#open.size
  }

  /** What was freed by a commit up to this one is read by nobody any more. */
  releasedThrough(): number {
    return this.#open.values().next().value?.asOf ?? Number.POSITIVE_INFINITY
  }
}
