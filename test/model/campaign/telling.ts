// What is said of a sequence that failed.
import type { FailedSequence } from './campaign.ts'

const SAID_LINES = 60

export const tellFailure = ({ seed, error, commands, said }: FailedSequence): string =>
  [
    `\nseed ${seed} failed after ${commands} commands: ${(error as Error).stack ?? error}`,
    ...said.slice(-SAID_LINES),
    `again: npm run model -- --seed ${seed}`,
  ].join('\n')
