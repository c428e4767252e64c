// Turns what an operator typed into values: sizes, durations, lists of directories. Every parser is pure and throws
// CONFIG_INVALID with one sentence that names the setting, shows what was given and says what would be right.
import { fault, type MoraineError } from '../base/errors.ts'
import { DAY, GiB, HOUR, KiB, MINUTE, MiB, SECOND } from '../base/units.ts'

/** A setting cannot be what it was given as: one sentence for the operator, exit code 2. */
export const invalid = (message: string): MoraineError => fault('CONFIG_INVALID', message)

const SIZE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB,
  MiB,
  GiB,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
}
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: SECOND,
  m: MINUTE,
  h: HOUR,
  d: DAY,
}

export const parseWholeNumber = (
  name: string,
  text: string,
  bounds: { min: number; max: number },
): number => {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= bounds.min && value <= bounds.max)) {
    throw invalid(`${name} is ${quote(text)} but must be a whole number from ${bounds.min} to ${bounds.max}`)
  }
  return value
}

/** `256MiB`, `1GB`, `1048576`: bytes. */
export const parseSize = (name: string, text: string, bounds: { min: number; max: number }): number => {
  const [, digits, unit] = /^(\d{1,12})\s?([A-Za-z]*)$/.exec(text) ?? []
  const factor = unit === undefined ? undefined : ownValue(SIZE_UNITS, unit)
  if (digits === undefined || factor === undefined) {
    throw invalid(`${name} is ${quote(text)} but must be a size such as 256MiB`)
  }
  const bytes = Number(digits) * factor
  if (bytes < bounds.min || bytes > bounds.max) {
    throw invalid(`${name} is ${quote(text)} but must be from ${inMiB(bounds.min)} to ${inMiB(bounds.max)}`)
  }
  return bytes
}

/** `30s`, `500ms`, `2m`, `1h`, `7d`: milliseconds. A bare number is refused: nobody knows which unit it means. */
export const parseDuration = (name: string, text: string, bounds: { max: number }): number => {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? []
  const factor = unit === undefined ? undefined : ownValue(DURATION_UNITS, unit)
  if (digits === undefined || factor === undefined) {
    throw invalid(`${name} is ${quote(text)} but must be a duration such as 30s, 500ms or 2m`)
  }
  const milliseconds = Number(digits) * factor
  if (milliseconds > bounds.max) {
    throw invalid(`${name} is ${quote(text)} but must be at most ${inLargest(bounds.max)}`)
  }
  return milliseconds
}

/** Far more directories than one process serves: a typing error such as {1...100000} must not fill the memory. */
const DIRECTORIES_MAX = 1024

/** `/mnt/disk{1...8}` stands for /mnt/disk1 to /mnt/disk8, `{01...08}` keeps the zeros; several ranges multiply. */
export const expandPattern = (name: string, pattern: string): string[] => {
  const range = /^(.*?)\{(\d{1,9})\.\.\.(\d{1,9})\}(.*)$/s.exec(pattern)
  if (!range) {
    if (/[{}]/.test(pattern)) {
      throw invalid(`${name} has ${quote(pattern)}, but a range is written {1...8}`)
    }
    return [pattern]
  }
  const [, before = '', first = '', last = '', after = ''] = range
  const [from, to] = [Number(first), Number(last)]
  if (from > to || to - from >= DIRECTORIES_MAX) {
    throw invalid(
      `${name} has ${quote(pattern)}, but a range goes upwards and names at most ${DIRECTORIES_MAX} disks`,
    )
  }
  const tails = expandPattern(name, after)
  if ((to - from + 1) * tails.length > DIRECTORIES_MAX) {
    throw invalid(`${name} has ${quote(pattern)}, which names more than ${DIRECTORIES_MAX} disks`)
  }
  const expanded: string[] = []
  for (let number = from; number <= to; number++) {
    const digits = String(number).padStart(first.length, '0')
    for (const tail of tails) expanded.push(`${before}${digits}${tail}`)
  }
  return expanded
}

/** What is shown back is bounded: a value may be a pasted file. */
export const quote = (text: string): string =>
  JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)

const inLargest = (milliseconds: number): string =>
  milliseconds % DAY === 0 ? `${milliseconds / DAY}d` : `${milliseconds / HOUR}h`

const inMiB = (bytes: number): string => {
  if (bytes >= GiB) return `${bytes / GiB}GiB`
  return bytes >= MiB ? `${bytes / MiB}MiB` : `${bytes / KiB}KiB`
}

const ownValue = (table: Readonly<Record<string, number>>, name: string): number | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined
