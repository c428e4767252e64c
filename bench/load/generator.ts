// Load over pre-signed URLs from a process of its own: wrk where it is installed, else a client in Node, which costs the
// machine about as much as the server it measures: figures made with it compare among themselves only. Large bodies
// are sent by the client in Node always: wrk makes a new copy of each request, 100 ms for one of 64 MiB.
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MiB } from '../../src/base/units.ts'

export interface LoadSpec {
  readonly endpoint: string
  readonly method: string
  /** Path and query, used in this order and then again from the first. */
  readonly urls: readonly string[]
  readonly connections: number
  readonly seconds: number
  readonly body?: Uint8Array
  /** Count `<Key>` in the answers. */
  readonly isListing?: boolean
}

export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  /** Answers other than 2xx. */
  readonly refused: number
  /** Connections that failed or timed out. */
  readonly errors: number
  readonly keys: number
}

const WRK_BODY_BYTES_MAX = MiB

export const hasWrk = spawnSync('wrk', ['--version'], { stdio: 'ignore' }).error === undefined

/** An answer slower than this counts as an error. */
const ANSWER_LIMIT_SECONDS = 120

/** Runs one load to its end. `scratch` is a directory for the files the generator reads. */
export const runLoad = async (spec: LoadSpec, scratch: string): Promise<LoadResult> => {
  const urls = join(scratch, 'urls')
  const body = join(scratch, 'body')
  writeFileSync(urls, `${spec.urls.join('\n')}\n`)
  if (spec.body) writeFileSync(body, spec.body)
  const environment = {
    URLS: urls,
    METHOD: spec.method,
    ...(spec.body && { BODY: body }),
    ...(spec.isListing && { LIST: '1' }),
  }
  const output =
    hasWrk && (spec.body?.length ?? 0) <= WRK_BODY_BYTES_MAX
      ? await collect(
          'wrk',
          [
            '-t1',
            `-c${spec.connections}`,
            `-d${spec.seconds}s`,
            '--timeout',
            `${ANSWER_LIMIT_SECONDS}s`,
            '-s',
            fileURLToPath(new URL('../../../bench/load/wrk.lua', import.meta.url)),
            spec.endpoint,
          ],
          environment,
        )
      : await collect(
          process.execPath,
          [
            fileURLToPath(new URL('node-generator.js', import.meta.url)),
            spec.endpoint,
            String(spec.connections),
            String(spec.seconds),
          ],
          environment,
        )
  const line = /^RESULT (.*)$/m.exec(output)?.[1]
  if (line === undefined) throw new Error(`the load generator gave no result: ${output.slice(-500)}`)
  return JSON.parse(line) as LoadResult
}

const collect = (
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    })
    let output = ''
    const keep = (text: Buffer): void => {
      output += text
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', reject)
    child.on('close', () => resolve(output))
  })
