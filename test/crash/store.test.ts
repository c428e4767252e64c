// The store after a power cut at every step of every operation: see check-scenario.ts for what is checked of each state, and
// support/store-crash.ts for which states are looked at.
import { roundsOf } from '../support/rounds.ts'
import { countedStates } from '../support/state-count.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'
import { type CheckOptions, checkScenario } from './check-scenario.ts'
import { SCENARIOS } from './scenarios.ts'

const test = suite('the store after a power cut')
const LIMIT_MS = 600_000
/** By their bytes. */
const STATES_MIN = 20_000
const OPTIONS: CheckOptions = { samples: roundsOf(12, 40), wholeEvery: 150 }

for (const { name, make } of SCENARIOS) {
  test(
    name,
    seeded(LIMIT_MS, async (_, seed) => {
      await checkScenario(seed, make(), OPTIONS)
    }),
  )
}

test(
  `${STATES_MIN} different states and more`,
  deadline(LIMIT_MS, async () => assert.ok(countedStates() >= STATES_MIN, `${countedStates()} states`)),
)

test.run()
