// Headers that belong to an object: what of a request is kept with it, and how it is given back.
//
// Header values come as one character per byte and are written the same way. Records hold text: values
// are read as UTF-8 where they are UTF-8. User metadata beyond ASCII goes back as RFC 2047 encoded words, as S3's does;
// standard headers go back as the bytes that came.
import { Buffer } from 'node:buffer'
import { refusal } from '../base/errors.ts'
import { KiB } from '../base/units.ts'
import type { Pairs, VersionRecord } from '../metadata/records.ts'
import type { S3Request } from './exchange.ts'
import { invalidArgument } from './handler.ts'
import { httpTime } from './xml-write.ts'

/** Names and values of user metadata together, in UTF-8, without `x-amz-meta-`. */
const METADATA_BYTES_MAX = 2 * KiB
const META = 'x-amz-meta-'

const KEPT = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
] as const

const DEFAULT_TYPE = 'binary/octet-stream'

const ASCII = /^[\t\x20-\x7e]*$/
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Text of a value as node:http hands it over. */
const fromWire = (value: string): string => {
  if (ASCII.test(value)) return value
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch {
    // Not UTF-8: Latin-1, as RFC 9110 once had it, and then the characters are right already.
    return value
  }
}

/** A value as node:http writes it: the bytes of its UTF-8. */
const toWire = (value: string): string =>
  ASCII.test(value) ? value : Buffer.from(value, 'utf8').toString('latin1')

/** One encoded word however long: every reader joins them, none splits them the same way. */
const toEncodedWord = (value: string): string =>
  ASCII.test(value) ? value : `=?UTF-8?B?${Buffer.from(value, 'utf8').toString('base64')}?=`

/** `aws-chunked` is how the body travels, not what it is. */
const withoutTransferCoding = (value: string): string =>
  value
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding.toLowerCase() !== 'aws-chunked')
    .join(',')

const keptHeaders = (headers: ReadonlyMap<string, string>): Pairs => {
  const kept: [string, string][] = []
  for (const name of KEPT) {
    const raw = headers.get(name)
    if (raw === undefined) continue
    const text = fromWire(raw)
    const value = name === 'content-encoding' ? withoutTransferCoding(text) : text
    if (value !== '') kept.push([name, value])
  }
  return kept
}

const userMetadata = (headers: ReadonlyMap<string, string>): Pairs => {
  const metadata: [string, string][] = []
  let size = 0
  for (const [name, raw] of headers) {
    if (!name.startsWith(META)) continue
    const value = fromWire(raw)
    metadata.push([name.slice(META.length), value])
    size += name.length - META.length + Buffer.byteLength(value)
  }
  if (size > METADATA_BYTES_MAX) {
    throw refusal('MetadataTooLarge', 'Your metadata headers exceed the maximum allowed metadata size', {
      Size: size,
      MaxSizeAllowed: METADATA_BYTES_MAX,
    })
  }
  return metadata
}

export interface ObjectHeaders {
  readonly headers: Pairs
  readonly metadata: Pairs
}

/** What is kept with an object. Throws `MetadataTooLarge`. */
export const objectHeadersOf = ({ headers }: S3Request): ObjectHeaders => ({
  headers: keptHeaders(headers),
  metadata: userMetadata(headers),
})

const OVERRIDES: ReadonlyMap<string, string> = new Map([
  ['response-content-type', 'content-type'],
  ['response-cache-control', 'cache-control'],
  ['response-content-disposition', 'content-disposition'],
  ['response-content-encoding', 'content-encoding'],
  ['response-content-language', 'content-language'],
  ['response-expires', 'expires'],
])

const NO_OVERRIDES: ReadonlyMap<string, string> = new Map()

/**
 * Response headers the query asks for instead of the object's own. Only for who signed: otherwise anyone could make this
 * host say anything. Throws `InvalidRequest`, and `InvalidArgument` for what a header cannot hold.
 */
const overridesOf = ({ query, identity }: S3Request): ReadonlyMap<string, string> => {
  if (query.length === 0) return NO_OVERRIDES
  const overrides = new Map<string, string>()
  for (const [name, value] of query) {
    const header = OVERRIDES.get(name)
    if (header === undefined || value === '') continue
    if (identity.kind === 'anonymous') {
      throw refusal(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      )
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
      throw invalidArgument(name, value, `${name} holds a character that no header can.`)
    }
    if (!overrides.has(header)) overrides.set(header, value)
  }
  return overrides
}

/** The headers of versions that are read again and again, as long as their records live. */
const told = new WeakMap<VersionRecord, Pairs>()

/** Every header that tells of a version, for GET and HEAD; the query's overrides among them. */
export const versionHeaders = (request: S3Request, version: VersionRecord): Pairs => {
  const overrides = overridesOf(request)
  if (overrides.size > 0) return describeVersion(version, overrides)
  const known = told.get(version)
  if (known) return known
  const headers = describeVersion(version, overrides)
  told.set(version, headers)
  return headers
}

const describeVersion = (version: VersionRecord, overrides: ReadonlyMap<string, string>): Pairs => {
  const kept = new Map([['content-type', DEFAULT_TYPE], ...version.headers, ...overrides])
  const headers: [string, string][] = [
    ['last-modified', httpTime(version.modifiedMs)],
    ['etag', `"${version.etag}"`],
    ['accept-ranges', 'bytes'],
  ]
  for (const [name, value] of kept) headers.push([name, toWire(value)])
  for (const [name, value] of version.metadata) headers.push([META + name, toEncodedWord(value)])
  if (version.versionId !== 'null') headers.push(['x-amz-version-id', version.versionId])
  return headers
}
