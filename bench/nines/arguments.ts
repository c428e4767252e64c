// What `npm run nines` is asked: one geometry or the table of all, and the rates. Every value is parsed to a number with
// its unit; what cannot be is CONFIG_INVALID with one sentence that says what would be right.
import { parseArgs } from 'node:util'
import { invalid, parseWholeNumber, quote } from '../../src/cli/values.ts'
import { DISKS_MAX, parityOf, setDisksOf } from '../../src/storage/geometry.ts'
import { HOURS_PER_YEAR, type SetModel } from './model.ts'

export interface StoreModel {
  /** Erasure sets of the store; it loses something when one of them does. */
  readonly sets: number
  readonly set: SetModel
}

export interface Question {
  readonly stores: readonly StoreModel[]
  /** The yearly chance that the whole host is lost. An assumption, never measured here. */
  readonly hostLoss: number
  readonly seed: number
  readonly eventsMax: number
  readonly isJson: boolean
}

interface Option {
  readonly value: string
  readonly fallback: string
  readonly help: string
}

/** Every option there is; --help prints this table. */
const OPTIONS: Readonly<Record<string, Option>> = {
  disks: {
    value: 'N',
    fallback: '',
    help: 'disks of the store; without it, a table of 1, 1+1, 4+2, 6+3 and 8+4',
  },
  parity: { value: 'M', fallback: '', help: 'disks that may be lost; as `moraine --parity`, by default too' },
  afr: { value: 'RATE', fallback: '1.4%', help: 'failures of a disk in a year' },
  repair: {
    value: 'TIME',
    fallback: '',
    help: 'from the failure of a disk to full redundancy, with the wait for a new disk; instead of --repair-rate',
  },
  'repair-rate': {
    value: 'RATE',
    fallback: '100MB/s',
    help: 'what the repair writes to the new disk; it takes capacity / rate',
  },
  capacity: { value: 'SIZE', fallback: '10TB', help: 'of a disk, as far as it is full' },
  scrub: { value: 'TIME', fallback: '7d', help: 'the period of the scrub' },
  latent: { value: 'N', fallback: '0.1', help: 'latent errors of a disk in a year' },
  host: {
    value: 'RATE',
    fallback: '0.1%',
    help: 'the chance that the host is lost in a year: an assumption',
  },
  seed: { value: 'N', fallback: '1', help: 'of the Monte Carlo' },
  events: { value: 'N', fallback: '4000000', help: 'events that the Monte Carlo may spend on each geometry' },
}

/** Disks of the table's rows; the parity is the store's own for as many. */
const TABLE_DISKS = [1, 2, 6, 9, 12]

/** Undefined: --help was asked for. Throws CONFIG_INVALID. */
export const readQuestion = (args: readonly string[]): Question | undefined => {
  const given = readValues(args)
  if (given.isHelp) return undefined
  const text = (name: string): string | undefined => given.values.get(name) ?? OPTIONS[name]?.fallback
  const read = <T>(name: string, parse: (name: string, text: string) => T): T =>
    parse(`--${name}`, text(name) ?? '')
  const rates = {
    failuresPerYear: read('afr', (name, value) => parseShare(name, value, { min: 1e-6, max: 1 })),
    repairsPerYear: 1 / repairYears(given.values, read),
    damagesPerYear: read('latent', parseCount),
    scrubYears: read('scrub', parseYears),
  }
  const disks = given.values.get('disks')
  if (disks === undefined && given.values.has('parity')) throw invalid('--parity needs --disks')
  const stores = disks === undefined ? TABLE_DISKS.map((count) => storeOf(count, undefined)) : [asked(given)]
  return {
    stores: stores.map(({ sets, disks: size, parity }) => ({ sets, set: { disks: size, parity, ...rates } })),
    hostLoss: read('host', (name, value) => parseShare(name, value, { min: 0, max: 1 })),
    seed: read('seed', (name, value) => parseWholeNumber(name, value, { min: 0, max: 2 ** 31 - 1 })),
    eventsMax: read('events', (name, value) => parseWholeNumber(name, value, { min: 1e4, max: 1e9 })),
    isJson: given.isJson,
  }
}

interface Given {
  readonly values: ReadonlyMap<string, string>
  readonly isJson: boolean
  readonly isHelp: boolean
}

const readValues = (args: readonly string[]): Given => {
  const strings = Object.keys(OPTIONS).map((name) => [name, { type: 'string' }] as const)
  const options = {
    ...Object.fromEntries(strings),
    json: { type: 'boolean' },
    help: { type: 'boolean' },
  } as const
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  const values = new Map<string, string>()
  const flags = new Set<string>()
  for (const token of tokens) {
    if (token.kind === 'positional') throw invalid(`nines does not know what ${quote(token.value)} is for`)
    if (token.kind !== 'option') continue
    if (token.name === 'json' || token.name === 'help') {
      flags.add(token.name)
    } else if (!Object.hasOwn(OPTIONS, token.name)) {
      throw invalid(`there is no flag ${quote(token.rawName)}; --help lists those there are`)
    } else if (token.value === undefined || (!token.inlineValue && token.value.startsWith('--'))) {
      throw invalid(`${token.rawName} needs a value`)
    } else if (values.has(token.name)) {
      throw invalid(`${token.rawName} is given twice`)
    } else {
      values.set(token.name, token.value)
    }
  }
  return { values, isJson: flags.has('json'), isHelp: flags.has('help') }
}

