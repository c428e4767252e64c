// Reads a request body at the engine's own pace: exactly as many bytes as are asked for, copied to where they are
// wanted, every chunk shown to the digests once. The one place where body bytes are copied.
import { assert } from '../base/errors.ts'
import { copyBytes } from '../base/memory.ts'
import type { BodyDigests } from './body-digests.ts'
import type { Body } from './engine.ts'

const NOTHING = new Uint8Array(0)

export interface BodyReader {
  /** Before anything else is read: a copy of the body if it comes in one chunk of `size` bytes, as most small ones do. */
  readWhole(size: number): Promise<Uint8Array | undefined>
  /** Fills `into` from the body; resolves to the bytes copied, fewer than its length only when the body has ended. */
  fill(into: Uint8Array): Promise<number>
  /** After the last byte: reads the end of the stream, so trailers have arrived. */
  finish(): Promise<void>
  /** Tells the source that nobody reads on. */
  cancel(): Promise<void>
}

/** A reader over `body`; the source is asked for the next chunk only when the last one is used up. */
export const createBodyReader = (
  body: Pick<Body, 'chunks'>,
  digests: Pick<BodyDigests, 'takeChunk'>,
): BodyReader => {
  const source = body.chunks[Symbol.asyncIterator]()
  let chunk: Uint8Array = NOTHING
  let hasEnded = false

  const take = (step: IteratorResult<Uint8Array>): void => {
    if (step.done) {
      hasEnded = true
      chunk = NOTHING
      return
    }
    chunk = step.value
    digests.takeChunk(chunk)
  }

  return {
    async readWhole(size) {
      take(await source.next())
      if (chunk.length !== size) return undefined
      const whole = new Uint8Array(chunk)
      chunk = NOTHING
      return whole
    },
    async fill(into) {
      let filled = 0
      while (filled < into.length && !hasEnded) {
        if (chunk.length === 0) {
          take(await source.next())
          continue
        }
        const length = Math.min(chunk.length, into.length - filled)
        copyBytes(into, filled, length === chunk.length ? chunk : chunk.subarray(0, length))
        chunk = length === chunk.length ? NOTHING : chunk.subarray(length)
        filled += length
      }
      return filled
    },
    async finish() {
      while (!hasEnded) {
        assert(chunk.length === 0, 'a body has more bytes than its size says')
        take(await source.next())
      }
    },
    async cancel() {
      if (!hasEnded) await source.return?.()
    },
  }
}
