// What every kernel promises, as one suite. `make` is called anew for each test, with a memory full of noise.

import type { Random } from '../../src/base/prng.ts'
import { createSharedMemory, type SharedMemory } from '../../src/base/wasm.ts'
import { multiply, powerOfTwo } from '../../src/codec/galois.ts'
import { CODEC_RESERVED_BYTES, type Kernel, RECOVER_BYTES_MIN } from '../../src/codec/kernel.ts'
import { assert, seeded, suite } from '../support/uvu.ts'
import { subsets } from './erasures.ts'

export type MakeKernel = (memory: SharedMemory, reservedOffset: number) => Kernel

const RESERVED = 4_096
const SHARDS = RESERVED + CODEC_RESERVED_BYTES
const PAGES = 16

/** Around every multiple of 16, 32 and 64 up to 256, and some well past it. */
const LENGTHS = [
  ...new Set(
    [...Array.from({ length: 17 }, (_, i) => i * 16), 1_024, 4_096].flatMap((n) => [
      n - 2,
      n - 1,
      n,
      n + 1,
      n + 2,
    ]),
  ),
].filter((length) => length >= 0)

const byteProduct = (
  memory: Uint8Array,
  coefficients: Uint8Array,
  inputs: readonly number[],
  row: number,
  position: number,
): number => {
  let sum = 0
  for (const [i, input] of inputs.entries()) {
    sum ^= multiply(coefficients[row * inputs.length + i]!, memory[input + position]!)
  }
  return sum
}

/** Offsets of `count` ranges of `length`, in random order, with random gaps and so without any alignment. */
const scatter = (random: Random, count: number, length: number): number[] => {
  const offsets: number[] = []
  let next = SHARDS
  for (let i = 0; i < count; i++) {
    next += random.below(40)
    offsets.splice(random.below(offsets.length + 1), 0, next)
    next += length
  }
  return offsets
}

