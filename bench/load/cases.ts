// The cases of `bench s3`, each from an empty prefix of one bucket: fill what it needs, warm up, load, and compare one
// answer in a hundred. What is compared is read under the same load by the bench itself, since wrk looks at no body.
import { KiB, MiB } from '../../src/base/units.ts'
import { type LoadResult, runLoad } from './generator.ts'
import type { Signer } from './presign.ts'
import { cpuSecondsOf } from './process-time.ts'
import { createBodies, type StoreClient } from './store-client.ts'

export interface Case {
  readonly name: string
  readonly kind: 'put' | 'get' | 'list' | 'delete'
  readonly size: number
  readonly connections: number
}

export interface Row {
  readonly name: string
  readonly operationsPerSecond: number
  readonly megabytesPerSecond: number
  readonly p50Ms: number
  readonly p95Ms: number
  readonly p99Ms: number
  readonly cpuMicrosPerOperation: number
  /** Undefined where no bodies to speak of are moved. */
  readonly cpuSecondsPerGB: number | undefined
  readonly keysPerSecond: number | undefined
}

export interface Stage {
  readonly endpoint: string
  readonly pid: number
  readonly signer: Signer
  readonly client: StoreClient
  readonly bucket: string
  readonly scratch: string
  readonly seconds: number
}

const sized = (kind: 'put' | 'get', label: string, size: number, connections: readonly number[]): Case[] =>
  connections.map((count) => ({ name: `${kind}${label}-c${count}`, kind, size, connections: count }))

export const CASES: readonly Case[] = [
  ...sized('put', '4k', 4 * KiB, [1, 16, 64]),
  ...sized('get', '4k', 4 * KiB, [1, 16, 64]),
  ...sized('put', '1m', MiB, [1, 16, 64]),
  ...sized('get', '1m', MiB, [1, 16, 64]),
  ...sized('put', '64m', 64 * MiB, [1, 4, 16, 64]),
  ...sized('get', '64m', 64 * MiB, [1, 4, 16, 64]),
  { name: 'list-c4', kind: 'list', size: 0, connections: 4 },
  { name: 'delete-c64', kind: 'delete', size: 0, connections: 64 },
]

/** How many objects a GET case reads in turn: many small ones, few that together exceed no page cache. */
const objectCountOf = (size: number): number => (size <= 64 * KiB ? 3000 : size <= MiB ? 64 : 6)
const LIST_KEYS = 20_000
const LIST_PAGE = 1000
const URLS_MAX = 200_000
const CHECKED_SHARE = 0.01
const WARM_OBJECTS = 50_000
const WARM_SECONDS = 4

/**
 * Before the first case: a server that was just started runs code that its engine has not compiled yet, and compiles it on
 * the same cores. What is measured is how it runs from then on.
 */
export const warmServer = async (stage: Stage): Promise<void> => {
  const one: Case = { name: 'warm-server', kind: 'put', size: 4 * KiB, connections: 16 }
  const paths = pathsOf(stage, one.name, WARM_OBJECTS)
  const body = createBodies(one.size)(0)
  const seconds = WARM_SECONDS
  await load(stage, one, { method: 'PUT', urls: presignAll(stage, 'PUT', paths), body, seconds })
  await stage.client.fill(paths.slice(0, 100), () => body)
  await load(stage, one, { method: 'GET', urls: presignAll(stage, 'GET', paths.slice(0, 100)), seconds })
}

/** A case's figures. Throws with the reason when it has none: errors, answers other than 2xx, or wrong bodies. */
export const runCase = async (stage: Stage, one: Case): Promise<Row> => {
  // A request of 64 MiB takes seconds, and what is under way when the time is up counts for nothing: a case holds many.
  const seconds = one.size > MiB ? Math.max(stage.seconds, 12, one.connections / 2) : stage.seconds
  switch (one.kind) {
    case 'put':
      return runPut(stage, one, seconds)
    case 'get':
      return runGet(stage, one, seconds)
    case 'list':
      return runList(stage, one, seconds)
    case 'delete':
      return runDelete(stage, one, seconds)
  }
}

/** Long enough for one round of every connection, also where a large body takes seconds. */
const warmUpSecondsOf = ({ size, connections }: Case): number =>
  size <= MiB ? 1 : Math.max(4, Math.ceil(connections / 2))

