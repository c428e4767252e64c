// No two threads of the codec pool that live at the same time work in one region, however many died before.
import { createRegions, freeRegions, takeRegion } from '../../src/actors/codec-regions.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('codec regions')

test('a region is taken again only when its thread has ended', async () => {
  const regions = createRegions(3)
  assert.equal([takeRegion(regions, 1), takeRegion(regions, 2)], [0, 1])
  freeRegions(regions, new Set([1]))
  assert.is(takeRegion(regions, 3), 2)
  freeRegions(regions, new Set([1]))
  // The next in turn is 0, where thread 1 still works.
  assert.is(takeRegion(regions, 4), 1)
  assert.is(takeRegion(regions, 5), 2)
  await rejectsWith('ASSERTION', () => takeRegion(regions, 6))
})

test(
  'threads that come and go never share one',
  seeded(5_000, (random) => {
    const regions = createRegions(8)
    const living = new Map<number, number>()
    for (let thread = 1; thread < 2000; thread++) {
      const region = takeRegion(regions, thread)
      assert.not([...living.values()].includes(region), `thread ${thread}`)
      living.set(thread, region)
      while (living.size > random.below(6) + 1) {
        const all = [...living.keys()]
        living.delete(all[random.below(all.length)]!)
        freeRegions(regions, new Set(living.keys()))
      }
    }
  }),
)

test.run()
