// A memo: what a pure function made of the last few arguments, so that what every request repeats is computed once. Bounded
// in entries; past that it forgets everything and begins anew, which costs one computation each. What throws is not kept.
import { Buffer } from 'node:buffer'

/**
 * A copy that holds nothing but itself: a part of a string keeps the whole of it, and these are parts of request heads of
 * many times their length. Text beyond Latin-1 stays as it is.
 */
const ownCopy = (text: string): string => {
  const copy = Buffer.from(text, 'latin1').toString('latin1')
  return copy === text ? copy : text
}

/** `compute` with a memory of `entriesMax` results; results must not be changed by whoever gets them. */
export const createMemo = <K, V>(entriesMax: number, compute: (key: K) => V): ((key: K) => V) => {
  const known = new Map<K, V>()
  return (key) => {
    const found = known.get(key)
    if (found !== undefined) return found
    const own = typeof key === 'string' ? (ownCopy(key) as K & string) : key
    const made = compute(own)
    if (known.size >= entriesMax) known.clear()
    known.set(own, made)
    return made
  }
}
