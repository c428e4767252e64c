// Chance comes in through an argument: `systemRandom` in production, `createPrng(seed)` in tests and simulation,
// where the same seed gives the same run. xoshiro128** (Blackman and Vigna, 2018) for the seeded one.
import { randomFillSync } from 'node:crypto'

export interface Random {
  /** A whole number in [0, bound). `bound` is at most 2^32. */
  below(bound: number): number
  /** `count` random bytes. Only `systemRandom`'s are fit for keys. */
  bytes(count: number): Uint8Array
}

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
  const state = new Uint32Array(4)
  let mix = seed >>> 0
  for (let i = 0; i < 4; i++) {
    // splitmix32 spreads nearby seeds over the whole state.
    mix = (mix + 0x9e3779b9) >>> 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    state[i] = z ^ (z >>> 15)
  }
  const next = (): number => {
    const [a, b, c, d] = state as unknown as [number, number, number, number]
    const scrambled = Math.imul(b, 5)
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0
    state[2] = c ^ a
    state[3] = d ^ b
    state[1] = b ^ state[2]!
    state[0] = a ^ state[3]!
    state[2] = state[2]! ^ (b << 9)
    state[3] = (state[3]! << 11) | (state[3]! >>> 21)
    return result
  }
  return {
    below: (bound) => Math.floor((next() / 2 ** 32) * bound),
    bytes(count) {
      const bytes = new Uint8Array(count)
      for (let i = 0; i < count; i++) bytes[i] = next() & 0xff
      return bytes
    },
  }
}
