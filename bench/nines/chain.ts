// The formula: the model as a Markov chain, solved exactly. A state is how many disks are out and how many of the others
// are damaged; all disks are alike, so nothing more need be known. The chain ends when something is lost.
//
// Losses are rare, 10^-15 a year and less, so nothing may be subtracted: the difference of two numbers near 1 would be noise. The
// mean time is found by eliminating one state after another, as Grassmann, Taksar and Heyman do ("Regenerative Analysis and
// Steady State Distributions for Markov Chains", Operations Research 33 (5), 1985), with sums, products and quotients of
// positive numbers alone; the chance within a year by uniformization (Jensen 1953) for a short time and squaring.
import { cleaningsPerYear, type SetModel } from './model.ts'

interface State {
  readonly out: number
  readonly damaged: number
}

export interface Formula {
  /** Mean time until something is lost, from the day when all disks are good. */
  readonly mttdlYears: number
  /** The chance that something is lost within the first year. */
  readonly yearlyLoss: number
}

/** Rates from each state to each, in rows; the last column is loss, and state 0 has all disks good. */
interface Chain {
  readonly states: number
  readonly rates: Float64Array[]
}

export const solve = (model: SetModel): Formula => {
  const chain = chainOf(model)
  return { mttdlYears: meanYears(chain), yearlyLoss: lossWithin(chain, 1) }
}

const chainOf = (model: SetModel): Chain => {
  const states = statesOf(model)
  const places = new Map(states.map((state, index) => [placeOf(state), index]))
  const rates = states.map((state) => {
    const row = new Float64Array(states.length + 1)
    for (const { to, rate } of stepsFrom(model, state)) {
      const column = to === 'lost' ? states.length : places.get(placeOf(to))!
      row[column] = row[column]! + rate
    }
    return row
  })
  return { states: states.length, rates }
}

const placeOf = ({ out, damaged }: State): string => `${out} ${damaged}`

/** Those in which nothing is lost yet; with `parity` disks out no other is damaged. */
const statesOf = ({ disks, parity }: SetModel): State[] => {
  const states: State[] = []
  for (let out = 0; out <= parity; out++) {
    const damagedMax = out === parity ? 0 : disks - out
    for (let damaged = 0; damaged <= damagedMax; damaged++) states.push({ out, damaged })
  }
  return states
}

interface Step {
  readonly to: State | 'lost'
  readonly rate: number
}

const stepsFrom = (model: SetModel, { out, damaged }: State): Step[] => {
  const { disks, parity, failuresPerYear, repairsPerYear, damagesPerYear } = model
  const reach = (state: State): State | 'lost' =>
    state.out > parity || (state.out === parity && state.damaged > 0) ? 'lost' : state
  const clean = disks - out - damaged
  const steps: Step[] = [
    { to: reach({ out: out + 1, damaged }), rate: clean * failuresPerYear },
    { to: reach({ out, damaged: damaged + 1 }), rate: clean * damagesPerYear },
  ]
  if (damaged > 0) {
    steps.push({ to: reach({ out: out + 1, damaged: damaged - 1 }), rate: damaged * failuresPerYear })
    steps.push({ to: { out, damaged: damaged - 1 }, rate: damaged * cleaningsPerYear(model) })
  }
  if (out > 0) steps.push({ to: { out: out - 1, damaged }, rate: repairsPerYear })
  return steps.filter(({ rate }) => rate > 0)
}

/** Takes states out from the last on: who went there goes at once where it would have gone next, and keeps the time it took. */
const meanYears = ({ states, rates: given }: Chain): number => {
  const rates = given.map((row) => row.slice())
  const years = new Float64Array(states).fill(1)
  for (let gone = states - 1; gone > 0; gone--) {
    const from = rates[gone]!
    let leaving = from[states]!
    for (let to = 0; to < gone; to++) leaving += from[to]!
    for (let state = 0; state < gone; state++) {
      const row = rates[state]!
      const share = row[gone]! / leaving
      if (share === 0) continue
      years[state] = years[state]! + share * years[gone]!
      row[states] = row[states]! + share * from[states]!
      for (let to = 0; to < gone; to++) row[to] = row[to]! + share * from[to]!
    }
  }
  return years[0]! / rates[0]![states]!
}

/** More than enough for terms that shrink faster than 1 / count!. */
const TERMS = 24

/** The chance of loss within `years`. */
const lossWithin = (chain: Chain, years: number): number => {
  const size = chain.states + 1
  // No step leads from a state to itself.
  const fastest = Math.max(...chain.rates.map((row) => row.reduce((sum, rate) => sum + rate, 0)))
  // Twice the fastest: what stays in a state is at least a half, and no small difference.
  const uniform = 2 * fastest
  const doublings = Math.max(0, Math.ceil(Math.log2(uniform * years)))
  const jumps = (uniform * years) / 2 ** doublings
  let within = exponential(jumpMatrix(chain, uniform), jumps, size)
  for (let i = 0; i < doublings; i++) within = normalized(multiply(within, within, size), size)
  return within[chain.states]!
}

const jumpMatrix = ({ states, rates }: Chain, uniform: number): Float64Array => {
  const size = states + 1
  const matrix = new Float64Array(size * size)
  for (const [state, row] of rates.entries()) {
    let leaving = 0
    for (let to = 0; to < size; to++) {
      leaving += row[to]!
      matrix[state * size + to] = row[to]! / uniform
    }
    matrix[state * size + state] = 1 - leaving / uniform
  }
  matrix[size * size - 1] = 1
  return matrix
}

/** e^-jumps × the sum of jumps^i / i! × matrix^i. */
const exponential = (matrix: Float64Array, jumps: number, size: number): Float64Array => {
  let power = new Float64Array(size * size)
  for (let i = 0; i < size; i++) power[i * size + i] = 1
  const sum = new Float64Array(size * size)
  let factor = Math.exp(-jumps)
  for (let term = 0; term <= TERMS; term++) {
    for (let at = 0; at < sum.length; at++) sum[at] = sum[at]! + factor * power[at]!
    power = multiply(power, matrix, size)
    factor *= jumps / (term + 1)
  }
  return normalized(sum, size)
}

const multiply = (left: Float64Array, right: Float64Array, size: number): Float64Array<ArrayBuffer> => {
  const product = new Float64Array(size * size)
  for (let row = 0; row < size; row++) {
    for (let middle = 0; middle < size; middle++) {
      const factor = left[row * size + middle]!
      if (factor === 0) continue
      for (let column = 0; column < size; column++) {
        const at = row * size + column
        product[at] = product[at]! + factor * right[middle * size + column]!
      }
    }
  }
  return product
}

/** Rows are chances and add up to 1; rounding must not grow with each squaring. */
const normalized = (matrix: Float64Array, size: number): Float64Array => {
  for (let row = 0; row < size; row++) {
    let sum = 0
    for (let column = 0; column < size; column++) sum += matrix[row * size + column]!
    for (let at = row * size; at < (row + 1) * size; at++) matrix[at] = matrix[at]! / sum
  }
  return matrix
}
