// Many simulations, one seed after another: what failed, how often each thing happened, and what never did.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type SimulationResult, simulate } from './simulate.ts'
import { drawStory, type Story } from './story.ts'
import { Tally, type TallyGroup } from './tally.ts'

/** What has to happen in a campaign that is to prove anything. */
const REQUIRED: Readonly<Partial<Record<TallyGroup, readonly string[]>>> = {
  operations: [
    ...['put', 'put if none', 'put if match', 'get', 'head', 'delete', 'list', 'copy', 'multipart'],
    ...['multipart completed', 'multipart aborted', 'bucket create', 'bucket delete', 'not answered'],
  ],
  faults: [
    ...['torn write', 'misdirected write', 'flipped read', 'failed sync', 'EIO', 'bit flip'],
    ...['full', 'read-only', 'slow', 'hang', 'gone', 'not mounted', 'old content', 'emptied', 'swapped'],
    ...['kill', 'power cut', 'index lost', 'index stale', 'clock jump'],
    ...['lost write', 'write torn by a power cut', 'lost name'],
    ...['gateway throws', 'bucket throws', 'disk actor throws', 'upkeep throws'],
  ],
  restarts: ['process', 'actor', 'disk that came back'],
  repairs: [
    ...['shard', 'segment', 'index', 'disk taken in', 'older copy of a disk looked over'],
    'orphan removed',
  ],
  checks: ['object compared', 'quiet point', 'scrub tour'],
}

const SEEDS_PER_COLLECTION = 4

/** Each process of a story had an arena; the engine is in no hurry to give back memory that takes next to nothing of its own heap. */
export const garbageCollector = (): (() => void) => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc') as () => void
}

export interface CampaignOptions {
  readonly first: number
  /** Goes on while this says so; asked before each seed. */
  readonly isMore: (done: number) => boolean
  readonly onSeed?: (story: Story, result: SimulationResult) => Promise<void> | void
}

export interface Campaign {
  readonly seeds: number
  readonly failed: readonly number[]
  readonly simulatedMs: number
  readonly tally: Tally
  /** What should have happened, and did not. */
  readonly never: readonly string[]
}

export const runCampaign = async ({ first, isMore, onSeed }: CampaignOptions): Promise<Campaign> => {
  const tally = new Tally()
  const failed: number[] = []
  const collect = garbageCollector()
  let simulatedMs = 0
  let seeds = 0
  for (; isMore(seeds); seeds++) {
    const story = drawStory(first + seeds)
    const result = await simulate(story)
    tally.add(result.tally)
    simulatedMs += result.simulatedMs
    if (result.failure) failed.push(story.seed)
    await onSeed?.(story, result)
    if (seeds % SEEDS_PER_COLLECTION === 0) collect()
  }
  const never = Object.entries(REQUIRED).flatMap(([group, all]) =>
    all.filter((what) => tally.of(group as TallyGroup, what) === 0).map((what) => `${group}: ${what}`),
  )
  return { seeds, failed, simulatedMs, tally, never }
}
