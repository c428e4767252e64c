import { createPrng } from '../../src/base/prng.ts'
import { MiB } from '../../src/base/units.ts'
import {
  planReads,
  restoreBlocks,
  restoreUnits,
  type ShardState,
  sealStripe,
} from '../../src/storage/stripe.ts'
import { blocksOf, checkBlocks, checkHeader, fileBytesOf, PAGE_BYTES } from '../../src/storage/unit.ts'
import { createSlabs, randomBody, randomWriteId } from '../support/stripes.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('stripe')
const random = createPrng(2)

const sealed = (k: number, m: number, payloadBytes: number, objectBytes: number) => {
  const arena = createSlabs(k + m)
  const slabs = Array.from({ length: k + m }, (_, i) => arena.offset(i))
  for (let i = 0; i < k + m; i++) arena.slab(i).fill(0xee)
  for (let i = 0; i < k; i++) arena.slab(i).set(randomBody(random, payloadBytes), PAGE_BYTES)
  const job = { write: randomWriteId(random), k, m, stripe: 3, payloadBytes, slabs }
  sealStripe(arena.codecs(k, m), arena.memory.buffer, { ...job, objectBytes })
  return { arena, job, codec: arena.codecs(k, m) }
}

test('a sealed stripe verifies unit by unit, is zero behind the object, and carries nothing of who had its slabs', () => {
  const payloadBytes = 70_016
  const { arena, job, codec } = sealed(3, 2, payloadBytes, 2 * payloadBytes + 100)
  for (let index = 0; index < 5; index++) {
    const slab = arena.slab(index)
    const address = { ...job, index }
    assert.is(checkHeader(slab, address), undefined)
    assert.is(checkBlocks(slab, slab, address, 0, blocksOf(payloadBytes)), undefined)
    assert.ok(slab.subarray(200, PAGE_BYTES).every((byte) => byte === 0))
    const padding = slab.subarray(PAGE_BYTES + payloadBytes, fileBytesOf(payloadBytes))
    assert.ok(padding.length > 0 && padding.every((byte) => byte === 0))
  }
  assert.ok(
    arena
      .slab(2)
      .subarray(PAGE_BYTES + 100, PAGE_BYTES + payloadBytes)
      .every((byte) => byte === 0),
  )
  const shards = job.slabs.map((slab) => slab + PAGE_BYTES)
  assert.is(codec.verify({ shards, length: payloadBytes }), true)
})

test('units that are missing are restored with the very bytes they had, header included', () => {
  const { arena, job, codec } = sealed(4, 2, MiB, 4 * MiB)
  for (const wanted of [[0, 5], [1, 2], [4, 5], [3]]) {
    const before = wanted.map((index) => arena.slab(index).slice())
    for (const index of wanted) arena.slab(index).fill(0x55)
    const present = job.slabs.map((_, index) => !wanted.includes(index))
    restoreUnits(codec, arena.memory.buffer, { ...job, present, wanted })
    for (const [i, index] of wanted.entries()) {
      assert.is(Buffer.compare(arena.slab(index), before[i]!), 0, `shard ${index}`)
    }
  }
})

test('some blocks of a missing unit are computed from the same blocks of the others, and nothing else is touched', () => {
  const payloadBytes = 300_032
  const { arena, job, codec } = sealed(2, 1, payloadBytes, 2 * payloadBytes)
  for (const [firstBlock, blockCount] of [
    [1, 2],
    [4, 1],
  ] as const) {
    const before = arena.slab(0).slice()
    const start = PAGE_BYTES + firstBlock * 65_536
    const end = Math.min(start + blockCount * 65_536, PAGE_BYTES + payloadBytes)
    arena.slab(0).fill(0x55, start, end)
    restoreBlocks(codec, { ...job, present: [false, true, true], wanted: [0], firstBlock, blockCount })
    assert.is(Buffer.compare(arena.slab(0), before), 0)
  }
})

/** o read and right, ? not asked yet, x missing or corrupt, - disk out. */
const states = (picture: string): ShardState[] =>
  [...picture].map(
    (letter) => (({ o: 'ok', '?': 'unknown', x: 'failed', '-': 'out' }) as const)[letter as 'o'],
  )

test('reads are planned for what is wanted, and parity is read only in place of what cannot be', () => {
  const check = (
    picture: string,
    wanted: number[],
    read: number[] | undefined,
    compute: number[] = [],
  ): void => {
    const plan = planReads(4, states(picture), wanted)
    assert.equal(plan, read === undefined ? undefined : { read, compute }, picture)
  }
  check('??????', [0, 1, 2, 3], [0, 1, 2, 3])
  check('??????', [2], [2])
  check('?-????', [0, 1, 2, 3], [0, 2, 3, 4], [1])
  check('oxooo?', [0, 1, 2, 3], [], [1])
  check('oxoo-?', [0, 1, 2, 3], [5], [1])
  check('xx????', [0], [2, 3, 4, 5], [0])
  check('oxx-??', [0, 1, 2, 3], undefined)
  check('-x????', [1], [2, 3, 4, 5], [1])
  check('o?xx-?', [0], [])
  check('oooooo', [0, 1, 2, 3], [])
})

test('shards of faster disks are preferred', () => {
  assert.equal(planReads(2, states('x????'), [0], [4, 3, 2, 1, 0]), { read: [4, 3], compute: [0] })
})

test.run()
