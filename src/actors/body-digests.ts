// The digests of one body while it is taken in. They are computed where it costs least: those of a small body as its chunks
// arrive, those of a large one in the codec pool, from its stripes. Whoever reads the body, and whoever writes it, tells
// them what there is and need not know which.
import type { MemoryRange } from '../codec/portable-digests.ts'
import type { StripeCoder } from './coder.ts'
import type { Body, DigestName } from './engine.ts'
import { createLocalDigests } from './local-digests.ts'
import { createPooledDigests } from './pooled-digests.ts'

/** The bytes of the body in one stripe, one range after another in the arena's memory. */
export interface DigestedStripe {
  readonly pieces: readonly MemoryRange[]
  readonly isLast: boolean
}

/** Every byte comes twice, in order both times: in a chunk as it arrives and, if the body has any, in a stripe. */
export interface BodyDigests {
  /** The chunk may change as soon as it returns. */
  takeChunk(bytes: Uint8Array): void
  /** Settles, also when it rejects, only when nothing here reads the stripe any more. */
  takeStripe(stripe: DigestedStripe): Promise<void>
  /** Of all bytes. Called once, when the last chunk and the last stripe were taken. */
  finish(): Promise<ReadonlyMap<DigestName, Uint8Array>>
}

/** Where `coder` would code a stripe of the body's size, there its digests are computed. */
export const createBodyDigests = (
  { digests, size }: Pick<Body, 'digests' | 'size'>,
  coder: StripeCoder,
): BodyDigests =>
  coder.isLocal(size) ? createLocalDigests(digests, size) : createPooledDigests(digests, size, coder)
