// One store's figures: the formula and the Monte Carlo beside each other, what becomes of several sets, and the floor that the
// one host sets under all of it.
import type { Random } from '../../src/base/prng.ts'
import type { StoreModel } from './arguments.ts'
import { type Formula, solve } from './chain.ts'
import { anyOf, textbookYears } from './model.ts'
import { type Estimate, type Simulated, simulate } from './simulation.ts'

export interface Assessment extends StoreModel {
  /** Of the disks of the store, without latent errors, by the approximation of the textbooks. */
  readonly textbookYears: number
  /** Of the disks of the store. */
  readonly formula: Formula
  readonly simulated: Simulated
  /** Undefined: the Monte Carlo has no interval. */
  readonly isWithin?: boolean
  /** The chance of losing something in a year, the loss of the host included. */
  readonly yearlyLoss: number
}

export const assess = (
  store: StoreModel,
  { hostLoss, random, eventsMax }: { hostLoss: number; random: Random; eventsMax: number },
): Assessment => {
  const { set, sets } = store
  const one = solve(set)
  const simulated = ofSets(simulate(set, random, eventsMax), sets)
  // The first of several losses that each have an exponential distribution.
  const formula = { mttdlYears: one.mttdlYears / sets, yearlyLoss: anyOf(one.yearlyLoss, sets) }
  return {
    ...store,
    textbookYears: textbookYears(set) / sets,
    formula,
    simulated,
    ...(simulated.kind === 'resolved' && { isWithin: holds(simulated.mttdlYears, formula.mttdlYears) }),
    yearlyLoss: 1 - (1 - formula.yearlyLoss) * (1 - hostLoss),
  }
}

const holds = ({ low, high }: Estimate, value: number): boolean => value >= low && value <= high

const ofSets = (simulated: Simulated, sets: number): Simulated => {
  if (simulated.kind === 'unresolved') return simulated
  const each = ({ value, low, high }: Estimate, change: (of: number) => number): Estimate => ({
    value: change(value),
    low: change(low),
    high: change(high),
  })
  return {
    ...simulated,
    mttdlYears: each(simulated.mttdlYears, (years) => years / sets),
    yearlyLoss: each(simulated.yearlyLoss, (chance) => anyOf(chance, sets)),
  }
}
