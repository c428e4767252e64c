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
import { KiB, MiB } from '../src/base/units.ts'
import { createSharedMemory, WASM_PAGE_BYTES } from '../src/base/wasm.ts'
import { createDigest, type DigestName } from '../src/codec/checksums.ts'
import {
  CODEC_RESERVED_BYTES,
  type Codec,
  createCodec,
  createKernel,
  type Kernel,
} from '../src/codec/index.ts'
import { createDigestSteps, MD5_LANES } from '../src/codec/portable-digests.ts'
import type { Report } from './run.ts'

const SHARD_BYTES = 128 * KiB
// Many short rounds: on a shared machine the best of them finds a quiet moment.
const ROUNDS = 60
const ROUND_NS = 5_000_000
const CALLS_PER_LOOK = 4

const GEOMETRIES = [
  [4, 2],
  [8, 2],
  [6, 3],
  [8, 4],
  [12, 4],
] as const
const SHARDS_MAX = 16

interface Floor {
  readonly isal: number
  readonly crc32: number
}

/** What is asked for: share of ISA-L, and multiple of crc32 where there is no ISA-L. */
const FLOORS: ReadonlyMap<string, Floor> = new Map([
  ['4x2', { isal: 0.2, crc32: 1.8 }],
  ['8x4', { isal: 0.15, crc32: 0.8 }],
])
const RECONSTRUCT_FLOOR = 0.7
/** Share of node:crypto's MD5: the pool hashes large bodies, and one stream must not become slower by that. */
const MD5_FLOOR = 0.85
/** What bodies side by side give in all, as a multiple of one. */
const MD5_LANES_FLOOR = 2

interface Contender {
  readonly byteCount: number
  call(): void
}

interface Shape {
  readonly k: number
  readonly m: number
  readonly floor: Floor | undefined
  /** `zlib.crc32` of the same data bytes. */
  readonly crc: Contender
}

/** GB/s of one round. */
const roundOf = ({ byteCount, call }: Contender): number => {
  const start = process.hrtime.bigint()
  let calls = 0
  let elapsed = 0
  do {
    for (let i = 0; i < CALLS_PER_LOOK; i++) call()
    calls += CALLS_PER_LOOK
    elapsed = Number(process.hrtime.bigint() - start)
  } while (elapsed < ROUND_NS)
  return (calls * byteCount) / elapsed
}

/**
 * GB/s of each contender. They take turns, so that a ratio of two does not depend on what else the machine did in the
 * meantime; the first rounds warm the engine up, and only the best counts.
 */
const ratesOf = (contenders: readonly Contender[]): number[] => {
  const best = contenders.map(() => 0)
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, contender] of contenders.entries()) best[i] = Math.max(best[i]!, roundOf(contender))
  }
  return best
}

const SHARDS_START = CODEC_RESERVED_BYTES
const memory = createSharedMemory((SHARDS_START + SHARDS_MAX * SHARD_BYTES) / WASM_PAGE_BYTES, 1_024)
const shards = Array.from({ length: SHARDS_MAX }, (_, i) => SHARDS_START + i * SHARD_BYTES)

const encoding = (codec: Codec): Contender => {
  const data = shards.slice(0, codec.k)
  const parity = shards.slice(codec.k, codec.k + codec.m)
  return {
    byteCount: codec.k * SHARD_BYTES,
    call: () => codec.encode({ data, parity, length: SHARD_BYTES }),
  }
}

/** Counts the data bytes of the whole stripe while two data shards are lost: comparable to encoding. */
const reconstructing = (codec: Codec, wanted: readonly number[]): Contender => {
  const stripe = {
    shards: shards.slice(0, codec.k + codec.m),
    present: Array.from({ length: codec.k + codec.m }, (_, index) => !wanted.includes(index)),
    wanted,
    length: SHARD_BYTES,
  }
  return { byteCount: codec.k * SHARD_BYTES, call: () => codec.reconstruct(stripe) }
}

/** Which two are lost makes a difference: at the start, in the middle, at both ends. The slowest counts. */
const lostPairs = (k: number): number[][] => [
  [0, 1],
  [k / 2 - 1, k / 2],
  [0, k - 1],
]

const digesting = (name: DigestName, bytes: Uint8Array): Contender => {
  const digest = createDigest(name)
  return { byteCount: bytes.length, call: () => digest.update(bytes) }
}

