// The formula of the durability model against what is known in closed form: textbooks, distributions, limits.
import { solve } from '../../bench/nines/chain.ts'
import { anyOf, ninesOf, type SetModel, textbookYears } from '../../bench/nines/model.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('nines chain')

const model = (changes: Partial<SetModel>): SetModel => ({
  disks: 2,
  parity: 1,
  failuresPerYear: 0.014,
  repairsPerYear: 2190,
  damagesPerYear: 0,
  scrubYears: 7 / 365,
  ...changes,
})

const check = (found: number, expected: number, relative: number): void => {
  assert.ok(Math.abs(found / expected - 1) <= relative, `${found} instead of ${expected}`)
}

test('a mirror loses something after (3λ + μ) / 2λ² years', () => {
  for (const [failuresPerYear, repairsPerYear] of [
    [0.014, 2190],
    [1e-9, 1e6],
    [3, 0.5],
  ] as const) {
    const expected = (3 * failuresPerYear + repairsPerYear) / (2 * failuresPerYear ** 2)
    check(solve(model({ failuresPerYear, repairsPerYear })).mttdlYears, expected, 1e-12)
  }
})

test('a group with one parity disk loses something after ((2n - 1)λ + μ) / n(n - 1)λ² years', () => {
  const [disks, failuresPerYear, repairsPerYear] = [9, 0.02, 100]
  const expected =
    ((2 * disks - 1) * failuresPerYear + repairsPerYear) / (disks * (disks - 1) * failuresPerYear ** 2)
  check(solve(model({ disks, failuresPerYear, repairsPerYear })).mttdlYears, expected, 1e-12)
})

/** The mean way up a chain of births and deaths: each step costs itself and the way back from below. */
const birthsAndDeaths = ({ disks, parity, failuresPerYear, repairsPerYear }: SetModel): number => {
  let years = 0
  let step = 0
  for (let out = 0; out <= parity; out++) {
    const rate = (disks - out) * failuresPerYear
    step = 1 / rate + (out === 0 ? 0 : (repairsPerYear / rate) * step)
    years += step
  }
  return years
}

test('every geometry without latent errors is a chain of births and deaths', () => {
  for (let disks = 1; disks <= 16; disks++) {
    for (let parity = 0; parity < disks; parity++) {
      const set = model({ disks, parity })
      check(solve(set).mttdlYears, birthsAndDeaths(set), 1e-11)
    }
  }
})

test('with fast repairs it comes near the approximation of the textbooks', () => {
  for (const [disks, parity] of [
    [2, 1],
    [6, 2],
    [12, 4],
  ] as const) {
    const set = model({ disks, parity, repairsPerYear: 1e6 })
    check(solve(set).mttdlYears, textbookYears(set), 1e-5)
  }
})

test('without repairs the disks die one after another, and a year takes a binomial share of them', () => {
  const [disks, parity, failuresPerYear] = [12, 4, 0.3]
  const found = solve(model({ disks, parity, failuresPerYear, repairsPerYear: 0 }))
  let years = 0
  for (let out = 0; out <= parity; out++) years += 1 / ((disks - out) * failuresPerYear)
  check(found.mttdlYears, years, 1e-12)
  const dead = -Math.expm1(-failuresPerYear)
  let chance = 0
  let ways = 1
  for (let count = 0; count <= disks; count++) {
    if (count > parity) chance += ways * dead ** count * (1 - dead) ** (disks - count)
    ways *= (disks - count) / (count + 1)
  }
  check(found.yearlyLoss, chance, 1e-10)
})

test('without parity the first failure or latent error is the end', () => {
  const rate = 3 * (0.014 + 0.2)
  const found = solve(model({ disks: 3, parity: 0, damagesPerYear: 0.2 }))
  check(found.mttdlYears, 1 / rate, 1e-12)
  check(found.yearlyLoss, -Math.expm1(-rate), 1e-11)
})

test('a mirror whose repairs take no time loses what is damaged when the other disk fails', () => {
  const [damagesPerYear, scrubYears, failuresPerYear] = [3, 0.5, 1e-5]
  const set = model({ repairsPerYear: 1e9, damagesPerYear, scrubYears, failuresPerYear })
  const damaged = -Math.expm1((-damagesPerYear * scrubYears) / 2)
  check(solve(set).mttdlYears, 1 / (2 * failuresPerYear * damaged), 1e-3)
})

test('rare losses keep their digits: the chance of a year is a year by the mean time', () => {
  const set = model({ disks: 16, parity: 8, failuresPerYear: 0.001, repairsPerYear: 8760 })
  const { mttdlYears, yearlyLoss } = solve(set)
  assert.ok(yearlyLoss < 1e-40 && yearlyLoss > 0)
  check(mttdlYears * yearlyLoss, 1, 2e-3)
})

test('the mean time grows with the power of the parity for repairs, and one more for failures', () => {
  for (const [disks, parity] of [
    [2, 1],
    [6, 2],
    [9, 3],
    [12, 4],
  ] as const) {
    const years = solve(model({ disks, parity, repairsPerYear: 1e6 })).mttdlYears
    check(solve(model({ disks, parity, repairsPerYear: 1e7 })).mttdlYears / years, 10 ** parity, 1e-3)
    const rarer = model({ disks, parity, repairsPerYear: 1e6, failuresPerYear: 0.007 })
    check(solve(rarer).mttdlYears / years, 2 ** (parity + 1), 1e-3)
  }
})

test('more latent errors and longer scrubs only ever shorten it', () => {
  let before = Number.POSITIVE_INFINITY
  for (const [damagesPerYear, scrubDays] of [
    [0, 7],
    [0.1, 1],
    [0.1, 7],
    [0.1, 70],
    [10, 70],
    [1000, 7000],
  ] as const) {
    const set = model({ disks: 12, parity: 4, damagesPerYear, scrubYears: scrubDays / 365 })
    const { mttdlYears, yearlyLoss } = solve(set)
    assert.ok(mttdlYears < before, `${damagesPerYear} errors, ${scrubDays} days: ${mttdlYears}`)
    assert.ok(yearlyLoss > 0 && yearlyLoss < 1)
    before = mttdlYears
  }
})

test('several sets lose together more often, and nines count zeros', () => {
  check(anyOf(1e-18, 4), 4e-18, 1e-12)
  check(anyOf(0.5, 2), 0.75, 1e-12)
  check(ninesOf(1e-6), 6, 1e-12)
})

test.run()
