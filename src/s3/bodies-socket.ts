// The body of a request as pieces to be asked for. The socket is read only while somebody waits for a piece (or
// a few are ahead), and a client that keeps us waiting for less than the minimum rate is cut: time that the store
// itself takes counts for nobody, so an upload that makes progress never ends by a clock.
import type { Clock } from '../base/clock.ts'
import { type MoraineError, refusal } from '../base/errors.ts'
import { discardBytes } from '../base/memory.ts'
import { KiB, SECOND } from '../base/units.ts'
import { type IncomingBody, PIECE_BYTES } from '../http/incoming-body.ts'
import type { BodySource } from './bodies.ts'
import { incompleteBody } from './bodies-chunked.ts'

/** How slow a client may send. */
export interface PaceLimits {
  readonly bytesPerSecondMin: number
  /** Of waiting; the rate is taken over so long. */
  readonly windowMs: number
}

export interface SocketSource extends BodySource {
  /** Called now and then; fails the body when the client is too slow. */
  check(nowMs: number): void
  /** True when every byte of the body has been received. */
  isComplete(): boolean
  /** True when no more of it can come: the client was too slow, or its connection broke. */
  isBroken(): boolean
  /** Nobody asks any more: what is ahead is dropped, and what still comes. */
  abandon(): void
}

/** Ahead of the reader at most; the kernel's buffers are behind it. */
const AHEAD_MAX = 128 * KiB

export const createSocketSource = (
  body: IncomingBody,
  clock: Clock,
  limits: PaceLimits,
  /** Before the first piece is asked of the client: it may wait for `100 Continue`. */
  onStart: () => void,
): SocketSource => {
  const quota = (limits.bytesPerSecondMin * limits.windowMs) / SECOND
  const ready: Uint8Array[] = []
  let readyBytes = 0
  /** The piece that was given out last: its reader is done with it when it asks for the next. */
  let inUse: Uint8Array | undefined
  let started = false
  let ended = false
  let failure: MoraineError | undefined
  let waiter: { resolve(piece: Uint8Array | undefined): void; reject(error: unknown): void } | undefined
  let waitingSince = 0
  /** Of the window: milliseconds we waited, bytes that came meanwhile. */
  let waitedMs = 0
  let cameBytes = 0
  let isSuspect = false

  const stopWaiting = (): typeof waiter => {
    const waiting = waiter
    if (waiting) waitedMs += clock.monotonicMs() - waitingSince
    waiter = undefined
    return waiting
  }

  /** `makeError`: every body that ended well comes here too, and an error costs its stack. */
  const fail = (makeError: () => MoraineError): void => {
    if (ended || failure) return
    failure = makeError()
    stopWaiting()?.reject(failure)
  }

  const onPiece = (piece: Uint8Array): void => {
    cameBytes += piece.length
    const waiting = stopWaiting()
    if (cameBytes >= quota) {
      cameBytes = 0
      waitedMs = 0
      isSuspect = false
    }
    if (waiting) {
      inUse = piece
      waiting.resolve(piece)
      return
    }
    ready.push(piece)
    readyBytes += piece.length + PIECE_BYTES
    if (readyBytes >= AHEAD_MAX) body.pause()
  }

  const onEnd = (): void => {
    ended = true
    stopWaiting()?.resolve(undefined)
  }

  const start = (): void => {
    started = true
    onStart()
    body.read({ onPiece, onEnd, onBroken: () => fail(incompleteBody) })
  }

  return {
    next() {
      if (!started) start()
      if (inUse) discardBytes(inUse)
      inUse = undefined
      const piece = ready.shift()
      if (piece) {
        inUse = piece
        readyBytes -= piece.length + PIECE_BYTES
        if (readyBytes === 0) body.resume()
        return Promise.resolve(piece)
      }
      if (ended) return Promise.resolve(undefined)
      if (failure) return Promise.reject(failure)
      waitingSince = clock.monotonicMs()
      return new Promise((resolve, reject) => {
        waiter = { resolve, reject }
      })
    },
    check(nowMs) {
      if (!waiter || waitedMs + nowMs - waitingSince < limits.windowMs) return
      // When we were held up ourselves, bytes lie on the socket unread: it gets one more look.
      if (!isSuspect) {
        isSuspect = true
        return
      }
      fail(() =>
        refusal(
          'RequestTimeout',
          'Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed.',
        ),
      )
    },
    isComplete: () => ended || body.isComplete,
    isBroken: () => failure !== undefined,
    abandon() {
      fail(incompleteBody)
      body.drop()
      ready.length = 0
    },
  }
}
