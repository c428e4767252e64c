import { connectionsWithin, descriptorsMax } from '../../src/descriptors.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('descriptors')

test('connections leave the store half of what a process may have open, those that are only told so among them', () => {
  assert.is(connectionsWithin(10_000, 1024), 256)
  assert.is(connectionsWithin(10_000, 4096), 1792)
  assert.is(connectionsWithin(10_000, 524_288), 10_000)
  assert.is(connectionsWithin(10_000, undefined), 10_000)
  assert.is(connectionsWithin(10_000, 64), 16)
})

test('the limit of this process is a number where the system says it', () => {
  const found = descriptorsMax()
  if (process.platform === 'linux') assert.ok(found !== undefined && found >= 64, String(found))
})

test.run()
