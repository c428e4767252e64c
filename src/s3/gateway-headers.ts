// The head of a request as it came over the wire: names in lower case, duplicates joined, and refused where two values
// could mean two things to two readers.
import { refusal } from '../base/errors.ts'

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

/** True when the request brings a body. Looks at the raw list alone: node's own header object costs more than it tells. */
export const bringsBody = (raw: readonly string[]): boolean => {
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i]!
    if (name.length === 14 && name.toLowerCase() === 'content-length') return raw[i + 1] !== '0'
    if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') return true
  }
  return false
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
