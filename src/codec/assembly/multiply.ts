// The heart of the SIMD kernels: rows of a matrix over GF(2^8) times up to 32 inputs, by split-nibble tables ("Screaming
// Fast Galois Field Arithmetic Using Intel SIMD Instructions", FAST '13). The product of a coefficient and a byte is the
// XOR of two table entries, one for each half of the byte, and a swizzle looks up 16 bytes at once.
//
// At most two rows in one pass: their four accumulators, the nibbles and a table fit the 16 vector registers of x86; with
// three rows engines spill. Nothing is allocated and there is no static data: all addresses come from the caller.
import { COEFFICIENTS, INPUTS, OUTPUTS, PREPARED, TABLES } from './layout'
import { lookUp } from './look-up'
import { isPowers, isSum, sum, sumAndPowers } from './raid6'

/** Copies the tables of one row's coefficients to every `stride`-th byte from `target`. */
function prepareRow(base: usize, coefficients: usize, inputCount: usize, target: usize, stride: usize): void {
  for (let i: usize = 0; i < inputCount; i++) {
    const table = base + TABLES + ((<usize>load<u8>(coefficients + i)) << 5)
    v128.store(target, v128.load(table))
    v128.store(target, v128.load(table, 16), 16)
    target += stride
  }
}

/** One row; its tables are prepared with a stride of 32. */
function multiply1(base: usize, inputsEnd: usize, length: usize, output: usize): void {
  const mask = i8x16.splat(15)
  const last = length - 32
  let offset: usize = 0
  while (true) {
    let a0 = i8x16.splat(0)
    let a1 = i8x16.splat(0)
    let table = base + PREPARED
    for (let input = base + INPUTS; input < inputsEnd; input += 4) {
      const source = <usize>load<u32>(input) + offset
      const x0 = v128.load(source)
      const x1 = v128.load(source, 16)
      const low = v128.load(table)
      const high = v128.load(table, 16)
      a0 = v128.xor(a0, lookUp(low, v128.and(x0, mask)))
      a1 = v128.xor(a1, lookUp(low, v128.and(x1, mask)))
      a0 = v128.xor(a0, lookUp(high, v128.and(i16x8.shr_u(x0, 4), mask)))
      a1 = v128.xor(a1, lookUp(high, v128.and(i16x8.shr_u(x1, 4), mask)))
      table += 32
    }
    v128.store(output + offset, a0)
    v128.store(output + offset, a1, 16)
    if (offset === last) return
    // The last step ends where the shard ends: bytes that are done twice come out the same, for outputs are never inputs.
    offset = min(offset + 32, last)
  }
}

/** Two rows; their tables are prepared alternately. */
function multiply2(base: usize, inputsEnd: usize, length: usize, first: usize, second: usize): void {
  const mask = i8x16.splat(15)
  const last = length - 32
  let offset: usize = 0
  while (true) {
    let a0 = i8x16.splat(0)
    let a1 = i8x16.splat(0)
    let b0 = i8x16.splat(0)
    let b1 = i8x16.splat(0)
    let table = base + PREPARED
    for (let input = base + INPUTS; input < inputsEnd; input += 4) {
      const source = <usize>load<u32>(input) + offset
      const x0 = v128.load(source)
      const x1 = v128.load(source, 16)
      const low0 = v128.and(x0, mask)
      const low1 = v128.and(x1, mask)
      const high0 = v128.and(i16x8.shr_u(x0, 4), mask)
      const high1 = v128.and(i16x8.shr_u(x1, 4), mask)
      let products = v128.load(table)
      a0 = v128.xor(a0, lookUp(products, low0))
      a1 = v128.xor(a1, lookUp(products, low1))
      products = v128.load(table, 16)
      a0 = v128.xor(a0, lookUp(products, high0))
      a1 = v128.xor(a1, lookUp(products, high1))
      products = v128.load(table, 32)
      b0 = v128.xor(b0, lookUp(products, low0))
      b1 = v128.xor(b1, lookUp(products, low1))
      products = v128.load(table, 48)
      b0 = v128.xor(b0, lookUp(products, high0))
      b1 = v128.xor(b1, lookUp(products, high1))
      table += 64
    }
    v128.store(first + offset, a0)
    v128.store(first + offset, a1, 16)
    v128.store(second + offset, b0)
    v128.store(second + offset, b1, 16)
    if (offset === last) return
    // As above: the last step may overlap the one before it.
    offset = min(offset + 32, last)
  }
}

/** For shards of less than one step: byte by byte through the same tables. */
function multiplyShort(base: usize, inputsEnd: usize, length: usize, output: usize): void {
  for (let offset: usize = 0; offset < length; offset++) {
    let sum: u32 = 0
    let table = base + PREPARED
    for (let input = base + INPUTS; input < inputsEnd; input += 4) {
      const byte = <usize>load<u8>(<usize>load<u32>(input) + offset)
      sum ^= <u32>load<u8>(table + (byte & 15)) ^ <u32>load<u8>(table + 16 + (byte >> 4))
      table += 32
    }
    store<u8>(output + offset, sum)
  }
}

/** One row, by the pass that suits it; two when the next one can share the pass. Returns how many. */
function multiplySome(
  base: usize,
  coefficients: usize,
  inputCount: usize,
  rows: usize,
  length: usize,
  output: usize,
): usize {
  const inputsEnd = base + INPUTS + (inputCount << 2)
  const first = <usize>load<u32>(output)
  const second = <usize>load<u32>(output, 4)
  if (length >= 32) {
    if (isSum(coefficients, inputCount)) {
      if (rows > 1 && isPowers(coefficients + inputCount, inputCount)) {
        sumAndPowers(base, inputsEnd, length, first, second)
        return 2
      }
      sum(base, inputsEnd, length, first)
      return 1
    }
    if (rows > 1) {
      prepareRow(base, coefficients, inputCount, base + PREPARED, 64)
      prepareRow(base, coefficients + inputCount, inputCount, base + PREPARED + 32, 64)
      multiply2(base, inputsEnd, length, first, second)
      return 2
    }
  }
  prepareRow(base, coefficients, inputCount, base + PREPARED, 32)
  if (length >= 32) multiply1(base, inputsEnd, length, first)
  else multiplyShort(base, inputsEnd, length, first)
  return 1
}

/** Each output becomes its row of coefficients times the inputs. Addresses and coefficients are in the reserved region. */
export function multiply(base: usize, rows: usize, inputCount: usize, length: usize): void {
  let coefficients = base + COEFFICIENTS
  let output = base + OUTPUTS
  while (rows > 0) {
    const done = multiplySome(base, coefficients, inputCount, rows, length, output)
    coefficients += inputCount * done
    output += done << 2
    rows -= done
  }
}
