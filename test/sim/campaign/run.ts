// `npm run sim [-- --seeds N] [--for 1h] [--seed S]`: simulations of the whole store, one seed after another; with --seed alone
// that one; with --until-failure it ends at the first that fails. A seed that fails is told with how to run it again, and made shorter. Ends with `N seeds, N failed`.
import { HOUR } from '../../../src/base/units.ts'
import { parseCampaign } from '../../support/campaign-options.ts'
import { runCampaign } from './campaign.ts'
import { shrink, tellStory } from './shrink.ts'
import type { SimulationResult } from './simulate.ts'
import type { Story } from './story.ts'

const SEEDS = 10
const TOLD_LINES = 60
const SWITCHES = {
  'no-shrink': 'what fails is not made shorter',
  'until-failure': 'ends at the first that fails',
  verbose: 'tells of each',
}
const { first, startMs, isMore, has } = parseCampaign({
  name: 'sim',
  countByDefault: SEEDS,
  switches: SWITCHES,
})

let hasFailed = false
const onSeed = async (story: Story, { failure, told }: SimulationResult): Promise<void> => {
  if (has('verbose')) console.log(`seed ${story.seed}: ${failure ? 'failed' : 'ok'}`)
  if (!failure) return
  hasFailed = true
  console.log(`\nseed ${story.seed} failed: ${failure.stack}`)
  console.log(told.slice(-TOLD_LINES).join('\n'))
  console.log(`again: npm run sim -- --seed ${story.seed}`)
  if (has('no-shrink')) return
  const shrunk = await shrink(story, failure)
  console.log(`the shortest story that failed, after ${shrunk.attempts} attempts: ${shrunk.failure.message}`)
  console.log(tellStory(shrunk.story).join('\n'))
}

const { seeds, failed, simulatedMs, tally, never } = await runCampaign({
  first,
  isMore: (done) => isMore(done) && !(hasFailed && has('until-failure')),
  onSeed,
})
const seconds = (performance.now() - startMs) / 1000
console.log(tally.lines().join('\n'))
// One seed has room for some of what may go wrong; many have to meet it all.
const lacking = seeds >= SEEDS ? never : []
for (const what of lacking) console.log(`never happened: ${what}`)
console.log(
  `${(seeds / seconds).toFixed(2)} seeds/s, ${(simulatedMs / HOUR / seconds).toFixed(2)} simulated hours per second`,
)
console.log(`first seed ${first}; failed: ${failed.join(' ') || 'none'}`)
console.log(`${seeds} seeds, ${failed.length} failed`)
process.exitCode = failed.length > 0 || lacking.length > 0 ? 1 : 0
