// The whole store in simulation, with everything that may go wrong: see campaign/. Each seed is a story of some three hundred
// operations and fourteen faults; `npm run sim -- --seed N` runs one again. The seeds that keep every promise are in
// campaign-1 to campaign-4, so that they run side by side.
import { assert, deadline, suite } from '../support/uvu.ts'
import { linearTests } from './campaign/linear-tests.ts'
import { simulate } from './campaign/simulate.ts'
import { sparseTests } from './campaign/sparse-tests.ts'
import { drawStory } from './campaign/story.ts'

const test = suite('simulation')
const LIMIT_MS = 10 * 60_000
const FIRST = Number(process.env['SEED'] ?? 500)

linearTests(test)
sparseTests(test)

test(
  'the same seed gives the same run',
  deadline(LIMIT_MS, async () => {
    const story = { ...drawStory(FIRST), items: drawStory(FIRST).items.slice(0, 80) }
    const [one, other] = [await simulate(story), await simulate(story)]
    assert.equal([other.turns, other.simulatedMs, other.told], [one.turns, one.simulatedMs, one.told])
  }),
)

test.run()
