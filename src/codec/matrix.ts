// The matrices of the code. A stripe of k data shards and m parity shards is a vector of k + m rows:
//
//      1 0 0 0                      shard i < k is data shard i itself (the code is systematic),
//      0 1 0 0     data             shard k + r is parity r: the sum over i of parity(r, i) × data shard i.
//      0 0 1 0
//      0 0 0 1
//      1 1 1 1     parity 0         parity(0, i) = 1                              RAID's P, plain XOR
//      1 2 4 8     parity 1         parity(1, i) = 2^i                            RAID-6's Q
//      1 . . .     parity r >= 2    parity(r, i) = (x + 1) / (x + 2^-i)  with  x = 2^(r-1)
//
// This is one table for all geometries: it depends neither on k nor on m. It is an extended Cauchy matrix, with
// x = infinity for parity 0 and x = 0 for parity 1, whose rows and columns were scaled so that the first row and
// column are ones. Every square part of a Cauchy matrix is invertible, scaling keeps that, and so any k of the k + m
// rows are invertible: any m shards may be lost. It needs all x different from each other and from every 2^-i, which holds
// while k + m <= 32: as powers of 2 (modulo 255) the x are 1 … 29, the 2^-i are 0 and 225 … 254.
//
// What lies on disks was made with these coefficients: they never change.
import { assert } from '../base/errors.ts'
import { divide, multiply, powerOfTwo } from './galois.ts'

/** Limit of k + m. A set of shards is a bit mask of 32 bits. */
export const SHARDS_MAX = 32

const parityCoefficient = (row: number, column: number): number => {
  if (row === 0) return 1
  const x = row === 1 ? 0 : powerOfTwo(row - 1)
  return divide(x ^ 1, x ^ powerOfTwo(-column))
}

/** The m × k parity rows, row by row. */
export const createParityMatrix = (k: number, m: number): Uint8Array => {
  assert(
    Number.isInteger(k) && Number.isInteger(m) && k >= 1 && m >= 0 && k + m <= SHARDS_MAX,
    'a geometry has 1 <= k and k + m <= 32',
  )
  const matrix = new Uint8Array(m * k)
  for (let row = 0; row < m; row++) {
    for (let column = 0; column < k; column++) matrix[row * k + column] = parityCoefficient(row, column)
  }
  return matrix
}

/** Row `index` of the whole (k + m) × k matrix: a unit vector for a data shard, a parity row otherwise. */
export const shardRow = (parityMatrix: Uint8Array, k: number, index: number): Uint8Array => {
  if (index >= k) return parityMatrix.slice((index - k) * k, (index - k + 1) * k)
  const row = new Uint8Array(k)
  row[index] = 1
  return row
}

/** `row`, a vector of n elements, times the n × n `matrix`. */
export const multiplyRow = (row: Uint8Array, matrix: Uint8Array): Uint8Array => {
  const n = row.length
  const product = new Uint8Array(n)
  for (let i = 0; i < n; i++) {
    const factor = row[i]!
    if (factor === 0) continue
    for (let column = 0; column < n; column++) {
      product[column]! ^= multiply(factor, matrix[i * n + column]!)
    }
  }
  return product
}

const swapRows = (matrix: Uint8Array, n: number, a: number, b: number): void => {
  const kept = matrix.slice(a * n, (a + 1) * n)
  matrix.copyWithin(a * n, b * n, (b + 1) * n)
  matrix.set(kept, b * n)
}

const divideRow = (matrix: Uint8Array, n: number, row: number, divisor: number): void => {
  for (let i = row * n; i < (row + 1) * n; i++) matrix[i] = divide(matrix[i]!, divisor)
}

/** Subtracts `factor` times row `from` from row `into`. */
const eliminate = (matrix: Uint8Array, n: number, into: number, from: number, factor: number): void => {
  for (let i = 0; i < n; i++) matrix[into * n + i]! ^= multiply(factor, matrix[from * n + i]!)
}

/** The inverse of an n × n matrix by Gauss–Jordan elimination; undefined when it is singular. */
export const invert = (matrix: Uint8Array, n: number): Uint8Array | undefined => {
  const left = matrix.slice()
  const right = new Uint8Array(n * n)
  for (let i = 0; i < n; i++) right[i * n + i] = 1
  for (let column = 0; column < n; column++) {
    let pivot = column
    while (pivot < n && left[pivot * n + column] === 0) pivot++
    if (pivot === n) return undefined
    if (pivot !== column) {
      swapRows(left, n, pivot, column)
      swapRows(right, n, pivot, column)
    }
    const divisor = left[column * n + column]!
    divideRow(left, n, column, divisor)
    divideRow(right, n, column, divisor)
    for (let row = 0; row < n; row++) {
      const factor = left[row * n + column]!
      if (row === column || factor === 0) continue
      eliminate(left, n, row, column, factor)
      eliminate(right, n, row, column, factor)
    }
  }
  return right
}
