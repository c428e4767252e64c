// Monte Carlo: the disks of a set one by one, event by event, with a seed. It shares with the formula the rates and
// nothing else: here are disks with states, a queue of repairs, and the question after each event whether something is
// lost.
//
// Frequent losses are watched as they come: lives of the set from all good to the first loss. Rare ones never come, so chance is
// bent and each event weighed by how much it was bent. A set that begins anew after each loss is watched honestly, in rounds
// from no disk out to no disk out; each time its first disk fails, episodes are played from that state in which failing on is
// about as likely as mending, whatever the rates. By the renewal theorem
//
//   MTTDL = mean length of a round / mean chance that an episode ends in loss,
//
// where that chance is the mean of the weights of those that did. This is failure biasing, whose relative error stays
// bounded as losses grow rarer: Goyal et al., "A Unified Framework for Simulating Markovian Models of Highly Dependable
// Systems", IEEE Transactions on Computers 41 (1), 1992; Shahabuddin, "Importance Sampling for the Simulation of
// Highly Reliable Markovian Systems", Management Science 40 (3), 1994; Nicola, Shahabuddin and Nakayama, "Techniques for
// Fast Simulation of Models of Highly Dependable Systems", IEEE Transactions on Reliability 50 (3), 2001. Rounds that follow
// each other resemble each other, so the interval comes from batches of them.
import type { Random } from '../../src/base/prng.ts'
import { cleaningsPerYear, type SetModel } from './model.ts'

/** With a 95 % confidence interval. */
export interface Estimate {
  readonly value: number
  readonly low: number
  readonly high: number
}

export type Simulated =
  | {
      readonly kind: 'resolved'
      /** `biased`: chance was bent, and `losses` are episodes that ended in one. */
      readonly method: 'plain' | 'biased'
      readonly mttdlYears: Estimate
      readonly yearlyLoss: Estimate
      readonly losses: number
      readonly events: number
    }
  | { readonly kind: 'unresolved'; readonly reason: string; readonly events: number }

/** As many lives give the mean within 4 %. */
const LIVES = 2500
/** Fewer say too little of a spread to give an interval. */
const LOSSES_MIN = 100
/** Half an interval, relative to the value. */
const RELATIVE_ERROR_MAX = 0.5
/** One episode that is a tenth of the sum says that heavier ones have not been met. */
const SHARE_MAX = 0.1
/** How likely a bent set becomes worse, at least. */
const BIAS = 0.5
/** Episodes from one state: together about as many events as the round they belong to. */
const EPISODES = 8
const BATCHES = 40
/** Of Student's distribution with one degree of freedom less than there are batches, for 95 %. */
const T = 2.02
/** The share of the events spent on plain lives before chance is bent. */
const PLAIN_SHARE = 0.25
/** Of the normal distribution, for 95 %. */
const Z = 1.96

/** Ends after about `eventsMax` events at the latest. */
export const simulate = (model: SetModel, random: Random, eventsMax: number): Simulated => {
  const set = createSet(model, random)
  const lives = plainLives(set, eventsMax * PLAIN_SHARE)
  if (lives) return { ...fromLives(lives), events: set.events() }
  const { rounds, losses, heaviest } = watchRounds(set, eventsMax)
  const events = set.events()
  if (losses < LOSSES_MIN || rounds.length < BATCHES) {
    return { kind: 'unresolved', reason: `${losses} losses in ${rounds.length} rounds are too few`, events }
  }
  const years = meanOf(rounds.map((round) => round.years))
  const chance = meanOf(rounds.map((round) => round.chance))
  const relative = T * ratioError(rounds, chance / years)
  if (heaviest > SHARE_MAX * chance * rounds.length || relative > RELATIVE_ERROR_MAX) {
    return { kind: 'unresolved', reason: `the episodes differ too much: ±${percent(relative)}`, events }
  }
  const mttdlYears = around(years / chance, relative)
  return { kind: 'resolved', method: 'biased', mttdlYears, yearlyLoss: yearOf(mttdlYears), losses, events }
}

