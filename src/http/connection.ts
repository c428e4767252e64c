// A connection: requests are read off the socket one after another, each only when the answer before it has settled. What
// cannot be read is handed over as such, once, and is the connection's last. Nothing here knows what requests mean.
import { Buffer } from 'node:buffer'
import type { Socket } from 'node:net'
import type { Clock, Timer } from '../base/clock.ts'
import { asMoraineError, type MoraineError, refusal } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { KiB, SECOND } from '../base/units.ts'
import { Exchange, type ExchangeHost } from './exchange.ts'
import { badRequest, bodyLengthOf, headTooLarge, parseHead, type RequestHead } from './head.ts'
import { IncomingBody } from './incoming-body.ts'

export interface ConnectionLimits {
  /** Request line and headers together. */
  readonly headerBytesMax: number
  /** From a head's first byte to its last; also for the first byte of a connection. */
  readonly headersTimeoutMs: number
  /** Of rest between two requests. */
  readonly keepAliveMs: number
  /** A client that takes nothing for so long is cut. */
  readonly writeStallMs: number
  /** What of an unread body is thrown away behind the last answer, so that the client gets to read that. */
  readonly lingerBytesMax: number
  readonly lingerMs: number
}

export interface ConnectionOptions {
  readonly clock: Clock
  readonly limits: ConnectionLimits
  /** A request whose head is whole. Its answer is expected by way of the exchange. */
  readonly onExchange: (exchange: Exchange) => void
  /** Something that is no request; the answer to it is the last. */
  readonly onUnreadable: (error: MoraineError, exchange: Exchange) => void
  readonly log: Log
  /** Milliseconds on the monotonic clock, a little old. */
  readonly coarseNowMs: () => number
}

/** Bytes of requests to come that wait behind one under way; past that the socket is not read. */
const PIPELINED_MAX = 64 * KiB
const NO_HEAD: RequestHead = { method: '', target: '', minor: 1, headers: new Map() }
const HEAD_END = '\r\n\r\n'
const CR = 13
const LF = 10

/** A line that ends with LF alone. */
const hasBareLineEnd = (bytes: Buffer, from: number): boolean => {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (at === from || bytes[at - 1] !== CR) return true
  }
  return false
}

export class Connection implements ExchangeHost {
  readonly keepAlive: string
  private exchange: Exchange | undefined
  /** Of the exchange under way, or the rest of the one before it, which is thrown away. */
  private body: IncomingBody | undefined
  /** Received and not looked at. */
  private pending: Buffer | undefined
  private deadlineMs: number
  private hasHeadBegun = false
  /** What is pending is looked at in a turn of its own. */
  private isNextDue = false
  /** The client has said all it will ever say. */
  private hasEnded = false
  /** Nothing that comes from here on is read. */
  private isOver = false
  private isWriting = false
  private hasStallTimer = false
  private lingering: { left: number; readonly timer: Timer } | undefined
  readonly socket: Socket
  readonly isSurplus: boolean
  private readonly options: ConnectionOptions

