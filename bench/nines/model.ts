// The durability model: what happens to one erasure set, as rates, and when something of it is lost. All times are years
// of 365 days. Both ways of reckoning, chain.ts and simulation.ts, take these rates and nothing else from here.
//
// - A disk fails `failuresPerYear` times a year (the AFR as Backblaze counts it: failures by drive years), always at the
//   same rate. Patterson, Gibson and Katz, "A Case for Redundant Arrays of Inexpensive Disks", SIGMOD 1988.
// - One failed disk at a time is repaired, the mean from its failure to full redundancy being 1 / `repairsPerYear`: the
//   repairer is one, and the wait for a new disk belongs to the repair.
// - A disk that is up gets a latent error `damagesPerYear` times a year: bytes that can no longer be read, or read wrong,
//   and nobody knows. Elerath and Pecht, "A Highly Accurate Method for Assessing Reliability of Redundant Arrays of
//   Inexpensive Disks", IEEE Transactions on Computers 58 (3), 2009; Schroeder, Damouras and Gill, "Understanding Latent
//   Sector Errors and How to Protect Against Them", FAST 2010.
// - A scrub passes each place once in `scrubYears` and mends what it finds, so that an error lasts half of that in the mean.
// - Something is lost when more than `parity` disks are out, or when exactly `parity` are out and any other is damaged: what is
//   damaged then has no shard to spare. Whatever is damaged counts as data; two errors of two disks in one stripe
//   are left out (they are rarer than this by the number of stripes of a disk).
//
// What the model does not know: failures that come together (one batch, one power supply, one controller), disks that wear,
// and everything that takes the whole host. Greenan, Plank and Wylie, "Mean Time to Meaningless", HotStorage 2010, say
// why an MTTDL of 10^9 years promises nothing about 10^9 years; it compares geometries.

export const HOURS_PER_YEAR = 365 * 24

export interface SetModel {
  /** k + m: every object has a shard on each. */
  readonly disks: number
  readonly parity: number
  readonly failuresPerYear: number
  /** 0: nothing is ever repaired. */
  readonly repairsPerYear: number
  readonly damagesPerYear: number
  readonly scrubYears: number
}

/**
 * How often a year a damaged disk becomes clean again. Errors come one by one and each lasts half a tour in the mean; a disk is
 * damaged while any lasts. That is the busy period of a queue with a server for everyone, whose mean is
 * `(e^r - 1) / damagesPerYear` with r errors present in the mean, however long each lasts (Takacs, "Introduction to the Theory
 * of Queues", 1962).
 */
export const cleaningsPerYear = ({ damagesPerYear, scrubYears }: SetModel): number =>
  damagesPerYear === 0 ? 0 : damagesPerYear / Math.expm1((damagesPerYear * scrubYears) / 2)

/**
 * The approximation of the textbooks, without latent errors: MTTF^(m+1) / (n (n-1) … (n-m) MTTR^m). Good while repairs are much
 * faster than failures; printed beside the exact value so that both can be compared with other people's figures.
 */
export const textbookYears = ({ disks, parity, failuresPerYear, repairsPerYear }: SetModel): number => {
  let years = 1 / (disks * failuresPerYear)
  for (let out = 1; out <= parity; out++) years *= repairsPerYear / ((disks - out) * failuresPerYear)
  return years
}

/** The yearly chance that something is lost in any of `sets` sets of which each loses something with `chance`. */
export const anyOf = (chance: number, sets: number): number => -Math.expm1(sets * Math.log1p(-chance))

/** 0.000001 has six nines. */
export const ninesOf = (chance: number): number => -Math.log10(chance)
