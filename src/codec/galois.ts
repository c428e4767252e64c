// Arithmetic in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), the field of RAID-6, Rizzo's and Plank's codes: 2 is
// a generator, so every element but 0 is a power of 2. Addition and subtraction are both XOR.
//
// Everything on disks depends on this polynomial: it never changes.

const POLYNOMIAL = 0x11d

/** `EXP[i]` is 2^i, written out twice so that a sum of two logarithms needs no reduction. */
const EXP = new Uint8Array(510)
/** `LOG[2^i]` is i in 0 … 254; `LOG[0]` is never read. */
const LOG = new Uint8Array(256)
for (let i = 0, power = 1; i < 255; i++) {
  EXP[i] = power
  EXP[i + 255] = power
  LOG[power] = i
  power <<= 1
  if (power & 0x100) power ^= POLYNOMIAL
}

export const multiply = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : EXP[LOG[a]! + LOG[b]!]!)

/** `b` is not 0. */
export const divide = (a: number, b: number): number => (a === 0 ? 0 : EXP[LOG[a]! + 255 - LOG[b]!]!)

/** 2^exponent for any whole exponent. */
export const powerOfTwo = (exponent: number): number => EXP[((exponent % 255) + 255) % 255]!

/** Bytes of one coefficient's split-nibble table. */
export const NIBBLE_TABLE_BYTES = 32

/**
 * For each coefficient c of 0 … 255, 32 bytes: c × 0 … c × 15, then c × 0x00, c × 0x10 … c × 0xf0. The product of c
 * and a byte is the XOR of two entries, one per nibble: what a SIMD swizzle looks up for 16 bytes at once.
 */
export const createNibbleTables = (): Uint8Array => {
  const tables = new Uint8Array(256 * NIBBLE_TABLE_BYTES)
  for (let c = 0; c < 256; c++) {
    const row = c * NIBBLE_TABLE_BYTES
    for (let bit = 1; bit < 16; bit <<= 1) {
      // With this bit comes a doubled table: each product so far plus that of the bit.
      const [low, high] = [multiply(c, bit), multiply(c, bit << 4)]
      for (let rest = 0; rest < bit; rest++) {
        tables[row + bit + rest] = tables[row + rest]! ^ low
        tables[row + 16 + bit + rest] = tables[row + 16 + rest]! ^ high
      }
    }
  }
  return tables
}
