import fc from 'fast-check'
import { KiB, MiB } from '../../src/base/units.ts'
import {
  objectBytesOf,
  payloadBytesOf,
  planStripes,
  stripeRanges,
  unitPosition,
} from '../../src/storage/stripes.ts'
import { BLOCK_BYTES, fileBytesOf, PAGE_BYTES } from '../../src/storage/unit.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('stripes')

test('bodies are cut into full stripes and a rest of equal units', () => {
  const check = (size: number, k: number, stripes: number, lastPayload: number, isPacked: boolean): void => {
    const plan = planStripes(size, k)
    assert.equal(
      [plan.stripes, plan.lastPayloadBytes, plan.isPacked],
      [stripes, lastPayload, isPacked],
      `${size}/${k}`,
    )
  }
  check(1, 4, 1, 64, true)
  check(20 * KiB, 4, 1, 5 * KiB, true)
  check(257, 4, 1, 128, true)
  check(4 * MiB - 300, 4, 1, MiB - 64, true)
  check(4 * MiB - 1, 4, 1, MiB, false)
  check(4 * MiB, 4, 1, MiB, false)
  check(4 * MiB + 1, 4, 2, 64, false)
  check(64 * MiB, 4, 16, MiB, false)
  check(5 * MiB, 1, 5, MiB, false)
})

test('what a shard takes on its disk is what is written', () => {
  const plan = planStripes(9 * MiB + 5, 4)
  assert.is(plan.diskBytes, 2 * fileBytesOf(MiB) + fileBytesOf(plan.lastPayloadBytes))
  assert.is(unitPosition(2), 2 * (PAGE_BYTES + MiB))
  assert.is(plan.shardBytes, 2 * MiB + plan.lastPayloadBytes)
})

test('the pieces of any range are the range, in order, inside of the blocks that are read', () => {
  const sizes = fc.integer({ min: 1, max: 20 * MiB })
  fc.assert(
    fc.property(
      sizes,
      fc.integer({ min: 1, max: 16 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (size, k, a, b) => {
        const plan = planStripes(size, k)
        const start = Math.floor(a * (size - 1))
        const length = Math.floor(b * (size - start))
        let at = start
        for (const { stripe, payloadBytes, units } of stripeRanges(plan, start, length)) {
          assert.is(payloadBytes, payloadBytesOf(plan, stripe))
          assert.ok(units.length > 0 && units.length <= k)
          for (const unit of units) {
            assert.is(stripe * k * MiB + unit.unit * payloadBytes + unit.start, at)
            assert.ok(unit.length > 0 && unit.start + unit.length <= payloadBytes)
            assert.ok(unit.firstBlock * BLOCK_BYTES <= unit.start && unit.unit < k)
            assert.is(unit.blockCount, Math.ceil((unit.start + unit.length) / BLOCK_BYTES) - unit.firstBlock)
            at += unit.length
          }
        }
        assert.is(at, start + length)
      },
    ),
    { numRuns: 300 },
  )
})

test('the stripes of a body hold all of it', () => {
  for (const [size, k] of [
    [1, 1],
    [7 * MiB + 3, 4],
    [8 * MiB, 4],
    [100, 3],
  ] as const) {
    const plan = planStripes(size, k)
    let total = 0
    for (let stripe = 0; stripe < plan.stripes; stripe++) {
      assert.ok(objectBytesOf(plan, stripe) <= k * payloadBytesOf(plan, stripe))
      total += objectBytesOf(plan, stripe)
    }
    assert.is(total, size)
  }
})

test.run()
