// The SIMD kernels as seen from TypeScript: loads the module, fills the tables in the reserved region, and hands each
// product over through it. The arithmetic is in assembly/multiply.ts and assembly/raid6.ts.
import type { SharedMemory } from '../base/wasm.ts'
import { createNibbleTables, divide, powerOfTwo } from './galois.ts'
import type { Kernel, KernelName, LostPair, Product } from './kernel.ts'
import { loadModule, type ReadModule } from './module-file.ts'

// The layout of assembly/layout.ts.
const COEFFICIENTS = 8_192
const INPUTS = 13_312
const OUTPUTS = 13_440
const POINTERS_MAX = 32

const FILES = { simd: './kernel.wasm', 'relaxed-simd': './kernel-relaxed.wasm' } as const

interface Exports {
  multiply(base: number, rows: number, inputCount: number, length: number): void
  recoverTwo(base: number, inputCount: number, x: number, y: number, inverse: number, length: number): void
}

export interface SimdKernelOptions {
  readonly memory: SharedMemory
  readonly reservedOffset: number
  readonly scratch: Kernel['scratch']
  readonly readModule: ReadModule
}

export const createSimdKernel = (name: Exclude<KernelName, 'scalar'>, options: SimdKernelOptions): Kernel => {
  const { memory, reservedOffset, scratch, readModule } = options
  const names = ['multiply', 'recoverTwo']
  const wasm = loadModule(FILES[name], readModule, names, { memory }) as unknown as Exports
  // Views of the reserved region stay valid when the memory grows: the bytes do not move.
  const { buffer } = memory
  new Uint8Array(buffer, reservedOffset).set(createNibbleTables())
  const coefficientBytes = new Uint8Array(buffer, reservedOffset + COEFFICIENTS, POINTERS_MAX * POINTERS_MAX)
  const inputPointers = new Uint32Array(buffer, reservedOffset + INPUTS, POINTERS_MAX)
  const outputPointers = new Uint32Array(buffer, reservedOffset + OUTPUTS, POINTERS_MAX)
  return {
    name,
    memory,
    scratch,
    multiply({ coefficients, inputs, outputs, length }: Product) {
      coefficientBytes.set(coefficients)
      inputPointers.set(inputs)
      outputPointers.set(outputs)
      wasm.multiply(reservedOffset, outputs.length, inputs.length, length)
    },
    recoverTwo({ data, lost: [x, y], parity: [p, q], length }: LostPair) {
      inputPointers.set(data.filter((_, index) => index !== x && index !== y))
      outputPointers.set([data[x]!, data[y]!, p, q])
      const inverse = divide(1, powerOfTwo(x) ^ powerOfTwo(y))
      wasm.recoverTwo(reservedOffset, data.length - 2, x, y, inverse, length)
    },
  }
}
