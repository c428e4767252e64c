// The SIMD kernels as seen from TypeScript: loads the module, fills the tables in the reserved region, and hands each
// product over through it. The arithmetic is in assembly/multiply.ts.
import type { SharedMemory } from '../base/wasm.ts'
import { createNibbleTables } from './galois.ts'
import type { Kernel, KernelName, Product } from './kernel.ts'
import { loadModule, type ReadModule } from './module-file.ts'

// The layout of assembly/layout.ts.
const COEFFICIENTS = 8_192
const INPUTS = 13_312
const OUTPUTS = 13_440
const POINTERS_MAX = 32

const FILES = { simd: './kernel.wasm', 'relaxed-simd': './kernel-relaxed.wasm' } as const

type Multiply = (base: number, rows: number, inputCount: number, length: number) => void

export interface SimdKernelOptions {
  readonly memory: SharedMemory
  readonly reservedOffset: number
  readonly scratch: Kernel['scratch']
  readonly readModule: ReadModule
}

export const createSimdKernel = (name: Exclude<KernelName, 'scalar'>, options: SimdKernelOptions): Kernel => {
  const { memory, reservedOffset, scratch, readModule } = options
  const exports = loadModule(FILES[name], readModule, ['multiply'], { memory })
  const multiply = exports['multiply'] as Multiply
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
      multiply(reservedOffset, outputs.length, inputs.length, length)
    },
  }
}
