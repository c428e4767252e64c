// One request and its answer on a connection. The answer is either sent whole, or begun and written piece by piece; it
// has settled when the socket has taken its last byte or the connection is gone, and only then the next request is read.
import type { Socket } from 'node:net'
import { KiB } from '../base/units.ts'
import { answerHead, type Fields } from './answer-head.ts'
import { encodeChunk, LAST_CHUNK } from './chunked.ts'
import { expectsContinue, keepsConnection, type RequestHead } from './head.ts'
import type { IncomingBody } from './incoming-body.ts'
import { joined } from './output.ts'

/** What an exchange asks of its connection. */
export interface ExchangeHost {
  readonly socket: Socket
  /** Beyond the bound of connections: it is there to be told so. */
  readonly isSurplus: boolean
  nowMs(): number
  /** The fields that say how long the connection is kept. */
  readonly keepAlive: string
  /** The last byte is with the socket. */
  flushed(exchange: Exchange): void
  /** Whether the client has something to take; cut when it takes nothing of it for too long. */
  setWriting(isWriting: boolean): void
}

/** An answer up to here goes out with its head in one piece; a longer one is not worth the copy. */
const JOINED_MAX = 32 * KiB
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const CLOSE = 'Connection: close\r\n\r\n'

export class Exchange {
  /** The connection ends behind this answer. */
  isLast: boolean
  /** The head is decided; it cannot be taken back. */
  hasBegun = false
  /** Called once by the connection, when the exchange has settled. */
  onSettled: () => void = () => undefined
  readonly request: RequestHead
  /** Undefined when the request has none. */
  readonly body: IncomingBody | undefined
  private readonly host: ExchangeHost
  private head: string | undefined
  /** The pieces of the answer go out as chunks. */
  private isChunked = false
  private readonly onFlushed = (): void => this.host.flushed(this)

  constructor(request: RequestHead, body: IncomingBody | undefined, host: ExchangeHost) {
    this.request = request
    this.body = body
    this.host = host
    this.isLast = !keepsConnection(request) || host.isSurplus
  }

  /** The connection is gone: what is written now reaches nobody. */
  get isGone(): boolean {
    return this.host.socket.destroyed
  }

  get isSurplus(): boolean {
    return this.host.isSurplus
  }

  /** The client waits for `sendContinue` before it sends its body. */
  get expectsContinue(): boolean {
    return this.body !== undefined && expectsContinue(this.request)
  }

  sendContinue(): void {
    if (!this.isGone && !this.hasBegun) this.host.socket.write(CONTINUE, 'latin1')
  }

  /** The whole answer; `bytes` may not change until it has settled. Throws `TypeError` for a field that cannot be sent. */
  send(status: number, fields: Fields, bytes: Uint8Array): void {
    const head = this.makeHead(status, fields)
    const { socket } = this.host
    if (bytes.length <= JOINED_MAX) {
      socket.write(joined(head, bytes), this.onFlushed)
    } else {
      socket.cork()
      socket.write(head, 'latin1')
      socket.write(bytes, this.onFlushed)
      socket.uncork()
    }
    if (socket.writableLength > 0) this.host.setWriting(true)
  }

  /** The head of an answer that follows in pieces: it goes out with the first. Throws as `send` does. */
  begin(status: number, fields: Fields): void {
    this.head = this.makeHead(status, fields)
  }

  /** As `begin`, of a length that nobody knows: in chunks, or up to the end of the connection for a client that knows none. */
  beginUnsized(status: number, fields: Fields): void {
    this.isChunked = this.request.minor === 1
    if (!this.isChunked) this.isLast = true
    this.begin(status, this.isChunked ? [...fields, 'Transfer-Encoding', 'chunked'] : fields)
  }

  /** `done` is called when the socket has taken the piece, or never will. */
  write(bytes: Uint8Array, done: () => void): void {
    this.put(this.isChunked ? encodeChunk(bytes) : bytes, done)
  }

  private put(bytes: Uint8Array, done: () => void): void {
    const { host, head } = this
    const { socket } = host
    const onTaken = (): void => {
      host.setWriting(false)
      done()
    }
    host.setWriting(true)
    this.head = undefined
    if (head === undefined) {
      socket.write(bytes, onTaken)
      return
    }
    socket.cork()
    socket.write(head, 'latin1')
    socket.write(bytes, onTaken)
    socket.uncork()
  }

  /** After the last piece was taken. */
  end(): void {
    if (this.isChunked) this.put(LAST_CHUNK, this.onFlushed)
    else if (this.head === undefined) this.onFlushed()
    else this.host.socket.write(this.head, 'latin1', this.onFlushed)
    this.head = undefined
  }

  /** Cuts the connection: whoever reads it learns that the answer is not whole. */
  cut(): void {
    this.host.socket.destroy()
  }

  private makeHead(status: number, fields: Fields): string {
    const { host } = this
    const head = answerHead(status, fields, host.nowMs(), this.isLast ? CLOSE : host.keepAlive)
    this.hasBegun = true
    return head
  }
}
