// Exchanges without sockets: a request written down as a client would send it, answered by the dispatch over the
// reference store, its answer read to the end. Tables of the conformance tests are made of these.
import { Buffer } from 'node:buffer'
import { refusal } from '../../src/base/errors.ts'
import { createDispatch, type Dispatch } from '../../src/s3/dispatch.ts'
import type { RequestBody, S3Request, S3Response } from '../../src/s3/exchange.ts'
import { createReferenceStore, type ReferenceStore } from '../model/reference-store.ts'

export const OWNER = '75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a'
export const START_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678)

export interface Sent {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  /** What the client says the length is; the body's own by default, `undefined` for no Content-Length. */
  readonly size?: number | undefined
  readonly trailers?: Readonly<Record<string, string>>
  readonly isAnonymous?: boolean
}

export interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly text: string
  readonly bytes: Uint8Array
  /** Of an error document, otherwise ''. */
  readonly code: string
}

const bodyOf = (sent: Sent): RequestBody => {
  const bytes = Buffer.from((sent.body ?? '') as string)
  const size = 'size' in sent ? sent.size : bytes.length
  let isRead = false
  return {
    size,
    trailerNames: Object.keys(sent.trailers ?? {}),
    trailers: () =>
      new Map(isRead ? Object.entries(sent.trailers ?? {}).filter(([, value]) => value !== '') : []),
    chunks: (async function* () {
      // Several pieces, none aligned to anything.
      for (let at = 0; at < bytes.length; at += 70_001) yield bytes.subarray(at, at + 70_001)
      if (size !== undefined && size !== bytes.length) {
        throw refusal('IncompleteBody', 'You did not provide the number of bytes specified by Content-Length')
      }
      isRead = true
    })(),
    async whole(bytesMax) {
      if (bytes.length > bytesMax) throw refusal('MaxMessageLengthExceeded', 'Your request was too big.')
      isRead = true
      return bytes
    },
  }
}

const decode = (text: string): string => decodeURIComponent(text)

/** `PUT /bucket/key?a=b` as the gateway hands it on, path style. */
export const requestOf = (line: string, sent: Sent = {}): S3Request => {
  const space = line.indexOf(' ')
  const [path = '', query = ''] = splitOnce(line.slice(space + 1), '?')
  const [bucket, key] = splitOnce(path.slice(1), '/')
  const anonymous = sent.isAnonymous === true
  return {
    id: 'F0F0F0F000000001',
    hostId: 'host',
    method: line.slice(0, space),
    bucket: decode(bucket),
    key: decode(key),
    query: query
      .split('&')
      .filter((pair) => pair !== '')
      .map((pair) => splitOnce(pair, '=').map(decode) as [string, string]),
    headers: new Map(Object.entries(sent.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])),
    identity: {
      kind: anonymous ? 'anonymous' : 'root',
      canonicalId: anonymous ? '0'.repeat(64) : OWNER,
      displayName: anonymous ? 'anonymous' : 'root',
      accessKeyId: anonymous ? '' : 'AKIAEXAMPLE',
    },
    origin: 'http://127.0.0.1:9000',
    body: bodyOf(sent),
  }
}

const splitOnce = (text: string, separator: string): [string, string] => {
  const at = text.indexOf(separator)
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)]
}

/** The answer as a client sees it; chunks are released and the stream closed. */
export const readAnswer = async ({ status, headers, body }: S3Response): Promise<Answer> => {
  const pieces: Uint8Array[] = []
  if (typeof body === 'string' || body instanceof Uint8Array) pieces.push(Buffer.from(body as string))
  else if (body !== undefined && 'pieces' in body) {
    for await (const piece of body.pieces) pieces.push(Buffer.from(piece))
  } else if (body !== undefined) {
    for await (const chunk of body.stream) {
      pieces.push(Uint8Array.from(chunk.bytes))
      chunk.release()
    }
    body.close()
  }
  const bytes = Buffer.concat(pieces)
  const text = bytes.toString('utf8')
  const code = /<Error><Code>([^<]*)<\/Code>/.exec(text)?.[1] ?? ''
  return { status, headers: new Map(headers), text, bytes, code }
}

export interface Exchange {
  readonly store: ReferenceStore
  readonly dispatch: Dispatch
  /** Errors that were answered, in order. */
  readonly errors: unknown[]
  send(line: string, sent?: Sent): Promise<Answer>
  /** Moves the store's clock. */
  pass(durationMs: number): void
}

/** A store with the buckets named, and a way to ask it. */
export const createExchange = async (
  buckets: readonly string[] = ['bucket'],
  region = 'us-east-1',
): Promise<Exchange> => {
  let nowMs = START_MS
  const store = createReferenceStore(() => nowMs)
  const errors: unknown[] = []
  const dispatch = createDispatch({ engine: store, region, onError: (error) => void errors.push(error) })
  for (const name of buckets) await store.buckets.create(name, { owner: OWNER, region })
  return {
    store,
    dispatch,
    errors,
    pass(durationMs) {
      nowMs += durationMs
    },
    send: async (line, sent) => readAnswer(await dispatch(requestOf(line, sent))),
  }
}
