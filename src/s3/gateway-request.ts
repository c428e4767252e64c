// From a request's head to an S3Request: target, identity and body, in that order, and nothing of it believed before
// the signature is. Pure but for the socket behind the body.
import type { Authenticated, Authenticator } from '../auth/authenticate.ts'
import { SHA256_EMPTY } from '../auth/canonical.ts'
import { decodeUtf8, parseQuery, type QueryParameter } from '../auth/encoding.ts'
import { refusal } from '../base/errors.ts'
import type { RequestHead } from '../http/head.ts'
import type { Pairs } from '../metadata/records.ts'
import { type BodySource, createBody } from './bodies.ts'
import type { RequestBody, S3Request } from './exchange.ts'
import { targetOf } from './host.ts'

export interface Arrival {
  readonly request: S3Request
  /** For `/-/`, unless the host is a bucket's. */
  readonly isAdmin: boolean
}

export interface ArrivalContext {
  readonly id: string
  readonly hostId: string
  readonly authenticator: Authenticator
  readonly domain: string | undefined
  /** Undefined when the request has no body. */
  readonly source: BodySource | undefined
}

const ADMIN_PREFIX = '/-/'
const NO_PAIRS: Pairs = []
const NO_TRAILERS: ReadonlyMap<string, string> = new Map()
const NOTHING = new Uint8Array(0)

const noChunks: AsyncIterable<Uint8Array> = {
  [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve({ done: true, value: undefined }) }),
}

const emptyBody = (size: number | undefined): RequestBody => ({
  size,
  chunks: noChunks,
  trailerNames: [],
  trailers: () => NO_TRAILERS,
  whole: () => Promise.resolve(NOTHING),
})

const NO_BODY = emptyBody(undefined)
const ZERO_BODY = emptyBody(0)
const ENDED: BodySource = { next: () => Promise.resolve(undefined) }

/** The parameters that sign; what they said is known, so handlers do not see them. */
const SIGNING = new Set(
  [
    'Algorithm',
    'Credential',
    'Date',
    'Expires',
    'SignedHeaders',
    'Signature',
    'Security-Token',
    'Content-Sha256',
  ].map((name) => `X-Amz-${name}`),
)

interface View {
  readonly headers: ReadonlyMap<string, string>
  readonly query: Pairs
}

/** The query as handlers see it: text. */
const textOf = (parameters: readonly QueryParameter[]): Pairs => {
  if (parameters.length === 0) return NO_PAIRS
  return parameters.map(({ name, value }) => [decodeUtf8(name), decodeUtf8(value)] as const)
}

/**
 * SDKs move x-amz-* headers into the query of a presigned URL, where they are signed like the rest of it: they are
 * headers again here. One the request also has as a header stays as that, which had to be signed too.
 */
const unhoist = (headers: ReadonlyMap<string, string>, parameters: readonly QueryParameter[]): View => {
  const own = parameters.filter(({ name }) => !SIGNING.has(name))
  const isHoisted = ({ name }: QueryParameter): boolean => name.toLowerCase().startsWith('x-amz-')
  if (!own.some(isHoisted)) return { headers, query: textOf(own) }
  const all = new Map(headers)
  for (const { name, value } of own.filter(isHoisted)) {
    if (!headers.has(name.toLowerCase())) all.set(name.toLowerCase(), value)
  }
  return { headers: all, query: textOf(own.filter((parameter) => !isHoisted(parameter))) }
}

const bodyOf = (
  source: BodySource | undefined,
  method: string,
  headers: ReadonlyMap<string, string>,
  authenticated: Authenticated,
): RequestBody => {
  const { payload } = authenticated
  // The common case of a read costs nothing here; a hash of something that is not there is createBody's to refuse.
  const isNothing = payload.kind === 'plain' && (payload.sha256 ?? SHA256_EMPTY) === SHA256_EMPTY
  if (source === undefined && isNothing) return headers.has('content-length') ? ZERO_BODY : NO_BODY
  return createBody(source ?? ENDED, { method, headers, authenticated })
}

interface WireTarget {
  readonly path: string
  /** Without '?'; empty for none. */
  readonly query: string
}

/** Throws `InvalidURI` for anything but a path from the root: no absolute form, no `*`, no fragment. */
const splitTarget = (target: string): WireTarget => {
  if (target[0] !== '/' || target.includes('#')) {
    throw refusal('InvalidURI', "Couldn't parse the specified URI.")
  }
  const question = target.indexOf('?')
  if (question < 0) return { path: target, query: '' }
  return { path: target.slice(0, question), query: target.slice(question + 1) }
}

/** Throws the refusal of whatever is wrong with target, credentials or the body's headers. */
export const receive = (head: RequestHead, context: ArrivalContext): Arrival => {
  const { method, headers } = head
  if (head.minor > 0 && !headers.has('host')) {
    throw refusal('BadRequest', 'A request must name its host.')
  }
  const { path, query } = splitTarget(head.target)
  const host = headers.get('host') ?? ''
  const target = targetOf(path, host, context.domain)
  const isAdmin = !target.virtualHost && path.startsWith(ADMIN_PREFIX)
  const parameters = query === '' ? [] : parseQuery(query)
  const wire = { method, path, query, headers }
  const authenticated = context.authenticator.authenticate(wire, parameters)
  const body = bodyOf(context.source, method, headers, authenticated)
  const view: View = authenticated.presigned
    ? unhoist(headers, parameters)
    : { headers, query: textOf(parameters) }
  return {
    isAdmin,
    request: {
      id: context.id,
      hostId: context.hostId,
      method,
      bucket: isAdmin ? '' : target.bucket,
      key: isAdmin ? path.slice(ADMIN_PREFIX.length) : target.key,
      query: view.query,
      headers: view.headers,
      identity: authenticated.identity,
      origin: `http://${host}`,
      body,
    },
  }
}
