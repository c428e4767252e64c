// The chunked transfer coding of RFC 9112, 7.1, as a state machine over pieces of any size. What S3 calls aws-chunked
// travels inside it and is none of its business. Extensions and trailers are read past, not believed; lines have a bound.
import { Buffer } from 'node:buffer'
import { isFieldValue, TOKEN } from './fields.ts'
import { badRequest, ONCE } from './head.ts'

/** Of a size with its extension, or of a trailing field. */
const LINE_MAX = 256
/** All trailing fields together. */
const TRAILERS_MAX = 4096
/** 2^52 and less: no chunk is as long. */
const SIZE_DIGITS_MAX = 13
const SIZE = new RegExp(`^([0-9a-fA-F]+)(?:;${TOKEN}(?:=(?:${TOKEN}|"[\\x21\\x23-\\x5b\\x5d-\\x7e]*"))?)*$`)
const TRAILER = new RegExp(`^(${TOKEN}):`)

/** Chunks of less are moved together, so that a piece full of them is not thousands of views. */
const SMALL_BYTES = 1024

const CR = 13
const LF = 10
const SEMICOLON = 59
const CRLF = Buffer.from('\r\n')

const isHexDigit = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) || ((byte | 32) >= 97 && (byte | 32) <= 102)

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'done'

/** Behind the last chunk; no trailing fields. */
export const LAST_CHUNK = Buffer.from('0\r\n\r\n')

/** `bytes`, of which there is at least one, as a chunk. */
export const encodeChunk = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, CRLF])

export class ChunkedDecoder {
  private state: State = 'size'
  private line = ''
  private sawReturn = false
  /** Behind the digits of a size. */
  private isExtension = false
  /** Of the chunk, or of the two bytes behind its data. */
  private left = 0
  private trailerBytes = 0

  get isDone(): boolean {
    return this.state === 'done'
  }

  /**
   * `emit` gets views of the piece, whose bytes may have been moved within what was taken. Returns how much that is: all,
   * or up to the coding's end. Throws `BadRequest`.
   */
  push(piece: Uint8Array, emit: (data: Uint8Array) => void): number {
    let at = 0
    /** Data that was found and not handed on: from `start` to `end`. */
    let start = 0
    let end = 0
    while (at < piece.length && this.state !== 'done') {
      if (this.state !== 'data') {
        this.takeByte(piece[at++]!)
        continue
      }
      const length = Math.min(this.left, piece.length - at)
      if (length < SMALL_BYTES && end > start) {
        piece.copyWithin(end, at, at + length)
        end += length
      } else {
        if (end > start) emit(piece.subarray(start, end))
        start = at
        end = at + length
      }
      at += length
      this.left -= length
      if (this.left === 0) this.state = 'data-end'
    }
    if (end > start) emit(piece.subarray(start, end))
    return at
  }

  /** Lines are gathered byte by byte: there are few, and they are short. */
  private takeByte(byte: number): void {
    if (this.sawReturn) {
      if (byte !== LF) throw badRequest('A line of the chunked coding does not end in CRLF.')
      this.sawReturn = false
      const line = this.line
      this.line = ''
      this.takeLine(line)
    } else if (byte === CR) {
      this.sawReturn = true
    } else if (this.line.length < LINE_MAX && this.canFollow(byte)) {
      this.line += String.fromCharCode(byte)
    } else {
      throw badRequest('A line of the chunked coding is none, or too long.')
    }
  }

  /** A line that nothing can make right any more is not waited for. */
  private canFollow(byte: number): boolean {
    if (this.state !== 'size') return this.state === 'trailers'
    if (this.line === '') this.isExtension = false
    else if (byte === SEMICOLON) this.isExtension = true
    return this.isExtension ? byte > 32 && byte < 127 : isHexDigit(byte)
  }

  private takeLine(line: string): void {
    if (this.state === 'data-end') {
      this.state = 'size'
    } else if (this.state === 'size') {
      const digits = SIZE.exec(line)?.[1]
      if (digits === undefined || digits.length > SIZE_DIGITS_MAX)
        throw badRequest('A chunk has no valid size.')
      this.left = Number.parseInt(digits, 16)
      this.state = this.left === 0 ? 'trailers' : 'data'
    } else if (line === '') {
      this.state = 'done'
    } else {
      this.trailerBytes += line.length
      const name = isFieldValue(line) ? TRAILER.exec(line)?.[1]?.toLowerCase() : undefined
      // What decides about a request cannot come behind it.
      if (this.trailerBytes > TRAILERS_MAX || name === undefined || ONCE.has(name)) {
        throw badRequest('A trailing header is none, or too long.')
      }
    }
  }
}
