// A signing client for tests, written from the specification and apart from src/auth, so that both cannot be wrong in
// the same way. It signs what it is told, however odd, and sends it as it is.
import { createHash, createHmac } from 'node:crypto'

export interface SignInput {
  readonly method: string
  /** As it goes over the wire, query included. */
  readonly target: string
  /** Signed and sent, in this order. `host` is among them. */
  readonly headers: Readonly<Record<string, string>>
  readonly accessKeyId?: string
  readonly secretAccessKey?: string
  readonly region?: string
  readonly service?: string
  readonly terminator?: string
  readonly timeMs?: number
  /** Overrides for what is signed, where it shall differ from what is sent. */
  readonly signedPath?: string
  readonly signedQuery?: string
  readonly signedNames?: readonly string[]
  readonly scopeDay?: string
  readonly payload?: string
}

export const KEY = 'AKIAIOSFODNN7EXAMPLE'
export const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
export const REGION = 'us-east-1'
export const EMPTY_SHA256 = createHash('sha256').digest('hex')

export const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')
const hmac = (key: Buffer | string, text: string): Buffer =>
  createHmac('sha256', key).update(text, 'latin1').digest()

export const amzDate = (timeMs: number): string =>
  new Date(timeMs)
    .toISOString()
    .replace(/[-:]/g, '')
    .replace(/\.\d{3}/, '')

export const signingKey = (
  secret: string,
  day: string,
  region: string,
  service = 's3',
  end = 'aws4_request',
) => hmac(hmac(hmac(hmac(`AWS4${secret}`, day), region), service), end)

/** Sorted by name, then value; the input is encoded already. */
export const sortQuery = (query: string): string =>
  query
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const [name, ...rest] = part.split('=')
      return [name!, rest.join('=')] as const
    })
    .sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : a[1] < b[1] ? -1 : a[1] > b[1] ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join('&')

export interface Signed {
  readonly method: string
  readonly target: string
  readonly headers: Record<string, string>
  readonly signature: string
  readonly scope: string
  readonly timestamp: string
  readonly key: Buffer
}

const canonicalHeaders = (names: readonly string[], headers: Readonly<Record<string, string>>): string => {
  const lower = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
  return names.map((name) => `${name}:${(lower.get(name) ?? '').trim().replace(/ +/g, ' ')}\n`).join('')
}

interface Prepared {
  readonly scope: string
  readonly timestamp: string
  readonly key: Buffer
  readonly sign: (query: string, names: readonly string[], payload: string) => string
}

const prepare = (input: SignInput): Prepared => {
  const { region = REGION, service = 's3', terminator = 'aws4_request', secretAccessKey = SECRET } = input
  const timestamp = amzDate(input.timeMs ?? Date.now())
  const day = input.scopeDay ?? timestamp.slice(0, 8)
  const scope = `${day}/${region}/${service}/${terminator}`
  const key = signingKey(secretAccessKey, day, region, service, terminator)
  const path = input.signedPath ?? input.target.split('?', 1)[0]!
  return {
    scope,
    timestamp,
    key,
    sign(query, names, payload) {
      const head = `${input.method}\n${path}\n${query}\n${canonicalHeaders(names, input.headers)}`
      const canonical = `${head}\n${names.join(';')}\n${payload}`
      const text = `AWS4-HMAC-SHA256\n${timestamp}\n${scope}\n${sha256(Buffer.from(canonical, 'latin1'))}`
      return hmac(key, text).toString('hex')
    },
  }
}

