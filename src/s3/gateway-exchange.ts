// One exchange: the request is received, answered by whoever is asked for it, and the answer written. What goes wrong on
// the way becomes an S3 error; what cannot be read at all is answered on the bare socket.
import { Buffer } from 'node:buffer'
import type { Authenticator } from '../auth/authenticate.ts'
import type { Clock } from '../base/clock.ts'
import { asMoraineError, codeOf, type MoraineError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { KiB } from '../base/units.ts'
import type { Exchange } from '../http/exchange.ts'
import { createSocketSource, type SocketSource } from './bodies-socket.ts'
import type { errorResponse as s3ErrorResponse } from './errors.ts'
import type { S3Request, S3Response } from './exchange.ts'
import { receive } from './gateway-request.ts'
import { respond } from './gateway-respond.ts'
import type { Traffic } from './gateway-traffic.ts'

export interface ExchangeLimits {
  readonly bodyBytesPerSecondMin: number
  readonly bodyWindowMs: number
}

export interface ExchangeOptions {
  readonly dispatch: (request: S3Request) => Promise<S3Response>
  readonly adminHandler: ((request: S3Request) => Promise<S3Response>) | undefined
  readonly authorize: (request: S3Request) => void
  readonly errorResponse: typeof s3ErrorResponse
  readonly authenticator: Authenticator
  readonly domain: string | undefined
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: ExchangeLimits
  readonly traffic: Traffic
}

export interface Exchanges {
  onExchange(exchange: Exchange): void
  /** Of something that is no request. */
  onUnreadable(error: MoraineError, exchange: Exchange): void
}

/** After these nothing on the connection can be trusted to begin where it seems to. */
const CLOSING: ReadonlySet<string> = new Set(['BadRequest', 'RequestHeaderSectionTooLarge', 'RequestTimeout'])

/** Longer than any legal resource. */
const RESOURCE_MAX = 4096

/** Request ids: one random number per gateway, counted up. */
const createIds = (random: Random): (() => string) => {
  const prefix = Buffer.from(random.bytes(4)).toString('hex').toUpperCase()
  let count = random.below(2 ** 32)
  return () => {
    count = (count + 1) >>> 0
    return prefix + count.toString(16).toUpperCase().padStart(8, '0')
  }
}

/** So much of a body nobody read is taken off the wire rather than the connection closed. */
const SMALL_BODY_MAX = 64 * KiB

const resourceOf = ({ bucket, key }: S3Request): string => `/${bucket}${key === '' ? '' : `/${key}`}`

const closeBody = ({ body }: S3Response): void => {
  if (typeof body === 'object' && 'close' in body) body.close()
}

export const createExchanges = (options: ExchangeOptions): Exchanges => {
  const { clock, log, errorResponse, limits, traffic } = options
  const nextId = createIds(options.random)
  const hostId = Buffer.from(options.random.bytes(48)).toString('base64')
  const pace = { bytesPerSecondMin: limits.bodyBytesPerSecondMin, windowMs: limits.bodyWindowMs }

  const answerTo = async (
    exchange: Exchange,
    id: string,
    source: SocketSource | undefined,
  ): Promise<S3Response> => {
    const { adminHandler, authenticator, domain } = options
    const { method, target } = exchange.request
    let known: S3Request | undefined
    try {
      // Health is told while draining and when there is no room, too.
      const mayBeAdmin = adminHandler !== undefined && target.startsWith('/-/')
      if (!mayBeAdmin) traffic.admit(exchange)
      const { request, isAdmin } = receive(exchange.request, { id, hostId, authenticator, domain, source })
      if (isAdmin && adminHandler) return await adminHandler(request)
      if (mayBeAdmin) traffic.admit(exchange)
      known = request
      options.authorize(request)
      return await options.dispatch(request)
    } catch (caught) {
      const error = asMoraineError(caught)
      if (CLOSING.has(error.code)) exchange.isLast = true
      if (error.kind === 'bug' || error.kind === 'fault') {
        log.error('request-failed', { id, code: error.code, message: error.message, stack: error.stack })
      }
      const resource = known ? resourceOf(known) : target.split('?', 1)[0]!.slice(0, RESOURCE_MAX)
      return errorResponse(error, { requestId: id, hostId, method, resource })
    }
  }

  /** What becomes of the rest of the request's body, and of the connection. */
  const settleBody = (exchange: Exchange, source: SocketSource | undefined): void => {
    if (traffic.isDraining()) exchange.isLast = true
    const { body } = exchange
    if (!body || !source) return
    const isSmall = body.length !== 'chunked' && body.length <= SMALL_BODY_MAX
    if (source.isBroken()) exchange.isLast = true
    // A little that is left is taken off the wire; much of it, or what the client was never asked for, is not waited for.
    else if (!source.isComplete() && (exchange.expectsContinue || !isSmall)) exchange.isLast = true
    source.abandon()
  }

  const handle = async (exchange: Exchange): Promise<void> => {
    const id = nextId()
    const { body } = exchange
    const onStart = (): void => {
      if (exchange.expectsContinue) exchange.sendContinue()
    }
    const source = body && createSocketSource(body, clock, pace, onStart)
    traffic.enter(exchange, source)
    const answer = await answerTo(exchange, id, source)
    if (exchange.isGone) {
      closeBody(answer)
      return
    }
    settleBody(exchange, source)
    const ids = { id, hostId }
    try {
      await respond(exchange, answer, ids)
    } catch (error) {
      const event = exchange.hasBegun ? 'answer-cut-short' : 'answer-failed'
      log.warn(event, { id, code: codeOf(error), message: (error as Error).message })
      if (exchange.hasBegun) return
      // A body that cannot begin, a header that cannot be written: say so rather than leave the client waiting.
      const { method } = exchange.request
      await respond(exchange, errorResponse(error, { requestId: id, hostId, method, resource: '' }), ids)
    }
  }

  const attend = (exchange: Exchange, work: Promise<void>): void => {
    work.catch((error: Error) => {
      log.error('gateway-failed', { message: error.message, stack: error.stack })
      exchange.cut()
    })
  }

  return {
    onExchange: (exchange) => attend(exchange, handle(exchange)),
    onUnreadable(error, exchange) {
      const id = nextId()
      const answer = errorResponse(error, { requestId: id, hostId, method: '', resource: '' })
      // There is no request yet that could be at fault for its time.
      const status = error.code === 'RequestTimeout' ? 408 : answer.status
      attend(exchange, respond(exchange, { ...answer, status }, { id, hostId }))
    },
  }
}
