// The body of a request while it arrives: bytes of the connection up to where the body ends, handed to one sink. Until
// somebody wants them a few wait here, and then the socket is not read.
import { KiB } from '../base/units.ts'
import { ChunkedDecoder } from './chunked.ts'
import type { BodyLength } from './head.ts'

/** Who gets the pieces, each once and in order; then exactly one of `onEnd` and `onBroken`. */
export interface BodySink {
  /** The piece is the sink's to keep. */
  onPiece(piece: Uint8Array): void
  onEnd(): void
  /** No more will come: the connection ended, or the coding is broken. */
  onBroken(): void
}

/** The two ends of the tap. */
export interface Tap {
  pause(): void
  resume(): void
}

/** Waits at most before anybody reads. */
const AHEAD_MAX = 64 * KiB
/** What a piece costs beside its bytes: one that waits may hold a single byte. */
export const PIECE_BYTES = 256

export class IncomingBody {
  readonly length: BodyLength
  private readonly tap: Tap
  private readonly decoder: ChunkedDecoder | undefined
  private left: number
  private sink: BodySink | undefined
  private ahead: Uint8Array[] = []
  private aheadBytes = 0
  private isDropped = false
  private isHeldBack = false
  private hasBroken = false
  private readonly deliver = (data: Uint8Array): void => {
    if (this.isDropped) return
    if (this.sink) {
      this.sink.onPiece(data)
      return
    }
    this.ahead.push(data)
    this.aheadBytes += data.length + PIECE_BYTES
    if (this.aheadBytes >= AHEAD_MAX) this.pause()
  }

  constructor(length: BodyLength, tap: Tap) {
    this.length = length
    this.tap = tap
    this.decoder = length === 'chunked' ? new ChunkedDecoder() : undefined
    this.left = length === 'chunked' ? 0 : length
  }

  /** Every byte of it has been received, though perhaps not read. */
  get isComplete(): boolean {
    return this.decoder ? this.decoder.isDone : this.left === 0
  }

  get isBroken(): boolean {
    return this.hasBroken
  }

  /** The socket is not to be read. */
  get isPaused(): boolean {
    return this.isHeldBack
  }

  /** From now on pieces go to `sink`, those that waited at once. */
  read(sink: BodySink): void {
    this.sink = sink
    const { ahead } = this
    this.ahead = []
    this.aheadBytes = 0
    for (const piece of ahead) sink.onPiece(piece)
    if (this.isComplete) sink.onEnd()
    else if (this.hasBroken) sink.onBroken()
    else this.resume()
  }

  pause(): void {
    if (this.isHeldBack || this.isComplete) return
    this.isHeldBack = true
    this.tap.pause()
  }

  resume(): void {
    if (!this.isHeldBack || this.isComplete) return
    this.isHeldBack = false
    this.tap.resume()
  }

  /** Nobody wants the rest: it is thrown away as it comes, and it comes when the body is resumed. */
  drop(): void {
    this.isDropped = true
    this.sink = undefined
    this.ahead = []
    this.pause()
  }

  /** Bytes of the connection. Returns how many were the body's; throws `BadRequest` for a coding that is broken. */
  take(piece: Uint8Array): number {
    const taken = this.decoder ? this.decoder.push(piece, this.deliver) : this.takeCounted(piece)
    if (this.isComplete) this.sink?.onEnd()
    return taken
  }

  /** Nothing follows. */
  breakOff(): void {
    if (this.isComplete || this.hasBroken) return
    this.hasBroken = true
    this.sink?.onBroken()
  }

  private takeCounted(piece: Uint8Array): number {
    const length = Math.min(this.left, piece.length)
    this.left -= length
    this.deliver(length === piece.length ? piece : piece.subarray(0, length))
    return length
  }
}
