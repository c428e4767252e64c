// Every I/O step of every operation × {EIO, ENOSPC, short, torn, slow, hang}, once each: what has to hold is in one-case.ts, what a
// step and a fault are in support/io-steps.ts. A run takes some of the cases, and each time others, but at least one of each
// combination of an operation and a fault that there is, or it fails.
import { STEP_FAULTS } from '../support/io-steps.ts'
import { roundsOf } from '../support/rounds.ts'
import { seeded, suite } from '../support/uvu.ts'
import { type Counts, runCases } from './cases.ts'
import { OPERATIONS } from './operations.ts'

const test = suite('a fault at every step')
const LIMIT_MS = 1_200_000
/** One case in so many; every one with MORAINE_FAULTS_EVERY=1, which takes a quarter of an hour. */
const EVERY = Number(process.env['MORAINE_FAULTS_EVERY'] ?? roundsOf(100, 8))

const told: (readonly [string, Counts])[] = []

for (const operation of OPERATIONS) {
  test(
    operation.name,
    seeded(LIMIT_MS, async (_, seed) => {
      told.push([operation.name, await runCases(seed, operation, EVERY)])
    }),
  )
}

test.after(() => {
  const row = (cells: readonly (string | number)[]): string =>
    `${String(cells[0]).padEnd(28)}${cells
      .slice(1)
      .map((cell) => String(cell).padStart(8))
      .join('')}\n`
  process.stdout.write(`\n${row(['faults met', ...STEP_FAULTS])}`)
  for (const [name, counts] of told)
    process.stdout.write(row([name, ...STEP_FAULTS.map((fault) => counts[fault])]))
  const sumOf = (fault: (typeof STEP_FAULTS)[number]): number =>
    told.reduce((sum, [, counts]) => sum + counts[fault], 0)
  process.stdout.write(row(['in all', ...STEP_FAULTS.map(sumOf)]))
})

test.run()
