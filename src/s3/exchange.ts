// One exchange of the S3 protocol as handlers see it: the request after routing and authorization, and the answer
// before it is written. Nobody below the gateway looks at the URL or at node:http again.
import type { Chunk } from '../actors/engine.ts'
import type { Identity } from '../auth/identity.ts'
import type { Pairs } from '../metadata/records.ts'

export interface S3Request {
  /** x-amz-request-id of the answer. */
  readonly id: string
  /** x-amz-id-2 of the answer. */
  readonly hostId: string
  readonly method: string
  /** Empty when the request names none; from the path or from the virtual host. */
  readonly bucket: string
  /** Decoded once, literally: never a path. Empty when the request names none. */
  readonly key: string
  /** Decoded; in order, duplicates kept. A name without `=` has the value ''. */
  readonly query: Pairs
  /** Names in lower case; what came several times is joined by ','. */
  readonly headers: ReadonlyMap<string, string>
  readonly identity: Identity
  /** `http://host:port` as the client addressed us, for Location. */
  readonly origin: string
  readonly body: RequestBody
}

/** The request's body, out of its transfer coding and with its signatures checked as it is read. Read at most once. */
export interface RequestBody {
  /** Decoded length; undefined when the client named none (then there is no body, or the answer is 411). */
  readonly size: number | undefined
  /** Throws IncompleteBody, SignatureDoesNotMatch, XAmzContentSHA256Mismatch, RequestTimeout, … */
  readonly chunks: AsyncIterable<Uint8Array>
  /** Announced in x-amz-trailer, in lower case. */
  readonly trailerNames: readonly string[]
  /** After the last chunk: the trailing headers, in lower case. Before it: empty. */
  trailers(): ReadonlyMap<string, string>
  /** The whole body in memory; `MaxMessageLengthExceeded` (or the code given) past `bytesMax`. For XML bodies. */
  whole(bytesMax: number): Promise<Uint8Array>
}

export interface S3Response {
  readonly status: number
  readonly headers: Pairs
  /**
   * With `stream`, `length` bytes; when it throws, the connection is cut short of Content-Length. With `pieces`, as much as there
   * comes: each goes out when it is there, and they do not throw.
   */
  readonly body?:
    | string
    | Uint8Array
    | { readonly length: number; readonly stream: AsyncIterable<Chunk>; close(): void }
    | { readonly pieces: AsyncIterable<string> }
}
