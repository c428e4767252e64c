// Digests of bytes that lie in the shared memory and come piece by piece, each piece perhaps to another thread: between two
// of them a digest is a few bytes of plain data. That is what the codec pool can compute, whose tasks are bound to no thread.
//
// MD5 has a state of its own making; a CRC needs none, because the CRC of two parts follows from theirs. SHA-1 and SHA-256
// are not here: Node's hash objects cannot leave their thread, and in WASM, without the instructions that processors have for
// them, SHA-256 runs at a seventh of Node's speed.
import { type CrcName, combineCrc, createDigest, type DigestName } from './checksums.ts'
import type { Kernel } from './kernel.ts'
import { createMd5, type Md5 } from './md5.ts'
import type { MemoryRange } from './md5-stream.ts'

export { MD5_LANES } from './md5.ts'
export type { MemoryRange } from './md5-stream.ts'

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

/**
 * The state after each step; after a last one the digest itself, CRCs big-endian, as S3 encodes them in Base64. The steps are
 * of different digests; MD5s among them are computed side by side.
 */
export type DigestSteps = (steps: readonly DigestStep[]) => Uint8Array[]

/** Steps over the memory of a kernel, on its thread, in its scratch. */
export const createDigestSteps = (kernel: Kernel): DigestSteps => {
  /** Made with the first MD5: a repairer has none, and a gateway only those of large bodies. */
  let made: Md5 | undefined
  const md5 = (): Md5 => {
    made ??= createMd5(kernel)
    return made
  }
  const stepCrc = (name: CrcName, { state, pieces }: DigestStep): Uint8Array => {
    const digest = createDigest(name)
    let length = 0
    for (const piece of pieces) {
      digest.update(new Uint8Array(kernel.memory.buffer, piece.offset, piece.length))
      length += piece.length
    }
    return state ? combineCrc(name, state, digest.digest(), length) : digest.digest()
  }
  return (steps) => {
    const md5Steps = steps.filter(({ name }) => name === 'md5')
    const states = md5Steps.length === 0 ? [] : md5().update(md5Steps)
    return steps.map((step) => {
      if (step.name !== 'md5') return stepCrc(step.name, step)
      const state = states.shift()
      return step.isLast ? md5().digest(state) : state!
    })
  }
}
