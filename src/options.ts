// What a program asks of `createStore`, held to the same rules as a command line: programs pass on what they read
// somewhere, and plain JavaScript passes on anything. An empty secret must not become the key of a store.
import { resolve } from 'node:path'
import type { Log } from './base/log.ts'
import { DAY, GiB, MiB, SECOND } from './base/units.ts'
import { invalid, parseWholeNumber, quote } from './cli/values.ts'
import {
  ARENA_BOUNDS,
  type Config,
  checkCredentials,
  PORT_BOUNDS,
  parseDomain,
  parseHost,
  parseRegion,
  REPAIR_BOUNDS,
  SCRUB_BOUNDS,
} from './config.ts'
import { parityMaxOf } from './storage/geometry.ts'

export interface StoreOptions {
  /**
   * `'memory'`: six disks in memory, gone with the store. `'temporary'`: six directories in a new temporary one, removed
   * by `close`. Otherwise one directory for each disk; they are made when they are missing.
   */
  readonly disks: 'memory' | 'temporary' | readonly string[]
  /** Default 0: any free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default us-east-1. */
  readonly region?: string
  /** Buckets are also served as `BUCKET.domain`. */
  readonly domain?: string
  /** Shards that may be lost; default by the number of disks. Fixed when the store is made. */
  readonly parity?: number
  /** Memory for bodies in flight, in bytes; default 256 MiB, in memory 64 MiB. */
  readonly arenaBytes?: number
  /** Root's keys; without them a random pair is made and kept with the store. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Between the beginnings of two tours of the scrub, in milliseconds; default 7 days, 0: none. */
  readonly scrubPeriodMs?: number
  /** What the scrub may read of each disk in a second, in bytes; default 32 MiB. */
  readonly scrubBytesPerSecond?: number
  /** What repair may rebuild in a second, in bytes; default 1 GiB. */
  readonly repairBytesPerSecond?: number
  /** Default: nothing is said. */
  readonly log?: Log
}

/** Written as a table of all members, so that one that is added cannot be left out. */
const KNOWN: Readonly<Record<keyof StoreOptions, true>> = {
  disks: true,
  port: true,
  host: true,
  region: true,
  domain: true,
  parity: true,
  arenaBytes: true,
  credentials: true,
  scrubPeriodMs: true,
  scrubBytesPerSecond: true,
  repairBytesPerSecond: true,
  log: true,
}

const DRAIN_MS = 30 * SECOND

/** Throws `CONFIG_INVALID` unless they are one of the two words, or directories that are all different; then absolute. */
export const checkDisks = (disks: StoreOptions['disks'] | undefined): StoreOptions['disks'] => {
  if (disks === 'memory' || disks === 'temporary') return disks
  if (!Array.isArray(disks) || !disks.every((disk) => typeof disk === 'string' && disk !== '')) {
    throw invalid("disks must be 'memory', 'temporary' or a list of directories")
  }
  if (disks.length === 0) throw invalid('a store needs at least one disk directory')
  const roots = disks.map((disk: string) => resolve(disk))
  const twice = roots.find((root, index) => roots.indexOf(root) !== index)
  if (twice !== undefined) throw invalid(`disks names ${twice} twice`)
  return roots
}

const textOf = (name: string, value: unknown): string => {
  if (typeof value === 'string') return value
  throw invalid(`${name} is ${quote(String(value))} but must be text`)
}

const LOG_METHODS = ['debug', 'info', 'warn', 'error'] as const

/** What is missed only when something goes wrong would then end the program it is in. */
const checkLog = (log: unknown): void => {
  const methods = log as Partial<Record<string, unknown>> | null | undefined
  const missing = LOG_METHODS.find((name) => typeof methods?.[name] !== 'function')
  if (missing !== undefined) throw invalid(`log has no method ${missing}: it needs ${LOG_METHODS.join(', ')}`)
}

/** Throws `CONFIG_INVALID` with one sentence for what cannot be. */
export const configOf = (options: StoreOptions, roots: readonly string[]): Config => {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(KNOWN, name))
  if (unknown !== undefined) {
    throw invalid(`${quote(unknown)} is no option of a store; there are ${Object.keys(KNOWN).join(', ')}`)
  }
  const { host = '127.0.0.1', port = 0, region = 'us-east-1', domain, parity, credentials } = options
  const { scrubPeriodMs = 7 * DAY, scrubBytesPerSecond = 32 * MiB } = options
  const arenaBytes = options.arenaBytes ?? (options.disks === 'memory' ? 64 : 256) * MiB
  if (options.log !== undefined) checkLog(options.log)
  const parityBounds = { min: 0, max: parityMaxOf(roots.length) }
  const names = { access: 'credentials.accessKeyId', secret: 'credentials.secretAccessKey' }
  return {
    host: parseHost('host', textOf('host', host)),
    port: parseWholeNumber('port', String(port), PORT_BOUNDS),
    disks: roots,
    region: parseRegion('region', textOf('region', region)),
    drainTimeoutMs: DRAIN_MS,
    repairBytesPerSecond: parseWholeNumber(
      'repairBytesPerSecond',
      String(options.repairBytesPerSecond ?? GiB),
      REPAIR_BOUNDS,
    ),
    scrub: {
      periodMs: parseWholeNumber('scrubPeriodMs', String(scrubPeriodMs), { min: 0, ...SCRUB_BOUNDS.period }),
      bytesPerSecond: parseWholeNumber('scrubBytesPerSecond', String(scrubBytesPerSecond), SCRUB_BOUNDS.rate),
    },
    logLevel: 'silent',
    arenaBytes: parseWholeNumber('arenaBytes', String(arenaBytes), ARENA_BOUNDS),
    ...(parity !== undefined && { parity: parseWholeNumber('parity', String(parity), parityBounds) }),
    ...(domain !== undefined && { domain: parseDomain('domain', textOf('domain', domain)) }),
    ...(credentials && {
      rootCredentials: checkCredentials(
        {
          accessKeyId: textOf(names.access, credentials.accessKeyId),
          secretAccessKey: textOf(names.secret, credentials.secretAccessKey),
        },
        names,
      ),
    }),
  }
}
