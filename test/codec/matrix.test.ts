import { createParityMatrix, invert, multiplyRow, SHARDS_MAX, shardRow } from '../../src/codec/matrix.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'
import { subsets } from './erasures.ts'

const test = suite('matrix')

const rowsOf = (k: number, m: number, indexes: readonly number[]): Uint8Array => {
  const parityMatrix = createParityMatrix(k, m)
  const matrix = new Uint8Array(k * k)
  for (const [i, index] of indexes.entries()) matrix.set(shardRow(parityMatrix, k, index), i * k)
  return matrix
}

const isIdentity = (matrix: Uint8Array, n: number): boolean =>
  matrix.every((value, i) => value === (Math.floor(i / n) === i % n ? 1 : 0))

test('the coefficients on disks stay what they are', () => {
  assert.equal([...createParityMatrix(4, 2)], [1, 1, 1, 1, 1, 2, 4, 8])
  assert.equal([...createParityMatrix(1, 3)], [1, 1, 1])
  assert.equal([...createParityMatrix(3, 0)], [])
  assert.equal(
    Buffer.from(createParityMatrix(8, 4)).toString('hex'),
    '0101010101010101010204081020408001f5d2c49a71f17f01bba6d7c707ce82',
  )
})

test('with one data shard every parity shard is that shard again', () => {
  for (let m = 0; m <= SHARDS_MAX - 1; m++) assert.equal([...createParityMatrix(1, m)], Array(m).fill(1))
})

test('a geometry with fewer shards is a part of one with more', () => {
  const wide = createParityMatrix(20, 12)
  for (let k = 1; k <= 20; k++) {
    for (let m = 0; m <= 12; m++) {
      const expected = Array.from({ length: m }, (_, row) => [...wide.slice(row * 20, row * 20 + k)]).flat()
      assert.equal([...createParityMatrix(k, m)], expected)
    }
  }
})

test('any k rows are invertible, every geometry up to 12 shards', () => {
  for (let n = 1; n <= 12; n++) {
    for (let k = 1; k <= n; k++) {
      for (const indexes of subsets(n, k)) {
        if (invert(rowsOf(k, n - k, indexes), k) === undefined)
          assert.unreachable(`${k}+${n - k}: ${indexes}`)
      }
    }
  }
})

test('every 2 × 2 part of every parity matrix is invertible, and no coefficient is 0', () => {
  for (let k = 1; k < SHARDS_MAX; k++) {
    const m = SHARDS_MAX - k
    const matrix = createParityMatrix(k, m)
    assert.not(matrix.includes(0))
    for (const [a, b] of subsets(m, 2)) {
      for (const [c, d] of subsets(k, 2)) {
        const part = Uint8Array.of(
          matrix[a! * k + c!]!,
          matrix[a! * k + d!]!,
          matrix[b! * k + c!]!,
          matrix[b! * k + d!]!,
        )
        if (invert(part, 2) === undefined)
          assert.unreachable(`${k}+${m}: rows ${a}, ${b}, columns ${c}, ${d}`)
      }
    }
  }
})

test(
  'random k rows of wide geometries are invertible, and the inverse inverts',
  seeded(10_000, (random) => {
    for (let i = 0; i < 500; i++) {
      const n = 13 + random.below(SHARDS_MAX - 12)
      const k = 1 + random.below(n)
      const indexes = Array.from({ length: n }, (_, index) => index)
      for (let j = 0; j < k; j++) {
        const other = j + random.below(n - j)
        ;[indexes[j], indexes[other]] = [indexes[other]!, indexes[j]!]
      }
      const matrix = rowsOf(k, n - k, indexes.slice(0, k))
      const inverse = invert(matrix, k)
      assert.ok(inverse, `${k}+${n - k}: ${indexes.slice(0, k)}`)
      const product = new Uint8Array(k * k)
      for (let row = 0; row < k; row++) {
        product.set(multiplyRow(matrix.slice(row * k, (row + 1) * k), inverse), row * k)
      }
      assert.ok(isIdentity(product, k))
    }
  }),
)

test('a singular matrix has no inverse', () => {
  assert.is(invert(Uint8Array.of(1, 2, 1, 2), 2), undefined)
  assert.is(invert(new Uint8Array(9), 3), undefined)
})

test('an impossible geometry is a bug', async () => {
  for (const [k, m] of [
    [0, 2],
    [1, -1],
    [31, 2],
    [1.5, 1],
    [33, 0],
  ] as const) {
    await rejectsWith('ASSERTION', () => createParityMatrix(k, m))
  }
})

test.run()
