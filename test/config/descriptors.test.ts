import { checkDescriptors, connectionsWithin, descriptorsMax } from '../../src/descriptors.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('descriptors')

test('connections leave the store half of what a process may have open, those that are only told so among them', () => {
  assert.is(connectionsWithin(10_000, 1024), 256)
  assert.is(connectionsWithin(10_000, 4096), 1792)
  assert.is(connectionsWithin(10_000, 524_288), 10_000)
  assert.is(connectionsWithin(10_000, undefined), 10_000)
  assert.is(connectionsWithin(10_000, 64), 16)
})

test('too few for the disks there are is told before a start, with the number that will do', async () => {
  for (const disks of [1, 6, 256]) {
    const { message } = await rejectsWith('TOO_FEW_FILES', () => checkDescriptors(disks, 300))
    const wanted = Number(/needs (\d+)/.exec(message)?.[1])
    checkDescriptors(disks, wanted)
    await rejectsWith('TOO_FEW_FILES', () => checkDescriptors(disks, wanted - 1))
    // Connections and disks together, whoever connects.
    assert.ok(connectionsWithin(10_000, wanted) + 256 + 12 * disks < wanted, message)
  }
  checkDescriptors(6, 512)
  checkDescriptors(256, undefined)
})

test('the limit of this process is a number where the system says it', () => {
  const found = descriptorsMax()
  if (process.platform === 'linux') assert.ok(found !== undefined && found >= 64, String(found))
})

test.run()
