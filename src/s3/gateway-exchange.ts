// One exchange: the request is received, answered by whoever is asked for it, and the answer written. What goes wrong on
// the way becomes an S3 error; what cannot be read at all is answered on the bare socket.
import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Authenticator } from '../auth/authenticate.ts'
import type { Clock } from '../base/clock.ts'
import { asMoraineError, codeOf, refusal } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { createSocketSource, type SocketSource } from './bodies-socket.ts'
import type { errorResponse as s3ErrorResponse } from './errors.ts'
import type { S3Request, S3Response } from './exchange.ts'
import { bringsBody, isSmallBody } from './gateway-headers.ts'
import { receive } from './gateway-request.ts'
import { type RespondLimits, respond } from './gateway-respond.ts'
import type { Traffic } from './gateway-traffic.ts'

export interface ExchangeLimits extends RespondLimits {
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
  /** `expects`: the client waits for 100 Continue before it sends its body. */
  onRequest(message: IncomingMessage, response: ServerResponse, expects: boolean): void
  onClientError(error: Error, socket: Socket): void
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

/** What node:http says when it cannot read a request, as an answer for the wire. */
const parseFailure = (code: string): { status: string; error: Error } => {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const error = refusal(
      'RequestHeaderSectionTooLarge',
      'Your request header section exceeds the maximum allowed size.',
    )
    return { status: '400 Bad Request', error }
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    const error = refusal('RequestTimeout', 'Your request head was not received within the timeout period.')
    return { status: '408 Request Timeout', error }
  }
  return {
    status: '400 Bad Request',
    error: refusal('BadRequest', 'An error occurred when parsing the HTTP request.'),
  }
}

const resourceOf = ({ bucket, key }: S3Request): string => `/${bucket}${key === '' ? '' : `/${key}`}`

const closeBody = ({ body }: S3Response): void => {
  if (typeof body === 'object' && 'close' in body) body.close()
}

export const createExchanges = (options: ExchangeOptions): Exchanges => {
  const { clock, log, errorResponse, limits, traffic } = options
  const nextId = createIds(options.random)
  const hostId = Buffer.from(options.random.bytes(48)).toString('base64')
  const onBroken = (error: Error): void => log.debug('connection-broken', { message: error.message })
  const pace = { bytesPerSecondMin: limits.bodyBytesPerSecondMin, windowMs: limits.bodyWindowMs }

  const answerTo = async (
    message: IncomingMessage,
    id: string,
    source: SocketSource | undefined,
  ): Promise<S3Response> => {
    const { adminHandler, authenticator, domain } = options
    const target = message.url ?? ''
    let known: S3Request | undefined
    try {
      // Health is told while draining and when there is no room, too.
      const mayBeAdmin = adminHandler !== undefined && target.startsWith('/-/')
      if (!mayBeAdmin) traffic.admit(message.socket)
      const { request, isAdmin } = receive(message, { id, hostId, authenticator, domain, source })
      if (isAdmin && adminHandler) return await adminHandler(request)
      if (mayBeAdmin) traffic.admit(message.socket)
      known = request
      options.authorize(request)
      return await options.dispatch(request)
    } catch (caught) {
      const error = asMoraineError(caught)
      if (CLOSING.has(error.code)) traffic.endWith(message.socket)
      if (error.kind === 'bug' || error.kind === 'fault') {
        log.error('request-failed', { id, code: error.code, message: error.message, stack: error.stack })
      }
      const resource = known ? resourceOf(known) : target.split('?', 1)[0]!.slice(0, RESOURCE_MAX)
      return errorResponse(error, { requestId: id, hostId, method: message.method ?? '', resource })
    }
  }

  /** What becomes of the rest of the request's body, and of the connection. */
  const settleBody = (
    message: IncomingMessage,
    response: ServerResponse,
    source: SocketSource | undefined,
    expects: boolean,
  ): { isUnread: boolean; isLast: boolean } => {
    const { socket } = message
    const isBroken = source?.isBroken() === true
    const isPartial = source !== undefined && !source.isComplete()
    if (isBroken) traffic.endWith(socket)
    // When the client wants its connection closed, closing it over what it still sends would reset it, answer and all.
    const isLast = traffic.isLast(socket) || !response.shouldKeepAlive
    const isUnread = isPartial && !isBroken && (isLast || expects || !isSmallBody(message.rawHeaders))
    if (isLast || isUnread) traffic.endWith(socket)
    source?.abandon()
    // The little that is left is taken off the wire, and the connection goes on.
    if (isPartial && !isUnread) message.resume()
    return { isUnread, isLast }
  }

  const handle = async (
    message: IncomingMessage,
    response: ServerResponse,
    expects: boolean,
  ): Promise<void> => {
    const id = nextId()
    const onStart = (): void => {
      if (expects) response.writeContinue()
    }
    const source = bringsBody(message.rawHeaders)
      ? createSocketSource(message, clock, pace, onStart)
      : undefined
    traffic.enter(message, response, source)
    const answer = await answerTo(message, id, source)
    if (response.destroyed) {
      closeBody(answer)
      return
    }
    const { isUnread, isLast } = settleBody(message, response, source, expects)
    const how = { clock, limits, id, hostId, isUnread, isLast }
    try {
      await respond(message, response, answer, how)
    } catch (error) {
      const event = response.headersSent ? 'answer-cut-short' : 'answer-failed'
      log.warn(event, { id, code: codeOf(error), message: (error as Error).message })
      if (response.headersSent) return
      // A body that cannot begin, a header that cannot be written: say so rather than leave the client waiting.
      const instead = errorResponse(error, {
        requestId: id,
        hostId,
        method: message.method ?? '',
        resource: '',
      })
      await respond(message, response, instead, how)
    }
  }

  return {
    onRequest(message, response, expects) {
      response.on('error', onBroken)
      handle(message, response, expects).catch((error: unknown) => {
        log.error('gateway-failed', { message: (error as Error).message, stack: (error as Error).stack })
        message.socket.destroy()
      })
    },
    onClientError(error, socket) {
      if (!socket.writable || codeOf(error) === 'ECONNRESET') {
        socket.destroy()
        return
      }
      // What is written now would end up inside an answer under way.
      if (traffic.breakOff(socket)) return
      const id = nextId()
      const failure = parseFailure(codeOf(error))
      const { body } = errorResponse(failure.error, { requestId: id, hostId, method: '', resource: '' })
      const text = typeof body === 'string' ? body : ''
      socket.end(
        `HTTP/1.1 ${failure.status}\r\nx-amz-request-id: ${id}\r\nx-amz-id-2: ${hostId}\r\nServer: Moraine\r\n` +
          `Content-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
        () => socket.destroy(),
      )
    },
  }
}
