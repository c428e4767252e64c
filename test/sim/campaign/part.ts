// One part of the seeds that the test run does: a suite, and so a process, of its own. The seeds are the same each time, so that
// what lands does not depend on luck; `npm run sim` draws others. SIM_SEEDS says how many a part does, SEED where the first begins.
import { roundsOf } from '../../support/rounds.ts'
import { assert, deadline, suite } from '../../support/uvu.ts'
import { runCampaign } from './campaign.ts'
import { formatRates, tellFailure } from './telling.ts'

/** Of four parts. */
const SEEDS_OF_PART = 150
const SEEDS = Number(process.env['SIM_SEEDS'] ?? roundsOf(1, SEEDS_OF_PART))
/** From here on everything there is to meet is expected to have been met. */
const SEEDS_OF_ALL = 100
/** Open, and told in each run: docs/progress.md says what is known of them. Any other seed that fails is a failure. */
const OPEN: readonly number[] = [359, 362]
const LIMIT_MS = 10 * 60_000 + SEEDS * 20_000

export const campaignPart = (part: number): void => {
  const test = suite(`simulation, part ${part}`)
  const first = Number(process.env['SEED'] ?? 1) + (part - 1) * SEEDS_OF_PART
  test(
    `${SEEDS} seeds from ${first} on keep every promise`,
    deadline(LIMIT_MS, async () => {
      const startMs = performance.now()
      const { seeds, failed, simulatedMs, tally, never } = await runCampaign({
        first,
        isMore: (done) => done < SEEDS,
        async onSeed(story, result) {
          if (result.failure) await tellFailure(story, result, result.failure, true)
        },
      })
      const rates = formatRates(seeds, simulatedMs, performance.now() - startMs)
      console.log(`${tally.lines().join('\n')}\n${rates}\n${seeds} seeds, ${failed.length} failed`)
      const open = failed.filter((seed) => OPEN.includes(seed))
      if (open.length > 0) console.log(`open: seeds ${open.join()}`)
      const news = failed.filter((seed) => !OPEN.includes(seed))
      assert.equal(news, [], `seed=${news[0]}`)
      if (seeds >= SEEDS_OF_ALL) assert.equal(never, [], `seed=${first}`)
    }),
  )
  test.run()
}
