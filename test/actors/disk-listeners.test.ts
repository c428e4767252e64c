import { attachListeners, createListenersMemory } from '../../src/actors/disk-listeners.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('disk listeners')

test('who listens is seen by everyone who shares the memory, until it no longer does', () => {
  const shared = createListenersMemory(3)
  const [one, other] = [attachListeners(shared), attachListeners(shared)]
  assert.equal(other.partitions(), [])
  one.listen(2, true)
  one.listen(0, true)
  assert.equal(other.partitions(), [0, 2])
  one.listen(2, false)
  assert.equal(other.partitions(), [0])
})

test.run()
