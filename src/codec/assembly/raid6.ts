// What the first two parities make possible: they are RAID-6's P and Q, sums of 1 × and of 2^i × data shard i. So encoding
// needs no tables: Horner's rule goes from the last data shard to the first and doubles in between ("The mathematics
// of RAID-6", H. P. Anvin), two and a half times as fast as the general pass. Two lost data shards come back the same way.
import { INPUTS, OUTPUTS, TABLES } from './layout'
import { lookUp } from './look-up'

/** 16 products with 2: what is shifted out at the top comes back as the polynomial. */
function double(value: v128): v128 {
  const carried = v128.and(i8x16.lt_s(value, i8x16.splat(0)), i8x16.splat(0x1d))
  return v128.xor(i8x16.add(value, value), carried)
}

/** 16 products with the coefficient whose tables are `low` and `high`. */
function scale(value: v128, low: v128, high: v128, mask: v128): v128 {
  return v128.xor(lookUp(low, v128.and(value, mask)), lookUp(high, v128.and(i16x8.shr_u(value, 4), mask)))
}

/** True when all coefficients of the row are 1. */
export function isSum(coefficients: usize, inputCount: usize): bool {
  for (let i: usize = 0; i < inputCount; i++) if (load<u8>(coefficients + i) !== 1) return false
  return true
}

/** True when coefficient i of the row is 2^i. */
export function isPowers(coefficients: usize, inputCount: usize): bool {
  let power: u32 = 1
  for (let i: usize = 0; i < inputCount; i++) {
    if (<u32>load<u8>(coefficients + i) !== power) return false
    power <<= 1
    if (power > 255) power ^= 0x11d
  }
  return true
}

/** The sum of all inputs. `length` is at least 32; the last step may overlap the one before it, as in multiply.ts. */
export function sum(base: usize, inputsEnd: usize, length: usize, output: usize): void {
  const last = length - 32
  let offset: usize = 0
  while (true) {
    let p0 = i8x16.splat(0)
    let p1 = i8x16.splat(0)
    for (let input = base + INPUTS; input < inputsEnd; input += 4) {
      const source = <usize>load<u32>(input) + offset
      p0 = v128.xor(p0, v128.load(source))
      p1 = v128.xor(p1, v128.load(source, 16))
    }
    v128.store(output + offset, p0)
    v128.store(output + offset, p1, 16)
    if (offset === last) return
    offset = min(offset + 32, last)
  }
}

/** P and Q in one pass. `length` is at least 32. */
export function sumAndPowers(
  base: usize,
  inputsEnd: usize,
  length: usize,
  first: usize,
  second: usize,
): void {
  const last = length - 32
  let offset: usize = 0
  while (true) {
    let input = inputsEnd - 4
    let source = <usize>load<u32>(input) + offset
    let p0 = v128.load(source)
    let p1 = v128.load(source, 16)
    let q0 = p0
    let q1 = p1
    while (input > base + INPUTS) {
      input -= 4
      source = <usize>load<u32>(input) + offset
      const x0 = v128.load(source)
      const x1 = v128.load(source, 16)
      p0 = v128.xor(p0, x0)
      p1 = v128.xor(p1, x1)
      q0 = v128.xor(double(q0), x0)
      q1 = v128.xor(double(q1), x1)
    }
    v128.store(first + offset, p0)
    v128.store(first + offset, p1, 16)
    v128.store(second + offset, q0)
    v128.store(second + offset, q1, 16)
    if (offset === last) return
    offset = min(offset + 32, last)
  }
}

/**
 * Data shards x < y from all others. INPUTS holds the others in their order, OUTPUTS the places of x and y, then P and Q.
 *
 * Let p be the sum of P and all others, which is d(x) + d(y). Horner's rule over the others, with p in the slot of x and nothing
 * in that of y, and Q added, leaves (2^x + 2^y) × d(y); `inverse` is what takes the factor away, and d(x) = p + d(y).
 * `length` is at least 64: 64 bytes per step hide the chain of doublings, and it is a little more than the registers hold.
 */
