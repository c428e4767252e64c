// `npm run sim [-- --seeds N] [--for 1h] [--seed S]`: simulations of the whole store, one seed after another; with --seed alone
// that one; with --until-failure it ends at the first that fails. A seed that fails is told with how to run it again, and made shorter. Ends with `N seeds, N failed`.
import { parseCampaign } from '../../support/campaign-options.ts'
import { compileLate } from '../../support/compile-late.ts'
import { runCampaign } from './campaign.ts'
import type { SimulationResult } from './simulate.ts'
import type { Story } from './story.ts'
import { formatRates, tellFailure } from './telling.ts'

const SEEDS = 10
compileLate()
const { first, startMs, isMore, has } = parseCampaign({ name: 'sim', countByDefault: SEEDS })

let hasFailed = false
const onSeed = async (story: Story, result: SimulationResult): Promise<void> => {
  if (has('verbose')) console.log(`seed ${story.seed}: ${result.failure ? 'failed' : 'ok'}`)
  if (!result.failure) return
  hasFailed = true
  await tellFailure(story, result, result.failure, !has('no-shrink'))
}

const { seeds, failed, simulatedMs, tally, never } = await runCampaign({
  first,
  isMore: (done) => isMore(done) && !(hasFailed && has('until-failure')),
  onSeed,
})
console.log(tally.lines().join('\n'))
// One seed has room for some of what may go wrong; many have to meet it all.
const lacking = seeds >= SEEDS ? never : []
for (const what of lacking) console.log(`never happened: ${what}`)
console.log(formatRates(seeds, simulatedMs, performance.now() - startMs))
console.log(`first seed ${first}; failed: ${failed.join(' ') || 'none'}`)
console.log(`${seeds} seeds, ${failed.length} failed`)
process.exitCode = failed.length > 0 || lacking.length > 0 ? 1 : 0
