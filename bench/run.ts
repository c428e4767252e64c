// `npm run bench [-- codec|runtime|metadata|s3] [--json FILE] [--cases NAME,NAME] [--seconds N]`: runs the benchmarks in
// order and prints one line a case. Each `NAME.bench.ts` exports `run(report, options)`; nothing here asserts a time.
// `--cases` and `--seconds` choose what `s3` loads and for how long.
import { accessSync, constants, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseArgs } from 'node:util'

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
}

const NAMES = ['codec', 'runtime', 'metadata', 's3'] as const

/** What was asked for; one sentence and exit code 2 when it cannot be, before anything is measured for minutes. */
const readArguments = (): { names: readonly string[]; json: string | undefined; options: BenchOptions } => {
  const { values, positionals } = parseArgs({
    options: {
      json: { type: 'string' },
      cases: { type: 'string' },
      seconds: { type: 'string', default: '5' },
    },
    allowPositionals: true,
  })
  const unknown = positionals.find((name) => !NAMES.some((known) => known === name))
  if (unknown !== undefined) {
    throw new Error(`no benchmark is named ${unknown}; there are ${NAMES.join(', ')}`)
  }
  if (values.json !== undefined) accessSync(dirname(resolve(values.json)), constants.W_OK)
  return {
    names: positionals.length > 0 ? positionals : NAMES,
    json: values.json,
    options: {
      cases: values.cases?.split(',') ?? [],
      seconds: Math.max(1, Math.floor(Number(values.seconds)) || 5),
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
const { names, json, options } = readOrExit()

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
