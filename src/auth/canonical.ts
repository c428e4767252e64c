// The canonical request and the string to sign of SigV4 for S3: the path is encoded once and never normalized (`//` and
// `/./` are names), the query is sorted by encoded bytes, names before values. Everything is a byte string (see
// encoding.ts) and hashed as such.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
import { Buffer } from 'node:buffer'
import { hash } from 'node:crypto'
import { KiB } from '../base/units.ts'
import { foldSpaces, isCanonical, percentDecode, percentEncode, type QueryParameter } from './encoding.ts'

/** What a signature covers, as the gateway saw it on the wire. */
export interface WireRequest {
  readonly method: string
  /** The target before `?`, as sent. */
  readonly path: string
  /** The target after `?`, as sent; empty for none. */
  readonly query: string
  /** Names in lower case; what came several times is joined by ','. */
  readonly headers: ReadonlyMap<string, string>
}

export const SHA256_EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** Longer than nearly any canonical request: what is to be hashed is written here, which saves a Buffer of its own. */
const scratch = Buffer.alloc(4 * KiB)

export const sha256Hex = (bytes: string): string => {
  if (bytes.length > scratch.length) return hash('sha256', Buffer.from(bytes, 'latin1'), 'hex')
  return hash('sha256', scratch.subarray(0, scratch.write(bytes, 'latin1')), 'hex')
}

/** The path decoded and encoded again; as it is when it cannot be decoded (the router refuses it then). */
export const canonicalPath = (path: string): string => {
  if (isCanonical(path, true)) return path
  const decoded = percentDecode(path, false)
  return decoded === undefined ? path : percentEncode(decoded, true)
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Sorted by encoded name, then by encoded value; `except` is the parameter that carries the signature itself. */
export const canonicalQuery = (parameters: readonly QueryParameter[], except = ''): string => {
  const pairs: [string, string][] = []
  for (const { name, value } of parameters) {
    if (name !== except) pairs.push([percentEncode(name, false), percentEncode(value, false)])
  }
  pairs.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
  let out = ''
  for (const [name, value] of pairs) out += `${out === '' ? '' : '&'}${name}=${value}`
  return out
}

/**
 * The canonical form of a raw query that has it already, but for the parameter `except`: signers build their URLs so, and
 * it saves taking every parameter apart and sorting them. Undefined when it has to be made by `canonicalQuery`.
 */
const canonicalAsSent = (raw: string, except: string): string | undefined => {
  let out = ''
  let name = ''
  let value = ''
  for (let start = 0; start < raw.length; ) {
    let end = raw.indexOf('&', start)
    if (end < 0) end = raw.length
    const equals = raw.indexOf('=', start)
    if (equals < 0 || equals > end) return undefined
    if (!isCanonical(raw, false, start, equals) || !isCanonical(raw, false, equals + 1, end)) return undefined
    const nextName = raw.slice(start, equals)
    if (nextName !== except) {
      const nextValue = raw.slice(equals + 1, end)
      if (nextName < name || (nextName === name && nextValue < value)) return undefined
      name = nextName
      value = nextValue
      out += out === '' ? raw.slice(start, end) : raw.slice(start - 1, end)
    }
    start = end + 1
  }
  return out
}

/** The canonical query of a raw one and of its parameters, but for the parameter `except`. */
export const queryToSign = (raw: string, parameters: readonly QueryParameter[], except = ''): string =>
  raw === '' ? '' : (canonicalAsSent(raw, except) ?? canonicalQuery(parameters, except))

/** `name:value\n` for each signed header the request has. */
export const canonicalHeaders = (names: readonly string[], headers: ReadonlyMap<string, string>): string => {
  let out = ''
  for (const name of names) {
    const value = headers.get(name)
    if (value !== undefined) out += `${name}:${foldSpaces(value)}\n`
  }
  return out
}

/** The pieces of a canonical request, kept apart so that a diagnosis can try another value for one of them. */
export interface CanonicalParts {
  readonly method: string
  readonly path: string
  readonly query: string
  /** Each line ends in a line feed. */
  readonly headers: string
  readonly signedHeaders: string
  readonly payload: string
}

export const canonicalRequest = (parts: CanonicalParts): string =>
  `${parts.method}\n${parts.path}\n${parts.query}\n${parts.headers}\n${parts.signedHeaders}\n${parts.payload}`

export const stringToSign = (timestamp: string, scope: string, canonical: string): string =>
  `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256Hex(canonical)}`
