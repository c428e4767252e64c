// The codec on one core: data bytes per second with shards of 128 KiB, beside ISA-L (where a C compiler and its headers are
// installed) and `zlib.crc32` of the same bytes in the same run. Every figure is the best of several short rounds, ISA-L's
// too: what the core can do, not what else it was doing. Ratios travel between machines, figures do not.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { createPrng } from '../src/base/prng.ts'
import { KiB } from '../src/base/units.ts'
import { createSharedMemory, WASM_PAGE_BYTES } from '../src/base/wasm.ts'
import { createDigest, type DigestName } from '../src/codec/checksums.ts'
import { CODEC_RESERVED_BYTES, type Codec, createCodec, createKernel } from '../src/codec/index.ts'
import type { Report } from './run.ts'

const SHARD_BYTES = 128 * KiB
const ROUNDS = 9
const ROUND_NS = 40_000_000
const CALLS_PER_LOOK = 8

const GEOMETRIES = [
  [4, 2],
  [8, 2],
  [6, 3],
  [8, 4],
  [12, 4],
] as const
const SHARDS_MAX = 16

/** What the issue of this code asked for: share of ISA-L, and multiple of crc32 where there is no ISA-L. */
const FLOORS = new Map([
  ['4x2', { isal: 0.2, crc32: 1.8 }],
  ['8x4', { isal: 0.15, crc32: 0.8 }],
])
const RECONSTRUCT_FLOOR = 0.7

/** GB/s of `call`, which works on `byteCount` bytes; the first round warms the engine up and does not count. */
const rateOf = (byteCount: number, call: () => void): number => {
  let best = 0
  for (let round = 0; round <= ROUNDS; round++) {
    const start = process.hrtime.bigint()
    let calls = 0
    let elapsed = 0
    do {
      for (let i = 0; i < CALLS_PER_LOOK; i++) call()
      calls += CALLS_PER_LOOK
      elapsed = Number(process.hrtime.bigint() - start)
    } while (elapsed < ROUND_NS)
    if (round > 0) best = Math.max(best, (calls * byteCount) / elapsed)
  }
  return best
}

const SHARDS_START = CODEC_RESERVED_BYTES
const memory = createSharedMemory((SHARDS_START + SHARDS_MAX * SHARD_BYTES) / WASM_PAGE_BYTES, 1_024)
const shards = Array.from({ length: SHARDS_MAX }, (_, i) => SHARDS_START + i * SHARD_BYTES)

const encodeRate = (codec: Codec): number => {
  const data = shards.slice(0, codec.k)
  const parity = shards.slice(codec.k, codec.k + codec.m)
  return rateOf(codec.k * SHARD_BYTES, () => codec.encode({ data, parity, length: SHARD_BYTES }))
}

/** Data bytes of the whole stripe per second while its first and last data shards are missing: comparable to encode. */
const reconstructRate = (codec: Codec): number => {
  const wanted = [0, codec.k - 1]
  const stripe = {
    shards: shards.slice(0, codec.k + codec.m),
    present: Array.from({ length: codec.k + codec.m }, (_, index) => !wanted.includes(index)),
    wanted,
    length: SHARD_BYTES,
  }
  return rateOf(codec.k * SHARD_BYTES, () => codec.reconstruct(stripe))
}

const digestRate = (name: DigestName, bytes: Uint8Array): number => {
  const digest = createDigest(name)
  return rateOf(bytes.length, () => digest.update(bytes))
}

/** ISA-L's GB/s by geometry (`4x2`); empty where it cannot be built. */
const isalRates = (): Map<string, number> => {
  // The compiled benchmark lies in dist/bench, the C source where it was written.
  const source = ['./isal/isal.c', '../../bench/isal/isal.c']
    .map((path) => fileURLToPath(new URL(path, import.meta.url)))
    .find((path) => existsSync(path))
  if (source === undefined) return new Map()
  const directory = mkdtempSync(join(tmpdir(), 'moraine-isal-'))
  try {
    const program = join(directory, 'isal')
    if (spawnSync('cc', ['-O2', '-o', program, source, '-lisal']).status !== 0) return new Map()
    const { stdout } = spawnSync(program, [SHARD_BYTES, ...GEOMETRIES.flat()].map(String), {
      encoding: 'utf8',
    })
    const lines = stdout.trim().split('\n')
    return new Map(
      lines.map((line) => {
        const [k, m, rate] = line.split(' ')
        return [`${k}x${m}`, Number(rate)]
      }),
    )
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const reportFloor = (
  report: Report,
  shape: string,
  rates: { encode: number; isal: number | undefined; crc: number },
): void => {
  const floor = FLOORS.get(shape)
  const { encode, isal, crc } = rates
  const wanted = isal === undefined ? floor?.crc32 : floor?.isal
  const found = isal === undefined ? encode / crc : encode / isal
  report({
    case: `encode-${shape}x128K-per-${isal === undefined ? 'crc32' : 'isal'}`,
    value: found,
    unit: 'ratio',
  })
  if (wanted !== undefined && found < wanted) {
    console.log(`  below the floor of ${wanted}`)
  }
}

export const run = async (report: Report): Promise<void> => {
  const kernel = createKernel({ memory, reservedOffset: 0 })
  const bytes = new Uint8Array(memory.buffer, SHARDS_START, SHARDS_MAX * SHARD_BYTES)
  bytes.set(createPrng(1).bytes(bytes.length))
  console.log(`kernel ${kernel.name}, Node ${process.version}`)

  const crc = rateOf(4 * SHARD_BYTES, () => crc32(bytes.subarray(0, 4 * SHARD_BYTES)))
  report({ case: 'crc32-512K', value: crc, unit: 'GB/s' })
  const isal = isalRates()
  if (isal.size === 0) console.log('ISA-L is not installed (libisal-dev, cc): ratios are to crc32')

  for (const [k, m] of GEOMETRIES) {
    const shape = `${k}x${m}`
    const encode = encodeRate(createCodec(k, m, kernel))
    report({ case: `encode-${shape}x128K`, value: encode, unit: 'GB/s' })
    const rate = isal.get(shape)
    if (rate !== undefined) report({ case: `isal-encode-${shape}x128K`, value: rate, unit: 'GB/s' })
    reportFloor(report, shape, { encode, isal: rate, crc })
    if (!FLOORS.has(shape)) continue
    const reconstruct = reconstructRate(createCodec(k, m, kernel))
    report({ case: `reconstruct-${shape}x128K-lost-2`, value: reconstruct, unit: 'GB/s' })
    report({ case: `reconstruct-${shape}x128K-per-encode`, value: reconstruct / encode, unit: 'ratio' })
    if (reconstruct / encode < RECONSTRUCT_FLOOR) console.log(`  below the floor of ${RECONSTRUCT_FLOOR}`)
  }
  const scalar = createKernel({ memory, reservedOffset: 0, name: 'scalar' })
  report({ case: 'encode-4x2x128K-scalar', value: encodeRate(createCodec(4, 2, scalar)), unit: 'GB/s' })

  for (const name of ['md5', 'sha1', 'sha256', 'crc32', 'crc32c', 'crc64nvme'] as const) {
    report({ case: `digest-${name}-64K`, value: digestRate(name, bytes.subarray(0, 64 * KiB)), unit: 'GB/s' })
  }
}
