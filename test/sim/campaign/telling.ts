// What is said of seeds of the simulation: of one that failed, made shorter when that is wanted, and of how fast they went.
import { HOUR } from '../../../src/base/units.ts'
import { shrink, tellStory } from './shrink.ts'
import type { SimulationResult } from './simulate.ts'
import type { Story } from './story.ts'

const TOLD_LINES = 60

export const tellFailure = async (
  story: Story,
  { told }: SimulationResult,
  failure: Error,
  isShrunk: boolean,
): Promise<void> => {
  console.log(`\nseed ${story.seed} failed: ${failure.stack}`)
  console.log(told.slice(-TOLD_LINES).join('\n'))
  console.log(`again: npm run sim -- --seed ${story.seed}`)
  if (!isShrunk) return
  const shrunk = await shrink(story, failure)
  console.log(`the shortest story that failed, after ${shrunk.attempts} attempts: ${shrunk.failure.message}`)
  console.log(tellStory(shrunk.story).join('\n'))
}

export const formatRates = (seeds: number, simulatedMs: number, tookMs: number): string => {
  const seconds = tookMs / 1000
  return `${(seeds / seconds).toFixed(2)} seeds/s, ${(simulatedMs / HOUR / seconds).toFixed(2)} simulated hours per second`
}
