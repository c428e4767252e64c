// A request's body as handlers read it: out of its transfer coding, verified against what the request signed, with an
// exact length. It is read once, at the reader's pace, and nothing is read before the first chunk is asked for.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Authenticated } from '../auth/authenticate.ts'
import { SHA256_EMPTY } from '../auth/canonical.ts'
import { createChunkVerifier } from '../auth/chunk-signatures.ts'
import { matchesSignature } from '../auth/signing-keys.ts'
import { assert, type MoraineError, refusal } from '../base/errors.ts'
import { createChunkedDecoder, incompleteBody } from './bodies-chunked.ts'
import type { RequestBody } from './exchange.ts'

/** Where raw pieces come from: a socket, or a test. */
export interface BodySource {
  /**
   * The next piece, undefined at the end; the piece before it is gone then. Rejects with `IncompleteBody` or
   * `RequestTimeout`.
   */
  next(): Promise<Uint8Array | undefined>
}

export interface BodyOptions {
  readonly method: string
  readonly headers: ReadonlyMap<string, string>
  readonly authenticated: Authenticated
}

const NO_TRAILERS: ReadonlyMap<string, string> = new Map()

/** A whole number of bytes as headers write it; undefined for anything else. */
const parseLength = (text: string): number | undefined => {
  if (text === '' || text.length > 15) return undefined
  let value = 0
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48
    if (!(digit >= 0 && digit <= 9)) return undefined
    value = value * 10 + digit
  }
  return value
}

const sha256Mismatch = (claimed: string, computed: string): MoraineError =>
  refusal(
    'XAmzContentSHA256Mismatch',
    "The provided 'x-amz-content-sha256' header does not match what was computed.",
    { ClientComputedContentSHA256: claimed, S3ComputedContentSHA256: computed },
  )

/** Passes the pieces on; their number of bytes and their hash are right when it ends, or it throws. */
const plainChunks = (
  source: BodySource,
  size: number | undefined,
  sha256: string | undefined,
): AsyncIterator<Uint8Array> => {
  const hash = sha256 === undefined ? undefined : createHash('sha256')
  let received = 0
  const check = (): void => {
    if (size !== undefined && received !== size) throw incompleteBody()
    if (hash === undefined || sha256 === undefined) return
    const digest = hash.digest()
    if (!matchesSignature(digest, sha256)) throw sha256Mismatch(sha256, digest.toString('hex'))
  }
  // Written out: a generator makes three promises where this makes one, and every small PUT asks twice.
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    const piece = await source.next()
    if (piece === undefined) {
      check()
      return { done: true, value: undefined }
    }
    received += piece.length
    hash?.update(piece)
    return { done: false, value: piece }
  }
  return { next }
}

const trailerNamesOf = (headers: ReadonlyMap<string, string>): string[] =>
  (headers.get('x-amz-trailer') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '')

/** Throws `MissingContentLength` without x-amz-decoded-content-length, `InvalidArgument` when it is no length. */
const decodedLengthOf = (headers: ReadonlyMap<string, string>): number => {
  const text = headers.get('x-amz-decoded-content-length')
  if (text === undefined) {
    throw refusal('MissingContentLength', 'You must provide the Content-Length HTTP header.')
  }
  const length = parseLength(text)
  if (length !== undefined) return length
  throw refusal('InvalidArgument', 'x-amz-decoded-content-length is not a number of bytes.', {
    ArgumentName: 'x-amz-decoded-content-length',
    ArgumentValue: text.slice(0, 64),
  })
}

interface Coding {
  readonly size: number | undefined
  readonly chunks: (source: BodySource) => AsyncIterator<Uint8Array>
  readonly trailerNames: readonly string[]
  readonly trailers: () => ReadonlyMap<string, string>
}

const chunkedCoding = ({ headers, authenticated }: BodyOptions): Coding => {
  const { payload, seed } = authenticated
  assert(payload.kind === 'chunked', 'only a chunked payload is decoded')
  const decodedLength = decodedLengthOf(headers)
  const trailerNames = trailerNamesOf(headers)
  if (!payload.trailer && trailerNames.length > 0) {
    throw refusal(
      'InvalidRequest',
      'x-amz-trailer is only for an x-amz-content-sha256 that ends in -TRAILER.',
    )
  }
  if (payload.signed) assert(seed !== undefined, 'signed chunks follow from a signed request')
  const verifier = payload.signed && seed ? createChunkVerifier(seed) : undefined
  const decoder = createChunkedDecoder({ decodedLength, verifier, trailer: payload.trailer, trailerNames })
  let ended = false
  return {
    size: decodedLength,
    trailerNames,
    trailers: () => (ended ? decoder.trailers : NO_TRAILERS),
    async *chunks(source) {
      const ready: Uint8Array[] = []
      const emit = (data: Uint8Array): void => void ready.push(data)
      for (let piece = await source.next(); piece !== undefined; piece = await source.next()) {
        decoder.push(piece, emit)
        yield* ready
        ready.length = 0
      }
      decoder.end()
      ended = true
    },
  }
}

const plainCoding = ({ headers, authenticated }: BodyOptions): Coding => {
  const { payload } = authenticated
  assert(payload.kind === 'plain', 'a chunked payload is decoded')
  if (headers.has('transfer-encoding')) {
    throw refusal(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented: Transfer-Encoding.',
      { Header: 'Transfer-Encoding' },
    )
  }
  const length = headers.get('content-length')
  // The parser has seen to it that it is a number; beyond 2^53 nobody asks for the last digit.
  const size = length === undefined ? undefined : Number(length)
  if ((size ?? 0) === 0 && payload.sha256 !== undefined && payload.sha256 !== SHA256_EMPTY) {
    throw sha256Mismatch(payload.sha256, SHA256_EMPTY)
  }
  return {
    size,
    trailerNames: [],
    trailers: () => NO_TRAILERS,
    chunks: (source) => plainChunks(source, size, payload.sha256),
  }
}

const gather = async (
  chunks: AsyncIterable<Uint8Array>,
  size: number | undefined,
  bytesMax: number,
): Promise<Uint8Array> => {
  const pieces: Uint8Array[] = []
  let length = size ?? 0
  const check = (): void => {
    if (length > bytesMax) throw refusal('MaxMessageLengthExceeded', 'Your request was too big.')
  }
  check()
  length = 0
  for await (const piece of chunks) {
    length += piece.length
    check()
    // A piece lives until the next is asked for.
    pieces.push(Buffer.from(piece))
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, length)
}

/**
 * Throws what is wrong with the body's own headers (`MissingContentLength`, `InvalidArgument`, `NotImplemented`,
 * `XAmzContentSHA256Mismatch` for a body that is not there); everything else while it is read.
 */
export const createBody = (source: BodySource, options: BodyOptions): RequestBody => {
  const chunked = options.authenticated.payload.kind === 'chunked'
  const coding = chunked ? chunkedCoding(options) : plainCoding(options)
  let isRead = false
  const chunks: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]() {
      assert(!isRead, 'a body is read once')
      isRead = true
      return coding.chunks(source)
    },
  }
  return {
    size: coding.size,
    chunks,
    trailerNames: coding.trailerNames,
    trailers: coding.trailers,
    whole: (bytesMax) => gather(chunks, coding.size, bytesMax),
  }
}
