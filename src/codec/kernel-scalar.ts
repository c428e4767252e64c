// The scalar kernel: plain TypeScript, one byte after another. It is the specification of what a kernel computes; every
// other kernel must equal it byte for byte. It also runs where an engine has no SIMD.
import type { SharedMemory } from '../base/wasm.ts'
import { divide, multiply, powerOfTwo } from './galois.ts'
import type { Kernel, LostPair, Product } from './kernel.ts'

/** By coefficient, its products with every byte; made when a coefficient is first met, since few threads ever need one. */
const ROWS: Uint8Array[] = []
const productsOf = (coefficient: number): Uint8Array =>
  (ROWS[coefficient] ??= Uint8Array.from({ length: 256 }, (_, byte) => multiply(coefficient, byte)))

const addProduct = (into: Uint8Array, coefficient: number, input: Uint8Array): void => {
  const products = productsOf(coefficient)
  for (let i = 0; i < into.length; i++) into[i]! ^= products[input[i]!]!
}

export const createScalarKernel = (memory: SharedMemory, scratch: Kernel['scratch']): Kernel => ({
  name: 'scalar',
  memory,
  scratch,
  multiply({ coefficients, inputs, outputs, length }: Product) {
    // The memory may have grown since the last call: its buffer is asked for anew.
    const { buffer } = memory
    for (const [row, output] of outputs.entries()) {
      const into = new Uint8Array(buffer, output, length).fill(0)
      for (const [column, input] of inputs.entries()) {
        const coefficient = coefficients[row * inputs.length + column]!
        addProduct(into, coefficient, new Uint8Array(buffer, input, length))
      }
    }
  },
  recoverTwo({ data, lost: [x, y], parity, length }: LostPair) {
    const [p, q, ...known] = [...parity, ...data].map(
      (offset) => new Uint8Array(memory.buffer, offset, length),
    )
    const powers = data.map((_, index) => powerOfTwo(index))
    const inverse = divide(1, powers[x]! ^ powers[y]!)
    for (let i = 0; i < length; i++) {
      // d(x) + d(y), and 2^x d(x) + 2^y d(y): two equations, two unknowns.
      let sum = p![i]!
      let weighted = q![i]!
      for (let index = 0; index < data.length; index++) {
        if (index === x || index === y) continue
        sum ^= known[index]![i]!
        weighted ^= multiply(powers[index]!, known[index]![i]!)
      }
      const found = multiply(inverse, weighted ^ multiply(powers[x]!, sum))
      known[y]![i] = found
      known[x]![i] = sum ^ found
    }
  },
})
