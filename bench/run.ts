// `npm run bench [-- codec|runtime|metadata|s3|slow-disk|reclaim] [--json FILE] [--cases NAME,NAME] [--seconds N] [--gigabytes N]`: runs
// the benchmarks in order and prints one line a case. Each `NAME.bench.ts` exports `run(report, options)`; nothing here asserts a time.
// `--cases` and `--seconds` choose what `s3` loads and for how long; the latter holds for `slow-disk`, too;
// `--gigabytes` how much `reclaim` stores.
import { accessSync, constants, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { CASE_NAMES } from './load/cases.ts'

export interface Measurement {
  readonly case: string
  readonly value: number
  readonly unit: string
}
/** Everything reported is in the JSON; `isPrinted: false` when the benchmark prints a line of its own. */
export type Report = (measurement: Measurement, how?: { isPrinted: boolean }) => void

export interface BenchOptions {
  /** Empty: all. */
  readonly cases: readonly string[]
  readonly seconds: number
  readonly gigabytes: number
}

const NAMES = ['codec', 'runtime', 'metadata', 's3', 'slow-disk', 'reclaim'] as const

const HELP = `usage: npm run bench -- [NAME …] [flags]

Runs the benchmarks in order and prints one line a case. NAME: ${NAMES.join(', ')}; without one, all of them.

  --json FILE         also writes [{ case, value, unit }, …]
  --cases NAME,NAME   of s3 alone: ${CASE_NAMES.join(', ')}
  --seconds N         how long s3 and slow-disk load each case; 5 by default
  --gigabytes N       how much reclaim stores; 1 by default
  --help              this
`

const requireWritable = (directory: string): void => {
  try {
    accessSync(directory, constants.W_OK)
  } catch (error) {
    throw new Error(`${directory} cannot be written to (${(error as NodeJS.ErrnoException).code})`)
  }
}

const requireCases = (cases: readonly string[], benches: readonly string[]): void => {
  if (benches.length !== 1 || benches[0] !== 's3') throw new Error('--cases chooses among those of s3 alone')
  const unknown = cases.find((name) => !CASE_NAMES.includes(name))
  if (unknown !== undefined) {
    throw new Error(`no case is named ${unknown}; there are ${CASE_NAMES.join(', ')}`)
  }
}

/** What was asked for, undefined for help; one sentence and exit code 2 when it cannot be, before anything is measured for minutes. */
const readArguments = ():
  | { names: readonly string[]; json: string | undefined; options: BenchOptions }
  | undefined => {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: 'string' },
      cases: { type: 'string' },
      seconds: { type: 'string', default: '5' },
      gigabytes: { type: 'string', default: '1' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  })
  if (values.help) return undefined
  const unknown = positionals.find((name) => !NAMES.some((known) => known === name))
  if (unknown !== undefined) {
    throw new Error(`no benchmark is named ${unknown}; there are ${NAMES.join(', ')}`)
  }
  if (values.json !== undefined) requireWritable(dirname(resolve(values.json)))
  const cases = values.cases?.split(',') ?? []
  if (values.cases !== undefined) requireCases(cases, positionals)
  return {
    names: positionals.length > 0 ? positionals : NAMES,
    json: values.json,
    options: {
      cases,
      seconds: Math.max(1, Math.floor(Number(values.seconds)) || 5),
      gigabytes: Math.max(0.1, Number(values.gigabytes) || 1),
    },
  }
}

const readOrExit = (): ReturnType<typeof readArguments> => {
  try {
    return readArguments()
  } catch (error) {
    console.error(`bench: ${(error as Error).message}`)
    process.exit(2)
  }
}
const asked = readOrExit()
if (!asked) {
  process.stdout.write(HELP)
  process.exit(0)
}
const { names, json, options } = asked

const measurements: Measurement[] = []
const report: Report = (measurement, { isPrinted } = { isPrinted: true }) => {
  measurements.push(measurement)
  if (!isPrinted) return
  console.log(
    `${measurement.case.padEnd(56)} ${measurement.value.toFixed(2).padStart(14)} ${measurement.unit}`,
  )
}
for (const name of names) {
  const { run } = (await import(`./${name}.bench.js`)) as {
    run: (report: Report, options: BenchOptions) => Promise<void>
  }
  await run(report, options)
}
if (json !== undefined) writeFileSync(json, `${JSON.stringify(measurements, null, 2)}\n`)
