// Writing an answer: a small one in one go, a stream chunk by chunk with the socket's back-pressure, each chunk given back
// when the socket is done with it. A stream that throws cuts the connection short of its Content-Length, so that no
// client takes half an object for a whole one.
import { Buffer } from 'node:buffer'
import type { Chunk } from '../actors/engine.ts'
import type { Exchange } from '../http/exchange.ts'
import type { S3Response } from './exchange.ts'

export interface AnswerIds {
  /** Of the request. */
  readonly id: string
  readonly hostId: string
}

const NOTHING = Buffer.alloc(0)

/** Behind such a head nothing may come: it would be read as the next answer. */
const isHeadOnly = ({ status }: S3Response, method: string): boolean =>
  method === 'HEAD' || status === 204 || status === 304

const fieldsOf = (response: S3Response, ids: AnswerIds, length: number | undefined | 'unknown'): string[] => {
  const fields = ['x-amz-request-id', ids.id, 'x-amz-id-2', ids.hostId, 'Server', 'Moraine']
  let hasLength = length !== undefined
  for (const pair of response.headers) {
    const name = pair[0]
    const isLength = name.length === 14 && name.toLowerCase() === 'content-length'
    if (isLength && hasLength) continue
    hasLength ||= isLength
    fields.push(name, pair[1])
  }
  if (length === 'unknown') return fields
  if (length !== undefined) fields.push('Content-Length', String(length))
  else if (!hasLength && response.status !== 204 && response.status !== 304) {
    fields.push('Content-Length', '0')
  }
  return fields
}

/** An answer of an unknown length. No piece is empty. */
const sendPieces = async (
  exchange: Exchange,
  answer: S3Response,
  pieces: AsyncIterable<string>,
  ids: AnswerIds,
): Promise<void> => {
  exchange.beginUnsized(answer.status, fieldsOf(answer, ids, 'unknown'))
  for await (const piece of pieces) {
    if (exchange.isGone) return
    await new Promise<void>((resolve) => exchange.write(Buffer.from(piece), resolve))
  }
  exchange.end()
}

/** A stream whose first chunk is there, or known to be missing. */
interface BegunStream {
  readonly length: number
  readonly first: IteratorResult<Chunk>
  readonly rest: AsyncIterator<Chunk>
}

/** True when the stream had as many bytes as it said and all went to the socket; otherwise the answer is short. */
const pump = async (
  exchange: Exchange,
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
      if (exchange.isGone || sent > length || end?.done === false) {
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

const sendStream = async (exchange: Exchange, begun: BegunStream): Promise<void> => {
  let isWriting = false
  let wake: (() => void) | undefined
  const socket = {
    write(chunk: Chunk): void {
      isWriting = true
      // Called for a connection that breaks, too.
      exchange.write(chunk.bytes, () => {
        chunk.release()
        isWriting = false
        wake?.()
      })
    },
    async idle(): Promise<void> {
      if (!isWriting) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    },
  }
  const isWhole = await pump(exchange, begun, socket)
  await socket.idle()
  if (isWhole) exchange.end()
  else exchange.cut()
}

/**
 * Resolves when the answer was handed to the socket; rejects when its stream threw, or with what no header can hold.
 * What had begun is cut then.
 */
export const respond = async (exchange: Exchange, answer: S3Response, ids: AnswerIds): Promise<void> => {
  const { status, body } = answer
  const isHead = isHeadOnly(answer, exchange.request.method)
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? NOTHING)
    const fields = fieldsOf(answer, ids, body === undefined ? undefined : bytes.length)
    exchange.send(status, fields, isHead ? NOTHING : bytes)
    return
  }
  if ('pieces' in body) {
    await sendPieces(exchange, answer, body.pieces, ids)
    return
  }
  try {
    const fields = fieldsOf(answer, ids, body.length)
    if (isHead) {
      exchange.send(status, fields, NOTHING)
      return
    }
    const rest = body.stream[Symbol.asyncIterator]()
    // What cannot even begin is answered with its error; only what breaks later is cut.
    const first = await rest.next()
    try {
      exchange.begin(status, fields)
    } catch (error) {
      if (!first.done) first.value.release()
      await rest.return?.()
      throw error
    }
    await sendStream(exchange, { length: body.length, first, rest })
  } catch (error) {
    if (exchange.hasBegun) exchange.cut()
    throw error
  } finally {
    body.close()
  }
}
