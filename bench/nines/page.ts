// The page that `npm run nines` prints: what was assumed, a block for each geometry, and what one host can promise at all.
import type { Question, StoreModel } from './arguments.ts'
import type { Assessment } from './assess.ts'
import { HOURS_PER_YEAR, ninesOf } from './model.ts'
import type { Estimate, Simulated } from './simulation.ts'

const COLUMNS = [16, 38, 40] as const

export const formatAssumptions = ({ stores, hostLoss, seed }: Question): string => {
  const { failuresPerYear, repairsPerYear, damagesPerYear, scrubYears } = stores[0]!.set
  return [
    `assumed: a disk fails ${figure(failuresPerYear)} times a year and has ${figure(damagesPerYear)} latent errors; ` +
      `a repair takes ${time(1 / repairsPerYear)}, a scrub ${time(scrubYears)};`,
    `failures come alone and at one rate; the host is lost with a chance of ${figure(hostLoss)} a year; seed ${seed}`,
    '',
  ].join('\n')
}

export const formatAssessment = (assessment: Assessment): string => {
  const { textbookYears, formula, simulated } = assessment
  return [
    titleOf(assessment),
    row('', 'mean time to loss', 'chance of loss in a year'),
    row('textbook', `${figure(textbookYears)} years`, 'no latent errors, fast repairs'),
    row('formula', `${figure(formula.mttdlYears)} years`, chance(formula.yearlyLoss)),
    ...formatSimulated(simulated, assessment),
    row('with the host', '', chance(assessment.yearlyLoss)),
    '',
  ].join('\n')
}

const formatSimulated = (simulated: Simulated, { formula, isWithin }: Assessment): string[] => {
  if (simulated.kind === 'unresolved') {
    return [row('Monte Carlo', `not resolved: ${simulated.reason}`, `${simulated.events} events`)]
  }
  const { mttdlYears, yearlyLoss, method, losses, events } = simulated
  const ratio = formula.mttdlYears / mttdlYears.value
  return [
    row('Monte Carlo', `${interval(mttdlYears)} years`, interval(yearlyLoss)),
    row('', `${method}, ${losses} losses in ${events} events`, ''),
    row(
      'compared',
      `formula / Monte Carlo = ${ratio.toFixed(3)}`,
      isWithin ? 'within the 95 % interval' : 'outside the 95 % interval',
    ),
  ]
}

/** The limit that no number of disks moves. */
export const formatFloor = ({ hostLoss }: Question, assessments: readonly Assessment[]): string => {
  const head =
    'One host: fire, theft, a power supply that takes all disks, an operator or a program that deletes, a defect of Moraine.\n'
  if (hostLoss === 0) return `${head}--host 0 leaves all of that out: no such host exists.\n`
  const best = Math.min(...assessments.map(({ formula }) => formula.yearlyLoss))
  const times = hostLoss / best
  const verdict =
    times > 1
      ? `${figure(times)} times what the disks of the best geometry add`
      : `less than what the disks add: more parity, faster repairs or scrubs still help`
  return (
    `${head}With ${figure(hostLoss)} a year, an assumption and no measurement, this floor alone is ${nines(hostLoss)}, ${verdict}.\n` +
    `Only a copy on another host, which this one cannot delete, is better than the floor.\n`
  )
}

const titleOf = ({ sets, set }: StoreModel): string => {
  const geometry = set.parity === 0 ? `${set.disks}, no parity` : `${set.disks - set.parity}+${set.parity}`
  return sets === 1 ? geometry : `${geometry}, ${sets} sets`
}

const row = (...cells: readonly string[]): string =>
  cells
    .map((cell, column) => cell.padEnd(COLUMNS[column] ?? 0))
    .join('  ')
    .trimEnd()

const chance = (value: number): string => `${figure(value)}, ${nines(value)}`
const nines = (value: number): string => `${ninesOf(value).toFixed(1)} nines`
const interval = ({ value, low, high }: Estimate): string =>
  `${figure(value)} (${figure(low)} to ${figure(high)})`

/** Three digits, and no more than six zeros. */
const figure = (value: number): string => {
  if (value === 0 || (value >= 1e-3 && value < 1e6)) return String(Number(value.toPrecision(3)))
  return value.toExponential(2)
}

const time = (years: number): string => {
  const hours = years * HOURS_PER_YEAR
  if (hours >= 48) return `${figure(hours / 24)} days`
  return hours >= 1 ? `${figure(hours)} hours` : `${figure(hours * 60)} minutes`
}
