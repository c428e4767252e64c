// The dates of SigV4: `20130524T000000Z` in x-amz-date and X-Amz-Date, or an HTTP date in the Date header.

const digits = (text: string, from: number, count: number): number => {
  let value = 0
  for (let i = from; i < from + count; i++) {
    const digit = text.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

/** Milliseconds since 1970 of `yyyyMMdd'T'HHmmss'Z'`; undefined for anything else, days that do not exist included. */
export const parseTimestamp = (text: string): number | undefined => {
  if (text.length !== 16 || text[8] !== 'T' || text[15] !== 'Z') return undefined
  const year = digits(text, 0, 4)
  const month = digits(text, 4, 2)
  const day = digits(text, 6, 2)
  const hour = digits(text, 9, 2)
  const minute = digits(text, 11, 2)
  const second = digits(text, 13, 2)
  const time = Date.UTC(year, month - 1, day, hour, minute, second)
  // Date.UTC carries 30 February over into March (and NaN through): only what comes out as it went in is a date.
  return formatTimestamp(time) === text ? time : undefined
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value))

export const formatTimestamp = (timeMs: number): string => {
  if (Number.isNaN(timeMs)) return ''
  const date = new Date(timeMs)
  const day = `${String(date.getUTCFullYear()).padStart(4, '0')}${two(date.getUTCMonth() + 1)}${two(date.getUTCDate())}`
  return `${day}T${two(date.getUTCHours())}${two(date.getUTCMinutes())}${two(date.getUTCSeconds())}Z`
}

/** An HTTP date (`Fri, 24 May 2013 00:00:00 GMT`) or the short form; undefined for anything else. */
export const parseDateHeader = (text: string): number | undefined => {
  const short = parseTimestamp(text)
  if (short !== undefined) return short
  const time = Date.parse(text)
  // Only the form HTTP prescribes: Date.parse alone takes a lot that is no date.
  return new Date(time).toString() !== 'Invalid Date' && new Date(time).toUTCString() === text
    ? time
    : undefined
}

export const isoSeconds = (timeMs: number): string => `${new Date(timeMs).toISOString().slice(0, 19)}Z`
