// How often each thing happened. What never happens proves nothing: the campaign fails when a line is zero.
export type TallyGroup = 'operations' | 'faults' | 'restarts' | 'repairs' | 'compactions' | 'checks'

export class Tally {
  readonly #counts = new Map<TallyGroup, Map<string, number>>()

  count(group: TallyGroup, what: string, by = 1): void {
    const counts = this.#counts.get(group) ?? new Map<string, number>()
    this.#counts.set(group, counts.set(what, (counts.get(what) ?? 0) + by))
  }

  add(other: Tally): void {
    for (const [group, counts] of other.#counts) {
      for (const [what, count] of counts) this.count(group, what, count)
    }
  }

  of(group: TallyGroup, what: string): number {
    return this.#counts.get(group)?.get(what) ?? 0
  }

  sum(group: TallyGroup): number {
    return [...(this.#counts.get(group)?.values() ?? [])].reduce((total, count) => total + count, 0)
  }

  lines(): string[] {
    return [...this.#counts].flatMap(([group, counts]) =>
      [...counts].sort().map(([what, count]) => `${group}: ${what}: ${count}`),
    )
  }
}
