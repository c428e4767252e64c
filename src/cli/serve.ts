// `moraine serve`: starts the server, tells the operator how to reach it, and ends it when a signal or a failure says so.
// The process itself (signals, standard output, exit) comes in through arguments; main.ts alone touches the real one.
import type { Log } from '../base/log.ts'
import type { Config } from '../config.ts'

export interface RunningServer {
  /** `http://HOST:PORT` as a client on this machine reaches it. */
  readonly endpoint: string
  readonly region: string
  /** `isStored`: made at the first start and kept with the store, not taken from the environment. */
  readonly credentials: {
    readonly accessKeyId: string
    readonly secretAccessKey: string
    readonly isStored: boolean
  }
  /** Settles when the store has ended: resolved after `close`, rejected when the root supervisor gave up. */
  readonly closed: Promise<void>
  /** New requests get 503; resolves when those in flight have ended, or after `withinMs`. */
  drain(withinMs: number): Promise<void>
  close(): Promise<void>
}

export interface Terminal {
  /** Only a terminal gets to see the secret: a file or a pipe may be kept by others. */
  readonly isTerminal: boolean
  write(text: string): void
}

export interface ServeDependencies {
  startServer(config: Config, dependencies: { log: Log }): Promise<RunningServer>
  readonly log: Log
  readonly terminal: Terminal
  /** Resolves at the next signal that asks the process to stop. */
  nextSignal(): Promise<string>
  /** How this program is called, for examples to copy: `moraine`. */
  readonly program: string
}

export const EXIT_OK = 0
export const EXIT_FAILED = 1
export const EXIT_USAGE = 2
/** The root supervisor gave up: the process manager is the last supervisor. */
export const EXIT_GAVE_UP = 70

/**
 * Resolves to the exit code when the server has ended. The first signal drains it, or ends a start that is not through; a
 * second one ends the wait at once. Rejects when the server does not start.
 */
export const serve = (config: Config, dependencies: ServeDependencies): Promise<number> => {
  const firstSignal = dependencies.nextSignal()
  const secondSignal = firstSignal.then(async () => {
    const name = await dependencies.nextSignal()
    dependencies.log.warn('stopped at once', { signal: name })
    return EXIT_FAILED
  })
  return Promise.race([run(config, dependencies, firstSignal), secondSignal])
}

const run = async (
  config: Config,
  { startServer, log, terminal, program }: ServeDependencies,
  firstSignal: Promise<string>,
): Promise<number> => {
  const starting = startServer(config, { log })
  const server = await Promise.race([starting, firstSignal])
  if (typeof server === 'string') {
    // Nothing is under way yet, and no store needs a clean end: a start that waits for its disks must not hold the signal up.
    starting.catch(() => undefined)
    log.info('stopped before it served', { signal: server })
    return EXIT_OK
  }
  terminal.write(`ready ${server.endpoint}\n`)
  terminal.write(formatAccess(server, config, terminal.isTerminal, program))
  const ended = server.closed.then(
    () => EXIT_OK,
    (error: unknown) => {
      log.error('the store gave up', { error })
      return EXIT_GAVE_UP
    },
  )
  const outcome = await Promise.race([ended, firstSignal])
  if (typeof outcome === 'number') return outcome
  log.info('draining', { signal: outcome, withinMs: config.drainTimeoutMs })
  await server.drain(config.drainTimeoutMs)
  await server.close()
  log.info('stopped')
  return EXIT_OK
}

/** The access key and something to copy. The secret shows on a terminal only, and only when it is not the operator's own. */
export const formatAccess = (
  server: Pick<RunningServer, 'credentials' | 'endpoint' | 'region'>,
  config: Pick<Config, 'disks'>,
  isTerminal: boolean,
  program: string,
): string => {
  const { accessKeyId, secretAccessKey, isStored } = server.credentials
  const show = `${program} key show ${formatDisks(config.disks)}`
  const secret = !isStored
    ? 'as in MORAINE_ROOT_SECRET_KEY'
    : isTerminal
      ? secretAccessKey
      : `shown by: ${show}`
  const exported = !isStored
    ? '"$MORAINE_ROOT_SECRET_KEY"'
    : isTerminal
      ? quoteForShell(secretAccessKey)
      : `"$(${show} | sed -n 's/^secret key: //p')"`
  return [
    `access key: ${accessKeyId}`,
    `secret key: ${secret}`,
    '',
    'try:',
    `  export AWS_ACCESS_KEY_ID=${accessKeyId}`,
    `  export AWS_SECRET_ACCESS_KEY=${exported}`,
    `  export AWS_DEFAULT_REGION=${server.region} AWS_ENDPOINT_URL=${server.endpoint}`,
    `  aws --endpoint-url ${server.endpoint} s3 mb s3://first`,
    '',
  ].join('\n')
}

/** The flag that names these disks again. */
const formatDisks = (disks: readonly string[]): string => {
  const parent = /^(.+)\/d1$/.exec(disks[0] ?? '')?.[1]
  const isData =
    parent !== undefined &&
    disks.length === 6 &&
    disks.every((disk, index) => disk === `${parent}/d${index + 1}`)
  return isData ? `--data ${quoteForShell(parent)}` : `--disks ${quoteForShell(disks.join(','))}`
}

const quoteForShell = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
