// MD5 over ranges of the shared memory, with a state that is plain data: what one thread has begun any other may continue,
// which the hash objects of Node do not allow. The arithmetic is in assembly/kernel-md5.ts.
//
// A state is laid out as the module wants it, so that it is loaded and kept by copying:
//
//    0  16   the four words
//   16   8   bytes taken in so far
//   24  64   bytes that wait for their block to be full

import type { Kernel } from './kernel.ts'
import { loadModule, type ReadModule, readModuleFile } from './module-file.ts'

const FILE = './kernel-md5.wasm'

const WORDS_BYTES = 16
const LENGTH = 16
const WAITING = 24
const BLOCK_BYTES = 64
const STATE_BYTES = WAITING + BLOCK_BYTES
/** Of the last block, for the length of the message in bits. */
const BIT_COUNT_BYTES = 8

/** The words of RFC 1321, and nothing taken in. */
const FRESH = new Uint8Array(STATE_BYTES)
FRESH.set(Buffer.from('0123456789abcdeffedcba9876543210', 'hex'))

/** Bytes of a memory that lie side by side. */
export interface MemoryRange {
  readonly offset: number
  readonly length: number
}

export interface Md5 {
  /** The state after `pieces`, one after another; `undefined` is the state after nothing. Changes no state it is given. */
  update(state: Uint8Array | undefined, pieces: readonly MemoryRange[]): Uint8Array
  /** Of all bytes that went into the state. */
  digest(state: Uint8Array | undefined): Uint8Array
}

interface Exports {
  md5(state: number, from: number, blocks: number): void
}

/** Works in the kernel's scratch, on its thread. Throws the fault CODEC_LOAD when the module cannot be read or compiled. */
export const createMd5 = (
  { memory, scratch }: Pick<Kernel, 'memory' | 'scratch'>,
  readModule: ReadModule = readModuleFile,
): Md5 => {
  const wasm = loadModule(FILE, readModule, ['md5'], { memory }) as unknown as Exports
  const { buffer } = memory
  const bytes = new Uint8Array(buffer)
  const work = bytes.subarray(scratch.offset, scratch.offset + STATE_BYTES)
  const view = new DataView(buffer, scratch.offset, STATE_BYTES)
  const waiting = scratch.offset + WAITING

  const takeIn = ({ offset, length }: MemoryRange): void => {
    const before = view.getBigUint64(LENGTH, true)
    view.setBigUint64(LENGTH, before + BigInt(length), true)
    const held = Number(before % BigInt(BLOCK_BYTES))
    const missing = held === 0 ? 0 : Math.min(BLOCK_BYTES - held, length)
    bytes.copyWithin(waiting + held, offset, offset + missing)
    if (held > 0 && held + missing < BLOCK_BYTES) return
    if (held > 0) wasm.md5(scratch.offset, waiting, 1)
    const blocks = Math.floor((length - missing) / BLOCK_BYTES)
    wasm.md5(scratch.offset, offset + missing, blocks)
    bytes.copyWithin(waiting, offset + missing + blocks * BLOCK_BYTES, offset + length)
  }

  return {
    update(state, pieces) {
      work.set(state ?? FRESH)
      for (const piece of pieces) takeIn(piece)
      return work.slice()
    },
    digest(state) {
      work.set(state ?? FRESH)
      const length = view.getBigUint64(LENGTH, true)
      const held = Number(length % BigInt(BLOCK_BYTES))
      bytes.fill(0, waiting + held, waiting + BLOCK_BYTES)
      bytes[waiting + held] = 0x80
      // No room for the bit count behind the mark: a block of its own.
      if (held + 1 > BLOCK_BYTES - BIT_COUNT_BYTES) {
        wasm.md5(scratch.offset, waiting, 1)
        bytes.fill(0, waiting, waiting + BLOCK_BYTES)
      }
      view.setBigUint64(WAITING + BLOCK_BYTES - BIT_COUNT_BYTES, length * 8n, true)
      wasm.md5(scratch.offset, waiting, 1)
      return work.slice(0, WORDS_BYTES)
    },
  }
}
