// Chance comes in through an argument: `systemRandom` in production, `createPrng(seed)` in tests and simulation,
// where the same seed gives the same run. xoshiro128** (Blackman and Vigna, 2018) for the seeded one.
import { randomFillSync } from 'node:crypto'

export interface Random {
  /** A whole number in [0, bound). `bound` is at most 2^32. */
  below(bound: number): number
  /** `count` random bytes. Only `systemRandom`'s are fit for keys. */
  bytes(count: number): Uint8Array
}

/** Sixteen random bytes in hexadecimal: what stores, disks and writes are told apart by. */
export const randomId = (random: Random): string => Buffer.from(random.bytes(16)).toString('hex')

/** Cryptographically strong, from the operating system. */
export const systemRandom: Random = {
  below(bound) {
    // Rejection keeps it even: 2^48 is far above any bound, so the bias without it would be under 2^-16 anyway.
    const limit = 2 ** 48 - (2 ** 48 % bound)
    for (;;) {
      const bytes = randomFillSync(new Uint8Array(6))
      let value = 0
      for (const byte of bytes) value = value * 256 + byte
      if (value < limit) return value % bound
    }
  },
  bytes: (count) => randomFillSync(new Uint8Array(count)),
}

/** A repeatable stream: equal seeds give equal streams on every engine. */
export const createPrng = (seed: number): Random => {
  let mix = seed >>> 0
  const spread = (): number => {
    // splitmix32 spreads nearby seeds over the whole state.
    mix = (mix + 0x9e3779b9) >>> 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return z ^ (z >>> 15)
  }
  // Four variables, not an array: a test draws millions.
  let a = spread()
  let b = spread()
  let c = spread()
  let d = spread()
  const next = (): number => {
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9)
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result
  }
  return {
    below: (bound) => Math.floor(((next() >>> 0) / 2 ** 32) * bound),
    bytes(count) {
      const bytes = new Uint8Array(count)
      for (let i = 0; i < count; i++) bytes[i] = next() & 0xff
      return bytes
    },
  }
}
