// The Monte Carlo of the durability model: it agrees with the formula where losses are frequent and, with bent chance, where they
// are rare, and says so when it cannot tell.
import { solve } from '../../bench/nines/chain.ts'
import type { SetModel } from '../../bench/nines/model.ts'
import { type Estimate, type Simulated, simulate } from '../../bench/nines/simulation.ts'
import { createPrng, type Random } from '../../src/base/prng.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('nines simulation')
const LIMIT_MS = 60_000

const FREQUENT: SetModel = {
  disks: 6,
  parity: 2,
  failuresPerYear: 0.5,
  repairsPerYear: 12,
  damagesPerYear: 6,
  scrubYears: 1 / 12,
}
const RARE: SetModel = {
  disks: 6,
  parity: 2,
  failuresPerYear: 0.014,
  repairsPerYear: 2190,
  damagesPerYear: 0.1,
  scrubYears: 7 / 365,
}

/** 95 % of intervals hold the truth; five times as wide a one practically always does. */
const check = ({ value, low, high }: Estimate, truth: number): void => {
  const width = 2.5
  const isNear = truth >= value * (low / value) ** width && truth <= value * (high / value) ** width
  assert.ok(low < value && value < high, `${low} ${value} ${high}`)
  assert.ok(isNear, `${truth} is far from ${low} to ${high}`)
}

const resolve = (model: SetModel, random: Random, eventsMax: number) => {
  const found: Simulated = simulate(model, random, eventsMax)
  if (found.kind === 'unresolved') return assert.unreachable(found.reason) as never
  return found
}

test(
  'frequent losses are watched as they come, and the formula says the same',
  seeded(LIMIT_MS, (random) => {
    const found = resolve(FREQUENT, random, 2_000_000)
    const formula = solve(FREQUENT)
    assert.is(found.method, 'plain')
    check(found.mttdlYears, formula.mttdlYears)
    check(found.yearlyLoss, formula.yearlyLoss)
  }),
)

test(
  'rare losses are seen by bending chance, and the formula says the same',
  seeded(LIMIT_MS, (random) => {
    for (const model of [RARE, { ...RARE, damagesPerYear: 0 }]) {
      const found = resolve(model, random, 1_000_000)
      assert.is(found.method, 'biased')
      check(found.mttdlYears, solve(model).mttdlYears)
    }
  }),
)

test(
  'bent chance gives the same as plain chance where both can be had',
  seeded(LIMIT_MS, (random) => {
    // A quarter of the first budget holds no 2,500 lives.
    const bent = resolve(FREQUENT, random, 300_000)
    const plain = resolve(FREQUENT, random, 2_000_000)
    assert.equal([bent.method, plain.method], ['biased', 'plain'])
    check(bent.mttdlYears, solve(FREQUENT).mttdlYears)
    check(plain.mttdlYears, solve(FREQUENT).mttdlYears)
  }),
)

test('a disk alone lives by its rate', () => {
  const model = { ...RARE, disks: 1, parity: 0, failuresPerYear: 0.5 }
  const found = resolve(model, createPrng(1), 100_000)
  check(found.mttdlYears, 1 / 0.6)
  check(found.yearlyLoss, 1 - Math.exp(-0.6))
})

test('one seed gives one answer', () => {
  const of = (seed: number): Simulated => simulate(RARE, createPrng(seed), 100_000)
  assert.equal(of(7), of(7))
  assert.not.equal(of(7), of(8))
})

test('what it cannot tell is said, not guessed', () => {
  const { kind } = simulate({ ...RARE, disks: 16, parity: 12 }, createPrng(1), 10_000)
  assert.is(kind, 'unresolved')
  // So many latent errors between two failures that no round ends.
  const busy = { ...RARE, damagesPerYear: 1000, failuresPerYear: 1e-6 }
  const found = simulate(busy, createPrng(1), 100_000)
  assert.is(found.kind, 'unresolved')
  assert.ok(found.events < 110_000)
})

test.run()