const pathsOf = (stage: Stage, tag: string, count: number): string[] =>
  Array.from({ length: count }, (_, index) => {
    const folder = String(index % 97).padStart(2, '0')
    return `/${stage.bucket}/${tag}/${folder}/${String(index).padStart(7, '0')}`
  })

const presignAll = (stage: Stage, method: string, paths: readonly string[]): string[] =>
  paths.map((path) => stage.signer.presign(method, path))

interface Load {
  readonly method: string
  readonly urls: readonly string[]
  readonly seconds: number
  readonly body?: Uint8Array
  readonly isListing?: boolean
}

const load = async (stage: Stage, one: Case, spec: Load): Promise<LoadResult> => {
  const { endpoint, scratch } = stage
  const result = await runLoad({ endpoint, connections: one.connections, ...spec }, scratch)
  if (result.refused > 0 || result.errors > 0 || result.requests === 0) {
    throw new Error(
      `${result.refused} answers other than 2xx and ${result.errors} errors in ${result.requests} requests`,
    )
  }
  return result
}

const measure = async (stage: Stage, one: Case, spec: Load): Promise<{ result: LoadResult; row: Row }> => {
  const cpuBefore = cpuSecondsOf(stage.pid)
  const result = await load(stage, one, spec)
  const cpuSeconds = cpuSecondsOf(stage.pid) - cpuBefore
  const bytes = result.requests * one.size
  return {
    result,
    row: {
      name: one.name,
      operationsPerSecond: result.requests / result.seconds,
      megabytesPerSecond: bytes / 1e6 / result.seconds,
      p50Ms: result.p50Ms,
      p95Ms: result.p95Ms,
      p99Ms: result.p99Ms,
      cpuMicrosPerOperation: (cpuSeconds * 1e6) / result.requests,
      cpuSecondsPerGB: one.size >= 64 * KiB ? cpuSeconds / (bytes / 1e9) : undefined,
      keysPerSecond: one.kind === 'list' ? result.keys / result.seconds : undefined,
    },
  }
}

const compare = async (stage: Stage, path: string, expected: Uint8Array): Promise<void> => {
  const { status, body } = await stage.client.send('GET', stage.signer.presign('GET', path))
  if (status !== 200 || !body.equals(expected)) throw new Error(`${path} read back wrong (${status})`)
}

/** Every n-th of `items`, at least three and at most one in a hundred of `requests`. */
const sample = <T>(items: readonly T[], requests: number): T[] => {
  const count = Math.min(items.length, Math.max(3, Math.ceil(requests * CHECKED_SHARE)))
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)] as T)
}

const runPut = async (stage: Stage, one: Case, seconds: number): Promise<Row> => {
  const body = createBodies(one.size)(0)
  const warmUpCount = Math.max(one.connections, Math.floor(20_000 / (1 + one.size / KiB)))
  const warmUp = presignAll(stage, 'PUT', pathsOf(stage, `${one.name}-warm`, warmUpCount))
  const { requests, seconds: spent } = await load(stage, one, {
    method: 'PUT',
    urls: warmUp,
    body,
    seconds: warmUpSecondsOf(one),
  })
  const count = Math.min(URLS_MAX, Math.ceil((requests / spent) * seconds * 2) + 2 * one.connections)
  const paths = pathsOf(stage, one.name, count)
  const urls = presignAll(stage, 'PUT', paths)
  const { result, row } = await measure(stage, one, { method: 'PUT', urls, body, seconds })
  for (const path of sample(surelyDone(paths, result), result.requests)) await compare(stage, path, body)
  return row
}

/** The paths whose requests had ended when the time was up: what was in flight then is among the last. */
const surelyDone = (paths: readonly string[], { requests }: LoadResult): readonly string[] =>
  paths.slice(0, Math.max(1, Math.floor(requests * 0.7)))