/** In the geometry that the store would have. */
const storeOf = (disks: number, wanted: number | undefined) => {
  const size = setDisksOf(disks)
  return { sets: disks / size, disks: size, parity: parityOf(disks, wanted) }
}

const asked = ({ values }: Given) => {
  const disks = parseWholeNumber('--disks', values.get('disks') ?? '', { min: 1, max: DISKS_MAX })
  const parity = values.get('parity')
  return storeOf(
    disks,
    parity === undefined ? undefined : parseWholeNumber('--parity', parity, { min: 0, max: DISKS_MAX }),
  )
}

const repairYears = (
  values: ReadonlyMap<string, string>,
  read: <T>(name: string, parse: (name: string, text: string) => T) => T,
): number => {
  const capacityBytes = read('capacity', parseBytes)
  if (!values.has('repair')) {
    return capacityBytes / read('repair-rate', parseBytesPerSecond) / 3600 / HOURS_PER_YEAR
  }
  if (values.has('repair-rate')) throw invalid('--repair and --repair-rate say the same: give one of them')
  return read('repair', parseYears)
}

/** Hours of each unit. */
const HOURS: Readonly<Record<string, number>> = { s: 1 / 3600, m: 1 / 60, h: 1, d: 24, y: HOURS_PER_YEAR }
const YEARS_MAX = 100
const BYTES: Readonly<Record<string, number>> = {
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}
const BYTES_MAX = 1e15
const LATENT_MAX = 1000

const numberIn = (text: string, units: Readonly<Record<string, number>>): number => {
  const [, digits, unit = ''] = /^(\d{1,15}(?:\.\d{1,15})?)([A-Za-z]+)$/.exec(text) ?? []
  return digits !== undefined && Object.hasOwn(units, unit) ? Number(digits) * units[unit]! : Number.NaN
}

/** `4h`, `7d`, `0.5y`: years. */
const parseYears = (name: string, text: string): number => {
  const years = numberIn(text, HOURS) / HOURS_PER_YEAR
  if (years > 0 && years <= YEARS_MAX) return years
  throw invalid(
    `${name} is ${quote(text)} but must be a time such as 30m, 4h or 7d, above 0 and up to ${YEARS_MAX}y`,
  )
}

const parseBytes = (name: string, text: string): number => {
  const bytes = numberIn(text, BYTES)
  if (bytes > 0 && bytes <= BYTES_MAX) return bytes
  throw invalid(`${name} is ${quote(text)} but must be a size such as 500GB or 10TB, up to 1000TB`)
}

const parseBytesPerSecond = (name: string, text: string): number => {
  const bytes = text.endsWith('/s') ? numberIn(text.slice(0, -2), BYTES) : Number.NaN
  if (bytes > 0 && bytes <= BYTES_MAX) return bytes
  throw invalid(`${name} is ${quote(text)} but must be a rate such as 100MB/s`)
}

/** `1.4%` or `0.014`. */
const parseShare = (name: string, text: string, bounds: { min: number; max: number }): number => {
  const [, digits, sign] = /^(\d{1,15}(?:\.\d{1,15})?)(%?)$/.exec(text) ?? []
  const share = digits === undefined ? Number.NaN : Number(digits) / (sign === '%' ? 100 : 1)
  if (share >= bounds.min && share <= bounds.max) return share
  throw invalid(
    `${name} is ${quote(text)} but must be a rate such as 1.4%, from ${bounds.min * 100}% to ${bounds.max * 100}%`,
  )
}

const parseCount = (name: string, text: string): number => {
  const count = /^\d{1,15}(\.\d{1,15})?$/.test(text) ? Number(text) : Number.NaN
  if (count <= LATENT_MAX) return count
  throw invalid(`${name} is ${quote(text)} but must be a number from 0 to ${LATENT_MAX}`)
}

export const formatHelp = (): string => {
  const rows = Object.entries(OPTIONS).map(([name, { value, fallback, help }]) => {
    const head = `  --${name} ${value}`.padEnd(22)
    return `${head}${help}${fallback === '' ? '' : ` (${fallback})`}`
  })
  return [
    'How long a store keeps what it has: mean time to the first loss, and the chance of one in a year.',
    '',
    'usage: npm run nines -- [FLAGS]',
    '',
    ...rows,
    `${'  --json'.padEnd(22)}one JSON document instead of the page`,
    '',
  ].join('\n')
}
