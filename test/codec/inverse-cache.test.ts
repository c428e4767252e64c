import { createInverseCache } from '../../src/codec/inverse-cache.ts'
import { createParityMatrix } from '../../src/codec/matrix.ts'
import { assert, suite } from '../support/uvu.ts'
import { subsets } from './erasures.ts'

const test = suite('inverse cache')

test('the data shards themselves need no arithmetic', () => {
  const inverses = createInverseCache(createParityMatrix(3, 2), 3)
  assert.equal([...inverses.find([0, 1, 2])], [1, 0, 0, 0, 1, 0, 0, 0, 1])
})

test('with parity 0 in the place of a data shard, that shard is the sum', () => {
  const inverses = createInverseCache(createParityMatrix(3, 2), 3)
  assert.equal([...inverses.find([0, 2, 3])], [1, 0, 0, 1, 1, 1, 0, 1, 0])
})

test('an inverse is made once', () => {
  const inverses = createInverseCache(createParityMatrix(8, 4), 8)
  const first = inverses.find([0, 1, 2, 3, 4, 5, 8, 11])
  assert.is(inverses.find([0, 1, 2, 3, 4, 5, 8, 11]), first)
  assert.is(inverses.size, 1)
})

test('sets that reach up to shard 31 are told apart', () => {
  const inverses = createInverseCache(createParityMatrix(1, 31), 1)
  for (let index = 0; index < 32; index++) inverses.find([index])
  assert.is(inverses.size, 32)
})

test('the cache is bounded, and still right when it has overflowed', () => {
  const inverses = createInverseCache(createParityMatrix(8, 4), 8)
  const sets = [...subsets(12, 8)]
  const first = sets.map((set) => [...inverses.find(set)])
  assert.ok(sets.length > 256)
  assert.is(inverses.size, 256)
  for (const [i, set] of sets.entries()) assert.equal([...inverses.find(set)], first[i])
})

test.run()
