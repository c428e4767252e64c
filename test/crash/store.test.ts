// The store after a power cut at every step of every operation: see check-scenario.ts for what is checked of each state, and
// support/store-crash.ts for which states are looked at.
import { roundsOf } from '../support/rounds.ts'
import { countedStates } from '../support/state-count.ts'
import { assert, seeded, suite } from '../support/uvu.ts'
import { type CheckOptions, checkScenario } from './check-scenario.ts'
import { SCENARIOS, scenarioNamed } from './scenarios.ts'

const test = suite('the store after a power cut')
const LIMIT_MS = 600_000
/** By their bytes. */
const STATES_MIN = 20_000
const OPTIONS: CheckOptions = { samples: roundsOf(6, 40), wholeEvery: 150, secondEvery: roundsOf(67, 23) }

for (const { name, make } of SCENARIOS) {
  test(
    name,
    seeded(LIMIT_MS, async (_, seed) => {
      await checkScenario(seed, make(), OPTIONS)
    }),
  )
}

/** How many states a scenario has depends on what chance lets happen at a time: what is missing this one makes up for. */
const RICHEST = 'six PUTs at once'
const MORE_MAX = 10

test(
  `${STATES_MIN} different states and more`,
  seeded(LIMIT_MS, async (_, seed) => {
    for (let i = 1; countedStates() < STATES_MIN && i <= MORE_MAX; i++) {
      await checkScenario(seed + i, scenarioNamed(RICHEST), OPTIONS)
    }
    assert.ok(countedStates() >= STATES_MIN, `${countedStates()} states`)
  }),
)

test.run()
