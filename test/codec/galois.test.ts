import { createNibbleTables, divide, multiply, powerOfTwo } from '../../src/codec/galois.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('galois')

/** Multiplication from its definition: shift, add, reduce. */
const multiplySlowly = (a: number, b: number): number => {
  let product = 0
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

test('all 65,536 products are those of the definition', () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) {
      if (multiply(a, b) !== multiplySlowly(a, b)) assert.unreachable(`${a} × ${b}`)
    }
  }
})

test('division undoes multiplication', () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 1; b < 256; b++) {
      if (divide(multiply(a, b), b) !== a) assert.unreachable(`${a} × ${b} / ${b}`)
    }
  }
})

test('2 generates every element but 0', () => {
  const seen = new Set(Array.from({ length: 255 }, (_, i) => powerOfTwo(i)))
  assert.is(seen.size, 255)
  assert.not(seen.has(0))
  assert.is(powerOfTwo(255), 1)
  assert.is(multiply(powerOfTwo(-3), powerOfTwo(3)), 1)
})

test('two nibble table entries make a product', () => {
  const tables = createNibbleTables()
  for (let c = 0; c < 256; c++) {
    for (let byte = 0; byte < 256; byte++) {
      const product = tables[c * 32 + (byte & 15)]! ^ tables[c * 32 + 16 + (byte >> 4)]!
      if (product !== multiply(c, byte)) assert.unreachable(`${c} × ${byte}`)
    }
  }
})

test.run()
