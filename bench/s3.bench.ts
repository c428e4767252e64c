// `npm run bench -- s3 [--cases put4k-c64,get4k-c64] [--seconds 5]`: the server with its default settings on directories
// of this machine, loaded from another process, beside the machine's own floors of the same minutes, and a verdict on
// each ratio that the project promises itself. Directories are made below TMPDIR: it should lie on a real disk.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProcess } from '../test/support/server-process.ts'
import {
  CASE_NAMES,
  CASES,
  type Case,
  MEMORY_START,
  type Row,
  runCase,
  type Stage,
  warmServer,
} from './load/cases.ts'
import { besideFloors, type Floors, measureFloors, median } from './load/floors.ts'
import { hasWrk } from './load/generator.ts'
import { createSigner } from './load/presign.ts'
import { memoryMBOf, peakMemoryMBOf } from './load/process-time.ts'
import { createStoreClient } from './load/store-client.ts'
import type { BenchOptions, Report } from './run.ts'

const BUCKET = 'bench'

export const run = async (report: Report, options: BenchOptions): Promise<void> => {
  const chosen = options.cases.length === 0 ? CASE_NAMES : options.cases
  const scratch = mkdtempSync(join(tmpdir(), 'moraine-bench-'))
  try {
    describeMachine(scratch)
    const loads = chosen.filter((name) => name !== MEMORY_START)
    if (loads.length > 0) {
      reportFloors(report, await measureFloors(scratch, Math.min(3, options.seconds)))
      reportVerdicts(report, await runCases(report, loads, scratch, options.seconds))
    }
    if (chosen.includes(MEMORY_START)) reportMemoryStarts(report)
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

const describeMachine = (scratch: string): void => {
  const [cpu] = cpus()
  const type = statfsSync(scratch).type.toString(16)
  console.log(
    `# ${cpus().length} × ${cpu?.model}, Node ${process.version}, file system 0x${type} at ${tmpdir()}`,
  )
  console.log(`# load generator: ${hasWrk ? 'wrk' : 'Node (wrk is not installed: figures are lower)'}`)
}

const runCases = async (
  report: Report,
  names: readonly string[],
  scratch: string,
  seconds: number,
): Promise<readonly Outcome[]> => {
  const server = await startProcess({ data: join(scratch, 'data') })
  const signer = createSigner({ ...server, nowMs: Date.now() })
  const client = createStoreClient(server.endpoint, signer)
  const outcomes: Outcome[] = []
  try {
    const { status } = await client.send('PUT', signer.presign('PUT', `/${BUCKET}`))
    if (status !== 200) throw new Error(`making the bucket was answered ${status}`)
    report({ case: 's3 idle memory', value: memoryMBOf(server.pid), unit: 'MB' })
    const stage: Stage = {
      endpoint: server.endpoint,
      pid: server.pid,
      signer,
      client,
      bucket: BUCKET,
      scratch,
      seconds,
    }
    await warmServer(stage)
    for (const one of CASES.filter(({ name }) => names.includes(name))) {
      try {
        const outcome = await runBesideFloors(stage, one)
        outcomes.push(outcome)
        reportRow(report, outcome.row)
      } catch (error) {
        console.log(`${one.name.padEnd(14)} no figure: ${(error as Error).message}`)
      }
      if (!server.isRunning()) throw new Error(`the server ended: ${server.stderr().slice(-2000)}`)
    }
    report({ case: 's3 peak memory', value: peakMemoryMBOf(server.pid), unit: 'MB' })
  } finally {
    client.close()
    await server.stop()
  }
  return outcomes
}

/** What came of a case; with the floors around it when it is compared with them. */
interface Outcome {
  readonly row: Row
  readonly floors: Floors | undefined
}

const runBesideFloors = async (stage: Stage, one: Case): Promise<Outcome> => {
  if (!TARGETS.some(({ name, isOfFloors }) => name === one.name && isOfFloors)) {
    return { row: await runCase(stage, one), floors: undefined }
  }
  const { scratch, seconds } = stage
  const run = (): Promise<Row> => runCase(stage, one)
  const { result, floors } = await besideFloors(scratch, Math.min(3, seconds), run, one.name === 'put64m-c4')
  return { row: result, floors }
}

const reportFloors = (report: Report, floors: Floors): void => {
  report({ case: 'floor node:http 4 KiB, 64 connections (H)', value: floors.httpPerSecond, unit: '/s' })
  report({ case: 'floor append 4 KiB + fdatasync, p50', value: floors.appendSyncMs, unit: 'ms' })
  report({ case: 'floor MD5, one core', value: floors.md5MBps, unit: 'MB/s' })
  if (floors.directMBps === undefined) console.log('floor O_DIRECT: this file system has none')
  else report({ case: 'floor O_DIRECT sequential 1 MiB writes', value: floors.directMBps, unit: 'MB/s' })
}

/** One printed line a case; every figure of it in the JSON. */
const reportRow = (report: Report, row: Row): void => {
  const quiet = (name: string, value: number | undefined, unit: string): void => {
    if (value !== undefined) report({ case: `s3 ${row.name} ${name}`, value, unit }, { isPrinted: false })
  }
  quiet('rate', row.operationsPerSecond, '/s')
  if (row.megabytesPerSecond > 0) quiet('throughput', row.megabytesPerSecond, 'MB/s')
  quiet('p50', row.p50Ms, 'ms')
  quiet('p95', row.p95Ms, 'ms')
  quiet('p99', row.p99Ms, 'ms')
  quiet('cpu per operation', row.cpuMicrosPerOperation, 'µs')
  quiet('cpu per GB', row.cpuSecondsPerGB, 's/GB')
  quiet('keys', row.keysPerSecond, '/s')
  const cell = (value: number, digits: number, width: number): string => value.toFixed(digits).padStart(width)
  console.log(
    `${row.name.padEnd(12)} ${cell(row.operationsPerSecond, 1, 9)} op/s ${cell(row.megabytesPerSecond, 1, 8)} MB/s` +
      `  p50 ${cell(row.p50Ms, 2, 8)}  p95 ${cell(row.p95Ms, 2, 8)}  p99 ${cell(row.p99Ms, 2, 8)} ms` +
      `  ${cell(row.cpuMicrosPerOperation, 1, 9)} µs/op` +
      (row.cpuSecondsPerGB === undefined ? '' : ` ${cell(row.cpuSecondsPerGB, 2, 6)} s/GB`) +
      (row.keysPerSecond === undefined ? '' : ` ${cell(row.keysPerSecond, 0, 8)} keys/s`),
  )
}

interface Target {
  readonly name: string
  readonly unit: string
  readonly isMet: (ratio: number) => boolean
  readonly goal: string
  /** Whether `ratio` is one to a floor. */
  readonly isOfFloors: boolean
  readonly ratio: (row: Row, floors: Floors) => number | undefined
}

const atLeast = (bound: number): Pick<Target, 'goal' | 'isMet' | 'isOfFloors'> => ({
  goal: `≥ ${bound}`,
  isMet: (ratio) => ratio >= bound,
  isOfFloors: true,
})

/** What the project promises itself, as ratios to the floors of the same minute. */
const TARGETS: readonly Target[] = [
  {
    name: 'get4k-c64',
    unit: '× H',
    ...atLeast(0.35),
    ratio: (row, floors) => row.operationsPerSecond / floors.httpPerSecond,
  },
  {
    name: 'put4k-c64',
    unit: '× H',
    ...atLeast(0.12),
    ratio: (row, floors) => row.operationsPerSecond / floors.httpPerSecond,
  },
  {
    name: 'put4k-c1',
    unit: '× append + fdatasync',
    goal: '≤ 8',
    isMet: (ratio) => ratio <= 8,
    isOfFloors: true,
    ratio: (row, floors) => row.p50Ms / floors.appendSyncMs,
  },
  {
    name: 'put64m-c4',
    unit: '× MD5',
    ...atLeast(0.4),
    ratio: (row, floors) => row.megabytesPerSecond / floors.md5MBps,
  },
  {
    name: 'get64m-c4',
    unit: '× MD5',
    ...atLeast(0.9),
    ratio: (row, floors) => row.megabytesPerSecond / floors.md5MBps,
  },
  {
    name: 'list-c4',
    unit: 'keys/s',
    ...atLeast(60_000),
    isOfFloors: false,
    ratio: (row) => row.keysPerSecond,
  },
]

const NO_FLOORS: Floors = {
  httpPerSecond: 0,
  appendSyncMs: 0,
  md5MBps: 0,
  directMBps: undefined,
  shardsMBps: undefined,
}

const reportVerdicts = (report: Report, outcomes: readonly Outcome[]): void => {
  for (const { name, unit, goal, isMet, ratio } of TARGETS) {
    const outcome = outcomes.find(({ row }) => row.name === name)
    const value = outcome && ratio(outcome.row, outcome.floors ?? NO_FLOORS)
    if (value === undefined) continue
    report({ case: `s3 ${name} ratio`, value, unit }, { isPrinted: false })
    printVerdict(name, value, unit, goal, isMet(value))
    const { floors } = outcome!
    if (!floors) continue
    const { httpPerSecond, appendSyncMs, md5MBps, shardsMBps } = floors
    console.log(
      `        beside it: H ${httpPerSecond.toFixed(0)} /s, append ${appendSyncMs.toFixed(2)} ms, MD5 ${md5MBps.toFixed(0)} MB/s`,
    )
    if (shardsMBps === undefined) continue
    const share = outcome!.row.megabytesPerSecond / shardsMBps
    report({ case: `s3 ${name} against its files alone`, value: share, unit: '×' }, { isPrinted: false })
    console.log(
      `        its files alone, written side by side: ${shardsMBps.toFixed(0)} MB/s, of which this is ${share.toFixed(2)}`,
    )
  }
}

const printVerdict = (name: string, value: number, unit: string, goal: string, isMet: boolean): void =>
  console.log(
    `verdict ${name.padEnd(12)} ${value.toFixed(2).padStart(10)} ${unit.padEnd(22)} ${goal.padEnd(8)} ${isMet ? 'met' : 'MISSED'}`,
  )

const MEMORY_START_MS_MAX = 100
const PROCESSES = 5

/** The first start of a process, the median of several processes, is what a program meets; those that follow are a test suite's. */
const reportMemoryStarts = (report: Report): void => {
  const script = fileURLToPath(new URL('load/memory-start.js', import.meta.url))
  const runs = Array.from(
    { length: PROCESSES },
    () => JSON.parse(execFileSync(process.execPath, [script], { encoding: 'utf8' })) as number[],
  )
  const first = median(runs.map(([time]) => time ?? 0))
  const again = median(runs.flatMap(([, ...times]) => times))
  report({ case: `${MEMORY_START}: first of a process, median of ${PROCESSES}`, value: first, unit: 'ms' })
  report({ case: `${MEMORY_START}: again in the same process, median`, value: again, unit: 'ms' })
  const goal = `< ${MEMORY_START_MS_MAX}`
  printVerdict(MEMORY_START, first, 'ms', goal, first < MEMORY_START_MS_MAX)
}
