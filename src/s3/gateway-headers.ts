// The head of a request as it came over the wire: names in lower case, duplicates joined, and refused where two values
// could mean two things to two readers.
import { refusal } from '../base/errors.ts'
import { KiB } from '../base/units.ts'

/** No S3 client sends half as many. */
const HEADERS_MAX = 256

/** These decide who is asked by whom for what: twice is once too many. */
const ONCE = new Set(['host', 'authorization', 'content-length', 'transfer-encoding', 'x-amz-content-sha256'])

/** From node:http's raw list. Throws `BadRequest` or `RequestHeaderSectionTooLarge`. */
export const readHeaders = (raw: readonly string[]): Map<string, string> => {
  if (raw.length > 2 * HEADERS_MAX) {
    throw refusal('RequestHeaderSectionTooLarge', 'Your request has too many headers.')
  }
  const headers = new Map<string, string>()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase()
    const value = raw[i + 1]!
    const before = headers.get(name)
    if (before === undefined) headers.set(name, value)
    else if (ONCE.has(name)) throw refusal('BadRequest', `The header ${name} must appear once.`)
    else headers.set(name, `${before},${value}`)
  }
  return headers
}

/** So much of a body nobody read is taken off the wire rather than the connection closed. */
const SMALL_BODY_MAX = 64 * KiB

/** Content-Length, -1 for a body of another length, 0 for none. Node's own header object costs more than it tells. */
const bodyLength = (raw: readonly string[]): number => {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!
    if (name.length === 14 && name.toLowerCase() === 'content-length') return Number(raw[i + 1])
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return -1
  }
  return 0
}

export const bringsBody = (raw: readonly string[]): boolean => bodyLength(raw) !== 0

/** True when node may throw the whole body away and keep the connection. */
export const isSmallBody = (raw: readonly string[]): boolean => {
  const length = bodyLength(raw)
  return length >= 0 && length <= SMALL_BODY_MAX
}

export interface WireTarget {
  readonly path: string
  /** Without '?'; empty for none. */
  readonly query: string
}

/** Throws `InvalidURI` for anything but a path from the root: no absolute form, no `*`, no fragment. */
export const splitTarget = (target: string): WireTarget => {
  if (target[0] !== '/' || target.includes('#')) {
    throw refusal('InvalidURI', "Couldn't parse the specified URI.")
  }
  const question = target.indexOf('?')
  if (question < 0) return { path: target, query: '' }
  return { path: target.slice(0, question), query: target.slice(question + 1) }
}
