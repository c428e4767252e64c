// The built program as a process of its own: started on a free loopback port with directories that nobody else has, seen
// only through its output, its sockets and its files, and ended by its own process id.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Test } from 'uvu'
import { endWithUs, killGroup } from './lifeline.ts'

export const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url))
export const PROGRAM = join(REPOSITORY, 'bin', 'moraine.cjs')
const START_LIMIT_MS = 30_000
const STOP_LIMIT_MS = 60_000
/** Of each stream only the end is kept: a server that logs for minutes must not fill this process. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024

export interface Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface StartOptions {
  /** Six disk directories inside it; a new temporary directory when neither this nor `disks` is given. */
  readonly data?: string
  readonly disks?: readonly string[]
  /** 0, the default: any free one. */
  readonly port?: number
  readonly flags?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** Undefined: a random pair in the environment. `stored`: none, so that the store makes its own. */
  readonly credentials?: Credentials | 'stored'
  /** What runs the program, `strace -f …` for example. */
  readonly prefix?: readonly string[]
  /** What stands for `node bin/moraine.cjs serve`; `npm start --` for example. */
  readonly command?: readonly string[]
  /** Where it runs, when that is not this repository. */
  readonly cwd?: string
  /** For a start that does more than to start. */
  readonly startLimitMs?: number
}

export interface ServerProcess {
  readonly endpoint: string
  readonly port: number
  readonly pid: number
  readonly data: string
  /** As given or random; with `stored` the secret is empty. */
  readonly credentials: Credentials
  readonly region: string
  readonly ended: Promise<Ending>
  isRunning(): boolean
  stdout(): string
  stderr(): string
  signal(name: NodeJS.Signals): void
  /** SIGTERM; resolves when it has ended, and kills it when that takes too long. */
  stop(): Promise<Ending>
  /** SIGKILL; resolves when it has ended. */
  kill(): Promise<Ending>
}

const directories: string[] = []
const running = new Set<ChildProcess>()

/** A directory of this process's own; removed when the process ends. */
export const createTemporaryDirectory = (label = 'test'): string => {
  const directory = mkdtempSync(join(tmpdir(), `moraine-${label}-`))
  directories.push(directory)
  return directory
}

process.on('exit', () => {
  for (const directory of directories) {
    // A test that ran as root may have left a directory that cannot be removed; the next boot empties it.
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }
})

export const createCredentials = (): Credentials => ({
  accessKeyId: `TEST${randomBytes(8).toString('hex').toUpperCase()}`,
  secretAccessKey: randomBytes(24).toString('base64url'),
})

/** Runs the program to its end: for commands, and for starts that must fail. */
export const runProgram = async (
  args: readonly string[],
  options: Pick<StartOptions, 'environment' | 'prefix'> = {},
): Promise<{ code: number | null; stdout: string; stderr: string }> => {
  const { child, stdout, stderr, ended } = launch([process.execPath, PROGRAM, ...args], options)
  const limit = setTimeout(() => killGroup(child), START_LIMIT_MS)
  const { code } = await ended
  clearTimeout(limit)
  return { code, stdout: stdout(), stderr: stderr() }
}

/** Resolves when the server has said that it is ready; rejects with its output when it ends before. */
export const startProcess = async (options: StartOptions = {}): Promise<ServerProcess> => {
  const data = options.data ?? createTemporaryDirectory('data')
  const place = options.disks ? ['--disks', options.disks.join(',')] : ['--data', data]
  const pair = options.credentials === 'stored' ? undefined : (options.credentials ?? createCredentials())
  const { child, stdout, stderr, ended, ready } = launch(
    [
      ...(options.command ?? [process.execPath, PROGRAM, 'serve']),
      ...['--port', String(options.port ?? 0), ...place, ...(options.flags ?? [])],
    ],
    {
      ...options,
      environment: {
        ...options.environment,
        ...(pair && {
          MORAINE_ROOT_ACCESS_KEY: pair.accessKeyId,
          MORAINE_ROOT_SECRET_KEY: pair.secretAccessKey,
        }),
      },
    },
  )
  const endpoint = await ready
  const stopWith = async (name: NodeJS.Signals): Promise<Ending> => {
    if (name === 'SIGKILL') killGroup(child)
    else child.kill(name)
    const limit = setTimeout(() => killGroup(child), STOP_LIMIT_MS)
    const ending = await ended
    clearTimeout(limit)
    return ending
  }
  return {
    endpoint,
    port: Number(new URL(endpoint).port),
    pid: child.pid ?? 0,
    data,
    credentials: pair ?? {
      accessKeyId: /^access key: (\S+)/m.exec(stdout())?.[1] ?? '',
      secretAccessKey: '',
    },
    region: 'us-east-1',
    ended,
    isRunning: () => running.has(child),
    stdout,
    stderr,
    signal: (name) => void child.kill(name),
    stop: () => stopWith('SIGTERM'),
    kill: () => stopWith('SIGKILL'),
  }
}

type LaunchOptions = Pick<StartOptions, 'environment' | 'prefix' | 'cwd' | 'startLimitMs'>

/** `startProcess` for the tests of a suite: what each of them started is killed when it ends. */
export const startsOf = (test: Test): typeof startProcess => {
  const running: ServerProcess[] = []
  test.after.each(async () => {
    for (const server of running.splice(0)) await server.kill()
  })
  return async (options) => {
    const server = await startProcess(options)
    running.push(server)
    return server
  }
}

interface Launched {
  readonly child: ChildProcess
  readonly ended: Promise<Ending>
  readonly ready: Promise<string>
  stdout(): string
  stderr(): string
}

const launch = (
  args: readonly string[],
  { environment = {}, prefix = [], cwd = REPOSITORY, startLimitMs = START_LIMIT_MS }: LaunchOptions,
): Launched => {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('MORAINE_'))
  const [command = '', ...rest] = [...prefix, ...args]
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...Object.fromEntries(inherited), ...environment },
    cwd,
    detached: true,
  })
  endWithUs(child)
  running.add(child)
  const stdout = keep(child.stdout)
  const stderr = keep(child.stderr)
  const ended = new Promise<Ending>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      running.delete(child)
      resolve({ code, signal })
    })
  })
  const ready = new Promise<string>((resolve, reject) => {
    const limit = setTimeout(() => {
      killGroup(child)
      reject(new Error(`not ready within ${startLimitMs} ms: ${stdout()}${stderr()}`))
    }, startLimitMs)
    child.stdout?.on('data', () => {
      // The line that follows proves that the access key has been printed as well.
      const found = /^ready (http\S+)\naccess key: \S+\n/m.exec(stdout())
      if (!found?.[1]) return
      clearTimeout(limit)
      resolve(found[1])
    })
    ended.then(({ code, signal }) => {
      clearTimeout(limit)
      reject(new Error(`ended with ${code ?? signal} before it was ready: ${stdout()}${stderr()}`))
    }, reject)
  })
  // Whoever only waits for the end does not look at `ready`.
  ready.catch(() => undefined)
  return { child, ended, ready, stdout, stderr }
}

const keep = (stream: NodeJS.ReadableStream | null): (() => string) => {
  let text = ''
  stream?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (text.length > OUTPUT_BYTES_MAX) text = text.slice(-OUTPUT_BYTES_MAX / 2)
  })
  return () => text
}