export const kernelContract = (name: string, make: MakeKernel): void => {
  const test = suite(`kernel ${name}`)

  const open = (random: Random): { kernel: Kernel; memory: SharedMemory; bytes: Uint8Array } => {
    const memory = createSharedMemory(PAGES, PAGES * 2)
    const bytes = new Uint8Array(memory.buffer)
    bytes.set(random.bytes(bytes.length))
    return { kernel: make(memory, RESERVED), memory, bytes }
  }

  /** One product, compared byte for byte with the definition; nothing outside of outputs and the reserved region may change. */
  const check = (
    { kernel, bytes }: { kernel: Kernel; bytes: Uint8Array },
    random: Random,
    shape: { rows: number; inputCount: number; length: number; coefficients?: Uint8Array },
  ): void => {
    const { rows, inputCount, length, coefficients = random.bytes(rows * inputCount) } = shape
    const offsets = scatter(random, rows + inputCount, length)
    const inputs = offsets.slice(0, inputCount)
    const outputs = offsets.slice(inputCount)
    const expected = bytes.slice()
    for (const [row, output] of outputs.entries()) {
      for (let i = 0; i < length; i++) expected[output + i] = byteProduct(bytes, coefficients, inputs, row, i)
    }
    kernel.multiply({ coefficients, inputs, outputs, length })
    const isSame = (start: number, end: number): boolean =>
      Buffer.compare(bytes.subarray(start, end), expected.subarray(start, end)) === 0
    const label = `${rows} × ${inputCount}, ${length} bytes`
    assert.ok(isSame(SHARDS, bytes.length), `shards: ${label}`)
    assert.ok(isSame(0, RESERVED), `before the reserved region: ${label}`)
  }

  test(
    'is right at every length around multiples of 16, 32 and 64, at any alignment',
    seeded(20_000, (random) => {
      const opened = open(random)
      for (const length of LENGTHS) {
        for (const rows of [1, 2, 3]) check(opened, random, { rows, inputCount: 1 + random.below(5), length })
      }
    }),
  )

  test(
    'is right for every number of rows and inputs',
    seeded(20_000, (random) => {
      const opened = open(random)
      for (let inputCount = 1; inputCount <= 32; inputCount++) {
        for (const rows of [0, 1, 2, 3, 4, 5, 32 - inputCount]) {
          check(opened, random, { rows, inputCount, length: 33 + random.below(40) })
        }
      }
    }),
  )

  test(
    'is right where rows are sums or powers of two, in any order, and where they nearly are',
    seeded(20_000, (random) => {
      const opened = open(random)
      const makeRow: ((inputCount: number) => number[])[] = [
        (inputCount) => Array.from({ length: inputCount }, () => 1),
        (inputCount) => Array.from({ length: inputCount }, (_, i) => powerOfTwo(i)),
        (inputCount) => [...random.bytes(inputCount)],
        (inputCount) => [...random.bytes(inputCount - 1).fill(1), 2],
        (inputCount) =>
          Array.from({ length: inputCount }, (_, i) => powerOfTwo(i + (i === inputCount - 1 ? 1 : 0))),
      ]
      for (let round = 0; round < 200; round++) {
        const inputCount = 1 + random.below(20)
        const rows = 1 + random.below(5)
        const kinds = Array.from({ length: rows }, () => makeRow[random.below(makeRow.length)]!)
        const coefficients = Uint8Array.from(kinds.flatMap((kind) => kind(inputCount)))
        check(opened, random, {
          rows,
          inputCount,
          length: LENGTHS[random.below(LENGTHS.length)]!,
          coefficients,
        })
      }
      for (const length of LENGTHS) {
        const coefficients = Uint8Array.of(1, 1, 1, 1, 1, 2, 4, 8)
        check(opened, random, { rows: 2, inputCount: 4, length, coefficients })
      }
    }),
  )

  /** Encodes k + 2 by the definition, loses x and y, and compares. */
  const checkRecover = (
    { kernel, bytes }: { kernel: Kernel; bytes: Uint8Array },
    random: Random,
    { k, lost, length }: { k: number; lost: readonly [number, number]; length: number },
  ): void => {
    const offsets = scatter(random, k + 2, length)
    const data = offsets.slice(0, k)
    const parity = [offsets[k]!, offsets[k + 1]!] as const
    const coefficients = Uint8Array.from({ length: 2 * k }, (_, i) => (i < k ? 1 : powerOfTwo(i - k)))
    for (const [row, output] of parity.entries()) {
      for (let i = 0; i < length; i++) bytes[output + i] = byteProduct(bytes, coefficients, data, row, i)
    }
    const expected = bytes.slice(SHARDS)
    for (const index of lost) bytes.fill(0xee, data[index], data[index]! + length)
    kernel.recoverTwo({ data, lost, parity, length })
    assert.is(Buffer.compare(bytes.subarray(SHARDS), expected), 0, `${k}: ${lost}, ${length} bytes`)
  }

  test(
    'recovers every pair of data shards',
    seeded(20_000, (random) => {
      const opened = open(random)
      for (const k of [2, 3, 4, 5, 8, 30]) {
        for (const [x, y] of subsets(k, 2)) {
          checkRecover(opened, random, { k, lost: [x!, y!], length: 64 + random.below(40) })
        }
      }
    }),
  )

  test(
    'recovers pairs at every length, at any alignment',
    seeded(20_000, (random) => {
      const opened = open(random)
      for (const length of LENGTHS.filter((length) => length >= RECOVER_BYTES_MIN)) {
        const [x, y] = [...subsets(5, 2)][random.below(10)] as [number, number]
        checkRecover(opened, random, { k: 5, lost: [x, y], length })
      }
    }),
  )

  test(
    'is right for every coefficient and every byte',
    seeded(20_000, (random) => {
      const { kernel, bytes } = open(random)
      const input = SHARDS + 5
      const output = SHARDS + 1_000
      for (let i = 0; i < 256; i++) bytes[input + i] = i
      for (let c = 0; c < 256; c++) {
        kernel.multiply({ coefficients: Uint8Array.of(c), inputs: [input], outputs: [output], length: 256 })
        for (let i = 0; i < 256; i++)
          if (bytes[output + i] !== multiply(c, i)) assert.unreachable(`${c} × ${i}`)
      }
    }),
  )

  test(
    'works on pages that were added after it was made',
    seeded(5_000, (random) => {
      const { kernel, memory } = open(random)
      const end = memory.buffer.byteLength
      memory.grow(1)
      const bytes = new Uint8Array(memory.buffer)
      bytes.set(random.bytes(100), end)
      kernel.multiply({ coefficients: Uint8Array.of(1), inputs: [end], outputs: [end + 200], length: 100 })
      assert.equal(bytes.slice(end + 200, end + 300), bytes.slice(end, end + 100))
    }),
  )

  test(
    'two of them share a memory and leave each other alone',
    seeded(5_000, (random) => {
      const opened = open(random)
      const second = make(opened.memory, opened.bytes.length - CODEC_RESERVED_BYTES)
      const before = opened.bytes.slice(RESERVED, SHARDS)
      check(
        { kernel: second, bytes: opened.bytes.subarray(0, opened.bytes.length - CODEC_RESERVED_BYTES) },
        random,
        {
          rows: 4,
          inputCount: 8,
          length: 500,
        },
      )
      assert.equal(opened.bytes.slice(RESERVED, SHARDS), before)
    }),
  )

  test.run()
}
