// Inverted matrices by the set of shards they start from. Losses come in runs (a disk is out, and every stripe misses
// the same shard), so nearly every reconstruction finds its inverse here instead of spending ~k^3 steps on it.
//
// Bounded: a geometry of 12+4 alone has 1,820 sets. The oldest entry leaves; an entry is at most 1 KiB.
import { assert } from '../base/errors.ts'
import { invert, shardRow } from './matrix.ts'

/** More sets than that at once means many disks failing in turn; 256 × 1 KiB per codec is still nothing. */
const ENTRIES_MAX = 256

export interface InverseCache {
  /**
   * The k × k matrix that turns the shards `sources` (k different indexes in ascending order) into the data shards.
   * Always exists: any k rows are invertible.
   */
  find(sources: readonly number[]): Uint8Array
  readonly size: number
}

export const createInverseCache = (parityMatrix: Uint8Array, k: number): InverseCache => {
  const entries = new Map<number, Uint8Array>()
  const create = (sources: readonly number[]): Uint8Array => {
    const matrix = new Uint8Array(k * k)
    for (const [i, index] of sources.entries()) matrix.set(shardRow(parityMatrix, k, index), i * k)
    const inverse = invert(matrix, k)
    assert(inverse !== undefined, 'any k rows of the matrix are invertible')
    return inverse
  }
  return {
    find(sources) {
      let mask = 0
      for (const index of sources) mask |= 1 << index
      const known = entries.get(mask)
      if (known !== undefined) return known
      const inverse = create(sources)
      if (entries.size >= ENTRIES_MAX)
        for (const oldest of entries.keys()) {
          entries.delete(oldest)
          break
        }
      entries.set(mask, inverse)
      return inverse
    },
    get size() {
      return entries.size
    },
  }
}