/** A stripe's worth of each of `bodies`, as the codec pool digests it: from the shared memory, with a state that comes and goes. */
const digestingInSteps = (kernel: Kernel, length: number, bodies: number): Contender => {
  const run = createDigestSteps(kernel)
  const pieces = [{ offset: SHARDS_START, length }]
  let states: readonly (Uint8Array | undefined)[] = Array.from({ length: bodies })
  return {
    byteCount: length * bodies,
    call: () => {
      states = run(states.map((state) => ({ name: 'md5', state, pieces, isLast: false })))
    },
  }
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

/** Says so when a ratio is below what is asked for; nothing here fails. */
const reportRatio = (report: Report, name: string, ratio: number, floor: number | undefined): void => {
  report({ case: name, value: ratio, unit: 'ratio' })
  if (floor !== undefined && ratio < floor) console.log(`  below the floor of ${floor}`)
}

const runGeometry = (report: Report, kernel: Kernel, shape: Shape, isal: number | undefined): void => {
  const { k, m, floor, crc } = shape
  const name = `${k}x${m}x128K`
  const codec = createCodec(k, m, kernel)
  const pairs = floor === undefined ? [] : lostPairs(k)
  const contenders = [encoding(codec), crc, ...pairs.map((lost) => reconstructing(codec, lost))]
  const [encode, crcRate, ...reconstruct] = ratesOf(contenders) as [number, number, ...number[]]
  report({ case: `encode-${name}`, value: encode, unit: 'GB/s' })
  reportRatio(
    report,
    `encode-${name}-per-crc32`,
    encode / crcRate,
    isal === undefined ? floor?.crc32 : undefined,
  )
  if (isal !== undefined) {
    report({ case: `isal-encode-${name}`, value: isal, unit: 'GB/s' })
    reportRatio(report, `encode-${name}-per-isal`, encode / isal, floor?.isal)
  }
  if (reconstruct.length === 0) return
  const slowest = Math.min(...reconstruct)
  report({ case: `reconstruct-${name}-lost-2`, value: slowest, unit: 'GB/s' })
  reportRatio(report, `reconstruct-${name}-lost-2-per-encode`, slowest / encode, RECONSTRUCT_FLOOR)
}

export const run = async (report: Report): Promise<void> => {
  const kernel = createKernel({ memory, reservedOffset: 0 })
  const bytes = new Uint8Array(memory.buffer, SHARDS_START, SHARDS_MAX * SHARD_BYTES)
  bytes.set(createPrng(1).bytes(bytes.length))
  console.log(`kernel ${kernel.name}, Node ${process.version}`)

  const isal = isalRates()
  if (isal.size === 0)
    console.log('ISA-L is not installed (libisal-dev, cc): the floors are multiples of crc32')
  for (const [k, m] of GEOMETRIES) {
    const data = bytes.subarray(0, k * SHARD_BYTES)
    const crc = { byteCount: data.length, call: () => void crc32(data) }
    runGeometry(report, kernel, { k, m, floor: FLOORS.get(`${k}x${m}`), crc }, isal.get(`${k}x${m}`))
  }
  const scalar = createKernel({ memory, reservedOffset: 0, name: 'scalar' })
  const [scalarRate] = ratesOf([encoding(createCodec(4, 2, scalar))])
  report({ case: 'encode-4x2x128K-scalar', value: scalarRate!, unit: 'GB/s' })

  const mib = bytes.subarray(0, MiB)
  const inSteps = [1, MD5_LANES].map((bodies) => digestingInSteps(kernel, MiB, bodies))
  const [crypto, wasm, lanes] = ratesOf([digesting('md5', mib), ...inSteps]) as [number, number, number]
  report({ case: 'digest-md5-1M-node', value: crypto * 1_000, unit: 'MB/s' })
  report({ case: 'digest-md5-1M-wasm', value: wasm * 1_000, unit: 'MB/s' })
  report({ case: `digest-md5-1M-wasm-${MD5_LANES}-bodies`, value: lanes * 1_000, unit: 'MB/s' })
  reportRatio(report, 'digest-md5-1M-wasm-per-node', wasm / crypto, MD5_FLOOR)
  reportRatio(report, `digest-md5-1M-wasm-${MD5_LANES}-bodies-per-1`, lanes / wasm, MD5_LANES_FLOOR)

  const names = ['md5', 'sha1', 'sha256', 'crc32', 'crc32c', 'crc64nvme'] as const
  const rates = ratesOf(names.map((name) => digesting(name, bytes.subarray(0, 64 * KiB))))
  for (const [i, name] of names.entries()) {
    report({ case: `digest-${name}-64K`, value: rates[i]!, unit: 'GB/s' })
  }
}
