// The aws-chunked transfer coding as a state machine over pieces of any size:
//
//   400;chunk-signature=64 hex CRLF   1,024 bytes CRLF   …   0;chunk-signature=64 hex CRLF
//   x-amz-checksum-crc32:value CRLF   x-amz-trailer-signature:64 hex CRLF   CRLF
//
// Signatures only in the signed modes, trailing headers only in the trailer modes; without them a bare CRLF ends the
// body. Data is handed on as views of what came in; only lines are gathered, and every line has a bound. Data of a chunk
// may be handed on before its signature is checked: nobody acts on a body before `end` has passed.
import type { ChunkVerifier } from '../auth/chunk-signatures.ts'
import { hexValue } from '../auth/encoding.ts'
import { type MoraineError, refusal } from '../base/errors.ts'

export interface ChunkedOptions {
  /** x-amz-decoded-content-length: exactly so many bytes of data come. */
  readonly decodedLength: number
  /** There when chunks are signed. */
  readonly verifier: ChunkVerifier | undefined
  readonly trailer: boolean
  /** Announced in x-amz-trailer, in lower case: these come, and no others. */
  readonly trailerNames: readonly string[]
}

export interface ChunkedDecoder {
  /** Decodes a piece; `emit` gets views of it. Throws a refusal for whatever is not as it should be. */
  push(piece: Uint8Array, emit: (data: Uint8Array) => void): void
  /** The body has ended. Throws `IncompleteBody` when the coding has not. */
  end(): void
  /** Complete after `end`. */
  readonly trailers: ReadonlyMap<string, string>
}

/** More digits than any size we take has; 16 of them are 2^64. */
const SIZE_DIGITS_MAX = 16
const SIGNATURE_EXTENSION = ';chunk-signature='
/** Digits, extension, signature. */
const CHUNK_LINE_MAX = SIZE_DIGITS_MAX + SIGNATURE_EXTENSION.length + 64
/** One trailing header: a name, a base64 checksum or a signature, with room. */
const TRAILER_LINE_MAX = 1024
/** A checksum and its signature are two. */
const TRAILERS_MAX = 16
const TRAILER_SIGNATURE = 'x-amz-trailer-signature'

const CR = 13
const LF = 10

export const incompleteBody = (message?: string): MoraineError =>
  refusal(
    'IncompleteBody',
    message ?? 'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  )

const malformedTrailer = (): MoraineError =>
  refusal(
    'MalformedTrailerError',
    'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  )

type State = 'size' | 'data' | 'data-end' | 'trailer' | 'last' | 'done'

/** Only a decoder makes these decisions; it has no idea of sockets and time. */
export const createChunkedDecoder = (options: ChunkedOptions): ChunkedDecoder => {
  const { verifier, decodedLength } = options
  const trailers = new Map<string, string>()
  let state: State = 'size'
  let line = ''
  let sawReturn = false
  let chunkLeft = 0
  let decoded = 0
  let signature = ''
  let canonicalTrailer = ''
  let trailerSigned = false

  const startChunk = (text: string): void => {
    let digits = 0
    let size = 0
    while (digits < text.length && hexValue(text.charCodeAt(digits)) < 16) {
      size = size * 16 + hexValue(text.charCodeAt(digits))
      digits++
    }
    if (digits === 0 || digits > SIZE_DIGITS_MAX) throw incompleteBody('A chunk has no valid size.')
    const extension = text.slice(digits)
    if (verifier === undefined) {
      if (extension !== '') throw incompleteBody('A chunk of an unsigned body has an extension.')
    } else {
      if (!extension.startsWith(SIGNATURE_EXTENSION)) throw incompleteBody('A chunk has no signature.')
      signature = extension.slice(SIGNATURE_EXTENSION.length)
    }
    if (size > decodedLength - decoded) {
      throw incompleteBody('The chunks have more bytes than x-amz-decoded-content-length says.')
    }
    chunkLeft = size
    if (size > 0) {
      state = 'data'
      return
    }
    verifier?.endChunk(signature)
    if (decoded !== decodedLength) {
      throw incompleteBody('The chunks have fewer bytes than x-amz-decoded-content-length says.')
    }
    state = options.trailer ? 'trailer' : 'last'
  }

  const endTrailers = (): void => {
    if (verifier !== undefined && !trailerSigned) throw malformedTrailer()
    for (const name of options.trailerNames) if (!trailers.has(name)) throw malformedTrailer()
    state = 'done'
  }

  const takeTrailer = (text: string): void => {
    const colon = text.indexOf(':')
    const name = text.slice(0, Math.max(colon, 0)).toLowerCase()
    const value = text.slice(colon + 1).trim()
    if (colon <= 0 || trailerSigned || trailers.size >= TRAILERS_MAX) throw malformedTrailer()
    if (name === TRAILER_SIGNATURE) {
      if (verifier === undefined) throw malformedTrailer()
      verifier.endTrailer(canonicalTrailer, value)
      trailerSigned = true
      return
    }
    if (!options.trailerNames.includes(name) || trailers.has(name)) throw malformedTrailer()
    trailers.set(name, value)
    canonicalTrailer += `${name}:${value}\n`
  }

  /** Clients built on minio-go end each trailing header in LF and all of them in CRLF: `a:1 LF b:2 LF CRLF`. */
  const takeTrailers = (text: string): void => {
    if (text === '') endTrailers()
    else if (text.endsWith('\n')) for (const line of text.slice(0, -1).split('\n')) takeTrailer(line)
    else takeTrailer(text)
  }

  const takeLine = (text: string): void => {
    if (state === 'size') startChunk(text)
    else if (state === 'trailer') takeTrailers(text)
    // 'data-end' and 'last': nothing but the line's end may stand here.
    else if (text !== '') throw incompleteBody('A chunk has more bytes than its size says.')
    else state = state === 'last' ? 'done' : 'size'
  }

  /** Gathers a line from `piece` at `from`; answers the position after what it took. */
  const readLine = (piece: Uint8Array, from: number): number => {
    const limit = state === 'trailer' ? TRAILER_LINE_MAX : state === 'size' ? CHUNK_LINE_MAX : 0
    let at = from
    while (at < piece.length) {
      const byte = piece[at++]!
      if (sawReturn) {
        if (byte !== LF) throw incompleteBody('A line of the chunked body does not end in CRLF.')
        sawReturn = false
        const text = line
        line = ''
        takeLine(text)
        return at
      }
      if (byte === CR) sawReturn = true
      else if ((byte === LF && state !== 'trailer') || line.length >= limit) {
        throw state === 'trailer'
          ? malformedTrailer()
          : incompleteBody('A line of the chunked body is malformed.')
      } else line += String.fromCharCode(byte)
    }
    return at
  }

  return {
    trailers,
    push(piece, emit) {
      let at = 0
      while (at < piece.length) {
        if (state === 'done') throw incompleteBody('The body goes on after its last chunk.')
        if (state !== 'data') {
          at = readLine(piece, at)
          continue
        }
        const data = piece.subarray(at, at + chunkLeft)
        at += data.length
        chunkLeft -= data.length
        decoded += data.length
        verifier?.update(data)
        emit(data)
        if (chunkLeft === 0) {
          verifier?.endChunk(signature)
          state = 'data-end'
        }
      }
    },
    end() {
      if (state !== 'done') throw incompleteBody('The request body terminated unexpectedly.')
    },
  }
}
