// The gateway: an HTTP server that turns requests into S3Requests, asks whoever it was given for an answer and writes it.
// It alone knows sockets. What it promises: no handler sees a request whose signature was not checked; every connection,
// request and wait has a bound, and beyond it the answer is 503 or the connection ends; a broken request never leaves a
// connection behind that could be read in two ways.
import { Buffer } from 'node:buffer'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { createAuthenticator } from '../auth/authenticate.ts'
import { authorize } from '../auth/authorize.ts'
import type { FindCredential } from '../auth/identity.ts'
import type { Clock } from '../base/clock.ts'
import { asMoraineError, codeOf, fault, refusal, unavailable } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { KiB, MiB, SECOND } from '../base/units.ts'
import { createSocketSource, type SocketSource } from './bodies-socket.ts'
import { errorResponse as s3ErrorResponse } from './errors.ts'
import type { S3Request, S3Response } from './exchange.ts'
import { bringsBody, isSmallBody } from './gateway-headers.ts'
import { receive } from './gateway-request.ts'
import { respond } from './gateway-respond.ts'

export interface GatewayLimits {
  /** Request line and headers together. */
  readonly headerBytesMax: number
  readonly headersTimeoutMs: number
  readonly keepAliveMs: number
  readonly bodyBytesPerSecondMin: number
  readonly bodyWindowMs: number
  readonly writeStallMs: number
  readonly requestsMax: number
  readonly connectionsMax: number
  readonly lingerBytesMax: number
  readonly lingerMs: number
}

export const GATEWAY_LIMITS: GatewayLimits = {
  headerBytesMax: 16 * KiB,
  headersTimeoutMs: 30 * SECOND,
  // Load balancers keep theirs for 60: the server must not be the one that closes first.
  keepAliveMs: 75 * SECOND,
  bodyBytesPerSecondMin: KiB,
  bodyWindowMs: 30 * SECOND,
  writeStallMs: 60 * SECOND,
  requestsMax: 1024,
  connectionsMax: 10_000,
  lingerBytesMax: MiB,
  lingerMs: 2 * SECOND,
}

/** After these nothing on the connection can be trusted to begin where it seems to. */
const CLOSING: ReadonlySet<string> = new Set(['BadRequest', 'RequestHeaderSectionTooLarge', 'RequestTimeout'])

/** Beyond `connectionsMax` so many more are told so; the ones after them are dropped. */
const SURPLUS_MAX = 256

export interface GatewayOptions {
  /** Everything below HTTP. What it rejects with becomes an S3 error. */
  readonly dispatch: (request: S3Request) => Promise<S3Response>
  /** How an error is answered; the default is S3's way. */
  readonly errorResponse?: typeof s3ErrorResponse
  readonly findCredential: FindCredential
  readonly region: string
  /** `bucket.domain` is a virtual host; without it there are only paths. */
  readonly domain?: string
  /**
   * Before any of the body is read: throws unless the identity may do this. Without it: root everything, anyone else
   * nothing.
   */
  readonly authorize?: (request: S3Request) => void
  /** Answers `/-/…`: `key` is what follows. It sees who asks and decides itself; it is asked while draining, too. */
  readonly adminHandler?: (request: S3Request) => Promise<S3Response>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits?: Partial<GatewayLimits>
}

export interface GatewayAddress {
  readonly host: string
  readonly port: number
}

export interface Gateway {
  /** Resolves when connections are taken. `PORT_IN_USE`. `reusePort` needs Node 22.12. */
  listen(at: { host: string; port: number; reusePort?: boolean }): Promise<GatewayAddress>
  readonly address: GatewayAddress | undefined
  /** Requests that have not been answered whole. */
  inFlight(): number
  /**
   * New requests get 503 at once; those under way have `drainMs` to finish, then their connections are cut. Resolves
   * when no socket is left. Calling it again shortens the wait, never lengthens it.
   */
  close(options: { drainMs: number }): Promise<void>
}

const defaultAuthorize = (request: S3Request): void =>
  authorize({ identity: request.identity, action: '', bucket: request.bucket, key: request.key })

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

export const createGateway = (options: GatewayOptions): Gateway => {
  const { clock, log, errorResponse = s3ErrorResponse } = options
  const limits = { ...GATEWAY_LIMITS, ...options.limits }
  const allow = options.authorize ?? defaultAuthorize
  const nextId = createIds(options.random)
  const hostId = Buffer.from(options.random.bytes(48)).toString('base64')
  const pace = { bytesPerSecondMin: limits.bodyBytesPerSecondMin, windowMs: limits.bodyWindowMs }
  let address: GatewayAddress | undefined
  const authenticator = createAuthenticator({ ...options, port: () => address?.port ?? 0 })

  const bodies = new Set<SocketSource>()
  const surplus = new WeakSet<Socket>()
  /** Sockets with a request under way, and how many. */
  const busy = new WeakMap<Socket, number>()
  /** The body a socket brought last: the one that a parse error cuts short. */
  const lastBody = new WeakMap<Socket, SocketSource>()
  /** Sockets with an answer under way that is their last: whatever comes behind its request is not looked at. */
  const last = new WeakSet<Socket>()
  let inFlight = 0
  let draining = false
  let whenIdle: (() => void) | undefined

  // Runs only while bodies are being received.
  const watchEveryMs = Math.min(SECOND, limits.bodyWindowMs / 4)
  let isWatching = false
  const watch = (): void => {
    isWatching = bodies.size > 0
    if (!isWatching) return
    const nowMs = clock.monotonicMs()
    for (const body of bodies) body.check(nowMs)
    clock.setTimer(watchEveryMs, watch)
  }

  const enter = (
    message: IncomingMessage,
    response: ServerResponse,
    source: SocketSource | undefined,
  ): void => {
    const { socket } = message
    inFlight++
    busy.set(socket, (busy.get(socket) ?? 0) + 1)
    if (source) {
      lastBody.set(socket, source)
      bodies.add(source)
      if (!isWatching) {
        isWatching = true
        clock.setTimer(watchEveryMs, watch)
      }
    }
    response.once('close', () => {
      inFlight--
      busy.set(socket, (busy.get(socket) ?? 1) - 1)
      if (source) bodies.delete(source)
      if (last.has(socket)) socket.destroySoon()
      if (inFlight === 0) whenIdle?.()
    })
  }

  const refuseOverload = (message: IncomingMessage): void => {
    if (last.has(message.socket))
      throw refusal('BadRequest', 'The request before this one ended the connection.')
    if (draining)
      throw unavailable('DRAINING', 'The server is going down. Please try again elsewhere or later.')
    if (surplus.has(message.socket) || inFlight > limits.requestsMax) {
      throw unavailable('MAILBOX_FULL', 'Please reduce your request rate.')
    }
  }

  const answerTo = async (
    message: IncomingMessage,
    id: string,
    source: SocketSource | undefined,
  ): Promise<S3Response> => {
    let resource = (message.url ?? '').split('?', 1)[0]!.slice(0, 4096)
    try {
      const isAdmin = options.adminHandler !== undefined && (message.url ?? '').startsWith('/-/')
      if (!isAdmin) refuseOverload(message)
      const arrival = receive(message, { id, authenticator, domain: options.domain, source })
      const { request } = arrival
      if (arrival.isAdmin && options.adminHandler) return await options.adminHandler(request)
      if (isAdmin) refuseOverload(message)
      resource = `/${request.bucket}${request.key === '' ? '' : `/${request.key}`}`
      allow(request)
      return await options.dispatch(request)
    } catch (caught) {
      const error = asMoraineError(caught)
      if (CLOSING.has(error.code)) last.add(message.socket)
      if (error.kind === 'bug' || error.kind === 'fault') {
        log.error('request-failed', { id, code: error.code, message: error.message, stack: error.stack })
      }
      return errorResponse(error, { requestId: id, method: message.method ?? '', resource })
    }
  }

  const handle = async (
    message: IncomingMessage,
    response: ServerResponse,
    expects: boolean,
  ): Promise<void> => {
    const id = nextId()
    const source = bringsBody(message.rawHeaders)
      ? createSocketSource(message, clock, pace, () => {
          if (expects) response.writeContinue()
        })
      : undefined
    enter(message, response, source)
    const answer = await answerTo(message, id, source)
    if (response.destroyed) {
      if (typeof answer.body === 'object' && 'close' in answer.body) answer.body.close()
      return
    }
    const isBroken = source?.isBroken() === true
    if (draining || isBroken || surplus.has(message.socket)) last.add(message.socket)
    const isLast = last.has(message.socket)
    const isPartial = source !== undefined && !source.isComplete()
    const isUnread = isPartial && !isBroken && (isLast || expects || !isSmallBody(message.rawHeaders))
    if (isUnread) last.add(message.socket)
    source?.abandon()
    // The little that is left is taken off the wire, and the connection goes on.
    if (isPartial && !isUnread) message.resume()
    const common = ['x-amz-request-id', id, 'x-amz-id-2', hostId, 'Server', 'Moraine']
    const respondOptions = {
      ...limits,
      clock,
      common,
      isUnread,
      isLast,
    }
    try {
      await respond(message, response, answer, respondOptions)
    } catch (error) {
      log.warn('answer-cut-short', { id, code: codeOf(error), message: (error as Error).message })
      if (response.headersSent) return
      // A header that cannot be written: say so rather than leave the client waiting.
      await respond(
        message,
        response,
        errorResponse(error, { requestId: id, method: message.method ?? '', resource: '' }),
        respondOptions,
      )
    }
  }

  const onRequest = (message: IncomingMessage, response: ServerResponse, expects: boolean): void => {
    response.on('error', (error) => log.debug('connection-broken', { message: error.message }))
    handle(message, response, expects).catch((error: unknown) => {
      log.error('gateway-failed', { message: (error as Error).message, stack: (error as Error).stack })
      message.socket.destroy()
    })
  }

  const onClientError = (error: Error, socket: Socket): void => {
    if (!socket.writable || codeOf(error) === 'ECONNRESET') {
      socket.destroy()
      return
    }
    if ((busy.get(socket) ?? 0) > 0) {
      // What is written now would end up inside an answer under way: that one becomes the last.
      last.add(socket)
      const body = lastBody.get(socket)
      if (body && !body.isComplete()) body.abandon()
      return
    }
    const id = nextId()
    const failure = parseFailure(codeOf(error))
    const { body } = errorResponse(failure.error, { requestId: id, method: '', resource: '' })
    const text = typeof body === 'string' ? body : ''
    socket.end(
      `HTTP/1.1 ${failure.status}\r\nx-amz-request-id: ${id}\r\nx-amz-id-2: ${hostId}\r\nServer: Moraine\r\n` +
        `Content-Type: application/xml\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
      () => socket.destroy(),
    )
  }

  const server: Server = createServer({
    maxHeaderSize: limits.headerBytesMax,
    headersTimeout: limits.headersTimeoutMs,
    // Never for the whole request: bodies have a minimum rate instead.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.min(5 * SECOND, limits.headersTimeoutMs),
    keepAliveTimeout: limits.keepAliveMs,
    keepAlive: true,
    keepAliveInitialDelay: 30 * SECOND,
    noDelay: true,
    insecureHTTPParser: false,
    // Checked by us, so that the answer is one of ours.
    requireHostHeader: false,
  })
  // 0 stands for any number: readHeaders counts them, where node would drop the rest unseen.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connectionsMax + SURPLUS_MAX
  server.on('request', (message, response) => onRequest(message, response, false))
  server.on('checkContinue', (message, response) => onRequest(message, response, true))
  server.on('checkExpectation', (message, response) => onRequest(message, response, false))
  server.on('clientError', (error, socket) => onClientError(error, socket as Socket))
  let connections = 0
  server.on('connection', (socket) => {
    connections++
    if (connections > limits.connectionsMax) surplus.add(socket)
    socket.once('close', () => {
      connections--
    })
  })

  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  let closing: Promise<void> | undefined

  return {
    get address() {
      return address
    },
    inFlight: () => inFlight,
    listen: (at) =>
      new Promise((resolve, reject) => {
        server.once('error', (error) => {
          const taken = codeOf(error) === 'EADDRINUSE'
          reject(taken ? fault('PORT_IN_USE', `${at.host}:${at.port} is in use`, {}, error) : error)
        })
        server.listen({ ...at }, () => {
          const bound = server.address() as AddressInfo
          address = { host: bound.address, port: bound.port }
          server.removeAllListeners('error')
          server.on('error', (error) => log.error('listener-failed', { message: error.message }))
          resolve(address)
        })
      }),
    close({ drainMs }) {
      draining = true
      if (inFlight > 0) {
        const timer = clock.setTimer(drainMs, () => whenIdle?.(), true)
        closing ??= new Promise<void>((resolve) => {
          whenIdle = resolve
        }).then(stop)
        return closing.finally(() => timer.cancel())
      }
      closing ??= stop()
      return closing
    },
  }
}
