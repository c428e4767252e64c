// The chain of signatures over the chunks of a body: each covers the one before, the first the request's own, so that no
// chunk can be changed, dropped, repeated or moved.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
import { createHash, type Hash } from 'node:crypto'
import { refusal } from '../base/errors.ts'
import type { ChunkSeed } from './authenticate.ts'
import { SHA256_EMPTY, sha256Hex } from './canonical.ts'
import { isSignature } from './signing-keys.ts'

export interface ChunkVerifier {
  /** Bytes of the chunk under way, as they pass. */
  update(bytes: Uint8Array): void
  /** Ends the chunk under way. Throws `SignatureDoesNotMatch`. */
  endChunk(signature: string): void
  /** `names` and values as `name:value\n`, in the order they were sent. Throws `SignatureDoesNotMatch`. */
  endTrailer(canonical: string, signature: string): void
}

const mismatch = (what: string): never => {
  throw refusal(
    'SignatureDoesNotMatch',
    `The ${what} signature we calculated does not match the signature you provided. Check your key and signing method.`,
  )
}

export const createChunkVerifier = (seed: ChunkSeed): ChunkVerifier => {
  const { key, timestamp, scope } = seed
  let previous = seed.signature
  let chunk: Hash | undefined
  const check = (what: string, text: string, signature: string): void => {
    if (!isSignature(key, text, signature)) mismatch(what)
    previous = signature.toLowerCase()
  }
  return {
    update(bytes) {
      chunk ??= createHash('sha256')
      chunk.update(bytes)
    },
    endChunk(signature) {
      const digest = chunk?.digest('hex') ?? SHA256_EMPTY
      chunk = undefined
      const head = `AWS4-HMAC-SHA256-PAYLOAD\n${timestamp}\n${scope}\n${previous}`
      check('chunk', `${head}\n${SHA256_EMPTY}\n${digest}`, signature)
    },
    endTrailer(canonical, signature) {
      const text = `AWS4-HMAC-SHA256-TRAILER\n${timestamp}\n${scope}\n${previous}\n${sha256Hex(canonical)}`
      check('trailer', text, signature)
    },
  }
}
