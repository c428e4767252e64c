// Writing an answer: a small one in one go, a stream chunk by chunk with the socket's back-pressure, each chunk given back
// when the socket is done with it. A stream that throws cuts the connection short of its Content-Length, so that no
// client takes half an object for a whole one. A client that leaves its body unsent is answered first and cut then.
import { Buffer } from 'node:buffer'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Chunk } from '../actors/engine.ts'
import type { Clock } from '../base/clock.ts'
import type { S3Response } from './exchange.ts'

export interface RespondLimits {
  /** A client that takes nothing for so long is cut. */
  readonly writeStallMs: number
  /** What of an unread body is thrown away so that the client gets to read the answer. */
  readonly lingerBytesMax: number
  readonly lingerMs: number
}

export interface RespondOptions {
  readonly clock: Clock
  readonly limits: RespondLimits
  /** Of the request. */
  readonly id: string
  readonly hostId: string
  /** Much of the request's body may still come: throw some of it away, then close the connection. */
  readonly isUnread: boolean
  /** Close for another reason. */
  readonly isLast: boolean
}

const NOTHING = Buffer.alloc(0)

const headOf = (response: S3Response, options: RespondOptions, length: number | undefined): string[] => {
  const head = ['x-amz-request-id', options.id, 'x-amz-id-2', options.hostId, 'Server', 'Moraine']
  let hasLength = length !== undefined
  for (const pair of response.headers) {
    const name = pair[0]
    const isLength = name.length === 14 && name.toLowerCase() === 'content-length'
    if (isLength && hasLength) continue
    hasLength ||= isLength
    head.push(name, pair[1])
  }
  if (length !== undefined) head.push('Content-Length', String(length))
  else if (!hasLength && response.status !== 204 && response.status !== 304) {
    head.push('Content-Length', '0')
  }
  if (options.isUnread || options.isLast) head.push('Connection', 'close')
  return head
}

/** Cuts a connection whose client takes nothing for `writeStallMs` while `isWriting`. */
const guardStall = (response: ServerResponse, writeStallMs: number, isWriting: () => boolean): void => {
  // node's own timer: a byte that the kernel takes out of a write counts as activity.
  const arm = (socket: Socket): void => void socket.setTimeout(writeStallMs)
  response.on('timeout', (socket: Socket) => {
    if (isWriting()) socket.destroy()
    else arm(socket)
  })
  if (response.socket) arm(response.socket)
  // A pipelined answer gets its socket when the ones before it are through.
  else response.once('socket', arm)
}

/** Throws away at most `lingerBytesMax` of what the client still sends, for at most `lingerMs`. */
const linger = (message: IncomingMessage, options: RespondOptions): Promise<void> =>
  new Promise((resolve) => {
    let left = options.limits.lingerBytesMax
    let timer: { cancel(): void } | undefined
    const stop = (): void => {
      timer?.cancel()
      message.off('data', onData)
      message.pause()
      resolve()
    }
    const onData = (piece: Uint8Array): void => {
      left -= piece.length
      if (left < 0) stop()
    }
    if (message.complete || message.destroyed) return resolve()
    timer = options.clock.setTimer(options.limits.lingerMs, stop)
    message.once('end', stop)
    message.once('close', stop)
    message.on('data', onData)
    message.resume()
  })

const sendBytes = async (
  message: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  options: RespondOptions,
): Promise<void> => {
  if (options.isUnread) {
    if (bytes.length > 0) response.write(bytes)
    else response.flushHeaders()
    await linger(message, options)
    response.end()
    return
  }
  // Without a body the head goes out alone; an empty one would make it two pieces.
  if (bytes.length > 0) response.end(bytes)
  else response.end()
  if (response.writableLength > 0) guardStall(response, options.limits.writeStallMs, () => true)
}

/** A stream whose first chunk is there, or known to be missing. */
interface BegunStream {
  readonly length: number
  readonly first: IteratorResult<Chunk>
  readonly rest: AsyncIterator<Chunk>
}

/** True when the stream had as many bytes as it said and all went to the socket; otherwise the answer is short. */
const pump = async (
  response: ServerResponse,
  { length, first, rest }: BegunStream,
  socket: { write(chunk: Chunk): void; idle(): Promise<void> },
): Promise<boolean> => {
  /** Fetched, and not yet the socket's to release. */
  let ready: Chunk | undefined
  let sent = 0
  try {
    for (let next = first; !next.done; next = await rest.next()) {
      ready = next.value
      sent += ready.bytes.length
      // The last bytes wait until the stream says that they are: a short answer cannot pass for a whole one.
      const end = sent === length ? await rest.next() : undefined
      if (end && !end.done) end.value.release()
      // One chunk is with the socket while the next is fetched; more would only hold memory.
      await socket.idle()
      if (response.destroyed || sent > length || end?.done === false) {
        await rest.return?.()
        return false
      }
      socket.write(ready)
      ready = undefined
      if (end) return true
    }
    return sent === length
  } finally {
    ready?.release()
  }
}

const sendStream = async (
  response: ServerResponse,
  begun: BegunStream,
  writeStallMs: number,
): Promise<void> => {
  let writing: Chunk | undefined
  let wake: (() => void) | undefined
  const settle = (): void => {
    writing?.release()
    writing = undefined
    wake?.()
  }
  // A connection that breaks may never call back for what waited behind another answer.
  response.once('close', settle)
  guardStall(response, writeStallMs, () => writing !== undefined)
  const socket = {
    write(chunk: Chunk): void {
      writing = chunk
      response.write(chunk.bytes, settle)
    },
    async idle(): Promise<void> {
      while (writing !== undefined && !response.destroyed) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
    },
  }
  const isWhole = await pump(response, begun, socket)
  if (isWhole && !response.destroyed) response.end()
  else response.destroy()
}

/** Resolves when the answer was handed to the socket; rejects when its stream threw, and then the connection is cut. */
export const respond = async (
  message: IncomingMessage,
  response: ServerResponse,
  answer: S3Response,
  options: RespondOptions,
): Promise<void> => {
  const { body } = answer
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? NOTHING)
    response.writeHead(answer.status, headOf(answer, options, body === undefined ? undefined : bytes.length))
    return sendBytes(message, response, message.method === 'HEAD' ? NOTHING : bytes, options)
  }
  try {
    const head = headOf(answer, options, body.length)
    if (message.method === 'HEAD') {
      response.writeHead(answer.status, head)
      response.end()
      return
    }
    const rest = body.stream[Symbol.asyncIterator]()
    // What cannot even begin is answered with its error; only what breaks later is cut.
    const first = await rest.next()
    try {
      response.writeHead(answer.status, head)
    } catch (error) {
      if (!first.done) first.value.release()
      await rest.return?.()
      throw error
    }
    await sendStream(response, { length: body.length, first, rest }, options.limits.writeStallMs)
  } catch (error) {
    if (response.headersSent) response.destroy()
    throw error
  } finally {
    body.close()
  }
}
