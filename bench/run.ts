// `npm run bench [-- codec|runtime|metadata|s3] [--json FILE]`: runs the benchmarks in order and prints one line a case.
// Each `NAME.bench.ts` exports `run(report)`; nothing here asserts a time.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

export interface Measurement {
  readonly case: string
  readonly value: number
  readonly unit: string
}
export type Report = (measurement: Measurement) => void

const NAMES = ['codec', 'runtime', 'metadata', 's3'] as const

const { values, positionals } = parseArgs({ options: { json: { type: 'string' } }, allowPositionals: true })
const unknown = positionals.find((name) => !NAMES.some((known) => known === name))
if (unknown !== undefined) {
  console.error(`no benchmark is named ${unknown}; there are ${NAMES.join(', ')}`)
  process.exit(2)
}

const measurements: Measurement[] = []
const report: Report = (measurement) => {
  measurements.push(measurement)
  console.log(
    `${measurement.case.padEnd(56)} ${measurement.value.toFixed(2).padStart(14)} ${measurement.unit}`,
  )
}
for (const name of positionals.length > 0 ? positionals : NAMES) {
  const { run } = (await import(`./${name}.bench.js`)) as { run: (report: Report) => Promise<void> }
  await run(report)
}
if (values.json) writeFileSync(values.json, `${JSON.stringify(measurements, null, 2)}\n`)
