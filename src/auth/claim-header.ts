// The claim of an Authorization header, checked for form, scope and time before any signature is computed. Codes and
// messages are AWS's, in AWS's order.
import { refusal } from '../base/errors.ts'
import { createMemo } from '../base/memo.ts'
import { queryToSign, type WireRequest } from './canonical.ts'
import {
  ALGORITHM,
  ALGORITHM_4A,
  ANY_SIGNATURE,
  argument,
  type Claim,
  type ClaimParsers,
  headerMalformed,
  notImplemented,
  quote,
  REMEMBERED_MAX,
  requireSigned,
  SIGNATURE_LENGTH,
  SKEW_MAX_MS,
  sameDay,
  signatureAtEnd,
  signatureVersion2,
} from './claim.ts'
import type { QueryParameter } from './encoding.ts'
import { formatTimestamp, isoSeconds, parseDateHeader } from './timestamps.ts'

interface Components {
  readonly credential: string
  readonly signedHeaders: string
  readonly signature: string
}

/** What is wrong, for an error, when it is not what it should be. */
interface Malformed {
  readonly wrong: string
}

/** `Credential=…, SignedHeaders=…, Signature=…`, each once, in any order. */
const findComponents = (text: string): Components | Malformed => {
  const found = new Map<string, string>()
  for (const part of text.split(',')) {
    const component = part.trim()
    const equals = component.indexOf('=')
    const name = component.slice(0, Math.max(equals, 0))
    if (equals < 0 || found.has(name)) {
      return { wrong: `the authorization component "${quote(component)}" is malformed.` }
    }
    found.set(name, component.slice(equals + 1))
  }
  const credential = found.get('Credential')
  const signedHeaders = found.get('SignedHeaders')
  const signature = found.get('Signature')
  if (!credential || !signedHeaders || !signature || found.size !== 3) {
    return {
      wrong: 'the authorization header requires three components: Credential, SignedHeaders, and Signature.',
    }
  }
  return { credential, signedHeaders, signature }
}

/** Finds the components with a memory of what a client says before its signature, which mostly is the last of them. */
const createComponentReader = (): ((text: string) => Components) => {
  const headOf = createMemo(REMEMBERED_MAX, (head: string) => findComponents(head + ANY_SIGNATURE))
  return (text) => {
    const signature = signatureAtEnd(text, 'Signature=')
    const head = signature === undefined ? undefined : headOf(text.slice(0, -SIGNATURE_LENGTH))
    // A longer value that only ends so is none of these.
    if (signature !== undefined && head && !('wrong' in head) && head.signature.length === SIGNATURE_LENGTH) {
      return { credential: head.credential, signedHeaders: head.signedHeaders, signature }
    }
    const found = findComponents(text)
    if ('wrong' in found) throw headerMalformed(found.wrong)
    return found
  }
}

export type HeaderClaims = (
  request: WireRequest,
  parameters: readonly QueryParameter[],
  authorization: string,
  nowMs: number,
) => Claim

export const createHeaderClaims = (parsers: ClaimParsers): HeaderClaims => {
  const readComponents = createComponentReader()
  return (request, parameters, authorization, nowMs) => {
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
    const { credential, signedHeaders, signature } = readComponents(authorization.slice(space + 1))
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
      signedHeaderList: signedHeaders,
      signature,
      query: queryToSign(request.query, parameters),
      payload,
      hasToken:
        request.headers.has('x-amz-security-token') ||
        parameters.some(({ name }) => name === 'X-Amz-Security-Token'),
    }
  }
}
