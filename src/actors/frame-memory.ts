// A frame on its way to the disks: copied into the arena once, whatever the number of disks it goes to, and written from
// there. Without a slab to spare it travels in the messages, a copy for each disk: a commit never waits for the arena,
// which bodies may hold that wait for commits.
import { copyBytes } from '../base/memory.ts'
import { type Arena, SLAB_BYTES, type SlabClass } from '../runtime/arena.ts'
import type { SlabRange } from './stripe-buffer.ts'

/** What a message to a disk carries of a frame: bytes of its own, or places in the arena. */
export type FramePiece = Uint8Array | SlabRange

export interface FrameMemory {
  /** `pieces` as a message carries them. Call `release` once when that message has been answered. */
  share(pieces: readonly Uint8Array[]): { readonly pieces: readonly FramePiece[]; release(): void }
}

interface SharedFrame {
  readonly of: readonly Uint8Array[]
  readonly ranges: readonly SlabRange[]
  holders: number
}

/** A message moves its bytes, and the same frame goes to m + 1 disks. (`slice` of a Buffer is a view.) */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)

export const createFrameMemory = (arena: Arena): FrameMemory => {
  /** The frame that was shared last: the disks are asked one after another, in one go. */
  let last: SharedFrame | undefined

  const enter = (pieces: readonly Uint8Array[]): SharedFrame | undefined => {
    const ranges = fillSlabs(arena, pieces)
    return ranges && { of: pieces, ranges, holders: 0 }
  }

  return {
    share(pieces) {
      const frame = last?.of === pieces ? last : enter(pieces)
      last = frame
      if (!frame) return { pieces: pieces.map(copyOf), release: () => undefined }
      frame.holders++
      return {
        pieces: frame.ranges,
        release() {
          if (--frame.holders > 0) return
          if (last === frame) last = undefined
          for (const { slab } of frame.ranges) slab.release()
        },
      }
    },
  }
}

/** Copies `pieces` into as many slabs as they take; undefined when these are not to be had at once. */
const fillSlabs = (arena: Arena, pieces: readonly Uint8Array[]): SlabRange[] | undefined => {
  let left = pieces.reduce((sum, piece) => sum + piece.length, 0)
  const slabClass: SlabClass = left <= SLAB_BYTES.small ? 'small' : 'large'
  const slabBytes = SLAB_BYTES[slabClass]
  const slabs = arena.tryAcquire({ class: slabClass, count: Math.ceil(left / slabBytes), isUrgent: true })
  if (!slabs) return undefined
  const ranges = slabs.map((slab) => {
    const length = Math.min(left, slabBytes)
    left -= length
    return { slab, offset: 0, length }
  })
  let slab = 0
  let at = 0
  for (const piece of pieces) {
    for (let taken = 0; taken < piece.length; ) {
      if (at === slabBytes) {
        slab++
        at = 0
      }
      const part = piece.subarray(taken, taken + slabBytes - at)
      copyBytes(slabs[slab]!.bytes, at, part)
      taken += part.length
      at += part.length
    }
  }
  return ranges
}
