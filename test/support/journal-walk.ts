// A segment of the journal from a file's bytes, frame by frame, up to the first that is not whole.
import {
  decodeFrame,
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameContent,
} from '../../src/metadata/frame.ts'
import { decodeSegmentHeader, type SegmentHeader } from '../../src/metadata/segment.ts'

export interface WalkedFrame {
  readonly offset: number
  readonly length: number
  readonly content: FrameContent
}

export interface WalkedSegment {
  readonly header: SegmentHeader
  readonly frames: readonly WalkedFrame[]
  /** Where the last whole frame ends. */
  readonly end: number
}

/** Undefined when the header is not whole. */
export const walkSegment = (bytes: Buffer): WalkedSegment | undefined => {
  const header = decodeSegmentHeader(bytes)
  if (!header) return undefined
  const { partition, segment, id: segmentId } = header
  const frames: WalkedFrame[] = []
  let offset = header.length
  let previous = header.checksum
  for (;;) {
    const rest = bytes.subarray(offset)
    const context = { partition, segment, segmentId, previous, index: frames.length }
    const frame = rest.length < FRAME_HEADER_BYTES ? undefined : decodeFrameHeader(rest, context)
    const content = frame && decodeFrame(frame, rest.subarray(0, frame.length), segment, offset, true)
    if (!content) return { header, frames, end: offset }
    frames.push({ offset, length: frame.length, content })
    offset += frame.length
    previous = frame.checksum
  }
}
