// Digests of bytes that lie in the shared memory and come piece by piece, each piece perhaps to another thread: between two
// of them a digest is a few bytes of plain data. That is what the codec pool can compute, whose tasks are bound to no thread.
//
// MD5 has a state of its own making; a CRC needs none, because the CRC of two parts follows from theirs. SHA-1 and SHA-256
// are not here: Node's hash objects cannot leave their thread, and in WASM, without the instructions that processors have for
// them, SHA-256 runs at a seventh of Node's speed.
import { type CrcName, combineCrc, createDigest, type DigestName } from './checksums.ts'
import type { Kernel } from './kernel.ts'
import { createMd5, type MemoryRange } from './md5.ts'

export type { MemoryRange } from './md5.ts'

export type PortableName = 'md5' | CrcName

export const isPortable = (name: DigestName): name is PortableName => name !== 'sha1' && name !== 'sha256'

/** The next bytes of one digest. */
export interface DigestStep {
  readonly name: PortableName
  /** What the step before gave; undefined in the first one. */
  readonly state: Uint8Array | undefined
  /** In the memory, one after another. */
  readonly pieces: readonly MemoryRange[]
  readonly isLast: boolean
}

/** The state after the step; after the last one the digest itself, CRCs big-endian, as S3 encodes them in Base64. */
export type DigestSteps = (step: DigestStep) => Uint8Array

/** Steps over the memory of a kernel, on its thread, in its scratch. */
export const createDigestSteps = (kernel: Kernel): DigestSteps => {
  const md5 = createMd5(kernel)
  const stepCrc = (name: CrcName, { state, pieces }: DigestStep): Uint8Array => {
    const digest = createDigest(name)
    let length = 0
    for (const piece of pieces) {
      digest.update(new Uint8Array(kernel.memory.buffer, piece.offset, piece.length))
      length += piece.length
    }
    return state ? combineCrc(name, state, digest.digest(), length) : digest.digest()
  }
  return (step) => {
    const { name, state, pieces, isLast } = step
    if (name !== 'md5') return stepCrc(name, step)
    const next = md5.update(state, pieces)
    return isLast ? md5.digest(next) : next
  }
}
