// MD5 with a state of plain data, and digests that are handed on between two pieces: against RFC 1321 and node:crypto.
import { createHash } from 'node:crypto'
import type { Random } from '../../src/base/prng.ts'
import { createSharedMemory, WASM_PAGE_BYTES } from '../../src/base/wasm.ts'
import { createDigest } from '../../src/codec/checksums.ts'
import { CODEC_RESERVED_BYTES, createKernel } from '../../src/codec/index.ts'
import { createMd5, type Md5 } from '../../src/codec/md5.ts'
import type { MemoryRange } from '../../src/codec/md5-stream.ts'
import {
  createDigestSteps,
  type DigestSteps,
  isPortable,
  type PortableName,
} from '../../src/codec/portable-digests.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('portable digests')

const KERNELS = 3
const BYTES_START = KERNELS * CODEC_RESERVED_BYTES
const BYTES = 4 * WASM_PAGE_BYTES
const memory = createSharedMemory((BYTES_START + BYTES) / WASM_PAGE_BYTES, 100)
const kernels = Array.from({ length: KERNELS }, (_, i) =>
  createKernel({ memory, reservedOffset: i * CODEC_RESERVED_BYTES }),
)
const stage = new Uint8Array(memory.buffer, BYTES_START, BYTES)

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const viewOf = ({ offset, length }: MemoryRange): Uint8Array => new Uint8Array(memory.buffer, offset, length)

/** Puts bytes somewhere on the stage, at no alignment in particular. */
const place = (bytes: Uint8Array, at = 0): MemoryRange => {
  stage.set(bytes, at)
  return { offset: BYTES_START + at, length: bytes.length }
}

/** `range` in up to `count` pieces, some of them empty. */
const split = ({ offset, length }: MemoryRange, count: number, random: Random): MemoryRange[] => {
  const cuts = Array.from({ length: count - 1 }, () => random.below(length + 1)).sort((a, b) => a - b)
  const bounds = [0, ...cuts, length]
  return bounds.slice(1).map((end, i) => ({ offset: offset + bounds[i]!, length: end - bounds[i]! }))
}

const update = (md5: Md5, state: Uint8Array | undefined, pieces: readonly MemoryRange[]): Uint8Array =>
  md5.update([{ state, pieces }])[0]!
const md5Of = (md5: Md5, pieces: readonly MemoryRange[]): string =>
  hex(md5.digest(update(md5, undefined, pieces)))

test('MD5 has the values of RFC 1321', () => {
  const md5 = createMd5(kernels[0]!)
  const check = (text: string, expected: string): void =>
    assert.is(md5Of(md5, [place(Buffer.from(text), 3)]), expected, `of '${text}'`)
  check('', 'd41d8cd98f00b204e9800998ecf8427e')
  check('a', '0cc175b9c0f1b6a831c399e269772661')
  check('abc', '900150983cd24fb0d6963f7d28e17f72')
  check('message digest', 'f96b697d7cb7938d525a2f31aaf161d0')
  check('abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b')
  check('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f')
  check('1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a')
  assert.is(hex(md5.digest(undefined)), 'd41d8cd98f00b204e9800998ecf8427e', 'of nothing at all')
})

test(
  'MD5 of every length up to four blocks is that of node:crypto, in one piece and in several',
  seeded(20_000, (random) => {
    const md5 = createMd5(kernels[0]!)
    for (let length = 0; length <= 260; length++) {
      const bytes = random.bytes(length)
      const range = place(bytes, random.below(70))
      const expected = createHash('md5').update(bytes).digest('hex')
      assert.is(md5Of(md5, [range]), expected, `${length} bytes`)
      for (const count of [2, 3, 7]) {
        assert.is(md5Of(md5, split(range, count, random)), expected, `${length} bytes in ${count} pieces`)
      }
    }
  }),
)

for (const hasLanes of [true, false]) {
  test(
    `several MD5s at once are what each is alone, ${hasLanes ? 'side by side' : 'one after another'}`,
    seeded(20_000, (random) => {
      const md5 = createMd5(kernels[0]!, { hasLanes })
      for (let round = 0; round < 100; round++) {
        const messages = Array.from({ length: 1 + random.below(9) }, (_, i) => {
          const head = random.bytes(random.below(3) * random.below(100))
          const tail = place(
            random.bytes(random.below(4) * random.below(3_000)),
            i * 10_000 + random.below(64),
          )
          return { head, tail, pieces: split(tail, 1 + random.below(4), random) }
        })
        const inputs = messages.map(({ head, pieces }) => {
          const state = head.length === 0 ? undefined : update(md5, undefined, [place(head, 9 * 10_000)])
          return { state, pieces }
        })
        const states = md5.update(inputs)
        for (const [i, { head, tail }] of messages.entries()) {
          const expected = createHash('md5').update(head).update(viewOf(tail)).digest('hex')
          const label = `${i} of ${messages.length}: ${head.length} and ${tail.length} bytes`
          assert.is(hex(md5.digest(states[i])), expected, label)
        }
      }
    }),
  )
}

