// Many sequences, one seed after another. A seed gives the numbers of disks and partitions, the commands, and every choice of the
// simulation: it replays exactly. What fails is made shorter by fast-check.
import fc from 'fast-check'
import { Tally, type TallyGroup } from '../../sim/campaign/tally.ts'
import type { Store } from '../operations.ts'
import { commandsOf } from './commands.ts'
import { Sequence } from './sequence.ts'

/** At most; on average it is half of them. */
const COMMANDS_MAX = 2400

/** What has to happen in a campaign that is to prove anything. */
const REQUIRED: Readonly<Partial<Record<TallyGroup, readonly string[]>>> = {
  faults: ['gone', 'not mounted', 'old content', 'emptied', 'bit flip', 'kill'],
  restarts: ['clean', 'process', 'kill in an operation', 'power cut in an operation', 'disk that came back'],
  repairs: ['shard', 'segment', 'disk taken in', 'metadata rebuild'],
  compactions: ['journal', 'volume'],
  checks: ['scrub tour', 'full comparison', 'quiet point'],
}

export interface FailedSequence {
  readonly seed: number
  readonly error: unknown
  /** Of the shortest that was found to fail. */
  readonly commands: number
  readonly told: readonly string[]
  readonly said: readonly string[]
}

export interface ModelCampaignOptions {
  readonly first: number
  /** Goes on while this says so; asked before each sequence. */
  readonly isMore: (sequences: number, operations: number) => boolean
  readonly onFailure?: (failure: FailedSequence) => void
  /** For making a sequence that fails shorter. */
  readonly shrinkMs?: number
  readonly commandsMax?: number
  /** A bug in what is compared, to see that it is found. */
  readonly plant?: (store: Store) => Store
  /** What a sequence did, and what its store said. */
  readonly onSequence?: (told: readonly string[], said: readonly string[]) => void
}

export interface ModelCampaign {
  readonly sequences: number
  readonly failed: readonly number[]
  readonly operations: number
  readonly tally: Tally
  /** What should have happened, and did not. */
  readonly never: readonly string[]
}

const runOne = async (
  seed: number,
  tally: Tally,
  { shrinkMs = 0, commandsMax = COMMANDS_MAX, plant, onSequence }: ModelCampaignOptions,
): Promise<FailedSequence | undefined> => {
  let failed: FailedSequence | undefined
  let isFirst = true
  const property = fc.asyncProperty(commandsOf(commandsMax), async (commands) => {
    const sequence = new Sequence(seed, isFirst ? tally : new Tally(), plant)
    isFirst = false
    const onStray = (error: unknown): void => sequence.fail(error)
    process.on('unhandledRejection', onStray)
    try {
      await sequence.begin()
      await fc.asyncModelRun(() => ({ model: {}, real: sequence }), commands)
      await sequence.end()
    } catch (error) {
      const { told, said } = sequence
      failed = { seed, error, commands: told.length, told: [...told], said: [...said] }
      throw error
    } finally {
      sequence.abandon()
      onSequence?.(sequence.told, sequence.said)
      process.off('unhandledRejection', onStray)
    }
  })
  const limits = shrinkMs > 0 ? { interruptAfterTimeLimit: shrinkMs } : { endOnFailure: true }
  await fc.check(property, { seed, numRuns: 1, ...limits })
  return failed
}

export const runModelCampaign = async (options: ModelCampaignOptions): Promise<ModelCampaign> => {
  const { first, isMore, onFailure } = options
  const tally = new Tally()
  const failed: number[] = []
  let sequences = 0
  for (; isMore(sequences, tally.sum('operations')); sequences++) {
    const failure = await runOne(first + sequences, tally, options)
    if (!failure) continue
    failed.push(failure.seed)
    onFailure?.(failure)
  }
  const never = Object.entries(REQUIRED).flatMap(([group, all]) =>
    all.filter((what) => tally.of(group as TallyGroup, what) === 0).map((what) => `${group}: ${what}`),
  )
  return { sequences, failed, operations: tally.sum('operations'), tally, never }
}
