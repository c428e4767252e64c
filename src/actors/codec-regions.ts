// Which thread of the codec pool uses which region of the arena's reserve. A thread takes one when it starts; it cannot give
// it back when it dies, so whoever keeps the pool does. Two threads in one region would compute each other's parity.
//
//   words:  next · thread of region 0 · thread of region 1 · …        0: free
import { assert } from '../base/errors.ts'

/** Regions for as many threads as can ever live at once, and then some: one is used again as late as possible. */
export const createRegions = (count: number): SharedArrayBuffer => new SharedArrayBuffer(4 * (1 + count))

/** The region of thread `thread` (its id, 1 or more) from now on. */
export const takeRegion = (regions: SharedArrayBuffer, thread: number): number => {
  const words = new Int32Array(regions)
  const count = words.length - 1
  for (let tries = 0; tries < count; tries++) {
    const region = (Atomics.add(words, 0, 1) >>> 0) % count
    if (Atomics.compareExchange(words, 1 + region, 0, thread) === 0) return region
  }
  assert(false, 'every region is taken by a thread that lives')
}

/** Gives back what threads took that are not among `living` any more. */
export const freeRegions = (regions: SharedArrayBuffer, living: ReadonlySet<number>): void => {
  const words = new Int32Array(regions)
  for (let at = 1; at < words.length; at++) {
    const thread = Atomics.load(words, at)
    if (thread !== 0 && !living.has(thread)) Atomics.compareExchange(words, at, thread, 0)
  }
}
