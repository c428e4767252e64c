// A claim: what a request says about who signed it and how, taken from the Authorization header or the query and
// checked for form, scope and time, before any signature is computed. Codes and messages are AWS's, in AWS's order.
import { type ErrorDetail, type MoraineError, refusal } from '../base/errors.ts'
import { createMemo } from '../base/memo.ts'
import { MINUTE, SECOND } from '../base/units.ts'
import type { WireRequest } from './canonical.ts'
import type { QueryParameter } from './encoding.ts'
import { UNSIGNED_PAYLOAD } from './payload.ts'
import { formatTimestamp, isoSeconds, parseDateHeader, parseTimestamp } from './timestamps.ts'

export interface Claim {
  readonly presigned: boolean
  readonly accessKeyId: string
  /** `yyyyMMdd`, region, service and terminator joined by '/'. */
  readonly scope: string
  readonly day: string
  /** The date as sent: it is signed so. */
  readonly timestamp: string
  /** In lower case, sorted, each once. */
  readonly signedHeaders: readonly string[]
  /** As sent. */
  readonly signature: string
  /** The canonical request's last line. */
  readonly payload: string
  /** Whether a session token came with it, in the query or as a header. */
  readonly hasToken: boolean
}

/** AWS's own, either way. */
export const SKEW_MAX_MS = 15 * MINUTE
/** A week, in seconds: the longest a presigned URL lives. */
export const EXPIRES_MAX = 604_800
/** Far above any request; a bound for what error texts quote. */
const QUOTE_MAX = 256

const ALGORITHM = 'AWS4-HMAC-SHA256'
const ALGORITHM_4A = 'AWS4-ECDSA-P256-SHA256'
const QUERY_NAMES = ['Algorithm', 'Credential', 'Signature', 'Date', 'SignedHeaders', 'Expires'] as const

