// Sets of shards to lose, for the tests of the codec.

/** Every subset of `size` of the numbers 0 … n − 1, ascending. */
export const subsets = function* (n: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) {
    yield []
    return
  }
  for (let first = from; first <= n - size; first++) {
    for (const rest of subsets(n, size - 1, first + 1)) yield [first, ...rest]
  }
}
