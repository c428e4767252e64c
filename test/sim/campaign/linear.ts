// Whether what was seen of one register can be explained by an order in which each operation happened at one instant between
// its call and its answer (Wing and Gong, with Lowe's memo of what was tried). One of unknown outcome happened at any time
// after its call, or never.

export interface Event<State> {
  readonly calledAt: number
  /** Infinite when nobody knows whether it happened. */
  readonly answeredAt: number
  /** The state after it, undefined where it cannot have happened. */
  apply(state: State): State | undefined
  readonly told: string
}

/** True when some order explains all events, from `initial`. States are compared as strings. */
export const isLinearizable = (initial: string, events: readonly Event<string>[]): boolean => {
  const sorted = [...events].sort((a, b) => a.calledAt - b.calledAt)
  const isDone = sorted.map(() => false)
  const tried = new Set<string>()
  const explain = (state: string, left: number): boolean => {
    if (left === 0) return true
    const key = `${isDone.map(Number).join('')} ${state}`
    if (tried.has(key)) return false
    tried.add(key)
    let endMin = Number.POSITIVE_INFINITY
    sorted.forEach(({ answeredAt }, i) => {
      if (!isDone[i]) endMin = Math.min(endMin, answeredAt)
    })
    for (const [i, event] of sorted.entries()) {
      if (event.calledAt > endMin) break
      if (isDone[i]) continue
      const next = event.apply(state)
      if (next === undefined) continue
      isDone[i] = true
      if (explain(next, left - (Number.isFinite(event.answeredAt) ? 1 : 0))) return true
      isDone[i] = false
    }
    return false
  }
  return explain(initial, events.filter(({ answeredAt }) => Number.isFinite(answeredAt)).length)
}