const quote = (text: string): string => (text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX)}…` : text)

type Fail = (message: string, detail?: ErrorDetail) => MoraineError

const headerMalformed: Fail = (message, detail) =>
  refusal('AuthorizationHeaderMalformed', `The authorization header is malformed; ${message}`, detail)
const queryMalformed: Fail = (message, detail) =>
  refusal('AuthorizationQueryParametersError', message, detail)
const credentialMalformed: Fail = (message, detail) =>
  queryMalformed(`Error parsing the X-Amz-Credential parameter; ${message}`, detail)

const argument = (message: string, value: string): MoraineError =>
  refusal('InvalidArgument', message, { ArgumentName: 'Authorization', ArgumentValue: quote(value) })

const signatureVersion2 = (): MoraineError =>
  refusal(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )

const notImplemented = (algorithm: string): MoraineError =>
  refusal('NotImplemented', `${algorithm} is not implemented; please use AWS4-HMAC-SHA256.`)

interface Scope {
  readonly accessKeyId: string
  readonly day: string
  readonly scope: string
}

/** `KEY/yyyyMMdd/region/s3/aws4_request`; a key may hold '/' itself, so it is read from the right. */
const parseCredential = (credential: string, region: string, fail: Fail): Scope => {
  const parts = credential.split('/')
  if (parts.length < 5 || credential.startsWith('/')) {
    throw fail('the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".')
  }
  const [day, givenRegion, service, terminal] = parts.slice(-4) as [string, string, string, string]
  if (parseTimestamp(`${day}T000000Z`) === undefined) {
    throw fail(
      `incorrect date format "${quote(day)}". This date in the credential must be in the format "yyyyMMdd".`,
    )
  }
  if (givenRegion !== region) {
    throw fail(`the region '${quote(givenRegion)}' is wrong; expecting '${region}'`, { Region: region })
  }
  if (service !== 's3') {
    throw fail(`incorrect service "${quote(service)}". This endpoint belongs to "s3".`)
  }
  if (terminal !== 'aws4_request') {
    throw fail(`incorrect terminal "${quote(terminal)}". This endpoint uses "aws4_request".`)
  }
  const scope = parts.slice(-4).join('/')
  return { accessKeyId: credential.slice(0, credential.length - scope.length - 1), day, scope }
}

/** Lower case, sorted by bytes, each once: any other list was not made by a signer. */
const parseSignedHeaders = (list: string, fail: Fail): string[] => {
  const names = list.split(';')
  for (let i = 0; i < names.length; i++) {
    const name = names[i]!
    if (name === '' || name !== name.toLowerCase() || (i > 0 && names[i - 1]! >= name)) {
      throw fail('SignedHeaders must be lower case names in order, each once, separated by ";".')
    }
  }
  return names
}

/** Host, Content-MD5 and every x-amz-* header must be covered; the payload's own is the last line of what is signed. */
const requireSigned = (request: WireRequest, signed: readonly string[]): void => {
  const missing: string[] = signed.includes('host') ? [] : ['host']
  for (const name of request.headers.keys()) {
    if (!name.startsWith('x-amz-') && name !== 'content-md5') continue
    if (name !== 'x-amz-content-sha256' && !signed.includes(name)) missing.push(name)
  }
  if (missing.length > 0) {
    throw refusal('AccessDenied', 'There were headers present in the request which were not signed', {
      HeadersNotSigned: quote(missing.join(', ')),
    })
  }
}

/** `today`: the day of the request's own date. */
const sameDay = (day: string, today: string, fail: Fail): void => {
  if (day !== today) {
    throw fail(`Invalid credential date "${day}". This date is not the same as X-Amz-Date: "${today}".`)
  }
}

/** `Credential=…, SignedHeaders=…, Signature=…`, each once, in any order. */
const parseComponents = (text: string): { credential: string; signedHeaders: string; signature: string } => {
  const found = new Map<string, string>()
  for (const part of text.split(',')) {
    const component = part.trim()
    const equals = component.indexOf('=')
    const name = component.slice(0, Math.max(equals, 0))
    if (equals < 0 || found.has(name)) {
      throw headerMalformed(`the authorization component "${quote(component)}" is malformed.`)
    }
    found.set(name, component.slice(equals + 1))
  }
  const credential = found.get('Credential')
  const signedHeaders = found.get('SignedHeaders')
  const signature = found.get('Signature')
  if (!credential || !signedHeaders || !signature || found.size !== 3) {
    throw headerMalformed(
      'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    )
  }
  return { credential, signedHeaders, signature }
}

const headerClaim = (
  request: WireRequest,
  authorization: string,
  parsers: ClaimParsers,
  nowMs: number,
): Claim => {
  const space = authorization.indexOf(' ')
  const scheme = (space < 0 ? authorization : authorization.slice(0, space)).toUpperCase()
  if (scheme === 'AWS') throw signatureVersion2()
  if (scheme === ALGORITHM_4A) throw notImplemented(ALGORITHM_4A)
  if (scheme !== ALGORITHM) throw argument('Unsupported Authorization Type', authorization)
  const payload = request.headers.get('x-amz-content-sha256')
  if (payload === undefined) {
    throw refusal('InvalidRequest', 'Missing required header for this request: x-amz-content-sha256')
  }
  const timestamp = request.headers.get('x-amz-date')
  const date = timestamp ?? request.headers.get('date') ?? ''
  const timeMs = timestamp === undefined ? parseDateHeader(date) : parsers.time(date)
  if (timeMs === undefined) {
    throw refusal('AccessDenied', 'AWS authentication requires a valid Date or x-amz-date header')
  }
  if (Math.abs(timeMs - nowMs) > SKEW_MAX_MS) {
    throw refusal(
      'RequestTimeTooSkewed',
      'The difference between the request time and the current time is too large.',
      { RequestTime: date, ServerTime: isoSeconds(nowMs), MaxAllowedSkewMilliseconds: SKEW_MAX_MS },
    )
  }
  const { credential, signedHeaders, signature } = parseComponents(authorization.slice(space + 1))
  const scope = parsers.headerScope(credential)
  // A Date header in HTTP's form is signed in the short form all signers use for the string to sign.
  const signedTimestamp = timestamp ?? formatTimestamp(timeMs)
  sameDay(scope.day, signedTimestamp.slice(0, 8), headerMalformed)
  const names = parsers.headerNames(signedHeaders)
  requireSigned(request, names)
  return {
    presigned: false,
    ...scope,
    timestamp: signedTimestamp,
    signedHeaders: names,
    signature,
    payload,
    hasToken: request.headers.has('x-amz-security-token'),
  }
}

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

/** The parameters that a claim is made of, by their names without `X-Amz-`. */
type SigningParameters = {
  [K in (typeof QUERY_NAMES)[number] | 'Content-Sha256' | 'Security-Token']: string | undefined
}

/** Throws when one of them, or any other `X-Amz-…`, is there twice: two readers could take different ones. */
const signingParameters = (parameters: readonly QueryParameter[]): SigningParameters => {
  const found: SigningParameters = {
    Algorithm: undefined,
    Credential: undefined,
    Signature: undefined,
    Date: undefined,
    SignedHeaders: undefined,
    Expires: undefined,
    'Content-Sha256': undefined,
    'Security-Token': undefined,
  }
  const others: string[] = []
  for (const { name, value } of parameters) {
    if (!name.startsWith('X-Amz-')) continue
    const short = name.slice('X-Amz-'.length)
    const isOwn = Object.hasOwn(found, short)
    if (isOwn ? found[short as keyof SigningParameters] !== undefined : others.includes(short)) {
      throw queryMalformed(`The parameter ${quote(name)} must appear once.`)
    }
    if (isOwn) found[short as keyof SigningParameters] = value
    else others.push(short)
  }
  return found
}

const queryClaim = (
  request: WireRequest,
  parameters: readonly QueryParameter[],
  parsers: ClaimParsers,
  nowMs: number,
): Claim => {
  const found = signingParameters(parameters)
  const { Algorithm: algorithm, Date: timestamp } = found
  if (QUERY_NAMES.some((name) => found[name] === undefined)) {
    throw queryMalformed(
      'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    )
  }
  if (algorithm === ALGORITHM_4A) throw notImplemented(ALGORITHM_4A)
  if (algorithm !== ALGORITHM) {
    throw queryMalformed('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
  }
  const timeMs = parsers.time(timestamp!)
  if (timeMs === undefined) {
    throw queryMalformed(`X-Amz-Date must be in the ISO8601 Long Format "yyyyMMdd'T'HHmmss'Z'"`)
  }
  const expires = parseExpires(found.Expires!)
  const scope = parsers.queryScope(found.Credential!)
  sameDay(scope.day, timestamp!.slice(0, 8), credentialMalformed)
  const signedHeaders = parsers.queryNames(found.SignedHeaders!)
  requireSigned(request, signedHeaders)
  checkLifetime(timestamp!, timeMs, expires, nowMs)
  const payload = request.headers.get('x-amz-content-sha256') ?? found['Content-Sha256'] ?? UNSIGNED_PAYLOAD
  return {
    presigned: true,
    ...scope,
    timestamp: timestamp!,
    signedHeaders,
    signature: found.Signature!,
    payload,
    hasToken: found['Security-Token'] !== undefined || request.headers.has('x-amz-security-token'),
  }
}

/** The parts of a claim that a client repeats from request to request, read once. */
interface ClaimParsers {
  headerScope(credential: string): Scope
  queryScope(credential: string): Scope
  headerNames(list: string): readonly string[]
  queryNames(list: string): readonly string[]
  time(timestamp: string): number | undefined
}

/** Clients, or days of one, whose parts are remembered; requests of more of them only cost their parsing. */
const REMEMBERED_MAX = 64

const createParsers = (region: string): ClaimParsers => ({
  headerScope: createMemo(REMEMBERED_MAX, (credential) =>
    parseCredential(credential, region, headerMalformed),
  ),
  queryScope: createMemo(REMEMBERED_MAX, (credential) =>
    parseCredential(credential, region, credentialMalformed),
  ),
  headerNames: createMemo(REMEMBERED_MAX, (list) => parseSignedHeaders(list, headerMalformed)),
  queryNames: createMemo(REMEMBERED_MAX, (list) => parseSignedHeaders(list, queryMalformed)),
  time: createMemo(REMEMBERED_MAX, parseTimestamp),
})

/**
 * Reads what a request claims, for a server of `region`: undefined when it carries no credentials at all. Throws AWS's
 * refusal for whatever is wrong with the claim's form, scope or time; the signature itself is not looked at.
 */
export type ClaimReader = (
  request: WireRequest,
  parameters: readonly QueryParameter[],
  nowMs: number,
) => Claim | undefined

export const createClaimReader = (region: string): ClaimReader => {
  const parsers = createParsers(region)
  return (request, parameters, nowMs) => {
    const authorization = request.headers.get('authorization')
    let query4 = false
    let query2 = false
    for (const { name } of parameters) {
      if (name === 'X-Amz-Algorithm' || name === 'X-Amz-Signature' || name === 'X-Amz-Credential')
        query4 = true
      else if (name === 'Signature' || name === 'AWSAccessKeyId') query2 = true
    }
    if (Number(authorization !== undefined) + Number(query4) + Number(query2) > 1) {
      throw argument(
        'Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified',
        authorization ?? '',
      )
    }
    if (query2) throw signatureVersion2()
    if (authorization === undefined) {
      return query4 ? queryClaim(request, parameters, parsers, nowMs) : undefined
    }
    const claim = headerClaim(request, authorization, parsers, nowMs)
    const hasToken = parameters.some(({ name }) => name === 'X-Amz-Security-Token')
    return hasToken ? { ...claim, hasToken } : claim
  }
}
