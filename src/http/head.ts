// The head of a request, read the one way RFC 9112 leaves when nothing ambiguous is let through: what two readers could
// take for two things (bare CR or LF, folded lines, a space before the colon, two lengths) is refused, not repaired.
// https://www.rfc-editor.org/rfc/rfc9112
import { type MoraineError, refusal } from '../base/errors.ts'
import { createMemo } from '../base/memo.ts'
import { isFieldName, isFieldValue, NAMES_MAX } from './fields.ts'

export interface RequestHead {
  readonly method: string
  /** As sent. */
  readonly target: string
  /** Of HTTP/1. */
  readonly minor: 0 | 1
  /** Names in lower case; what came several times is joined by ','. Values as one character per byte. */
  readonly headers: ReadonlyMap<string, string>
}

/** How long the body behind a head is: bytes, or 'chunked' when it says so itself. */
export type BodyLength = number | 'chunked'

/** No client sends half as many. */
const HEADERS_MAX = 256
/** Below 2^53: beyond it a number is not one number any more. */
const LENGTH_DIGITS_MAX = 15

const METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'PUT',
  'POST',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'TRACE',
])
/** These decide who is asked by whom for what: twice is once too many. */
export const ONCE: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'content-length',
  'transfer-encoding',
  'x-amz-content-sha256',
])
/** A path; the asterisk and the absolute form are HTTP, though nothing here is called so. */
const TARGET = /^(?:\/|\*$|[A-Za-z]+:\/\/)[\x21-\x7e]*$/
const DIGITS = /^[0-9]+$/
/** A name or an address, with or without a port: RFC 3986, 3.2.2. */
const HOST = /^(?:\[[0-9A-Fa-f:.]+\]|[\w.~%!$&'()*+,;=-]*)(?::[0-9]{0,5})?$/

export const badRequest = (message = 'An error occurred when parsing the HTTP request.'): MoraineError =>
  refusal('BadRequest', message)

export const headTooLarge = (): MoraineError =>
  refusal('RequestHeaderSectionTooLarge', 'Your request header section exceeds the maximum allowed size.')

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09

/** A field name in lower case, '' for what is none: clients use few, over and over. */
const nameOf = createMemo(NAMES_MAX, (sent: string) => (isFieldName(sent) ? sent.toLowerCase() : ''))

/** The part of `text` without blanks around it. */
const trimmed = (text: string, from: number, to: number): string => {
  let start = from
  let end = to
  while (start < end && isBlank(text.charCodeAt(start))) start++
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

const parseFields = (text: string, from: number): Map<string, string> => {
  const headers = new Map<string, string>()
  let count = 0
  for (let at = from; at < text.length; ) {
    const found = text.indexOf('\r\n', at)
    const end = found < 0 ? text.length : found
    const colon = text.indexOf(':', at)
    if (colon < 0 || colon >= end) throw badRequest()
    if (++count > HEADERS_MAX)
      throw refusal('RequestHeaderSectionTooLarge', 'Your request has too many headers.')
    const name = nameOf(text.slice(at, colon))
    const value = trimmed(text, colon + 1, end)
    if (name === '' || !isFieldValue(value)) throw badRequest()
    const before = headers.get(name)
    if (before === undefined) headers.set(name, value)
    else if (ONCE.has(name)) throw badRequest(`The header ${name} must appear once.`)
    else headers.set(name, `${before},${value}`)
    at = end + 2
  }
  return headers
}

/**
 * `text`: a head without the empty line that ends it, one character per byte. Throws `BadRequest` for what is not
 * HTTP/1.0 or HTTP/1.1 to the letter, `RequestHeaderSectionTooLarge` for too many headers.
 */
export const parseHead = (text: string): RequestHead => {
  const found = text.indexOf('\r\n')
  const end = found < 0 ? text.length : found
  const line = text.slice(0, end)
  const first = line.indexOf(' ')
  const last = line.lastIndexOf(' ')
  const method = line.slice(0, Math.max(first, 0))
  const target = line.slice(first + 1, last)
  const version = line.slice(last + 1)
  if (!METHODS.has(method) || !TARGET.test(target)) throw badRequest()
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') {
    throw badRequest('Only HTTP/1.1 and HTTP/1.0 are spoken here.')
  }
  const headers = parseFields(text, end + 2)
  if (!HOST.test(headers.get('host') ?? '')) throw badRequest('The header host names no host.')
  return { method, target, minor: version === 'HTTP/1.1' ? 1 : 0, headers }
}

/** RFC 9112, 6.3. Throws `BadRequest` for a length that is none, or that is said in two ways. */
export const bodyLengthOf = ({ headers, minor }: RequestHead): BodyLength => {
  const length = headers.get('content-length')
  const coding = headers.get('transfer-encoding')
  if (coding !== undefined) {
    if (length !== undefined || minor === 0 || coding.toLowerCase() !== 'chunked') throw badRequest()
    return 'chunked'
  }
  if (length === undefined) return 0
  if (length.length > LENGTH_DIGITS_MAX || !DIGITS.test(length)) throw badRequest()
  return Number(length)
}

const hasToken = (list: string | undefined, token: string): boolean =>
  list?.split(',').some((entry) => entry.trim().toLowerCase() === token) === true

/** Whether the client wants its connection to outlive the answer. */
export const keepsConnection = ({ headers, minor }: RequestHead): boolean => {
  const connection = headers.get('connection')
  return minor === 1 ? !hasToken(connection, 'close') : hasToken(connection, 'keep-alive')
}

/** Whether the client waits for `100 Continue` before it sends its body. */
export const expectsContinue = ({ headers, minor }: RequestHead): boolean =>
  minor === 1 && headers.get('expect')?.toLowerCase() === '100-continue'
