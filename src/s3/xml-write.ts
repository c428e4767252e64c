// Writing XML: plain text put together from escaped pieces, because a LIST page of 1,000 keys is the hottest document
// here and a builder would cost several times its commit.
//
// Everything that comes from outside passes `escapeXml`. XML 1.0 cannot carry most control characters, U+FFFE and
// U+FFFF at all: they are written as character references, as S3 does, and a client that lists such keys asks for
// `encoding-type=url`, which `encodeListed` serves.

export const XML_TYPE = 'application/xml'
export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
export const S3_NAMESPACE = 'http://s3.amazonaws.com/doc/2006-03-01/'

// A carriage return would come back as a line feed, so it is a reference too. A lone surrogate has no form in UTF-8.
const SPECIAL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
  /[&<>"'\u0000-\u0008\u000B-\u001F\u007F-\u009F\uFFFE\uFFFF]|[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g
const SPECIAL_ANY = new RegExp(SPECIAL.source)

const NAMED: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

const escapeOne = (character: string): string => {
  const code = character.charCodeAt(0)
  if (code >= 0xd800 && code <= 0xdfff) return '\uFFFD'
  return NAMED[character] ?? `&#x${code.toString(16)};`
}

/** Text that stands for exactly `text` inside an element. */
export const escapeXml = (text: string): string =>
  SPECIAL_ANY.test(text) ? text.replace(SPECIAL, escapeOne) : text

/** `<name>text</name>`, escaped. */
export const element = (name: string, text: string): string => `<${name}>${escapeXml(text)}</${name}>`

/** The same, or nothing when there is no text. */
export const optionalElement = (name: string, text: string | undefined): string =>
  text === undefined ? '' : element(name, text)

/** A whole document with S3's namespace; `content` is escaped already. */
export const document = (root: string, content: string): string =>
  `${XML_DECLARATION}<${root} xmlns="${S3_NAMESPACE}">${content}</${root}>`

/** Percent-encoding for `encoding-type=url`: everything but unreserved characters and `/`. */
const encodeUrl = (text: string): string =>
  encodeURIComponent(text)
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%2F', '/')

const PLAIN = /^[A-Za-z0-9\-_.~/]*$/

/** The form a key, prefix, marker or delimiter takes in a listing. */
export const listedForm = (encodingType: string | undefined): ((text: string) => string) =>
  encodingType === 'url' ? (text) => (PLAIN.test(text) ? text : encodeUrl(text)) : (text) => text

const pad = (value: number): string => (value < 10 ? `0${value}` : String(value))

let isoSecond = Number.NaN
let isoText = ''
/** `2009-10-12T17:50:30.000Z`: whole seconds, as Last-Modified has them, so that the two never disagree. */
export const isoTime = (timeMs: number): string => {
  const second = Math.floor(timeMs / 1000)
  // Listings name many times of one second in a row.
  if (second === isoSecond) return isoText
  const date = new Date(second * 1000)
  isoSecond = second
  isoText =
    `${String(date.getUTCFullYear()).padStart(4, '0')}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())}` +
    `T${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}.000Z`
  return isoText
}

/** `Mon, 12 Oct 2009 17:50:30 GMT` */
export const httpTime = (timeMs: number): string => new Date(timeMs).toUTCString()
