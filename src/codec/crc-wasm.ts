// CRC-32C and CRC-64/NVME in WASM. Node has neither, and both are defaults of today's S3 clients, so every body may pass
// through here. One instance per thread with a memory of its own: bytes are copied into it, at a tenth of the cost of
// the checksum, and in exchange any view will do, of shared memory or not, and no arena is needed.
import { hasWasm, type PrivateMemory } from '../base/wasm.ts'
import { type CrcAccumulator, type CrcName, createScalarCrc } from './crc.ts'
import { loadModule, type ReadModule, readModuleFile } from './module-file.ts'

const FILE = './kernel-checksums.wasm'
// See assembly/kernel-checksums.ts. Only a part of the stage is used: what was copied is then still in the L1 cache.
const STAGE = 65_536
const STAGE_BYTES = 16_384

/** The CRCs that Node itself does not have. */
export type WasmCrcName = Exclude<CrcName, 'crc32'>

export interface CrcEngine {
  readonly name: 'wasm' | 'scalar'
  createCrc(name: WasmCrcName): CrcAccumulator
}

interface Exports {
  readonly memory: PrivateMemory
  setup(): void
  crc32c(crc: number, length: number): number
  crc64(crc: bigint, length: number): bigint
}

export const scalarCrcEngine: CrcEngine = { name: 'scalar', createCrc: createScalarCrc }

/** Throws the fault CODEC_LOAD when the module cannot be read or compiled. Scalar where the engine has no WASM at all. */
export const createCrcEngine = (readModule: ReadModule = readModuleFile): CrcEngine => {
  if (!hasWasm) return scalarCrcEngine
  const names = ['memory', 'setup', 'crc32c', 'crc64']
  const wasm = loadModule(FILE, readModule, names) as unknown as Exports
  wasm.setup()
  const stage = new Uint8Array(wasm.memory.buffer, STAGE, STAGE_BYTES)

  /** Calls `step` with the length of each piece of `bytes`, once it is on the stage. */
  const feed = (bytes: Uint8Array, step: (length: number) => void): void => {
    for (let start = 0; start < bytes.length; start += STAGE_BYTES) {
      const piece = bytes.subarray(start, start + STAGE_BYTES)
      stage.set(piece)
      step(piece.length)
    }
  }
  const createCrc32c = (): CrcAccumulator => {
    let crc = -1
    return {
      update: (bytes) =>
        feed(bytes, (length) => {
          crc = wasm.crc32c(crc, length)
        }),
      value: () => ({ high: 0, low: ~crc >>> 0 }),
    }
  }
  const createCrc64 = (): CrcAccumulator => {
    let crc = -1n
    return {
      update: (bytes) =>
        feed(bytes, (length) => {
          crc = wasm.crc64(crc, length)
        }),
      value: () => ({ high: Number(BigInt.asUintN(32, ~crc >> 32n)), low: Number(BigInt.asUintN(32, ~crc)) }),
    }
  }
  return { name: 'wasm', createCrc: (name) => (name === 'crc32c' ? createCrc32c() : createCrc64()) }
}