  constructor(socket: Socket, isSurplus: boolean, options: ConnectionOptions) {
    const { limits } = options
    this.socket = socket
    this.isSurplus = isSurplus
    this.options = options
    this.keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(limits.keepAliveMs / SECOND)}\r\n\r\n`
    this.deadlineMs = options.coarseNowMs() + limits.headersTimeoutMs
    socket.on('data', (piece: Buffer) => this.onData(piece))
    socket.on('end', () => this.onEnd())
    socket.on('error', ({ message }) => options.log.debug('connection-broken', { message }))
    socket.on('timeout', () => this.onStall())
    socket.on('close', () => this.onClose())
  }

  nowMs(): number {
    return this.options.clock.nowMs()
  }

  /** Called now and then: ends a connection that rests, or brings its head, for too long. */
  check(nowMs: number): void {
    if (nowMs < this.deadlineMs || this.exchange || this.isNextDue) return
    if (this.pending === undefined) this.socket.destroy()
    else {
      this.pending = undefined
      this.refuse(refusal('RequestTimeout', 'Your request head was not received within the timeout period.'))
    }
  }

  flushed(exchange: Exchange): void {
    this.isWriting = false
    // Of a socket that is gone, `close` tells.
    if (this.exchange !== exchange || this.socket.destroyed) return
    const { body } = this
    const mayCome = body !== undefined && !body.isComplete && !body.isBroken && !this.isOver
    if (exchange.isLast && mayCome) this.linger(body)
    else this.finish(exchange)
  }

  setWriting(isWriting: boolean): void {
    this.isWriting = isWriting
    if (this.hasStallTimer || !isWriting) return
    this.hasStallTimer = true
    // The socket's own timer: a byte that the kernel takes out of a write counts as activity.
    this.socket.setTimeout(this.options.limits.writeStallMs)
  }

  private onStall(): void {
    if (this.isWriting) this.socket.destroy()
    else if (this.exchange) this.socket.setTimeout(this.options.limits.writeStallMs)
  }

  private onData(piece: Buffer): void {
    let rest: Buffer | undefined = piece
    if (this.body) rest = this.takeBody(this.body, piece)
    if (!rest || this.isOver) return
    if (this.pending) rest = Buffer.concat([this.pending, rest])
    this.pending = rest
    if (this.exchange || this.isNextDue) {
      // What comes while the client is written to would also pass for its taking something.
      if (rest.length >= PIPELINED_MAX || this.isWriting) this.socket.pause()
    } else {
      this.readHead()
    }
  }

  /** Returns what is behind the body, if anything. */
  private takeBody(body: IncomingBody, piece: Buffer): Buffer | undefined {
    let taken: number
    try {
      taken = body.take(piece)
    } catch {
      // Where the next request begins nobody knows.
      this.isOver = true
      if (this.exchange) this.exchange.isLast = true
      else this.socket.destroySoon()
      body.breakOff()
      return undefined
    }
    if (this.lingering) {
      this.lingering.left -= taken
      if (body.isComplete || this.lingering.left < 0) this.endLinger()
      return undefined
    }
    if (!body.isComplete) return undefined
    this.body = undefined
    if (!this.exchange) this.rest()
    return taken < piece.length ? piece.subarray(taken) : undefined
  }

  /** Takes a head off what is pending, once it is there to its end. */
  private readHead(): void {
    const piece = this.pending!
    const { limits, coarseNowMs } = this.options
    // An empty line before a request is from a client that ended its last body with one.
    let start = 0
    while (start + 1 < piece.length && piece[start] === CR && piece[start + 1] === LF) start += 2
    if (start === piece.length) {
      this.pending = undefined
      return
    }
    const end = piece.indexOf(HEAD_END, start, 'latin1')
    const length = end < 0 ? piece.length : end
    if (length > limits.headerBytesMax) {
      this.refuse(headTooLarge())
    } else if (end >= 0) {
      this.hasHeadBegun = false
      const behind = end + HEAD_END.length
      this.pending = behind < piece.length ? piece.subarray(behind) : undefined
      this.begin(piece.toString('latin1', start, end))
    } else if (hasBareLineEnd(piece, start)) {
      // Its end would never be found.
      this.refuse(badRequest())
    } else if (!this.hasHeadBegun) {
      this.hasHeadBegun = true
      this.deadlineMs = coarseNowMs() + limits.headersTimeoutMs
    }
  }

  private begin(head: string): void {
    let exchange: Exchange
    try {
      const request = parseHead(head)
      const length = bodyLengthOf(request)
      const body = length === 0 ? undefined : new IncomingBody(length, this.socket)
      exchange = new Exchange(request, body, this)
    } catch (error) {
      this.refuse(asMoraineError(error))
      return
    }
    this.deadlineMs = Number.POSITIVE_INFINITY
    this.exchange = exchange
    this.body = exchange.body
    const { pending } = this
    if (this.body && pending) {
      this.pending = undefined
      this.pending = this.takeBody(this.body, pending)
    }
    // From here on the body decides whether the socket is read.
    if (this.body && this.hasEnded) this.body.breakOff()
    else if (this.body && !this.body.isPaused) this.readOn()
    this.options.onExchange(exchange)
  }

  /** The last thing said on this connection. */
  private refuse(error: MoraineError): void {
    this.isOver = true
    this.pending = undefined
    const exchange = new Exchange(NO_HEAD, undefined, this)
    exchange.isLast = true
    this.exchange = exchange
    this.options.onUnreadable(error, exchange)
  }

  private linger(body: IncomingBody): void {
    const { limits, clock } = this.options
    this.lingering = {
      left: limits.lingerBytesMax,
      timer: clock.setTimer(limits.lingerMs, () => this.endLinger()),
    }
    body.drop()
    body.resume()
  }

  private endLinger(): void {
    this.lingering?.timer.cancel()
    this.lingering = undefined
    if (this.exchange) this.finish(this.exchange)
  }

  /** The answer is through: on to the next request, or away. */
  private finish(exchange: Exchange): void {
    this.exchange = undefined
    if (this.hasStallTimer) {
      this.hasStallTimer = false
      this.socket.setTimeout(0)
    }
    exchange.onSettled()
    if (exchange.isLast || this.isOver) {
      this.isOver = true
      this.socket.destroySoon()
      return
    }
    this.rest()
    if (this.body) {
      // The rest of it is taken off the wire, and the connection goes on.
      this.body.drop()
      this.body.resume()
    } else if (this.pending) {
      // Many small requests in one piece must not keep everybody else waiting.
      this.isNextDue = true
      setImmediate(this.next)
      return
    }
    if (this.hasEnded) this.socket.destroySoon()
    else this.readOn()
  }

  /** The request behind the last one, which has been here for some time. */
  private readonly next = (): void => {
    this.isNextDue = false
    if (this.isOver) return
    this.readHead()
    if (this.exchange) {
      if (!this.body) this.readOn()
    } else if (this.hasEnded) this.socket.destroySoon()
    else this.readOn()
  }

  /** Reads the socket, unless enough waits behind an exchange. */
  private readOn(): void {
    const isFull = this.exchange && this.pending && this.pending.length >= PIPELINED_MAX
    if (!isFull && this.socket.isPaused()) this.socket.resume()
  }

  /** Between two requests. */
  private rest(): void {
    this.deadlineMs = this.options.coarseNowMs() + this.options.limits.keepAliveMs
  }

  private onEnd(): void {
    this.hasEnded = true
    this.body?.breakOff()
    if (this.lingering) this.endLinger()
    // What it asked for it still gets.
    else if (this.isNextDue) return
    else if (!this.exchange) this.socket.destroySoon()
    else if (!this.pending) this.exchange.isLast = true
  }

  private onClose(): void {
    this.isOver = true
    this.pending = undefined
    this.body?.breakOff()
    const { exchange } = this
    if (!exchange) return
    this.lingering?.timer.cancel()
    this.lingering = undefined
    this.exchange = undefined
    exchange.onSettled()
  }
}
