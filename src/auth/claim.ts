// A claim: what a request says about who signed it and how. It comes in the Authorization header or in the query, and this
// file reads the parts that both have; claim-reader.ts puts them together.
import { type ErrorDetail, type MoraineError, refusal } from '../base/errors.ts'
import { createMemo } from '../base/memo.ts'
import { MINUTE } from '../base/units.ts'
import type { WireRequest } from './canonical.ts'
import { parseTimestamp } from './timestamps.ts'

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
  /** The same, joined by ';'. */
  readonly signedHeaderList: string
  /** As sent. */
  readonly signature: string
  /** The canonical query, without the parameter that carries the signature itself. */
  readonly query: string
  /** The canonical request's last line. */
  readonly payload: string
  /** Whether a session token came with it, in the query or as a header. */
  readonly hasToken: boolean
}

/** AWS's own, either way. */
export const SKEW_MAX_MS = 15 * MINUTE
/** Far above any request; a bound for what error texts quote. */
const QUOTE_MAX = 256
/** Clients, or days of one, whose parts are remembered; requests of more of them only cost their parsing. */
export const REMEMBERED_MAX = 64
/** Hex digits of a signature. */
export const SIGNATURE_LENGTH = 64

export const ALGORITHM = 'AWS4-HMAC-SHA256'
export const ALGORITHM_4A = 'AWS4-ECDSA-P256-SHA256'

export const quote = (text: string): string =>
  text.length > QUOTE_MAX ? `${text.slice(0, QUOTE_MAX)}…` : text

export type Fail = (message: string, detail?: ErrorDetail) => MoraineError

export const headerMalformed: Fail = (message, detail) =>
  refusal('AuthorizationHeaderMalformed', `The authorization header is malformed; ${message}`, detail)
export const queryMalformed: Fail = (message, detail) =>
  refusal('AuthorizationQueryParametersError', message, detail)
export const credentialMalformed: Fail = (message, detail) =>
  queryMalformed(`Error parsing the X-Amz-Credential parameter; ${message}`, detail)

export const argument = (message: string, value: string): MoraineError =>
  refusal('InvalidArgument', message, { ArgumentName: 'Authorization', ArgumentValue: quote(value) })

export const signatureVersion2 = (): MoraineError =>
  refusal(
    'InvalidRequest',
    'The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.',
  )

export const notImplemented = (algorithm: string): MoraineError =>
  refusal('NotImplemented', `${algorithm} is not implemented; please use AWS4-HMAC-SHA256.`)

export interface Scope {
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
export const requireSigned = (request: WireRequest, signed: readonly string[]): void => {
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
export const sameDay = (day: string, today: string, fail: Fail): void => {
  if (day !== today) {
    throw fail(`Invalid credential date "${day}". This date is not the same as X-Amz-Date: "${today}".`)
  }
}

const SIGNATURE_DIGITS = /^[0-9a-f]{64}$/

/** Stands for one where what is before it is read alone. */
export const ANY_SIGNATURE = '0'.repeat(SIGNATURE_LENGTH)

/**
 * The 64 digits of a signature when `text` ends in `name` and them. They change with every request, and what is before
 * them hardly ever does: a client repeats it, so that it need be read once.
 */
export const signatureAtEnd = (text: string, name: string): string | undefined => {
  const start = text.length - SIGNATURE_LENGTH
  if (!text.startsWith(name, start - name.length)) return undefined
  const signature = text.slice(start)
  return SIGNATURE_DIGITS.test(signature) ? signature : undefined
}

/** The parts of a claim that a client repeats from request to request, read once. */
export interface ClaimParsers {
  headerScope(credential: string): Scope
  queryScope(credential: string): Scope
  headerNames(list: string): readonly string[]
  queryNames(list: string): readonly string[]
  time(timestamp: string): number | undefined
}

export const createParsers = (region: string): ClaimParsers => ({
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
