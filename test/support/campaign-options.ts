// What campaigns take on the command line: `--seed S`, `--seeds N`, `--for 90s|10m|1h`, and switches of their own.
import { parseArgs } from 'node:util'

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }

const msOf = (text: string): number => {
  const [, count, unit = 's'] = /^(\d+)([smh])?$/.exec(text) ?? []
  if (count === undefined) throw new Error(`--for takes 90s, 10m or 1h, not ${text}`)
  return Number(count) * (SECONDS_OF[unit] ?? 1) * 1000
}

export interface CampaignRun {
  readonly first: number
  readonly startMs: number
  /** Whether there is to be another after so many. */
  isMore(done: number): boolean
  has(name: string): boolean
}

/** Without `--seeds` and `--for` it is that one seed, or so many from a random one on. */
export const parseCampaign = (seedsByDefault: number, switches: readonly string[]): CampaignRun => {
  const { values } = parseArgs({
    options: {
      ...{ seed: { type: 'string' }, seeds: { type: 'string' }, for: { type: 'string' } },
      ...Object.fromEntries(switches.map((name) => [name, { type: 'boolean' as const }])),
    },
  })
  const { seed, seeds, for: time } = values as Readonly<Record<string, string | undefined>>
  const startMs = performance.now()
  const endMs = time === undefined ? Number.POSITIVE_INFINITY : startMs + msOf(time)
  const byDefault = time !== undefined ? Number.POSITIVE_INFINITY : seed !== undefined ? 1 : seedsByDefault
  const seedsMax = seeds === undefined ? byDefault : Number(seeds)
  return {
    first: Number(seed ?? Math.floor(Math.random() * 2 ** 30)),
    startMs,
    isMore: (done) => done < seedsMax && performance.now() < endMs,
    has: (name) => (values as Readonly<Record<string, unknown>>)[name] === true,
  }
}
