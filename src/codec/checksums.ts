// Digests over objects, as S3 names them, and checksums over blocks, as disks keep them.
//
// A block's checksum covers which block it is: its seed comes from the write, the shard and the number of the block. A block
// that another write left there, or that lies in the wrong place, does not pass even when it is whole.
import { createHash, hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { assert } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { type CrcName, encodeCrc } from './crc.ts'
import { type CrcEngine, createCrcEngine, type WasmCrcName } from './crc-wasm.ts'

export { type CrcName, combineCrc } from './crc.ts'

export type DigestName = 'md5' | 'sha1' | 'sha256' | CrcName

export interface Digest {
  /** Takes in the bytes before it returns; views of shared memory are fine. */
  update(bytes: Uint8Array): void
  /** Of all bytes so far; CRCs big-endian, as S3 encodes them in Base64. Called once, last. */
  digest(): Uint8Array
}

const createHashDigest = (name: 'md5' | 'sha1' | 'sha256'): Digest => {
  const hash = createHash(name)
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => hash.digest(),
  }
}

const createCrc32Digest = (): Digest => {
  let crc = 0
  return {
    update(bytes) {
      crc = crc32(bytes, crc)
    },
    digest: () => encodeCrc('crc32', { high: 0, low: crc }),
  }
}

/** Loaded with the first digest that needs it; one per thread. */
let threadEngine: CrcEngine | undefined
const engineOfThread = (): CrcEngine => {
  threadEngine ??= createCrcEngine()
  return threadEngine
}

const createWasmDigest = (name: WasmCrcName, engine: CrcEngine): Digest => {
  const crc = engine.createCrc(name)
  return { update: (bytes) => crc.update(bytes), digest: () => encodeCrc(name, crc.value()) }
}

/** A digest over nothing yet. Many may be in work at once. Throws the fault CODEC_LOAD when the build is damaged. */
export const createDigest = (name: DigestName, engine?: CrcEngine): Digest => {
  switch (name) {
    case 'md5':
    case 'sha1':
    case 'sha256':
      return createHashDigest(name)
    case 'crc32':
      return createCrc32Digest()
    case 'crc32c':
    case 'crc64nvme':
      return createWasmDigest(name, engine ?? engineOfThread())
    default:
      return name satisfies never
  }
}

/** The digest of `bytes` alone: in one call where the engine has one, which costs a third of what a Digest does. */
export const digestOf = (name: DigestName, bytes: Uint8Array): Uint8Array => {
  if (name === 'md5' || name === 'sha1' || name === 'sha256') return hash(name, bytes, 'buffer')
  const digest = createDigest(name)
  digest.update(bytes)
  return digest.digest()
}

/** Bytes of a block; the last one of a unit may be shorter. */
export const BLOCK_BYTES = 65_536

/** Bits of the seed's last word for the shard index (k + m <= 32) and for the number of the block (8 TiB per shard). */
const SHARD_BITS = 5
const BLOCKS_MAX = 2 ** (32 - SHARD_BITS)
const WRITE_ID_LENGTH = 32

/**
 * What the checksum of block `blockNumber` (counted over the whole shard) of shard `shardIndex` of a write starts from:
 * the CRC-32 of the write id's 32 characters and of one little-endian word, block number × 32 + shard index. Blocks
 * of one write never share a seed, because a CRC-32 tells any two words apart; those of different writes do so once in 2^32.
 */
export const blockSeed = (writeId: WriteId, shardIndex: number, blockNumber: number): number => {
  assert(
    writeId.length === WRITE_ID_LENGTH && shardIndex >> SHARD_BITS === 0 && blockNumber < BLOCKS_MAX,
    'a block has a whole write id, a shard index below 32 and a number below 2^27',
  )
  const word = Buffer.allocUnsafe(4)
  word.writeUInt32LE(blockNumber * (1 << SHARD_BITS) + shardIndex)
  return crc32(word, crc32(writeId))
}

/** CRC-32 (zlib's) of a block, continued from its seed. Two seeds give different checksums for every content. */
export const blockChecksum = (bytes: Uint8Array, seed: number): number => {
  assert(bytes.length <= BLOCK_BYTES, 'a block has at most 64 KiB')
  return crc32(bytes, seed)
}
