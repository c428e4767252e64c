// A kernel multiplies a small matrix over GF(2^8) with shards that lie anywhere in one shared memory. This file has the
// interface, the memory a kernel needs for itself, and the one place that chooses: relaxed SIMD where the engine has it,
// else SIMD128, else scalar. Every choice can be forced, so that each kernel is tested on each engine.
//
// Many threads have a kernel each over the same memory. A kernel keeps its tables, pointers and scratch in a region
// of that memory that is its own (`reservedOffset`); its modules have no data segments and no stack, so nothing
// of theirs lies at an address they chose. A kernel is synchronous and not reentrant: one per thread.
import { assert, fault } from '../base/errors.ts'
import type { SharedMemory } from '../base/wasm.ts'
import { hasWasm, validateWasm } from '../base/wasm.ts'
import { createScalarKernel } from './kernel-scalar.ts'
import { createSimdKernel } from './kernel-simd.ts'
import { type ReadModule, readModuleFile } from './module-file.ts'

/** What the caller sets aside in the shared memory for each kernel: one page. */
export const CODEC_RESERVED_BYTES = 65_536
/** `reservedOffset` is a multiple of this, so that no table straddles a cache line. */
export const CODEC_RESERVED_ALIGNMENT = 64

/** Where scratch begins in the reserved region; what lies before it is the kernel's (see assembly/layout.ts). */
const SCRATCH_START = 16_384

export type KernelName = 'relaxed-simd' | 'simd' | 'scalar'

/** Offsets are bytes from the start of the memory and need no alignment. */
export interface Product {
  /** `outputs.length` rows of `inputs.length` coefficients. */
  readonly coefficients: Uint8Array
  /** 1 … 32 ranges of `length` bytes. */
  readonly inputs: readonly number[]
  /** At most 32 ranges of `length` bytes; none overlaps an input or another output. */
  readonly outputs: readonly number[]
  readonly length: number
}

/** Two data shards to be recovered from all others and parity 0 and 1 (see matrix.ts). */
export interface LostPair {
  /** k offsets, at least 2; at the lost ones, where the shard is to be written. */
  readonly data: readonly number[]
  /** Indexes of the lost ones, ascending. */
  readonly lost: readonly [number, number]
  /** Offsets of parity 0 and parity 1. */
  readonly parity: readonly [number, number]
  /** At least RECOVER_BYTES_MIN. */
  readonly length: number
}

/** Shorter shards are reconstructed by `multiply`. */
export const RECOVER_BYTES_MIN = 64

export interface Kernel {
  readonly name: KernelName
  readonly memory: SharedMemory
  /** A part of the reserved region that is free between calls. */
  readonly scratch: { readonly offset: number; readonly length: number }
  /**
   * Overwrites byte j of output r with the sum over i of coefficient (r, i) × byte j of input i. Nothing is checked:
   * that the ranges are inside the memory and apart is the caller's word (`createCodec` keeps it).
   */
  multiply(product: Product): void
  /** What `multiply` by the inverted matrix would give, about twice as fast. Nothing is checked here either. */
  recoverTwo(pair: LostPair): void
}

export interface KernelOptions {
  readonly memory: SharedMemory
  /** Start of CODEC_RESERVED_BYTES in `memory` that nobody else uses as long as the kernel lives. */
  readonly reservedOffset: number
  /** Forces a kernel instead of the best one. */
  readonly name?: KernelName
  /** How module files are read; tests make it fail. */
  readonly readModule?: ReadModule
}

// Two smallest modules, one function each: `i32.const 0, i8x16.splat` and the same twice with `i8x16.relaxed_swizzle`.
// They ask the engine, not our files: a damaged file must be a fault and never a silently slower codec.
const HEAD = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 5, 1, 0x60, 0, 1, 0x7b, 3, 2, 1, 0]
const SPLAT = [0x41, 0, 0xfd, 0x0f]
const PROBES: Readonly<Record<string, readonly number[]>> = {
  simd: [...HEAD, 10, 8, 1, 6, 0, ...SPLAT, 0x0b],
  'relaxed-simd': [...HEAD, 10, 15, 1, 13, 0, ...SPLAT, ...SPLAT, 0xfd, 0x80, 2, 0x0b],
}

/** What this engine can run. `scalar` is always possible. */
export const isKernelSupported = (name: KernelName): boolean => {
  if (name === 'scalar') return true
  const probe = PROBES[name]
  return hasWasm && probe !== undefined && validateWasm(Uint8Array.from(probe))
}

/** The best kernel of this engine. */
export const chooseKernel = (): KernelName => {
  if (isKernelSupported('relaxed-simd')) return 'relaxed-simd'
  return isKernelSupported('simd') ? 'simd' : 'scalar'
}

/**
 * Makes a kernel and writes its tables into the reserved region. Throws the fault CODEC_LOAD when the module cannot be
 * read or compiled, or when a forced kernel is more than this engine can run.
 */
export const createKernel = (options: KernelOptions): Kernel => {
  const { memory, reservedOffset, name = chooseKernel(), readModule = readModuleFile } = options
  assert(
    reservedOffset >= 0 &&
      reservedOffset % CODEC_RESERVED_ALIGNMENT === 0 &&
      reservedOffset + CODEC_RESERVED_BYTES <= memory.buffer.byteLength,
    'the reserved region is aligned and inside of the memory',
  )
  if (!isKernelSupported(name)) {
    throw fault('CODEC_LOAD', `this engine cannot run the kernel ${name}`, { kernel: name })
  }
  const scratch = {
    offset: reservedOffset + SCRATCH_START,
    length: CODEC_RESERVED_BYTES - SCRATCH_START,
  }
  if (name === 'scalar') return createScalarKernel(memory, scratch)
  return createSimdKernel(name, { memory, reservedOffset, scratch, readModule })
}
