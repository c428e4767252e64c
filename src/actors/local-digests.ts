// Digests on this thread, chunk by chunk: while a chunk that has just arrived is still in the cache.
import { createDigest, type Digest, digestOf } from '../codec/checksums.ts'
import type { BodyDigests } from './body-digests.ts'
import type { DigestName } from './engine.ts'

const NOTHING = new Uint8Array(0)

/** Of a body of `size` bytes, which most often is one chunk and then needs no state. */
export const createLocalDigests = (names: readonly DigestName[], size: number): BodyDigests => {
  let whole: ReadonlyMap<DigestName, Uint8Array> | undefined
  let digests: readonly (readonly [DigestName, Digest])[] | undefined
  const wholeOf = (bytes: Uint8Array) => new Map(names.map((name) => [name, digestOf(name, bytes)]))
  return {
    takeChunk(bytes) {
      if (bytes.length === 0) return
      if (!digests && bytes.length === size) {
        whole = wholeOf(bytes)
        return
      }
      digests ??= names.map((name) => [name, createDigest(name)])
      for (const [, digest] of digests) digest.update(bytes)
    },
    takeStripe: () => Promise.resolve(),
    async finish() {
      if (!digests) return whole ?? wholeOf(NOTHING)
      return new Map(digests.map(([name, digest]) => [name, digest.digest()]))
    },
  }
}
