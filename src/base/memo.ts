// A memo: what a pure function made of the last few arguments, so that what every request repeats is computed once. Bounded
// in entries; past that it forgets everything and begins anew, which costs one computation each. What throws is not kept.

/** `compute` with a memory of `entriesMax` results; results must not be changed by whoever gets them. */
export const createMemo = <K, V>(entriesMax: number, compute: (key: K) => V): ((key: K) => V) => {
  const known = new Map<K, V>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    const made = compute(key)
    if (known.size >= entriesMax) known.clear()
    known.set(key, made)
    return made
  }
}
