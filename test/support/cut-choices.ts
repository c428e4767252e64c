// What may become of the writes that a power cut meets before they are durable, as the fault model of faulty-files.ts has it: each
// is there, is not there, or is torn between sectors of 512 bytes or pages of 4,096; whichever came first.
import type { Random } from '../../src/base/prng.ts'
import type { Choice, Choices, NamedTear } from './cut-images.ts'
import type { LogRecord } from './faulty-files.ts'

const UNITS = [512, 4096] as const

/** Sectors of a write that get to the disk, of `count`: its beginning, its end, every other one. */
const PIECES: readonly ((sector: number, count: number) => boolean)[] = [
  (sector) => sector === 0,
  (sector, count) => sector < count >> 1,
  (sector, count) => sector < count - 1,
  (sector) => sector > 0,
  (sector) => sector % 2 === 1,
]

const sectorsOf = (record: LogRecord & { kind: 'write' }, unit: number): { first: number; count: number } => {
  const first = Math.floor(record.position / unit)
  return { first, count: Math.ceil((record.position + record.bytes.length) / unit) - first }
}

/** Every way to tear a write that PIECES names; none when it is one sector. */
export const tearsOf = (record: LogRecord | undefined): NamedTear[] => {
  if (record?.kind !== 'write') return []
  return UNITS.flatMap((unit) => {
    const { first, count } = sectorsOf(record, unit)
    if (count < 2) return []
    // Of two sectors most ways are one of two.
    const pieces = count === 2 ? [PIECES[0]!, PIECES[3]!] : PIECES
    return pieces.map((isKept, i) => ({
      ...{ unit, name: `torn-${unit}-${i}` },
      keeps: (sector: number) => isKept(sector - first, count),
    }))
  })
}

const hashed = (value: number, seed: number): number => Math.imul(value ^ seed, 0x9e3779b1) >>> 7

/** A tear at random: the beginning up to a sector, or any set of pages, one of which may be torn between its sectors. */
const tornAtRandom = (record: LogRecord & { kind: 'write' }, random: Random): Choice => {
  const unit = UNITS[random.below(2)]!
  const { first, count } = sectorsOf(record, unit)
  if (count < 2) return random.below(2) === 0 ? 'keep' : 'drop'
  if (random.below(2) === 0) {
    const cut = 1 + random.below(count - 1)
    return { unit, name: `cut-${unit}-${cut}`, keeps: (sector) => sector - first < cut }
  }
  const seed = random.below(2 ** 31)
  const inPage = 4096 / unit
  const tornPage = Math.floor((first + random.below(count)) / inPage)
  const keeps = (sector: number): boolean => {
    const page = Math.floor(sector / inPage)
    return hashed(page === tornPage ? sector : page, seed) % 2 === 0
  }
  return { unit, name: `some-${unit}-${seed}-${tornPage}`, keeps }
}

type Make = (pick: (record: number, position: number) => Choice) => Choices
const makerOf =
  (records: readonly number[]): Make =>
  (pick) =>
    new Map(records.map((record, position) => [record, pick(record, position)]))

/**
 * The telling choices about `records`: all kept; all dropped; each alone dropped, kept, and the last that is kept; each write torn
 * in every way with all others kept, and in some with all others dropped. The first two come first.
 */
export function* tellingChoices(log: readonly LogRecord[], records: readonly number[]): Generator<Choices> {
  const make = makerOf(records)
  yield make(() => 'keep')
  yield make(() => 'drop')
  for (const only of records) {
    yield make((record) => (record === only ? 'drop' : 'keep'))
    yield make((record) => (record === only ? 'keep' : 'drop'))
    yield make((record) => (record <= only ? 'keep' : 'drop'))
  }
  for (const only of records) {
    for (const [i, torn] of tearsOf(log[only]).entries()) {
      yield make((record) => (record === only ? torn : 'keep'))
      if (i % 3 === 0) yield make((record) => (record === only ? torn : 'drop'))
    }
  }
}

/** Any choices at all. */
export const randomChoices = (
  log: readonly LogRecord[],
  records: readonly number[],
  random: Random,
): Choices =>
  makerOf(records)((record) => {
    const drawn = random.below(5)
    const of = log[record]!
    if (drawn === 4 && of.kind === 'write') return tornAtRandom(of, random)
    return drawn % 2 === 0 ? 'keep' : 'drop'
  })

/** All subsets of `records`. */
export function* allSubsets(records: readonly number[]): Generator<Choices> {
  const make = makerOf(records)
  for (let bits = 0; bits < 2 ** records.length; bits++) {
    yield make((_, position) => ((bits >> position) & 1 ? 'drop' : 'keep'))
  }
}

export const tell = (choices: Choices): string =>
  [...choices]
    .filter(([, choice]) => choice !== 'keep')
    .map(([record, choice]) => `${record}:${choice === 'drop' ? choice : (choice as NamedTear).name}`)
    .join(' ')
