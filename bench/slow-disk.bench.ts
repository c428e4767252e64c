// `npm run bench -- slow-disk [--seconds 5]`: what GETs take when one disk of the server is a hundred times slower than it was
// a moment ago, beside what they took then. The promise is a p99 within three times of normal.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { KiB, MiB } from '../src/base/units.ts'
import { PROGRAM, type ServerProcess, startProcess } from '../test/support/server-process.ts'
import { median } from './load/floors.ts'
import { type LoadResult, runLoad } from './load/generator.ts'
import { createSigner } from './load/presign.ts'
import { SLOW_DISK_FACTOR, SLOW_DISK_ROOT } from './load/slow-disk-names.ts'
import { createBodies, createStoreClient } from './load/store-client.ts'
import type { BenchOptions, Report } from './run.ts'

const FACTOR = 100
const GOAL = 3
const ROUNDS = 3
const BUCKET = 'bench'
const HOOK = fileURLToPath(new URL('load/slow-disk-hook.js', import.meta.url))
const CREDENTIALS = { accessKeyId: 'BENCH', secretAccessKey: 'bench-secret-of-a-slow-disk' }
/** For the word to reach every thread. */
const SWITCH_MS = 200

interface Kind {
  readonly name: string
  readonly size: number
  /** Small ones: more than the store keeps in memory, so that each is read from a disk. */
  readonly objects: number
  readonly connections: number
}
const KINDS: readonly Kind[] = [
  { name: 'get16k-c4', size: 16 * KiB, objects: 4000, connections: 4 },
  { name: 'get1m-c4', size: MiB, objects: 64, connections: 4 },
  { name: 'get16m-c4', size: 16 * MiB, objects: 12, connections: 4 },
]
const pathsOf = ({ name, objects }: Kind): string[] =>
  Array.from({ length: objects }, (_, index) => `/${BUCKET}/${name}/${index}`)

type Latencies = Pick<LoadResult, 'p50Ms' | 'p99Ms'>

/** Each round has a server of its own: it knows nothing of which disk was slow. */
const startHooked = (data: string): Promise<ServerProcess> =>
  startProcess({
    data,
    credentials: CREDENTIALS,
    command: [process.execPath, '--import', HOOK, PROGRAM, 'serve'],
    environment: { [SLOW_DISK_ROOT]: join(data, 'd1'), [SLOW_DISK_FACTOR]: `${FACTOR}` },
  })

const signerOf = (server: ServerProcess) => createSigner({ ...server, nowMs: Date.now() })

const fill = async (server: ServerProcess): Promise<void> => {
  const signer = signerOf(server)
  const client = createStoreClient(server.endpoint, signer)
  try {
    await client.send('PUT', signer.presign('PUT', `/${BUCKET}`))
    for (const kind of KINDS) await client.fill(pathsOf(kind), createBodies(kind.size))
  } finally {
    client.close()
  }
}

const measure = async (
  server: ServerProcess,
  kind: Kind,
  seconds: number,
  scratch: string,
): Promise<Latencies> => {
  const signer = signerOf(server)
  const urls = pathsOf(kind).map((path) => signer.presign('GET', path))
  const { endpoint } = server
  const { connections } = kind
  const result = await runLoad({ endpoint, method: 'GET', urls, connections, seconds }, scratch)
  if (result.refused + result.errors > 0 || result.requests === 0) {
    throw new Error(`${kind.name}: ${result.refused} refused, ${result.errors} errors of ${result.requests}`)
  }
  return result
}

/** By kind, in their order: normal and slow. */
const runRound = async (
  data: string,
  seconds: number,
  scratch: string,
): Promise<{ normal: Latencies; slow: Latencies }[]> => {
  const server = await startHooked(data)
  try {
    const normal: Latencies[] = []
    for (const kind of KINDS) {
      await measure(server, kind, Math.min(2, seconds), scratch)
      normal.push(await measure(server, kind, seconds, scratch))
    }
    server.signal('SIGUSR2')
    await pause(SWITCH_MS)
    const pairs: { normal: Latencies; slow: Latencies }[] = []
    for (const [i, kind] of KINDS.entries()) {
      pairs.push({ normal: normal[i]!, slow: await measure(server, kind, seconds, scratch) })
    }
    return pairs
  } finally {
    await server.kill()
  }
}

export const run = async (report: Report, { seconds }: BenchOptions): Promise<void> => {
  const scratch = mkdtempSync(join(tmpdir(), 'moraine-bench-'))
  const data = join(scratch, 'data')
  try {
    const server = await startHooked(data)
    await fill(server).finally(() => server.stop())
    const rounds: { normal: Latencies; slow: Latencies }[][] = []
    for (let round = 0; round < ROUNDS; round++) rounds.push(await runRound(data, seconds, scratch))
    for (const [i, { name }] of KINDS.entries()) {
      const middle = (of: (pair: { normal: Latencies; slow: Latencies }) => number): number =>
        median(rounds.map((pairs) => of(pairs[i]!)))
      report({
        case: `slow-disk ${name} p50, normal`,
        value: middle(({ normal }) => normal.p50Ms),
        unit: 'ms',
      })
      report({ case: `slow-disk ${name} p50, one slow`, value: middle(({ slow }) => slow.p50Ms), unit: 'ms' })
      report({
        case: `slow-disk ${name} p99, normal`,
        value: middle(({ normal }) => normal.p99Ms),
        unit: 'ms',
      })
      report({ case: `slow-disk ${name} p99, one slow`, value: middle(({ slow }) => slow.p99Ms), unit: 'ms' })
      const ratio = middle(({ normal, slow }) => slow.p99Ms / normal.p99Ms)
      report({
        case: `slow-disk ${name} p99, ${ratio <= GOAL ? 'met' : 'MISSED'} (≤ ${GOAL})`,
        value: ratio,
        unit: '×',
      })
    }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}