const around = (value: number, relative: number): Estimate => ({
  value,
  low: value * Math.exp(-relative),
  high: value * Math.exp(relative),
})

const fromLives = (lives: readonly number[]) => {
  const mttdlYears = around(meanOf(lives), Z * relativeError(lives))
  const ended = lives.filter((years) => years < 1).length
  return {
    kind: 'resolved' as const,
    method: 'plain' as const,
    mttdlYears,
    yearlyLoss: ended < LOSSES_MIN ? yearOf(mttdlYears) : wilson(ended, lives.length),
    losses: lives.length,
  }
}

/** When losses are rare their times have an exponential distribution, as good as exactly. */
const yearOf = ({ value, low, high }: Estimate): Estimate => ({
  value: -Math.expm1(-1 / value),
  low: -Math.expm1(-1 / high),
  high: -Math.expm1(-1 / low),
})

/** Wilson's interval of a share, "Probable Inference", JASA 22, 1927: it stays within 0 and 1. */
const wilson = (found: number, count: number): Estimate => {
  const share = found / count
  const middle = (share + Z ** 2 / (2 * count)) / (1 + Z ** 2 / count)
  const half =
    (Z / (1 + Z ** 2 / count)) * Math.sqrt((share * (1 - share)) / count + Z ** 2 / (4 * count ** 2))
  return { value: share, low: middle - half, high: middle + half }
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Standard error of the mean by the mean. */
const relativeError = (values: readonly number[]): number => {
  const mean = meanOf(values)
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return Math.sqrt(squares / (values.length - 1) / values.length) / mean
}

/** Standard error of the rate of losses by the rate, from the sums of batches. */
const ratioError = (rounds: readonly Round[], rate: number): number => {
  const size = Math.ceil(rounds.length / BATCHES)
  let squares = 0
  let chances = 0
  for (let first = 0; first < rounds.length; first += size) {
    let chance = 0
    let years = 0
    for (const round of rounds.slice(first, first + size)) {
      chance += round.chance
      years += round.years
    }
    squares += (chance - rate * years) ** 2
    chances += chance
  }
  return Math.sqrt((squares * BATCHES) / (BATCHES - 1)) / chances
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`

type DiskSet = ReturnType<typeof createSet>

/** Years of `LIVES` lives; undefined when the events do not suffice: those that ended would be the short ones. */
const plainLives = (set: DiskSet, eventsMax: number): number[] | undefined => {
  const lives: number[] = []
  while (lives.length < LIVES) {
    let years = 0
    set.renew()
    while (!set.isLost()) {
      if (set.events() >= eventsMax) return undefined
      years += set.step('plain').years
    }
    lives.push(years)
  }
  return lives
}

interface Round {
  readonly years: number
  /** That the episode which began in it ends in loss, as far as its bent repetitions tell. */
  readonly chance: number
}

interface Rounds {
  readonly rounds: readonly Round[]
  readonly losses: number
  /** The greatest part that one episode has in the sum of chances. */
  readonly heaviest: number
}

const watchRounds = (set: DiskSet, eventsMax: number): Rounds => {
  const rounds: Round[] = []
  let losses = 0
  let heaviest = 0
  set.renew()
  for (;;) {
    let years = 0
    while (!set.hasOut()) {
      if (set.events() >= eventsMax) return { rounds, losses, heaviest }
      years += set.step('plain').meanYears
    }
    const start = set.save()
    let chance = 0
    for (let i = 0; i < EPISODES; i++) {
      const weight = episode(set)
      if (weight > 0) losses++
      heaviest = Math.max(heaviest, weight / EPISODES)
      chance += weight / EPISODES
      set.restore(start)
    }
    while (set.hasOut() && !set.isLost()) years += set.step('plain').meanYears
    if (set.isLost()) set.renew()
    rounds.push({ years, chance })
  }
}

/** Its weight when it ended in loss, else 0. */
const episode = (set: DiskSet): number => {
  let weight = 1
  while (!set.isLost()) {
    if (!set.hasOut()) return 0
    weight *= set.step('bent').weight
  }
  return weight
}

// States of a disk.
const GOOD = 0
const DAMAGED = 1
const OUT = 2
// Events; the first two make the set worse.
const FAIL = 0
const DAMAGE = 1
const CLEAN = 2
const REPAIR = 3
const EVENTS = 4

const createSet = (model: SetModel, random: Random) => {
  const { disks, parity } = model
  const cleanings = cleaningsPerYear(model)
  const states = new Uint8Array(disks)
  /** Who failed first is repaired first. */
  const repairs: number[] = []
  /** Of each event a year, and its chance of being the next. */
  const rates = new Float64Array(EVENTS)
  const chances = new Float64Array(EVENTS)
  let events = 0
  const uniform = (): number => (random.below(2 ** 32) + 0.5) / 2 ** 32
  const countOf = (state: number): number => {
    let count = 0
    for (const one of states) if (one === state) count++
    return count
  }
  /** One of the disks for which it holds, all equally likely. */
  const pick = (isMeant: (state: number) => boolean): number => {
    for (;;) {
      const disk = random.below(disks)
      if (isMeant(states[disk]!)) return disk
    }
  }
  const apply = (event: number): void => {
    if (event === REPAIR) states[repairs.shift()!] = GOOD
    else if (event === CLEAN) states[pick((state) => state === DAMAGED)] = GOOD
    else if (event === DAMAGE) states[pick((state) => state === GOOD)] = DAMAGED
    else {
      const disk = pick((state) => state !== OUT)
      states[disk] = OUT
      repairs.push(disk)
    }
  }
  /** Each way of becoming worse gets its share of `BIAS` at least; what is likely enough, and mending, share the rest as they did. */
  const bend = (): void => {
    const least = BIAS / ((rates[FAIL]! > 0 ? 1 : 0) + (rates[DAMAGE]! > 0 ? 1 : 0))
    let raised = 0
    let before = 0
    for (let event = FAIL; event <= DAMAGE; event++) {
      if (rates[event] === 0 || chances[event]! >= least) continue
      raised += least
      before += chances[event]!
    }
    for (let event = 0; event < EVENTS; event++) {
      const isRaised = event <= DAMAGE && chances[event]! < least && rates[event]! > 0
      chances[event] = isRaised ? least : (chances[event]! * (1 - raised)) / (1 - before)
    }
  }
  const draw = (): number => {
    let left = uniform()
    let last = FAIL
    for (let event = 0; event < EVENTS; event++) {
      if (chances[event] === 0) continue
      last = event
      left -= chances[event]!
      if (left < 0) break
    }
    return last
  }
  return {
    events: () => events,
    hasOut: () => repairs.length > 0,
    isLost: () => {
      const out = countOf(OUT)
      return out > parity || (out === parity && countOf(DAMAGED) > 0)
    },
    renew(): void {
      states.fill(GOOD)
      repairs.length = 0
    },
    save: () => ({ states: states.slice(), repairs: [...repairs] }),
    restore(saved: { states: Uint8Array; repairs: readonly number[] }): void {
      states.set(saved.states)
      repairs.splice(0, repairs.length, ...saved.repairs)
    },
    /** `weight`: how much more likely the event is in truth than it was made. */
    step(chance: 'plain' | 'bent'): { years: number; meanYears: number; weight: number } {
      events++
      const good = countOf(GOOD)
      const damaged = countOf(DAMAGED)
      rates[FAIL] = (good + damaged) * model.failuresPerYear
      rates[DAMAGE] = good * model.damagesPerYear
      rates[CLEAN] = damaged * cleanings
      rates[REPAIR] = repairs.length > 0 ? model.repairsPerYear : 0
      const total = rates[FAIL]! + rates[DAMAGE]! + rates[CLEAN]! + rates[REPAIR]!
      for (let event = 0; event < EVENTS; event++) chances[event] = rates[event]! / total
      if (chance === 'bent') bend()
      const event = draw()
      apply(event)
      return {
        years: -Math.log(uniform()) / total,
        meanYears: 1 / total,
        weight: rates[event]! / total / chances[event]!,
      }
    },
  }
}