/** Signs in the Authorization header; adds x-amz-date and x-amz-content-sha256 unless they are given. */
export const signHeader = (asked: SignInput): Signed => {
  // One reading of the clock: two could fall into different seconds.
  const given = { ...asked, timeMs: asked.timeMs ?? Date.now() }
  const timestamp = amzDate(given.timeMs)
  const payload = given.payload ?? given.headers['x-amz-content-sha256'] ?? 'UNSIGNED-PAYLOAD'
  const headers: Record<string, string> = {
    'x-amz-date': timestamp,
    'x-amz-content-sha256': payload,
    ...given.headers,
  }
  const input = { ...given, headers }
  const { scope, key, sign } = prepare(input)
  const names =
    given.signedNames ??
    Object.keys(headers)
      .map((name) => name.toLowerCase())
      .sort()
  const query = given.signedQuery ?? sortQuery(given.target.split('?')[1] ?? '')
  const signature = sign(query, names, payload)
  const credential = `${given.accessKeyId ?? KEY}/${scope}`
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return {
    method: given.method,
    target: given.target,
    headers: { ...headers, authorization },
    signature,
    scope,
    timestamp,
    key,
  }
}

/** Signs in the query; `expires` is sent as it is. */
export const presign = (input: SignInput, expires: number | string = 300): Signed => {
  const { scope, timestamp, key, sign } = prepare(input)
  const names =
    input.signedNames ??
    Object.keys(input.headers)
      .map((name) => name.toLowerCase())
      .sort()
  const [path, query = ''] = input.target.split('?')
  const credential = encodeURIComponent(`${input.accessKeyId ?? KEY}/${scope}`)
  const own = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${credential}`,
    `X-Amz-Date=${timestamp}`,
    `X-Amz-Expires=${expires}`,
    `X-Amz-SignedHeaders=${encodeURIComponent(names.join(';'))}`,
  ].join('&')
  const all = query === '' ? own : `${query}&${own}`
  const signature = sign(sortQuery(all), names, input.payload ?? 'UNSIGNED-PAYLOAD')
  return {
    method: input.method,
    target: `${path}?${all}&X-Amz-Signature=${signature}`,
    headers: { ...input.headers },
    signature,
    scope,
    timestamp,
    key,
  }
}

/** A body in aws-chunked: `sizes` cut `data`; the chain goes on from the request's signature. */
export const chunkedBody = (
  signed: Signed,
  data: Uint8Array,
  sizes: readonly number[],
  trailers?: Readonly<Record<string, string>>,
): { chunks: Buffer[]; end: Buffer } => {
  let previous = signed.signature
  const head = (kind: string): string =>
    `AWS4-HMAC-SHA256-${kind}\n${signed.timestamp}\n${signed.scope}\n${previous}`
  const line = (bytes: Uint8Array): string => {
    previous = hmac(signed.key, `${head('PAYLOAD')}\n${EMPTY_SHA256}\n${sha256(bytes)}`).toString('hex')
    return `${bytes.length.toString(16)};chunk-signature=${previous}\r\n`
  }
  const chunks: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    const bytes = data.subarray(at, at + size)
    chunks.push(Buffer.concat([Buffer.from(line(bytes)), bytes, Buffer.from('\r\n')]))
    at += size
  }
  let end = line(new Uint8Array(0))
  if (trailers) {
    const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}`)
    for (const text of lines) end += `${text}\r\n`
    const canonical = lines.map((text) => `${text}\n`).join('')
    const signature = hmac(signed.key, `${head('TRAILER')}\n${sha256(canonical)}`).toString('hex')
    end += `x-amz-trailer-signature:${signature}\r\n`
  }
  return { chunks, end: Buffer.from(`${end}\r\n`) }
}

/** A body in aws-chunked without signatures. */
export const unsignedChunks = (
  data: Uint8Array,
  sizes: readonly number[],
  trailers: Readonly<Record<string, string>> = {},
): Buffer => {
  const parts: Buffer[] = []
  let at = 0
  for (const size of sizes) {
    parts.push(
      Buffer.from(`${size.toString(16)}\r\n`),
      Buffer.from(data.subarray(at, at + size)),
      Buffer.from('\r\n'),
    )
    at += size
  }
  const lines = Object.entries(trailers).map(([name, value]) => `${name}:${value}\r\n`)
  return Buffer.concat([...parts, Buffer.from(`0\r\n${lines.join('')}\r\n`)])
}
