// Byte ranges: RFC 9110, section 14, of which S3 serves exactly one range. What is not of the form `bytes=a-b`, `bytes=a-`
// or `bytes=-n` is no range, and the whole object is the answer; so are several ranges.
import type { ByteRange } from '../actors/engine.ts'
import { refusal } from '../base/errors.ts'
import { invalidArgument } from './handler.ts'

/** More digits than any size has; what is longer is beyond every object. */
const toOffset = (digits: string): number => (digits.length > 15 ? Number.MAX_SAFE_INTEGER : Number(digits))

const notSatisfiable = (value: string, size: number) =>
  refusal('InvalidRange', 'The requested range is not satisfiable', {
    RangeRequested: value.slice(0, 128),
    ActualObjectSize: size,
  })

/** Undefined when the whole object is wanted. Throws `InvalidRange` when no byte of the range exists. */
export const parseRange = (value: string | undefined, size: number): ByteRange | undefined => {
  if (value === undefined || value.length > 64) return undefined
  const found = /^bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*$/i.exec(value)
  if (found === null) return undefined
  const [, first = '', last = ''] = found
  if (first === '' && last === '') return undefined
  if (first === '') {
    const length = Math.min(toOffset(last), size)
    if (length === 0) throw notSatisfiable(value, size)
    return { start: size - length, length }
  }
  const start = toOffset(first)
  const end = last === '' ? Number.MAX_SAFE_INTEGER : toOffset(last)
  if (end < start) return undefined
  if (start >= size) throw notSatisfiable(value, size)
  return { start, length: Math.min(end, size - 1) - start + 1 }
}

/** x-amz-copy-source-range: both ends, both inside. Throws `InvalidArgument` for the form, `InvalidRange` otherwise. */
export const parseCopyRange = (value: string, size: number): ByteRange => {
  const found = /^bytes=(\d{1,20})-(\d{1,20})$/.exec(value)
  const start = toOffset(found?.[1] ?? '')
  const end = toOffset(found?.[2] ?? '')
  if (found === null || end < start) {
    throw invalidArgument(
      'x-amz-copy-source-range',
      value,
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
    )
  }
  if (end >= size) throw notSatisfiable(value, size)
  return { start, length: end - start + 1 }
}

/** `bytes 0-9/100` */
export const contentRange = ({ start, length }: ByteRange, size: number): string =>
  `bytes ${start}-${start + length - 1}/${size}`
