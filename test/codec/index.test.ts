import type { Random } from '../../src/base/prng.ts'
import { createSharedMemory } from '../../src/base/wasm.ts'
import {
  CODEC_RESERVED_BYTES,
  type Codec,
  createCodec,
  createKernel,
  SHARDS_MAX,
} from '../../src/codec/index.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'
import { subsets } from './erasures.ts'

const test = suite('codec')

const memory = createSharedMemory(64, 64)
const bytes = new Uint8Array(memory.buffer)
const kernel = createKernel({ memory, reservedOffset: 0 })
const scalar = createKernel({ memory, reservedOffset: CODEC_RESERVED_BYTES, name: 'scalar' })
const SHARDS = 2 * CODEC_RESERVED_BYTES

interface Stripe {
  readonly shards: readonly number[]
  readonly length: number
  readonly whole: readonly Uint8Array[]
}

const shardBytes = (stripe: { shards: readonly number[]; length: number }, index: number): Uint8Array =>
  bytes.subarray(stripe.shards[index], stripe.shards[index]! + stripe.length)

/** An encoded stripe of random data; shards lie apart by odd gaps. */
const encodeStripe = (codec: Codec, random: Random, length: number): Stripe => {
  const shards = Array.from({ length: codec.k + codec.m }, (_, i) => SHARDS + i * (length + 3) + 1)
  const stripe = { shards, length }
  for (let i = 0; i < codec.k; i++) shardBytes(stripe, i).set(random.bytes(length))
  codec.encode({ data: shards.slice(0, codec.k), parity: shards.slice(codec.k), length })
  return { ...stripe, whole: shards.map((_, i) => shardBytes(stripe, i).slice()) }
}

/** Loses `lost`, reconstructs `wanted`, and looks that these are whole again and the other lost ones untouched. */
const checkReconstruct = (
  codec: Codec,
  stripe: Stripe,
  { lost, wanted }: { lost: readonly number[]; wanted: readonly number[] },
): void => {
  for (const index of lost) shardBytes(stripe, index).fill(0xee)
  codec.reconstruct({
    shards: stripe.shards,
    present: stripe.shards.map((_, index) => !lost.includes(index)),
    wanted,
    length: stripe.length,
  })
  const label = `${codec.k}+${codec.m} lost ${lost} wanted ${wanted}`
  for (const index of lost) {
    const found = shardBytes(stripe, index)
    const expected = stripe.whole[index]!
    if (!wanted.includes(index))
      assert.ok(
        found.every((byte) => byte === 0xee),
        label,
      )
    else if (Buffer.compare(found, expected) !== 0) assert.unreachable(label)
    found.set(expected)
  }
}

const shuffle = (random: Random, count: number): number[] => {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const other = random.below(i + 1)
    ;[order[i], order[other]] = [order[other]!, order[i]!]
  }
  return order
}

test(
  'every loss of every geometry up to 12 shards is undone',
  seeded(60_000, (random) => {
    for (let n = 1; n <= 12; n++) {
      for (let k = 1; k <= n; k++) {
        const m = n - k
        const codec = createCodec(k, m, kernel)
        const stripe = encodeStripe(codec, random, 65)
        for (let size = 1; size <= m; size++) {
          for (const lost of subsets(n, size)) checkReconstruct(codec, stripe, { lost, wanted: lost })
        }
      }
    }
  }),
)

test(
  'random losses of wider geometries are undone, all or a part of them, in any order',
  seeded(30_000, (random) => {
    for (let round = 0; round < 300; round++) {
      const n = 13 + random.below(SHARDS_MAX - 12)
      const k = 1 + random.below(n)
      const codec = createCodec(k, n - k, kernel)
      const stripe = encodeStripe(codec, random, 1 + random.below(200))
      const lost = shuffle(random, n).slice(0, random.below(n - k + 1))
      checkReconstruct(codec, stripe, { lost, wanted: lost.slice(random.below(lost.length + 1)) })
    }
  }),
)

test(
  'the best kernel and the scalar one make the same parity for every geometry',
  seeded(30_000, (random) => {
    for (let k = 1; k <= SHARDS_MAX; k++) {
      for (const m of new Set([0, 1, 2, 3, 4, SHARDS_MAX - k])) {
        if (k + m > SHARDS_MAX) continue
        const stripe = encodeStripe(createCodec(k, m, kernel), random, 70)
        createCodec(k, m, scalar).encode({
          data: stripe.shards.slice(0, k),
          parity: stripe.shards.slice(k),
          length: stripe.length,
        })
        for (let i = 0; i < k + m; i++)
          assert.is(Buffer.compare(shardBytes(stripe, i), stripe.whole[i]!), 0, `${k}+${m}`)
      }
    }
  }),
)

