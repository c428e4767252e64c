import { setFlagsFromString } from 'node:v8'
import { createSharedMemory } from '../../src/base/wasm.ts'
import {
  CODEC_RESERVED_BYTES,
  chooseKernel,
  createKernel,
  isKernelSupported,
  type KernelName,
} from '../../src/codec/kernel.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'
import { kernelContract } from './kernel-contract.ts'

const test = suite('kernel')
const memory = createSharedMemory(4, 4)

test('the choice is the best that the engine has, and it loads', () => {
  const best = (['relaxed-simd', 'simd', 'scalar'] as const).find(isKernelSupported)
  assert.is(chooseKernel(), best)
  assert.is(createKernel({ memory, reservedOffset: 0 }).name, best)
})

test('any kernel can be forced', () => {
  for (const name of ['simd', 'scalar'] as const) {
    assert.is(createKernel({ memory, reservedOffset: 64, name }).name, name)
  }
})

test('a kernel that is more than the engine has is refused as a fault', async () => {
  // Engines of today have relaxed SIMD and refuse no name; a name from nowhere stands for what they may lack.
  const name = isKernelSupported('relaxed-simd') ? ('future-simd' as KernelName) : 'relaxed-simd'
  await rejectsWith('CODEC_LOAD', () => createKernel({ memory, reservedOffset: 0, name }))
})

test('a module that is missing, torn or another is a fault, never a slower kernel', async () => {
  const isMissing = (): Uint8Array => {
    throw new Error('ENOENT')
  }
  const isTorn = (): Uint8Array => Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0)
  const isEmpty = (): Uint8Array => Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  for (const readModule of [isMissing, isTorn, isEmpty]) {
    await rejectsWith('CODEC_LOAD', () =>
      createKernel({ memory, reservedOffset: 0, name: 'simd', readModule }),
    )
  }
})

test('a reserved region that is unaligned or outside of the memory is a bug', async () => {
  for (const reservedOffset of [-64, 8, 4 * 65_536 - CODEC_RESERVED_BYTES + 64]) {
    await rejectsWith('ASSERTION', () => createKernel({ memory, reservedOffset }))
  }
})

test.run()

// Older engines have relaxed SIMD behind a flag; the kernel is tested on them all the same.
const contract = (name: KernelName): void =>
  kernelContract(name, (shared, reservedOffset) => {
    if (!isKernelSupported(name)) setFlagsFromString('--experimental-wasm-relaxed-simd')
    return createKernel({ memory: shared, reservedOffset, name })
  })
contract('scalar')
contract('simd')
contract('relaxed-simd')
