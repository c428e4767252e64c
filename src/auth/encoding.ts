// Percent encoding as SigV4 wants it, on byte strings: strings whose every character is one byte (latin1), as
// targets and headers come. So nothing is lost or guessed before the signature over it was checked; only then is a
// byte string read as UTF-8.
import { Buffer } from 'node:buffer'
import { refusal } from '../base/errors.ts'

/** 1 for A–Z a–z 0–9 - . _ ~, which RFC 3986 leaves as they are. */
const UNRESERVED = new Uint8Array(256)
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') {
  UNRESERVED[c.charCodeAt(0)] = 1
}

/** The value of a hex digit, 255 for what is none. */
const HEX_VALUE = new Uint8Array(256).fill(255)
for (let i = 0; i < 16; i++) {
  const digit = i.toString(16)
  HEX_VALUE[digit.charCodeAt(0)] = i
  HEX_VALUE[digit.toUpperCase().charCodeAt(0)] = i
}

const ESCAPES = Array.from({ length: 256 }, (_, i) => `%${i.toString(16).toUpperCase().padStart(2, '0')}`)

const SLASH = 0x2f
const PERCENT = 0x25
const PLUS = 0x2b
const SPACE = 0x20
const LOWER_A = 0x61

export const hexValue = (code: number): number => (code < 256 ? HEX_VALUE[code]! : 255)

/** `%XX` for every byte that is not unreserved; `/` stays when `keepSlash`. */
export const percentEncode = (bytes: string, keepSlash: boolean): string => {
  let out = ''
  let from = 0
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes.charCodeAt(i) & 0xff
    if (UNRESERVED[code] === 1 || (keepSlash && code === SLASH)) continue
    out += bytes.slice(from, i) + ESCAPES[code]!
    from = i + 1
  }
  return from === 0 ? bytes : out + bytes.slice(from)
}

/** Takes `%XX` apart, once; undefined when a `%` is not followed by two hex digits. */
export const percentDecode = (raw: string, plusIsSpace: boolean): string | undefined => {
  // Most of what comes holds nothing to decode, and a search of the engine's own is many times as fast as the loop.
  if (!raw.includes('%') && !(plusIsSpace && raw.includes('+'))) return raw
  let out = ''
  let from = 0
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i)
    if (code === PLUS && plusIsSpace) {
      out += `${raw.slice(from, i)} `
      from = i + 1
    } else if (code === PERCENT) {
      const high = hexValue(raw.charCodeAt(i + 1))
      const low = hexValue(raw.charCodeAt(i + 2))
      // charCodeAt past the end is NaN, which hexValue answers 255 as well.
      if (!(high < 16 && low < 16)) return undefined
      out += raw.slice(from, i) + String.fromCharCode(high * 16 + low)
      from = i + 3
      i += 2
    }
  }
  return from === 0 ? raw : out + raw.slice(from)
}

/** True when encoding `raw`, decoded, gives `raw` again: the common case, told without building a string. */
export const isCanonical = (raw: string, keepSlash: boolean, from = 0, to = raw.length): boolean => {
  for (let i = from; i < to; i++) {
    const code = raw.charCodeAt(i)
    if (code > 255) return false
    if (UNRESERVED[code] === 1 || (keepSlash && code === SLASH)) continue
    if (code !== PERCENT || i + 2 >= to) return false
    const byte = hexValue(raw.charCodeAt(i + 1)) * 16 + hexValue(raw.charCodeAt(i + 2))
    if (byte > 255 || UNRESERVED[byte] === 1 || (keepSlash && byte === SLASH)) return false
    // Escapes are written in upper case.
    if (raw.charCodeAt(i + 1) >= LOWER_A || raw.charCodeAt(i + 2) >= LOWER_A) return false
    i += 2
  }
  return true
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const isAscii = (bytes: string): boolean => {
  for (let i = 0; i < bytes.length; i++) if (bytes.charCodeAt(i) > 0x7f) return false
  return true
}

/** A byte string read as UTF-8. Throws `InvalidURI` when it is none: a key is never a guess. */
export const decodeUtf8 = (bytes: string): string => {
  if (isAscii(bytes)) return bytes
  try {
    return utf8.decode(Buffer.from(bytes, 'latin1'))
  } catch (error) {
    throw refusal('InvalidURI', "Couldn't parse the specified URI.", {}, error)
  }
}

/** One parameter of a query, decoded to byte strings. */
export interface QueryParameter {
  readonly name: string
  readonly value: string
}

/** In order, duplicates kept, empty segments left out. Throws `InvalidURI` for a `%` that escapes nothing. */
export const parseQuery = (raw: string, plus: 'space' | 'literal' = 'space'): QueryParameter[] => {
  const parameters: QueryParameter[] = []
  const plusIsSpace = plus === 'space' && raw.includes('+')
  let start = 0
  while (start <= raw.length && raw !== '') {
    let end = raw.indexOf('&', start)
    if (end < 0) end = raw.length
    if (end > start) {
      const equals = raw.indexOf('=', start)
      const split = equals < 0 || equals > end ? end : equals
      const name = percentDecode(raw.slice(start, split), plusIsSpace)
      const value = percentDecode(raw.slice(Math.min(split + 1, end), end), plusIsSpace)
      if (name === undefined || value === undefined) {
        throw refusal('InvalidURI', "Couldn't parse the specified URI.")
      }
      parameters.push({ name, value })
    }
    start = end + 1
  }
  return parameters
}

/** Trims a header value and folds runs of spaces, as the canonical request wants it. */
export const foldSpaces = (value: string): string => {
  if (!value.includes(' ')) return value
  let needed = false
  for (let i = 0; i < value.length && !needed; i++) {
    needed =
      value.charCodeAt(i) === SPACE &&
      (i === 0 || i + 1 === value.length || value.charCodeAt(i - 1) === SPACE)
  }
  if (!needed) return value
  let out = ''
  for (let i = 0; i < value.length; i++) {
    if (value.charCodeAt(i) === SPACE && (out === '' || out.endsWith(' '))) continue
    out += value[i]
  }
  return out.endsWith(' ') ? out.slice(0, -1) : out
}

/** Bytes of a byte string as `4d 6f 72`, of at most `limit` of them: how S3 shows what it signed. */
export const spacedHex = (bytes: string, limit: number): string => {
  const parts: string[] = []
  for (let i = 0; i < Math.min(bytes.length, limit); i++) {
    parts.push((bytes.charCodeAt(i) & 0xff).toString(16).padStart(2, '0'))
  }
  return parts.join(' ')
}