test('what 4+2 makes of known bytes stays what it is', () => {
  const codec = createCodec(4, 2, kernel)
  const shards = Array.from({ length: 6 }, (_, i) => SHARDS + i * 64)
  for (let i = 0; i < 4; i++) for (let j = 0; j < 40; j++) bytes[shards[i]! + j] = i * 61 + j * 7 + 1
  codec.encode({ data: shards.slice(0, 4), parity: shards.slice(4), length: 40 })
  const hex = (index: number): string =>
    Buffer.from(bytes.slice(shards[index], shards[index]! + 40)).toString('hex')
  assert.is(hex(4), 'fc700c18040004180c70fc08040004081c100c78040004380c101c08840004083c300c1804800418')
  assert.is(hex(5), '2521f7ec2132167df083d26a1794bd9be68574e80271c883d3c0d13afab7fe4518bb574c81d2eb80')
})

test(
  'verify sees every flipped bit, wherever it is',
  seeded(30_000, (random) => {
    for (const [k, m, length] of [
      [4, 2, 100],
      [4, 2, 30_000],
      [1, 1, 1],
      [12, 4, 13_000],
      [1, 31, 3_000],
    ] as const) {
      const codec = createCodec(k, m, kernel)
      const stripe = encodeStripe(codec, random, length)
      assert.ok(codec.verify(stripe))
      for (let round = 0; round < 40; round++) {
        const shard = shardBytes(stripe, random.below(k + m))
        const position = round === 0 ? length - 1 : random.below(length)
        const bit = 1 << random.below(8)
        shard[position]! ^= bit
        assert.not(codec.verify(stripe), `${k}+${m}`)
        shard[position]! ^= bit
      }
      assert.ok(codec.verify(stripe))
    }
  }),
)

test('nothing to do is done: no parity, no bytes, nothing wanted', () => {
  const none = createCodec(3, 0, kernel)
  const shards = [SHARDS, SHARDS + 100, SHARDS + 200]
  none.encode({ data: shards, parity: [], length: 100 })
  assert.ok(none.verify({ shards, length: 100 }))
  none.reconstruct({ shards, present: [true, true, true], wanted: [], length: 100 })
  const pair = createCodec(1, 1, kernel)
  pair.encode({ data: [SHARDS], parity: [SHARDS], length: 0 })
  assert.ok(pair.verify({ shards: [SHARDS, SHARDS], length: 0 }))
  pair.reconstruct({ shards: [SHARDS, SHARDS], present: [true, false], wanted: [1], length: 0 })
})

test('a call that breaks the rules is a bug and writes nothing', async () => {
  const codec = createCodec(2, 2, kernel)
  const shards = [0, 1, 2, 3].map((i) => SHARDS + i * 64)
  const [a, b, c, d] = shards as [number, number, number, number]
  const length = 64
  const before = bytes.slice(SHARDS, SHARDS + 256)
  const present = [true, true, false, false]
  const broken: (() => void)[] = [
    () => codec.encode({ data: [a], parity: [c, d], length }),
    () => codec.encode({ data: [a, b], parity: [c], length }),
    () => codec.encode({ data: [a, b], parity: [c, bytes.length - 63], length }),
    () => codec.encode({ data: [a, -64], parity: [c, d], length }),
    () => codec.encode({ data: [a, b + 0.5], parity: [c, d], length }),
    () => codec.encode({ data: [a, b], parity: [c, c + 63], length }),
    () => codec.encode({ data: [a, b], parity: [b + 63, d], length }),
    () => codec.encode({ data: [a, b], parity: [c, d], length: -1 }),
    () => codec.reconstruct({ shards, present, wanted: [1], length }),
    () => codec.reconstruct({ shards, present, wanted: [4], length }),
    () => codec.reconstruct({ shards, present, wanted: [2, 2], length }),
    () => codec.reconstruct({ shards, present: [true, false, false, false], wanted: [1], length }),
    () => codec.reconstruct({ shards: [a, b, b, d], present, wanted: [2], length }),
    () => codec.reconstruct({ shards, present: [true, true], wanted: [2], length }),
    () => codec.verify({ shards: [a, b, c], length }),
    () => codec.verify({ shards: [a, b, c, bytes.length], length }),
    () => createCodec(0, 2, kernel),
    () => createCodec(30, 3, kernel),
  ]
  for (const call of broken) await rejectsWith('ASSERTION', call)
  assert.equal(bytes.slice(SHARDS, SHARDS + 256), before)
})

test.run()
