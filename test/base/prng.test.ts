import { createPrng, systemRandom } from '../../src/base/prng.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('prng')

test('equal seeds give equal streams, others do not', () => {
  assert.equal(createPrng(7).bytes(64), createPrng(7).bytes(64))
  assert.not.equal(createPrng(7).bytes(64), createPrng(8).bytes(64))
})

test('below stays below its bound and reaches every value', () => {
  for (const random of [createPrng(1), systemRandom]) {
    const seen = new Set<number>()
    for (let i = 0; i < 2_000; i++) seen.add(random.below(6))
    assert.equal([...seen].sort(), [0, 1, 2, 3, 4, 5])
  }
})

test.run()