export function recoverTwo(
  base: usize,
  inputCount: usize,
  x: usize,
  y: usize,
  inverse: usize,
  length: usize,
): void {
  const inputs = base + INPUTS
  const end = inputs + (inputCount << 2)
  // The others below x lie before `afterX`, those below y before `afterY`.
  const afterX = inputs + (x << 2)
  const afterY = inputs + ((y - 1) << 2)
  const placeX = <usize>load<u32>(base + OUTPUTS)
  const placeY = <usize>load<u32>(base + OUTPUTS, 4)
  const parityP = <usize>load<u32>(base + OUTPUTS, 8)
  const parityQ = <usize>load<u32>(base + OUTPUTS, 12)
  const low = v128.load(base + TABLES + (inverse << 5))
  const high = v128.load(base + TABLES + (inverse << 5), 16)
  const mask = i8x16.splat(15)
  const last = length - 64
  let offset: usize = 0
  while (true) {
    let source = parityP + offset
    let p0 = v128.load(source)
    let p1 = v128.load(source, 16)
    let p2 = v128.load(source, 32)
    let p3 = v128.load(source, 48)
    let q0 = i8x16.splat(0)
    let q1 = i8x16.splat(0)
    let q2 = i8x16.splat(0)
    let q3 = i8x16.splat(0)
    let d: v128
    let input = end
    if (input > afterX) {
      input -= 4
      source = <usize>load<u32>(input) + offset
      q0 = v128.load(source)
      p0 = v128.xor(p0, q0)
      q1 = v128.load(source, 16)
      p1 = v128.xor(p1, q1)
      q2 = v128.load(source, 32)
      p2 = v128.xor(p2, q2)
      q3 = v128.load(source, 48)
      p3 = v128.xor(p3, q3)
      if (end > afterY) {
        while (input > afterY) {
          input -= 4
          source = <usize>load<u32>(input) + offset
          d = v128.load(source)
          q0 = v128.xor(double(q0), d)
          p0 = v128.xor(p0, d)
          d = v128.load(source, 16)
          q1 = v128.xor(double(q1), d)
          p1 = v128.xor(p1, d)
          d = v128.load(source, 32)
          q2 = v128.xor(double(q2), d)
          p2 = v128.xor(p2, d)
          d = v128.load(source, 48)
          q3 = v128.xor(double(q3), d)
          p3 = v128.xor(p3, d)
        }
        q0 = double(q0)
        q1 = double(q1)
        q2 = double(q2)
        q3 = double(q3)
      }
      while (input > afterX) {
        input -= 4
        source = <usize>load<u32>(input) + offset
        d = v128.load(source)
        q0 = v128.xor(double(q0), d)
        p0 = v128.xor(p0, d)
        d = v128.load(source, 16)
        q1 = v128.xor(double(q1), d)
        p1 = v128.xor(p1, d)
        d = v128.load(source, 32)
        q2 = v128.xor(double(q2), d)
        p2 = v128.xor(p2, d)
        d = v128.load(source, 48)
        q3 = v128.xor(double(q3), d)
        p3 = v128.xor(p3, d)
      }
      q0 = double(q0)
      q1 = double(q1)
      q2 = double(q2)
      q3 = double(q3)
    }
    // p must be whole before it goes into the slot of x: the shards below x are read here and again below.
    while (input > inputs) {
      input -= 4
      source = <usize>load<u32>(input) + offset
      p0 = v128.xor(p0, v128.load(source))
      p1 = v128.xor(p1, v128.load(source, 16))
      p2 = v128.xor(p2, v128.load(source, 32))
      p3 = v128.xor(p3, v128.load(source, 48))
    }
    q0 = v128.xor(q0, p0)
    q1 = v128.xor(q1, p1)
    q2 = v128.xor(q2, p2)
    q3 = v128.xor(q3, p3)
    input = afterX
    while (input > inputs) {
      input -= 4
      source = <usize>load<u32>(input) + offset
      q0 = v128.xor(double(q0), v128.load(source))
      q1 = v128.xor(double(q1), v128.load(source, 16))
      q2 = v128.xor(double(q2), v128.load(source, 32))
      q3 = v128.xor(double(q3), v128.load(source, 48))
    }
    source = parityQ + offset
    q0 = scale(v128.xor(q0, v128.load(source)), low, high, mask)
    q1 = scale(v128.xor(q1, v128.load(source, 16)), low, high, mask)
    q2 = scale(v128.xor(q2, v128.load(source, 32)), low, high, mask)
    q3 = scale(v128.xor(q3, v128.load(source, 48)), low, high, mask)
    v128.store(placeX + offset, v128.xor(p0, q0))
    v128.store(placeX + offset, v128.xor(p1, q1), 16)
    v128.store(placeX + offset, v128.xor(p2, q2), 32)
    v128.store(placeX + offset, v128.xor(p3, q3), 48)
    v128.store(placeY + offset, q0)
    v128.store(placeY + offset, q1, 16)
    v128.store(placeY + offset, q2, 32)
    v128.store(placeY + offset, q3, 48)
    if (offset === last) return
    offset = min(offset + 64, last)
  }
}
