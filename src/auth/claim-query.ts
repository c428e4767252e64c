// The claim of a presigned URL, checked for form, scope and time before any signature is computed. Codes and messages are
// AWS's, in AWS's order.
import { refusal } from '../base/errors.ts'
import { createMemo } from '../base/memo.ts'
import { SECOND } from '../base/units.ts'
import { queryToSign, type WireRequest } from './canonical.ts'
import {
  ALGORITHM,
  ALGORITHM_4A,
  ANY_SIGNATURE,
  type Claim,
  type ClaimParsers,
  credentialMalformed,
  notImplemented,
  queryMalformed,
  quote,
  REMEMBERED_MAX,
  requireSigned,
  SIGNATURE_LENGTH,
  SKEW_MAX_MS,
  sameDay,
  signatureAtEnd,
} from './claim.ts'
import { parseQuery, type QueryParameter } from './encoding.ts'
import { UNSIGNED_PAYLOAD } from './payload.ts'
import { isoSeconds } from './timestamps.ts'

/** A week, in seconds: the longest a presigned URL lives. */
export const EXPIRES_MAX = 604_800

const parseExpires = (text: string): number => {
  const negative = text.startsWith('-')
  const digits = negative ? text.slice(1) : text
  if (digits === '' || digits.length > 19) throw queryMalformed('X-Amz-Expires should be a number')
  for (let i = 0; i < digits.length; i++) {
    const code = digits.charCodeAt(i)
    if (code < 48 || code > 57) throw queryMalformed('X-Amz-Expires should be a number')
  }
  if (negative) throw queryMalformed('X-Amz-Expires must be non-negative')
  const seconds = Number(digits)
  if (seconds > EXPIRES_MAX) {
    throw queryMalformed(
      'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    )
  }
  return seconds
}

/** A presigned URL is good from a quarter of an hour before its date (clocks differ) to its end, and never for 0 seconds. */
const checkLifetime = (timestamp: string, timeMs: number, expires: number, nowMs: number): void => {
  if (timeMs - nowMs > SKEW_MAX_MS) {
    throw refusal('AccessDenied', 'Request is not yet valid', {
      'X-Amz-Date': timestamp,
      ServerTime: isoSeconds(nowMs),
    })
  }
  const endMs = timeMs + expires * SECOND
  if (expires === 0 || nowMs > endMs) {
    throw refusal('AccessDenied', 'Request has expired', {
      'X-Amz-Expires': expires,
      Expires: isoSeconds(endMs),
      ServerTime: isoSeconds(nowMs),
    })
  }
}

/** The parameters that a claim is made of. */
interface SigningParameters {
  algorithm?: string
  credential?: string
  signature?: string
  date?: string
  signedHeaders?: string
  expires?: string
  contentSha256?: string
  securityToken?: string
}

const FIELDS: ReadonlyMap<string, keyof SigningParameters> = new Map([
  ['X-Amz-Algorithm', 'algorithm'],
  ['X-Amz-Credential', 'credential'],
  ['X-Amz-Signature', 'signature'],
  ['X-Amz-Date', 'date'],
  ['X-Amz-SignedHeaders', 'signedHeaders'],
  ['X-Amz-Expires', 'expires'],
  ['X-Amz-Content-Sha256', 'contentSha256'],
  ['X-Amz-Security-Token', 'securityToken'],
])

/** Throws when one of them, or any other `X-Amz-…`, is there twice: two readers could take different ones. */
const signingParameters = (parameters: readonly QueryParameter[]): SigningParameters => {
  const found: SigningParameters = {}
  const seen = new Set<string>()
  for (const { name, value } of parameters) {
    if (!name.startsWith('X-Amz-')) continue
    if (seen.has(name)) throw queryMalformed(`The parameter ${quote(name)} must appear once.`)
    seen.add(name)
    const field = FIELDS.get(name)
    if (field !== undefined) found[field] = value
  }
  return found
}

/** What a presigned URL says of its signer and its time: all but what it names and when it came. */
interface Terms {
  readonly accessKeyId: string
  readonly scope: string
  readonly day: string
  readonly timestamp: string
  readonly timeMs: number
  readonly expires: number
  readonly signedHeaders: readonly string[]
  readonly signedHeaderList: string
  readonly signature: string
  readonly query: string
  /** As the query has it: a header goes before it. */
  readonly payload: string | undefined
  readonly hasToken: boolean
}

const readTerms = (query: string, parameters: readonly QueryParameter[], parsers: ClaimParsers): Terms => {
  const found = signingParameters(parameters)
  const { algorithm, credential, signature, date, signedHeaders, expires } = found
  if (
    algorithm === undefined ||
    credential === undefined ||
    signature === undefined ||
    date === undefined ||
    signedHeaders === undefined ||
    expires === undefined
  ) {
    throw queryMalformed(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  if (algorithm === ALGORITHM_4A) throw notImplemented(ALGORITHM_4A)
  if (algorithm !== ALGORITHM) {
    throw queryMalformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
  }
  const timeMs = parsers.time(date)
  if (timeMs === undefined) {
    throw queryMalformed(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
  }
  const expiresSeconds = parseExpires(expires)
  const scope = parsers.queryScope(credential)
  sameDay(scope.day, date.slice(0, 8), credentialMalformed)
  return {
    ...scope,
    timestamp: date,
    timeMs,
    expires: expiresSeconds,
    signedHeaders: parsers.queryNames(signedHeaders),
    signedHeaderList: signedHeaders,
    signature,
    query: queryToSign(query, parameters, 'X-Amz-Signature'),
    payload: found.contentSha256,
    hasToken: found.securityToken !== undefined,
  }
}

export type QueryClaims = (
  request: WireRequest,
  parameters: readonly QueryParameter[],
  nowMs: number,
) => Claim

export const createQueryClaims = (parsers: ClaimParsers): QueryClaims => {
  // All URLs that one client makes in a second differ in what they name and in their signature, which mostly is last.
  const termsOf = createMemo(REMEMBERED_MAX, (head: string) => {
    const query = head + ANY_SIGNATURE
    return readTerms(query, parseQuery(query), parsers)
  })
  return (request, parameters, nowMs) => {
    const { query, headers } = request
    const signature = signatureAtEnd(query, '&X-Amz-Signature=')
    const terms =
      signature === undefined
        ? readTerms(query, parameters, parsers)
        : termsOf(query.slice(0, -SIGNATURE_LENGTH))
    const { accessKeyId, scope, day, timestamp, signedHeaders, signedHeaderList } = terms
    requireSigned(request, signedHeaders)
    checkLifetime(timestamp, terms.timeMs, terms.expires, nowMs)
    return {
      presigned: true,
      accessKeyId,
      scope,
      day,
      timestamp,
      signedHeaders,
      signedHeaderList,
      signature: signature ?? terms.signature,
      query: terms.query,
      payload: headers.get('x-amz-content-sha256') ?? terms.payload ?? UNSIGNED_PAYLOAD,
      hasToken: terms.hasToken || headers.has('x-amz-security-token'),
    }
  }
}
