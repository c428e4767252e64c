// What the operator asked for. The only reader of the environment and of configuration files: everything below gets a
// `Config` as an argument. A setting is a flag, a MORAINE_* variable or a member of the JSON file that --config names;
// the first of these that has it wins, then the default. Nothing is created or touched here.
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { DAY, GiB, HOUR, KiB, MiB } from './base/units.ts'
import { expandPattern, invalid, parseDuration, parseSize, parseWholeNumber, quote } from './cli/values.ts'
import { checkDiskCount, DISKS_MAX, parityMaxOf } from './storage/geometry.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface Config {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** Absolute paths, in the order of their positions, all different. */
  readonly disks: readonly string[]
  /** Undefined: by the number of disks. */
  readonly parity?: number
  readonly region: string
  /** Buckets are also served as `BUCKET.domain`. Lower case. */
  readonly domain?: string
  readonly arenaBytes: number
  readonly drainTimeoutMs: number
  /** What repair may rebuild in a second. */
  readonly repairBytesPerSecond: number
  readonly scrub: { readonly periodMs: number; readonly bytesPerSecond: number }
  readonly logLevel: LogLevel
  /** From the environment; they override the stored ones. */
  readonly rootCredentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

export interface Setting {
  /** The flag without its dashes, and the member's name in a configuration file. */
  readonly name: string
  /** How --help shows the value. */
  readonly value: string
  readonly fallback: string
  readonly help: string
}

/** Every setting there is; --help prints this table. */
export const SETTINGS: readonly Setting[] = [
  { name: 'port', value: 'N', fallback: '9000', help: 'port to listen on; 0 takes any free one' },
  { name: 'host', value: 'ADDRESS', fallback: '127.0.0.1', help: 'address to listen on; 0.0.0.0 for all' },
  {
    name: 'data',
    value: 'DIR',
    fallback: './data',
    help: 'directory that holds six disk directories, d1 to d6, and those that were added as d7 and on',
  },
  {
    name: 'disks',
    value: 'DIR,DIR,…',
    fallback: '',
    help: 'one directory per disk, instead of --data; /mnt/disk{1...8} stands for eight of them',
  },
  {
    name: 'parity',
    value: 'M',
    fallback: '',
    help: 'disks that may be lost without losing data; fixed when the store is made. By default 0 for one disk, 1 for 2 or 3, 2 for 4 to 7, 3 for 8 to 11, else 4',
  },
  { name: 'region', value: 'NAME', fallback: 'us-east-1', help: 'region that clients sign for' },
  {
    name: 'domain',
    value: 'NAME',
    fallback: '',
    help: 'serve buckets as BUCKET.NAME too (virtual-hosted addressing)',
  },
  { name: 'arena', value: 'SIZE', fallback: '256MiB', help: 'memory for bodies in flight, 64MiB to 4GiB' },
  {
    name: 'drain-timeout',
    value: 'TIME',
    fallback: '30s',
    help: 'how long requests in flight may take to finish after SIGTERM, at most 1h',
  },
  {
    name: 'scrub-period',
    value: 'TIME',
    fallback: '7d',
    help: 'every block of every disk is read and verified once in this time, at most 365d; 0s: only when asked',
  },
  {
    name: 'scrub-rate',
    value: 'SIZE',
    fallback: '32MiB',
    help: 'what that may read of each disk in a second, 64KiB to 4GiB',
  },
  {
    name: 'repair-rate',
    value: 'SIZE',
    fallback: '1GiB',
    help: 'what is rebuilt in a second at most, 1MiB to 64GiB; each byte of it is computed from k others',
  },
  { name: 'log-level', value: 'LEVEL', fallback: 'info', help: `one of ${LOG_LEVELS.join(', ')}` },
  {
    name: 'config',
    value: 'FILE',
    fallback: '',
    help: 'JSON file with any of these settings, such as { "port": 9100 }',
  },
]

export const PORT_BOUNDS = { min: 0, max: 65_535 }
/** Of --arena, in bytes. */
export const ARENA_BOUNDS = { min: 64 * MiB, max: 4 * GiB }

/** Of --scrub-period, in milliseconds, and of --scrub-rate, in bytes a second. */
export const SCRUB_BOUNDS = { period: { max: 365 * DAY }, rate: { min: 64 * KiB, max: 4 * GiB } }

/** Of --repair-rate, in bytes a second. */
export const REPAIR_BOUNDS = { min: MiB, max: 64 * GiB }

export type Environment = Readonly<Record<string, string | undefined>>

export interface CommandLine {
  readonly config: Config
  /** Arguments that are no flags, in order. */
  readonly positionals: readonly string[]
}

/** The name of a setting's variable: `drain-timeout` is MORAINE_DRAIN_TIMEOUT. */
export const variableOf = (name: string): string => `MORAINE_${name.toUpperCase().replaceAll('-', '_')}`

