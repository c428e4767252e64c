// One MD5 in work: a state of plain data, and what it takes in next, cut into whole blocks. Between two steps the state is
// all there is of it, so that any thread may continue what another has begun.
//
//    0  16   the four words
//   16   8   bytes taken in so far
//   24  64   bytes that wait for their block to be full

export const BLOCK_BYTES = 64
const WORDS = 4
const LENGTH = 16
const WAITING = 24
/** Of the last block: the length of the message in bits. */
const BIT_COUNT_BYTES = 8

/** The words of RFC 1321, and nothing taken in. */
const FRESH = new Uint8Array(WAITING + BLOCK_BYTES)
FRESH.set(Buffer.from('0123456789abcdeffedcba9876543210', 'hex'))

/** Bytes of a memory that lie side by side. */
export interface MemoryRange {
  readonly offset: number
  readonly length: number
}

/** Takes whole blocks from anywhere into the words. */
export type Compress = (words: Uint32Array, blocks: Uint8Array) => void

export interface Md5Input {
  /** Of what came before; undefined for nothing. It is not changed. */
  readonly state: Uint8Array | undefined
  /** In the memory, one after another. */
  readonly pieces: readonly MemoryRange[]
}

export class Md5Stream {
  readonly state: Uint8Array
  readonly words: Uint32Array
  /** The whole blocks that come next, in the memory: whoever takes them into the words says so with `taken`. */
  from = 0
  blocks = 0
  readonly #view: DataView
  readonly #memory: Uint8Array
  readonly #compress: Compress
  readonly #pieces: readonly MemoryRange[]
  #next = 0

  constructor({ state, pieces }: Md5Input, memory: Uint8Array, compress: Compress) {
    this.state = (state ?? FRESH).slice()
    this.words = new Uint32Array(this.state.buffer, 0, WORDS)
    this.#view = new DataView(this.state.buffer)
    this.#memory = memory
    this.#compress = compress
    this.#pieces = pieces
  }

  /** Goes on to the next whole blocks; false when there are none left, and the state is that after the last piece. */
  advance(): boolean {
    while (this.blocks === 0) {
      const piece = this.#pieces[this.#next++]
      if (piece === undefined) return false
      this.#begin(piece)
    }
    return true
  }

  taken(blocks: number): void {
    this.from += blocks * BLOCK_BYTES
    this.blocks -= blocks
  }

  /** Takes in the end of the message: what waits, a one, zeros, and the length in bits. */
  digest(): Uint8Array {
    const length = this.#view.getBigUint64(LENGTH, true)
    const held = Number(length % BigInt(BLOCK_BYTES))
    const hasRoom = held + 1 + BIT_COUNT_BYTES <= BLOCK_BYTES
    const end = new Uint8Array(hasRoom ? BLOCK_BYTES : 2 * BLOCK_BYTES)
    end.set(this.state.subarray(WAITING, WAITING + held))
    end[held] = 0x80
    new DataView(end.buffer).setBigUint64(end.length - BIT_COUNT_BYTES, length * 8n, true)
    this.#compress(this.words, end)
    return this.state.slice(0, LENGTH)
  }

  #begin({ offset, length }: MemoryRange): void {
    const before = this.#view.getBigUint64(LENGTH, true)
    this.#view.setBigUint64(LENGTH, before + BigInt(length), true)
    const held = Number(before % BigInt(BLOCK_BYTES))
    const missing = held === 0 ? 0 : Math.min(BLOCK_BYTES - held, length)
    this.state.set(this.#memory.subarray(offset, offset + missing), WAITING + held)
    if (held + missing < BLOCK_BYTES && held > 0) return
    if (held > 0) this.#compress(this.words, this.state.subarray(WAITING))
    this.from = offset + missing
    this.blocks = Math.floor((length - missing) / BLOCK_BYTES)
    // The rest waits. Nobody looks at it before the whole blocks were taken.
    const rest = this.from + this.blocks * BLOCK_BYTES
    this.state.set(this.#memory.subarray(rest, offset + length), WAITING)
  }
}
