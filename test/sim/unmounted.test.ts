// Disks that are not mounted: their mount points lie on one file system, which is not that of a disk, whenever they are looked at.
import { SECOND } from '../../src/base/units.ts'
import { assert, seeded, suite } from '../support/uvu.ts'
import { Tally } from './campaign/tally.ts'
import { World } from './campaign/world.ts'

const test = suite('unmounted')
const ROUNDS = 16

test(
  'a mount point is not taken for a disk because another disk is unmounted just then',
  seeded(60_000, async (random, seed) => {
    const tally = new Tally()
    const world = new World({ seed, disks: 6, partitions: 1, items: [] }, tally)
    const run = world.scheduler.runUntil
    await run(world.start())
    for (let round = 0; round < ROUNDS; round++) {
      const [first, second] = [world.machine.slots[0]!, world.machine.slots[3]!]
      world.machine.mount(0, world.machine.bareMountPoint())
      await run(world.pass(5 * SECOND + random.below(2 * SECOND)))
      // Until somebody asks it for something the disk does not know that it is gone.
      world.machine.mount(3, world.machine.bareMountPoint())
      await run(world.pass(10 * SECOND))
      world.machine.mount(0, first)
      world.machine.mount(3, second)
      await run(world.pass(10 * SECOND))
      assert.is(tally.of('repairs', 'disk taken in'), 0, `round ${round}`)
    }
    world.life!.end()
    assert.is(world.failure, undefined)
  }),
)

test.run()