/**
 * The arguments after the command's name, as a `Config`. Throws CONFIG_INVALID with one sentence for the operator.
 * `environment` defaults to the process's own.
 */
export const readCommandLine = (
  args: readonly string[],
  environment: Environment = process.env,
): CommandLine => {
  const { flags, positionals } = readFlags(args)
  const variables = readVariables(environment)
  const file = flags.get('config') ?? variables.get('config')
  const layers: Layer[] = [
    { values: flags, describe: (name) => `--${name}` },
    { values: variables, describe: variableOf },
  ]
  if (file !== undefined) layers.push({ values: readFile(file), describe: (name) => `${name} in ${file}` })
  return { config: buildConfig(layers, environment), positionals }
}

interface Layer {
  readonly values: ReadonlyMap<string, string>
  describe(name: string): string
}

const readFlags = (
  args: readonly string[],
): { flags: ReadonlyMap<string, string>; positionals: readonly string[] } => {
  const options = Object.fromEntries(SETTINGS.map(({ name }) => [name, { type: 'string' as const }]))
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true })
  const flags = new Map<string, string>()
  const positionals: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    if (!SETTINGS.some(({ name }) => name === token.name)) {
      throw invalid(`there is no flag ${quote(token.rawName)}; --help lists those there are`)
    }
    const isForgotten = token.inlineValue === false && token.value.startsWith('--')
    if (token.value === undefined || token.value === '' || isForgotten) {
      throw invalid(`--${token.name} needs a value`)
    }
    flags.set(token.name, token.value)
  }
  return { flags, positionals }
}

/** An empty variable counts as not set, as in a compose file that passes on what may be missing. */
const readVariables = (environment: Environment): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const { name } of SETTINGS) {
    const value = environment[variableOf(name)]
    if (value !== undefined && value !== '') found.set(name, value)
  }
  return found
}

