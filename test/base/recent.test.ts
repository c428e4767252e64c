import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { Recent } from '../../src/base/recent.ts'
import { seeded } from '../support/uvu.ts'

const test = suite('recent')

test('what is used again stays, what is not goes, and the weight is bounded', () => {
  const recent = new Recent<number, string>(100)
  for (let i = 0; i < 1000; i++) {
    recent.set(i, `value ${i}`, 5)
    assert.is(recent.get(0), 'value 0', `after ${i} others`)
  }
  const kept = Array.from({ length: 1000 }, (_, i) => i).filter((i) => recent.get(i) !== undefined)
  assert.ok(kept.length <= 20, `${kept.length} entries of weight 5 are kept in 100`)
  assert.ok(kept.includes(999))
})

test('an entry heavier than a generation is not kept, nor what it replaces', () => {
  const recent = new Recent<string, string>(100)
  recent.set('key', 'old', 10)
  recent.set('key', 'too heavy', 51)
  assert.is(recent.get('key'), undefined)
})

test(
  'a removed key is not found in any generation, whatever came between',
  seeded(10_000, (random) => {
    const recent = new Recent<number, number>(60)
    const model = new Map<number, number>()
    for (let step = 0; step < 5000; step++) {
      const key = random.below(30)
      const choice = random.below(3)
      if (choice === 0) {
        recent.set(key, step, 1 + random.below(10))
        model.set(key, step)
      } else if (choice === 1) {
        recent.delete(key)
        model.delete(key)
      } else {
        const found = recent.get(key)
        assert.ok(found === undefined || found === model.get(key), `key ${key} after step ${step}`)
      }
    }
  }),
)

test.run()
