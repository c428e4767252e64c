// `npm run model [-- --seeds N] [--for 1h] [--seed S]`: sequences of operations on the real store and the reference store, one seed
// after another; with --seed alone that one. A sequence that fails is told with how to run it again, and made shorter. Ends with how
// often each thing happened, and `N sequences, N failed`; it fails, too, when something never happened.
import { parseCampaign } from '../../support/campaign-options.ts'
import { runModelCampaign } from './campaign.ts'
import type { Loss } from './sequence.ts'
import { tellFailure } from './telling.ts'

const SEQUENCES = 20
const LOSSES: readonly Loss[] = ['gone', 'not mounted', 'old content', 'emptied', 'bit flip']
const SHRINK_MS = 120_000
const { first, startMs, isMore, has } = parseCampaign({ name: 'model', countByDefault: SEQUENCES })

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
const restarts =
  tally.sum('restarts') - tally.of('restarts', 'disk that came back') - tally.of('restarts', 'actor')
const counts = Object.entries({
  operations,
  restarts,
  losses: LOSSES.reduce((sum, what) => sum + tally.of('faults', what), 0),
  scrubs: tally.of('checks', 'scrub tour'),
  'compactions of the journal': tally.of('compactions', 'journal'),
  'compactions of volumes': tally.of('compactions', 'volume'),
  rebuilds: tally.of('repairs', 'metadata rebuild'),
})
console.log(counts.map(([what, count]) => `${count} ${what}`).join(', '))
// A run of several has something of each.
const isIdle = sequences > 1 && counts.some(([, count]) => count === 0)
if (isIdle) console.log('one of these is zero: the run proves nothing of it')
console.log(`${sequences} sequences, ${failed.length} failed`)
process.exitCode = failed.length > 0 || lacking.length > 0 || isIdle ? 1 : 0