const readFile = (path: string): ReadonlyMap<string, string> => {
  let text: string
  try {
    // Some editors begin a file with a byte order mark, which JSON knows nothing of.
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '')
  } catch (error) {
    throw invalid(`the configuration file ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw invalid(`the configuration file ${path} is not JSON`)
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw invalid(`the configuration file ${path} must hold one JSON object, such as { "port": 9100 }`)
  }
  const values = new Map<string, string>()
  for (const [name, value] of Object.entries(parsed)) {
    if (name === 'config' || !SETTINGS.some((setting) => setting.name === name)) {
      throw invalid(`the configuration file ${path} has ${quote(name)}, which is no setting`)
    }
    values.set(name, textOf(path, name, value))
  }
  return values
}

const textOf = (path: string, name: string, value: unknown): string => {
  if (typeof value === 'string' && value !== '') return value
  if (typeof value === 'number') return String(value)
  const isList = Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string')
  if (name === 'disks' && isList) {
    const split = value.find((one: string) => one.includes(','))
    if (split === undefined) return value.join(',')
    throw invalid(`the configuration file ${path} names ${quote(split)} in "disks", where no comma can be`)
  }
  throw invalid(`the configuration file ${path} has a value for ${quote(name)} that is no text and no number`)
}

const buildConfig = (layers: readonly Layer[], environment: Environment): Config => {
  const find = (name: string): { text: string; label: string } | undefined => {
    for (const layer of layers) {
      const text = layer.values.get(name)
      if (text !== undefined) return { text, label: layer.describe(name) }
    }
    const fallback = SETTINGS.find((setting) => setting.name === name)?.fallback
    return fallback ? { text: fallback, label: `--${name}` } : undefined
  }
  const need = <T>(name: string, parse: (label: string, text: string) => T): T => {
    const found = find(name)
    if (!found) throw invalid(`--${name} needs a value`)
    return parse(found.label, found.text)
  }
  const disks = readDisks(layers)
  const parity = find('parity')
  const domain = find('domain')
  const rootCredentials = readRootCredentials(environment)
  return {
    host: need('host', parseHost),
    port: need('port', (label, text) => parseWholeNumber(label, text, PORT_BOUNDS)),
    disks,
    ...(parity && { parity: parseParity(parity.label, parity.text, disks.length) }),
    region: need('region', parseRegion),
    ...(domain && { domain: parseDomain(domain.label, domain.text) }),
    arenaBytes: need('arena', (label, text) => parseSize(label, text, ARENA_BOUNDS)),
    drainTimeoutMs: need('drain-timeout', (label, text) => parseDuration(label, text, { max: HOUR })),
    repairBytesPerSecond: need('repair-rate', (label, text) => parseSize(label, text, REPAIR_BOUNDS)),
    scrub: {
      periodMs: need('scrub-period', (label, text) => parseDuration(label, text, SCRUB_BOUNDS.period)),
      bytesPerSecond: need('scrub-rate', (label, text) => parseSize(label, text, SCRUB_BOUNDS.rate)),
    },
    logLevel: need('log-level', parseLogLevel),
    ...(rootCredentials && { rootCredentials }),
  }
}

/** The first layer that has --disks or --data decides; both in one layer contradict each other. */
const readDisks = (layers: readonly Layer[]): readonly string[] => {
  for (const { values, describe } of layers) {
    const disks = values.get('disks')
    const data = values.get('data')
    if (disks !== undefined && data !== undefined) {
      throw invalid(`${describe('disks')} and ${describe('data')} exclude each other`)
    }
    if (disks !== undefined) return parseDisks(describe('disks'), disks)
    if (data !== undefined) return disksIn(data)
  }
  return disksIn('./data')
}

/** What --data stands for when a store is made. */
const DISKS_IN_DATA = 6

/** Six, and those that were added: disks in directories with the names that follow. */
const disksIn = (directory: string): readonly string[] => {
  const nameOf = (number: number): string => join(resolve(directory), `d${number}`)
  const names = Array.from({ length: DISKS_MAX }, (_, i) => nameOf(i + 1))
  // One that was drained and removed may lie between two that are there.
  const added = names.slice(DISKS_IN_DATA).filter((name) => existsSync(join(name, 'disk.json')))
  return [...names.slice(0, DISKS_IN_DATA), ...added]
}

const parseDisks = (label: string, text: string): readonly string[] => {
  const disks = parseDirectories(label, text)
  checkDiskCount(disks.length)
  return disks
}

/** Absolute paths, from a list with commas and patterns. Throws CONFIG_INVALID. */
export const parseDirectories = (label: string, text: string): readonly string[] => {
  const patterns = text.split(',').map((pattern) => pattern.trim())
  if (patterns.includes('')) throw invalid(`${label} has an empty name in its list`)
  const disks = patterns
    .flatMap((pattern) => expandPattern(label, pattern))
    .map((directory) => resolve(directory))
  const twice = disks.find((directory, index) => disks.indexOf(directory) !== index)
  if (twice !== undefined) throw invalid(`${label} names ${twice} twice`)
  return disks
}

const parseParity = (label: string, text: string, diskCount: number): number =>
  parseWholeNumber(label, text, { min: 0, max: parityMaxOf(diskCount) })

export const parseHost = (label: string, text: string): string => {
  const host = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  if (isIP(host) === 0 && !isHostName(host)) {
    throw invalid(`${label} is ${quote(text)} but must be an address or a host name`)
  }
  return host
}

export const parseDomain = (label: string, text: string): string => {
  const domain = text.toLowerCase()
  if (!isHostName(domain) || isIP(domain) !== 0) {
    throw invalid(`${label} is ${quote(text)} but must be a host name such as s3.example.com`)
  }
  return domain
}

const isHostName = (text: string): boolean =>
  text.length <= 253 &&
  text.split('.').every((label) => /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))

export const parseRegion = (label: string, text: string): string => {
  if (/^[a-z0-9](?:[a-z0-9-]{0,62})$/.test(text)) return text
  throw invalid(`${label} is ${quote(text)} but must be lower-case letters, digits and hyphens`)
}

const parseLogLevel = (label: string, text: string): LogLevel => {
  const level = LOG_LEVELS.find((known) => known === text)
  if (level) return level
  throw invalid(`${label} is ${quote(text)} but must be one of ${LOG_LEVELS.join(', ')}`)
}

/** Only from the environment: a flag shows in the list of processes, a file is copied along. */
const readRootCredentials = (environment: Environment): Config['rootCredentials'] | undefined => {
  const [access, secret] = ['MORAINE_ROOT_ACCESS_KEY', 'MORAINE_ROOT_SECRET_KEY'] as const
  const accessKeyId = environment[access] ?? ''
  const secretAccessKey = environment[secret] ?? ''
  if (accessKeyId === '' && secretAccessKey === '') return undefined
  if (accessKeyId === '' || secretAccessKey === '')
    throw invalid(`${access} and ${secret} must be set together`)
  return checkCredentials({ accessKeyId, secretAccessKey }, { access, secret })
}

type Credentials = NonNullable<Config['rootCredentials']>

/** The pair as it was given, when it can be one. `names`: what the operator called its halves; messages never quote them. */
export const checkCredentials = (
  { accessKeyId, secretAccessKey }: Credentials,
  { access, secret }: { readonly access: string; readonly secret: string },
): Credentials => {
  if (!/^[A-Za-z0-9._-]{3,128}$/.test(accessKeyId)) {
    throw invalid(`${access} must be 3 to 128 letters, digits, dots, hyphens and underscores`)
  }
  if (!/^[\x21-\x7e]{8,128}$/.test(secretAccessKey)) {
    throw invalid(`${secret} must be 8 to 128 printable characters without spaces`)
  }
  if (accessKeyId === secretAccessKey) throw invalid(`${access} and ${secret} must differ`)
  return { accessKeyId, secretAccessKey }
}
