// Why a signature does not match: the causes people meet in practice, each tried in turn, so that the answer can name
// the one that would have verified. It helps nobody without the secret: it only ever confirms what was signed with it.
import type { Buffer } from 'node:buffer'
import type { WireRequest } from './canonical.ts'
import {
  type CanonicalParts,
  canonicalHeaders,
  canonicalQuery,
  canonicalRequest,
  stringToSign,
} from './canonical.ts'
import type { Claim } from './claim.ts'
import { parseQuery, percentDecode, percentEncode } from './encoding.ts'
import { isSignature } from './signing-keys.ts'

export interface Mismatch {
  readonly request: WireRequest
  readonly claim: Claim
  readonly parts: CanonicalParts
  readonly region: string
  /** The signing key of the claim's credential for a region. */
  readonly keyFor: (region: string) => Buffer
  /** The port we listen on, for a Host that lost it on the way; 0 when unknown. */
  readonly port: number
}

/** What clients sign by default, proxies put in its place, and pages sign that let a browser upload. */
const CONTENT_TYPES = [
  '',
  'application/octet-stream',
  'binary/octet-stream',
  'application/x-www-form-urlencoded',
  'application/xml',
  'application/json',
  'application/pdf',
  'application/zip',
  'application/gzip',
  'text/plain',
  'text/html',
  'text/csv',
  'image/jpeg',
  'image/png',
  'image/webp',
  'image/gif',
  'video/mp4',
  'audio/mpeg',
]

/** The same type with and without a character set, as clients spell it. */
const spellings = (type: string): readonly string[] =>
  type === '' ? [type] : [type, `${type}; charset=utf-8`, `${type};charset=UTF-8`, `${type};charset=utf-8`]

/** Where a client's region comes from when nobody set it. */
const REGIONS = ['us-east-1', 'us-west-2', 'eu-west-1', 'eu-central-1', 'auto', 'default', 'local', 'garage']

type Attempt = readonly [cause: string, parts: CanonicalParts]

const withHeader = ({ request, claim, parts }: Mismatch, name: string, value: string): CanonicalParts => ({
  ...parts,
  headers: canonicalHeaders(claim.signedHeaders, new Map(request.headers).set(name, value)),
})

function* hostAttempts(mismatch: Mismatch): Generator<Attempt> {
  const host = mismatch.request.headers.get('host') ?? ''
  const colon = host.lastIndexOf(':')
  if (colon > 0 && !host.endsWith(']')) {
    yield ['the Host header was signed without its port', withHeader(mismatch, 'host', host.slice(0, colon))]
  } else {
    for (const port of new Set([mismatch.port, 80, 443])) {
      if (port === 0) continue
      yield [
        `the Host header was signed with the port ${port}`,
        withHeader(mismatch, 'host', `${host}:${port}`),
      ]
    }
  }
}

function* pathAttempts({ request, parts }: Mismatch): Generator<Attempt> {
  yield ['the path was encoded once more to be signed', { ...parts, path: percentEncode(parts.path, true) }]
  const once = percentDecode(request.path, false)
  if (once === undefined) return
  const twice = percentDecode(once, false)
  if (twice !== undefined) {
    yield [
      'the path was encoded once more after it was signed',
      { ...parts, path: percentEncode(twice, true) },
    ]
  }
  yield ['the path was signed without being encoded', { ...parts, path: once }]
  yield [
    "the path was signed with a space where it has a '+'",
    { ...parts, path: percentEncode(percentDecode(request.path, true) ?? once, true) },
  ]
  yield ["the path was signed with a '+' for a space", { ...parts, path: parts.path.replaceAll('%20', '+') }]
  yield [
    "the path was signed with an encoded '+' for a space",
    { ...parts, path: parts.path.replaceAll('%20', '%2B') },
  ]
  yield [
    "the path was signed with a space for an encoded '+'",
    { ...parts, path: parts.path.replaceAll('%2B', '%20') },
  ]
}

function* queryAttempts({ request, claim, parts }: Mismatch): Generator<Attempt> {
  if (request.query === '') return
  const except = claim.presigned ? 'X-Amz-Signature' : ''
  yield [
    "the query was signed with a '+' where it means a space",
    { ...parts, query: canonicalQuery(parseQuery(request.query, 'literal'), except) },
  ]
  yield ["the query was signed with '+' for spaces", { ...parts, query: parts.query.replaceAll('%20', '+') }]
  yield [
    "the query was signed with an encoded '+' for a space",
    { ...parts, query: parts.query.replaceAll('%20', '%2B') },
  ]
  yield [
    "the query was signed with a space for an encoded '+'",
    { ...parts, query: parts.query.replaceAll('%2B', '%20') },
  ]
}

function* contentTypeAttempts(mismatch: Mismatch): Generator<Attempt> {
  if (!mismatch.claim.signedHeaders.includes('content-type')) return
  const sent = mismatch.request.headers.get('content-type') ?? ''
  const bare = sent.split(';', 1)[0]!.trim()
  const types = [bare, bare.toLowerCase(), ...CONTENT_TYPES].flatMap(spellings)
  for (const type of new Set(types)) {
    if (type === sent) continue
    yield [
      `the Content-Type was changed after signing: signed as '${type}'`,
      withHeader(mismatch, 'content-type', type),
    ]
  }
}

/** The cause under which the signature would have verified; undefined when none of the known ones does. */
export const diagnose = (mismatch: Mismatch): string | undefined => {
  const { claim, parts, region } = mismatch
  const absent = claim.signedHeaders.find((name) => !mismatch.request.headers.has(name))
  if (absent !== undefined) return `the signed header '${absent}' is not in the request`
  const key = mismatch.keyFor(region)
  const attempts = [hostAttempts, pathAttempts, queryAttempts, contentTypeAttempts]
  for (const attempt of attempts) {
    for (const [cause, changed] of attempt(mismatch)) {
      const text = stringToSign(claim.timestamp, claim.scope, canonicalRequest(changed))
      if (isSignature(key, text, claim.signature)) return cause
    }
  }
  const canonical = canonicalRequest(parts)
  for (const other of REGIONS) {
    if (other === region) continue
    const otherScope = `${claim.day}/${other}/s3/aws4_request`
    for (const scope of [otherScope, claim.scope]) {
      const text = stringToSign(claim.timestamp, scope, canonical)
      if (isSignature(mismatch.keyFor(other), text, claim.signature)) {
        return `it was signed for the region '${other}' instead of '${region}'`
      }
    }
  }
  return undefined
}
