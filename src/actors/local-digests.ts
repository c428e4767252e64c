// Digests on this thread, chunk by chunk: while a chunk that has just arrived is still in the cache.
import { createDigest, type Digest } from '../codec/checksums.ts'
import type { BodyDigests } from './body-digests.ts'
import type { DigestName } from './engine.ts'

export const createLocalDigests = (names: readonly DigestName[]): BodyDigests => {
  const digests = new Map<DigestName, Digest>(names.map((name) => [name, createDigest(name)]))
  return {
    takeChunk(bytes) {
      for (const digest of digests.values()) digest.update(bytes)
    },
    takeStripe: () => Promise.resolve(),
    finish: async () => new Map([...digests].map(([name, digest]) => [name, digest.digest()])),
  }
}
