// `npm run crash [-- --states N] [--for 1h] [--seed S]`: power cuts in every scenario, round after round, until so many different
// states were looked at or the time is over. A round is told by its seed; the next begins where `--seed` says, so a campaign
// may be spread over many runs: each round makes stores of its own, so no state of one is a state of another. Ends with
// `N states, N failed`, of which a failure is a scenario that has a wrong state.
import { campaignFlags } from '../support/campaign-options.ts'
import { countedStates } from '../support/state-count.ts'
import { checkScenario } from './check-scenario.ts'
import { SCENARIOS } from './scenarios.ts'

const STATES = 100_000
/** Many to a round: what a store is made from and written to costs more than to cut it off once again. */
const OPTIONS = { samples: 40, wholeEvery: 1000 }

const flags = campaignFlags({ name: 'crash', counted: 'states', countByDefault: STATES })
const startMs = performance.now()
const isMore = (): boolean => countedStates() < flags.count && performance.now() < startMs + flags.forMs

let failed = 0
let seed = flags.seed ?? Math.floor(Math.random() * 2 ** 30)
for (; isMore(); seed++) {
  for (const i of SCENARIOS.keys()) {
    if (!isMore()) break
    // Each round begins elsewhere: the last may end in the middle.
    const { name, make } = SCENARIOS[(i + 11 * seed) % SCENARIOS.length]!
    await checkScenario(seed, make(), OPTIONS).catch((error: Error) => {
      failed++
      console.log(`failed with --seed ${seed}: ${name}: ${error.stack}`)
    })
  }
  const seconds = (performance.now() - startMs) / 1000
  console.log(
    `seed ${seed}: ${countedStates()} states so far, ${(countedStates() / seconds).toFixed(0)} a second`,
  )
}
console.log(`the next round: npm run crash -- --seed ${seed}`)
process.exitCode = failed === 0 ? 0 : 1
// What counts the states says so at the end, too; this comes last.
process.once('exit', () => console.log(`${countedStates()} states, ${failed} failed`))
