// What a file of a simulated disk holds, in pages. A page that was never written to, or with zeros alone, is not there: the store
// writes zeros ahead of its journal, half a mebibyte at a time, and files that grow in one piece are copied each time.
import { KiB } from '../../../src/base/units.ts'
import { isZero } from '../../../src/base/zeros.ts'

const PAGE_BYTES = 16 * KiB

export class SparseBytes {
  #size = 0
  /** Of the same length each, but for one at the beginning, which is only as long as it needs to be. */
  readonly #pages: (Uint8Array | undefined)[] = []

  get size(): number {
    return this.#size
  }

  /** How many bytes there were to be read. */
  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.#size - position))
    for (let done = 0; done < count; ) {
      const { index, at, step } = pieceAt(position + done, count - done)
      const held = this.#pages[index]?.subarray(at, at + step)
      if (held) into.set(held, done)
      into.fill(0, done + (held?.length ?? 0), done + step)
      done += step
    }
    return count
  }

  /** A copy of what lies from `start` to `end`, which is not behind the end. */
  slice(start: number, end: number): Uint8Array {
    const bytes = new Uint8Array(Math.max(0, end - start))
    this.read(bytes, start)
    return bytes
  }

  write(position: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const { index, at, step } = pieceAt(position + done, bytes.length - done)
      const piece = bytes.subarray(done, done + step)
      if (this.#pages[index] || !isZero(piece)) this.#pageFor(index, at + step).set(piece, at)
      done += step
    }
    this.#size = Math.max(this.#size, position + bytes.length)
  }

  /** What is cut off reads as zeros should it grow again. */
  resize(size: number): void {
    if (size < this.#size) {
      this.#pages.length = Math.min(this.#pages.length, Math.ceil(size / PAGE_BYTES))
      if (size % PAGE_BYTES > 0) this.#pages[Math.floor(size / PAGE_BYTES)]?.fill(0, size % PAGE_BYTES)
    }
    this.#size = size
  }

  /** Of the byte at `position`, which is there, one bit is another. */
  flip(position: number, bit: number): void {
    const { index, at } = pieceAt(position, 1)
    this.#pageFor(index, at + 1)[at]! ^= 1 << bit
  }

  copy(): SparseBytes {
    const copy = new SparseBytes()
    copy.#size = this.#size
    copy.#pages.push(...this.#pages.map((page) => page?.slice()))
    return copy
  }

  #pageFor(index: number, bytes: number): Uint8Array {
    const page = this.#pages[index]
    if (page && page.length >= bytes) return page
    const grown = new Uint8Array(index === 0 ? Math.min(PAGE_BYTES, 2 * bytes) : PAGE_BYTES)
    if (page) grown.set(page)
    while (this.#pages.length < index) this.#pages.push(undefined)
    this.#pages[index] = grown
    return grown
  }
}

/** The page that a position is in, and how much of `length` bytes from there on. */
const pieceAt = (position: number, length: number): { index: number; at: number; step: number } => {
  const at = position % PAGE_BYTES
  return { index: Math.floor(position / PAGE_BYTES), at, step: Math.min(length, PAGE_BYTES - at) }
}