test('steps of several digests in one call come back in their order', () => {
  const run = createDigestSteps(kernels[0]!)
  const names: readonly PortableName[] = ['crc32', 'md5', 'crc64nvme', 'md5', 'md5']
  const ranges = names.map((_, i) => place(Buffer.alloc(1_000 * (i + 1), `${i}`), i * 6_000))
  const steps = names.map((name, i) => ({ name, state: undefined, pieces: [ranges[i]!], isLast: true }))
  for (const [i, digest] of run(steps).entries()) {
    const alone = createDigest(names[i]!)
    alone.update(viewOf(ranges[i]!))
    assert.is(hex(digest), hex(alone.digest()), `${i}: ${names[i]}`)
  }
})

test('a state counts bytes past 32 bits', () => {
  // As if 2^32 bytes had been taken in: only the count at the end of the message differs from a short one's.
  const md5 = createMd5(kernels[0]!)
  const short = update(md5, undefined, [place(Buffer.alloc(64, 1))])
  const long = short.slice()
  new DataView(long.buffer).setBigUint64(16, 2n ** 32n + 64n, true)
  const tail = Buffer.alloc(64)
  tail[0] = 0x80
  tail.writeBigUInt64LE((2n ** 32n + 64n) * 8n, 56)
  const expected = update(md5, short, [place(tail)]).subarray(0, 16)
  assert.is(hex(md5.digest(long)), hex(expected))
})

test('a state that was handed on is not changed by who continues it', () => {
  const md5 = createMd5(kernels[0]!)
  const state = update(md5, undefined, [place(Buffer.from('moraine'))])
  const kept = state.slice()
  const [first, second] = ['x', 'y'].map((text) => update(md5, state, [place(Buffer.from(text))])) as [
    Uint8Array,
    Uint8Array,
  ]
  assert.equal(state, kept)
  assert.is(hex(md5.digest(first)), createHash('md5').update('morainex').digest('hex'))
  assert.is(hex(md5.digest(second)), createHash('md5').update('morainey').digest('hex'))
})

const NAMES: readonly PortableName[] = ['md5', 'crc32', 'crc32c', 'crc64nvme']

/** Each step by another kernel, its state by way of what a message between threads does to it. */
const inSteps = (
  name: PortableName,
  steps: readonly MemoryRange[][],
  of: (step: number) => DigestSteps,
): Uint8Array => {
  let state: Uint8Array | undefined
  for (const [i, pieces] of steps.entries()) {
    state = structuredClone(of(i)([{ name, state, pieces, isLast: i === steps.length - 1 }]))[0]
  }
  return state!
}

test(
  'digests that go from kernel to kernel at any place are those of the whole',
  seeded(20_000, (random) => {
    const all = kernels.map(createDigestSteps)
    for (let round = 0; round < 120; round++) {
      const length = random.below(2) === 0 ? random.below(300) : random.below(100_000)
      const range = place(random.bytes(length), random.below(64))
      const steps = split(range, 1 + random.below(5), random).map((part) =>
        split(part, 1 + random.below(4), random),
      )
      for (const name of NAMES) {
        const whole = createDigest(name)
        whole.update(viewOf(range))
        const got = inSteps(name, steps, () => all[random.below(KERNELS)]!)
        assert.is(hex(got), hex(whole.digest()), `${name} of ${length} bytes in ${steps.length} steps`)
      }
    }
  }),
)

test('what cannot leave its thread is not called portable', () => {
  const portable = [...NAMES, 'sha1', 'sha256'] as const
  assert.equal(portable.filter(isPortable), NAMES)
})

test('an MD5 module that is missing or torn is a fault', async () => {
  await rejectsWith('CODEC_LOAD', () =>
    createMd5(kernels[0]!, { readModule: () => Uint8Array.of(0, 0x61, 0x73, 0x6d) }),
  )
  await rejectsWith('CODEC_LOAD', () =>
    createMd5(kernels[0]!, {
      readModule: () => {
        throw new Error('no such file')
      },
    }),
  )
})

test.run()