const runGet = async (stage: Stage, one: Case, seconds: number): Promise<Row> => {
  const bodyOf = createBodies(one.size)
  const paths = pathsOf(stage, one.name, objectCountOf(one.size))
  await stage.client.fill(paths, bodyOf)
  const urls = presignAll(stage, 'GET', paths)
  const warmUp = await load(stage, one, { method: 'GET', urls, seconds: warmUpSecondsOf(one) })
  const pauseMs = (warmUp.seconds * 1000) / (warmUp.requests * CHECKED_SHARE)
  const checker = startChecker(pauseMs, async (turn) => {
    // A prime step goes through all of them in another order than the load.
    const index = (turn * 7919) % paths.length
    await compare(stage, paths[index] ?? '', bodyOf(index))
  })
  const { result, row } = await measure(stage, one, { method: 'GET', urls, seconds })
  const checked = await checker.stop()
  const missing = Math.max(3, Math.ceil(result.requests * CHECKED_SHARE)) - checked
  for (let turn = 0; turn < missing; turn++) {
    const index = (turn * 7919) % paths.length
    await compare(stage, paths[index] ?? '', bodyOf(index))
  }
  return row
}

/** Calls `check` about every `pauseMs` until stopped; `stop` resolves to how often, or rejects with what it found. */
const startChecker = (
  pauseMs: number,
  check: (turn: number) => Promise<void>,
): { stop(): Promise<number> } => {
  let isStopped = false
  let turns = 0
  let failure: unknown
  const loop = async (): Promise<void> => {
    while (!isStopped) {
      await check(turns)
      turns++
      await new Promise((resolve) => setTimeout(resolve, Math.min(pauseMs, 1000)))
    }
  }
  const running = loop().catch((error: unknown) => {
    failure = error
  })
  return {
    async stop() {
      isStopped = true
      await running
      if (failure !== undefined) throw failure
      return turns
    },
  }
}

const runList = async (stage: Stage, one: Case, seconds: number): Promise<Row> => {
  const count = stage.seconds < 5 ? LIST_KEYS / 4 : LIST_KEYS
  const paths = pathsOf(stage, 'list', count)
  const small = createBodies(64)
  await stage.client.fill(paths, small)
  const keys = paths.map((path) => path.slice(stage.bucket.length + 2)).sort()
  // Each page starts where a full one still follows.
  const starts = Array.from({ length: 60 }, (_, index) => Math.floor((index * (count - LIST_PAGE - 1)) / 60))
  const urlOf = (start: number): string =>
    stage.signer.presign('GET', `/${stage.bucket}`, [
      ['list-type', '2'],
      ['max-keys', String(LIST_PAGE)],
      ['prefix', 'list/'],
      ['start-after', keys[start] ?? ''],
    ])
  const urls = starts.map(urlOf)
  await load(stage, one, { method: 'GET', urls, seconds: 1 })
  const { result, row } = await measure(stage, one, { method: 'GET', urls, seconds, isListing: true })
  for (const start of sample(starts, result.requests)) {
    const { body } = await stage.client.send('GET', urlOf(start))
    const found = [...String(body).matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1])
    if (found.join('\n') !== keys.slice(start + 1, start + 1 + LIST_PAGE).join('\n')) {
      throw new Error(`the page after ${keys[start]} is wrong`)
    }
  }
  return row
}

const runDelete = async (stage: Stage, one: Case, seconds: number): Promise<Row> => {
  const paths = pathsOf(stage, 'delete', URLS_MAX / 4)
  const body = createBodies(64)(0)
  // Deleting is faster than writing: several seconds of the one for each of the other.
  const putUrls = presignAll(stage, 'PUT', paths)
  const puts = await load(stage, one, { method: 'PUT', urls: putUrls, body, seconds: Math.max(4, seconds) })
  const written = surelyDone(paths, puts)
  const urls = presignAll(stage, 'DELETE', written)
  const { result, row } = await measure(stage, one, {
    method: 'DELETE',
    urls,
    seconds: Math.max(1, Math.floor(seconds / 4)),
  })
  if (result.requests + one.connections > written.length) throw new Error('it ran out of objects to delete')
  for (const path of sample(surelyDone(written, result), result.requests)) {
    const { status } = await stage.client.send('GET', stage.signer.presign('GET', path))
    if (status !== 404) throw new Error(`${path} is still there (${status})`)
  }
  return row
}

/** Not a load: how long `createStore({ disks: 'memory' })` takes. */
export const MEMORY_START = 'start-memory'

/** All that `--cases` may name. */
export const CASE_NAMES: readonly string[] = [...CASES.map(({ name }) => name), MEMORY_START]
