// `npm run model [-- --seeds N] [--for 1h] [--seed S]`: sequences of operations on the real store and the reference store, one seed
// after another; with --seed alone that one. A sequence that fails is told with how to run it again, and made shorter. Ends with how
// often each thing happened, and `N sequences, N failed`; it fails, too, when something never happened.
import { parseCampaign } from '../../support/campaign-options.ts'
import { runModelCampaign } from './campaign.ts'
import { tellFailure } from './telling.ts'

const SEQUENCES = 20
const SHRINK_MS = 120_000
const { first, startMs, isMore, has } = parseCampaign(SEQUENCES, ['no-shrink', 'until-failure', 'verbose'])

let hasFailed = false
const { sequences, failed, operations, tally, never } = await runModelCampaign({
  first,
  isMore: (done) => {
    if (has('verbose')) console.log(`sequence ${done}, ${Math.round(performance.now() - startMs)} ms`)
    return isMore(done) && !(hasFailed && has('until-failure'))
  },
  onFailure(failure) {
    hasFailed = true
    console.log(tellFailure(failure))
  },
  shrinkMs: has('no-shrink') ? 0 : SHRINK_MS,
})
const seconds = (performance.now() - startMs) / 1000
console.log(tally.lines().join('\n'))
// One sequence has room for some of what may happen; many have to meet it all.
const lacking = sequences >= SEQUENCES ? never : []
for (const what of lacking) console.log(`never happened: ${what}`)
console.log(
  `first seed ${first}; failed: ${failed.join(' ') || 'none'}; ${(operations / seconds).toFixed(0)} operations/s`,
)
console.log(
  [
    `${operations} operations`,
    `${tally.sum('restarts')} restarts`,
    `${tally.sum('faults')} losses`,
    `${tally.of('checks', 'scrub tour')} scrubs`,
    `${tally.sum('compactions')} compactions`,
    `${tally.of('repairs', 'metadata rebuild')} rebuilds`,
  ].join(', '),
)
console.log(`${sequences} sequences, ${failed.length} failed`)
process.exitCode = failed.length > 0 || lacking.length > 0 ? 1 : 0
