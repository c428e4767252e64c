// What campaigns take on the command line: `--seed S`, `--for 90s|10m|1h`, how many, and switches of their own. Whoever asks for
// help gets it; what cannot be is one sentence and exit code 2, for a campaign that runs with a seed that is none proves nothing.
import { parseArgs } from 'node:util'

const SECONDS_OF: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }
const SEED_MAX = 2 ** 31 - 1
const EXIT_USAGE = 2

export interface CampaignUsage {
  /** As `npm run` knows it. */
  readonly name: string
  /** What is counted: `seeds` is the flag --seeds. */
  readonly counted: string
  /** How many without any flag. */
  readonly countByDefault: number
  /** Whether --seed alone means that one. */
  readonly isOneSeed?: boolean
  readonly hasTime?: boolean
  /** Flags without a value, and what each does. */
  readonly switches?: Readonly<Record<string, string>>
}

export interface CampaignFlags {
  readonly seed: number | undefined
  /** Infinity when only the time ends it. */
  readonly count: number
  /** From the beginning; Infinity without --for. */
  readonly forMs: number
  has(name: string): boolean
}

const formatUsage = ({
  name,
  counted,
  countByDefault,
  hasTime = true,
  switches = {},
}: CampaignUsage): string => {
  const rows: [string, string][] = [
    [`--${counted} N`, `so many ${counted} (${countByDefault}${hasTime ? ', without --for' : ''})`],
    ...(hasTime ? [['--for TIME', 'until so much time is over: 90s, 10m or 1h'] as [string, string]] : []),
    ['--seed S', 'where it begins; a random one by default, and told'],
    ...Object.entries(switches).map(([flag, meaning]): [string, string] => [`--${flag}`, meaning]),
  ]
  return [
    `usage: npm run ${name} -- [FLAGS]`,
    '',
    ...rows.map(([flag, text]) => `  ${flag.padEnd(18)}${text}`),
  ].join('\n')
}

const wholeNumber = (flag: string, text: string, min: number, max: number): number => {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new Error(`--${flag} is "${text}" but must be a whole number from ${min} to ${max}`)
}

const msOf = (text: string): number => {
  const [, count, unit = 's'] = /^(\d{1,9})([smh])?$/.exec(text) ?? []
  if (count === undefined || Number(count) === 0)
    throw new Error(`--for is "${text}" but must be a time such as 90s, 10m or 1h`)
  return Number(count) * (SECONDS_OF[unit] ?? 1) * 1000
}

/** Throws an error of one sentence; undefined when help was asked for. */
export const readCampaignFlags = (
  { counted, countByDefault, isOneSeed = false, hasTime = true, switches = {} }: CampaignUsage,
  args: readonly string[],
): CampaignFlags | undefined => {
  const flags = { seed: true, [counted]: true, ...(hasTime && { for: true }) }
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(Object.keys(flags).map((name) => [name, { type: 'string' as const }])),
    ...{ strict: false, allowPositionals: true, tokens: true },
  })
  const given = new Map<string, string | undefined>()
  for (const token of tokens) {
    if (token.kind === 'positional')
      throw new Error(`nobody knows what "${token.value}" is for; --help says what there is`)
    if (token.kind !== 'option') continue
    const { name, rawName, value } = token
    if (name === 'help' || name === 'h') return undefined
    const isFlag = Object.hasOwn(flags, name)
    if (!isFlag && !Object.hasOwn(switches, name))
      throw new Error(`there is no flag "${rawName}"; --help lists those there are`)
    if (isFlag !== (value !== undefined && value !== ''))
      throw new Error(`--${name} ${isFlag ? 'needs a' : 'takes no'} value`)
    given.set(name, value)
  }
  const [seed, time, count] = ['seed', 'for', counted].map((name) => given.get(name))
  const byDefault =
    time !== undefined ? Number.POSITIVE_INFINITY : isOneSeed && seed !== undefined ? 1 : countByDefault
  return {
    seed: seed === undefined ? undefined : wholeNumber('seed', seed, 0, SEED_MAX),
    count: count === undefined ? byDefault : wholeNumber(counted, count, 1, Number.MAX_SAFE_INTEGER),
    forMs: time === undefined ? Number.POSITIVE_INFINITY : msOf(time),
    has: (name) => given.has(name),
  }
}

/** The flags of this process. Ends it when help is asked for or something is wrong. */
export const campaignFlags = (usage: CampaignUsage): CampaignFlags => {
  try {
    const flags = readCampaignFlags(usage, process.argv.slice(2))
    if (flags) return flags
    console.log(formatUsage(usage))
    return process.exit(0)
  } catch (error) {
    console.error(`${usage.name}: ${(error as Error).message}`)
    return process.exit(EXIT_USAGE)
  }
}

export interface CampaignRun {
  readonly first: number
  readonly startMs: number
  /** Whether there is to be another after so many. */
  isMore(done: number): boolean
  has(name: keyof typeof SWITCHES): boolean
}

const SWITCHES = {
  'no-shrink': 'what fails is not made shorter',
  'until-failure': 'ends at the first that fails',
  verbose: 'tells of each',
}

/** Of seeds whose failures are made shorter. Without a count and `--for` it is that one seed, or so many from a random one on. */
export const parseCampaign = (usage: Pick<CampaignUsage, 'name' | 'countByDefault'>): CampaignRun => {
  const options = { counted: 'seeds', isOneSeed: true, switches: SWITCHES }
  const { seed, count, forMs, has } = campaignFlags({ ...usage, ...options })
  const startMs = performance.now()
  return {
    first: seed ?? Math.floor(Math.random() * 2 ** 30),
    startMs,
    isMore: (done) => done < count && performance.now() < startMs + forMs,
    has,
  }
}
