// MD5 over ranges of the shared memory, of one message or of several at once: where SIMD is, up to four go side by side,
// which takes little longer than one (assembly/kernel-md5-lanes.ts).
//
// Both modules work in the kernel's scratch:
//
//    0   64   the words: of one message, or turned, of all lanes
//   64   16   addresses of the lanes
//  128  256   the blocks of the lanes, turned
//  384  128   blocks that do not lie in the memory
import { isKernelSupported, type Kernel } from './kernel.ts'
import { BLOCK_BYTES, type Md5Input, Md5Stream } from './md5-stream.ts'
import { loadModule, type ReadModule, readModuleFile } from './module-file.ts'

/** Messages that are computed side by side. */
export const MD5_LANES = 4

const ADDRESSES = 64
const BLOCKS = 384
const BLOCKS_MAX = 2
const WORDS = 4
/** 64 KiB. Engines compile a module anew while it works, and have the faster code at the next call: a first call ends soon. */
const BLOCKS_PER_CALL = 1_024

export interface Md5 {
  /** Of each message, the state after its pieces. */
  update(inputs: readonly Md5Input[]): Uint8Array[]
  /** Of all bytes that went into the state. */
  digest(state: Uint8Array | undefined): Uint8Array
}

interface One {
  md5(state: number, from: number, blocks: number): void
}

interface Lanes {
  md5Lanes(base: number, blocks: number): void
}

export interface Md5Options {
  /** Forces messages side by side, or one after another, instead of what this engine can do. */
  readonly hasLanes?: boolean
  /** How module files are read; tests make it fail. */
  readonly readModule?: ReadModule
}

/** Uses the kernel's scratch, on its thread. Throws the fault CODEC_LOAD when a module cannot be read or compiled. */
export const createMd5 = (
  { memory, scratch }: Pick<Kernel, 'memory' | 'scratch'>,
  { hasLanes = isKernelSupported('simd'), readModule = readModuleFile }: Md5Options = {},
): Md5 => {
  const one = loadModule('./kernel-md5.wasm', readModule, ['md5'], { memory }) as unknown as One
  const lanes = hasLanes
    ? (loadModule('./kernel-md5-lanes.wasm', readModule, ['md5Lanes'], { memory }) as unknown as Lanes)
    : undefined
  const { buffer } = memory
  const base = scratch.offset
  const bytes = new Uint8Array(buffer)
  const words = new Uint32Array(buffer, base, WORDS * MD5_LANES)
  const addresses = new Uint32Array(buffer, base + ADDRESSES, MD5_LANES)
  const room = bytes.subarray(base + BLOCKS, base + BLOCKS + BLOCKS_MAX * BLOCK_BYTES)

  const compressAt = (into: Uint32Array, from: number, blocks: number): void => {
    words.set(into)
    one.md5(base, from, blocks)
    into.set(words.subarray(0, WORDS))
  }
  const compress = (into: Uint32Array, blocks: Uint8Array): void => {
    room.set(blocks)
    compressAt(into, base + BLOCKS, blocks.length / BLOCK_BYTES)
  }

  /** No more blocks of each than the one with the fewest has. A lane without a message repeats the first one's, for nothing. */
  const takeSideBySide = ({ md5Lanes }: Lanes, streams: readonly Md5Stream[]): void => {
    const blocks = Math.min(BLOCKS_PER_CALL, ...streams.map((stream) => stream.blocks))
    for (let lane = 0; lane < MD5_LANES; lane++) {
      const stream = streams[lane] ?? streams[0]!
      addresses[lane] = stream.from
      for (let word = 0; word < WORDS; word++) words[word * MD5_LANES + lane] = stream.words[word]!
    }
    md5Lanes(base, blocks)
    for (const [lane, stream] of streams.entries()) {
      for (let word = 0; word < WORDS; word++) stream.words[word] = words[word * MD5_LANES + lane]!
      stream.taken(blocks)
    }
  }
  const takeAlone = (stream: Md5Stream): void => {
    const blocks = Math.min(BLOCKS_PER_CALL, stream.blocks)
    compressAt(stream.words, stream.from, blocks)
    stream.taken(blocks)
  }

  return {
    update(inputs) {
      const streams = inputs.map((input) => new Md5Stream(input, bytes, compress))
      const unfinished = (): Md5Stream[] => streams.filter((stream) => stream.advance()).slice(0, MD5_LANES)
      for (let group = unfinished(); group.length > 0; group = unfinished()) {
        if (lanes && group.length > 1) takeSideBySide(lanes, group)
        else takeAlone(group[0]!)
      }
      return streams.map(({ state }) => state)
    },
    digest: (state) => new Md5Stream({ state, pieces: [] }, bytes, compress).digest(),
  }
}
