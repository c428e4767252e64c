// What the machine itself can do, measured in the same run as the store: machines differ and have bad days, ratios travel.
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, constants, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KiB, MiB } from '../../src/base/units.ts'
import { createSharedMemory, WASM_PAGE_BYTES } from '../../src/base/wasm.ts'
import { runLoad } from './generator.ts'

export interface Floors {
  /** Answers per second of node:http with 4 KiB, one thread, 64 connections. */
  readonly httpPerSecond: number
  /** Appending 4 KiB to a file and fdatasync, the median. */
  readonly appendSyncMs: number
  /** 1 MiB writes one after another with O_DIRECT and one fdatasync; undefined where the file system has no O_DIRECT. */
  readonly directMBps: number | undefined
  /** One stream on one core. */
  readonly md5MBps: number
  /** Objects of 64 MiB as the files of their shards, four at a time; undefined where it was not measured. */
  readonly shardsMBps: number | undefined
}

export const measureFloors = async (scratch: string, seconds: number): Promise<Floors> => ({
  ...(await measureBriefly(scratch, seconds)),
  directMBps: measureDirect(scratch),
})

/** All but the disk's throughput, which takes long. */
const measureBriefly = async (scratch: string, seconds: number): Promise<Floors> => ({
  md5MBps: measureMd5(),
  appendSyncMs: measureAppendSync(scratch),
  directMBps: undefined,
  httpPerSecond: await measureHttp(scratch, seconds),
  shardsMBps: undefined,
})

/**
 * Runs `load` with the floors measured twice before and once after it, and gives the medians: a shared machine is two
 * and three times as fast at one minute as at another.
 */
export const besideFloors = async <T>(
  scratch: string,
  seconds: number,
  load: () => Promise<T>,
  /** Whether the load is one that the disk may bound. */
  isOfDisk: boolean,
): Promise<{ result: T; floors: Floors }> => {
  const measure = async (): Promise<Floors> => ({
    ...(await measureBriefly(scratch, seconds)),
    shardsMBps: isOfDisk ? measureShards(scratch, seconds) : undefined,
  })
  const rounds = [await measure(), await measure()]
  const result = await load()
  rounds.push(await measure())
  const middle = (of: (floors: Floors) => number): number => median(rounds.map(of))
  const floors = {
    md5MBps: middle(({ md5MBps }) => md5MBps),
    appendSyncMs: middle(({ appendSyncMs }) => appendSyncMs),
    directMBps: undefined,
    httpPerSecond: middle(({ httpPerSecond }) => httpPerSecond),
    shardsMBps: middle(({ shardsMBps }) => shardsMBps ?? 0) || undefined,
  }
  return { result, floors }
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

const measureHttp = async (scratch: string, seconds: number): Promise<number> => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('bare-http.js', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const port = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (text: Buffer) => resolve(String(text).trim()))
      child.once('exit', () => reject(new Error('the bare server ended')))
    })
    const endpoint = `http://127.0.0.1:${port}`
    const load = { endpoint, method: 'GET', urls: ['/'], connections: 64, seconds }
    // The first second is its engine's, which compiles.
    await runLoad({ ...load, seconds: 1 }, scratch)
    const { requests, seconds: spent } = await runLoad(load, scratch)
    return requests / spent
  } finally {
    child.kill()
  }
}

const measureAppendSync = (scratch: string): number => {
  const record = randomBytes(4 * KiB)
  const file = openSync(join(scratch, 'append'), 'a')
  const times: number[] = []
  for (let i = 0; i < 400; i++) {
    const startMs = performance.now()
    writeSync(file, record)
    fdatasyncSync(file)
    times.push(performance.now() - startMs)
  }
  closeSync(file)
  return median(times)
}

const measureDirect = (scratch: string): number | undefined => {
  // Memory of WebAssembly begins at a page, which O_DIRECT needs and a Buffer does not promise.
  const pages = MiB / WASM_PAGE_BYTES
  const bytes = new Uint8Array(createSharedMemory(pages, pages).buffer).fill(7)
  const count = 512
  let file: number
  try {
    const flags = constants.O_WRONLY | constants.O_CREAT | (constants.O_DIRECT ?? 0)
    if (constants.O_DIRECT === undefined) return undefined
    file = openSync(join(scratch, 'direct'), flags)
  } catch {
    return undefined
  }
  try {
    const startMs = performance.now()
    for (let i = 0; i < count; i++) writeSync(file, bytes, 0, MiB, i * MiB)
    fdatasyncSync(file)
    return (count * MiB) / 1e3 / (performance.now() - startMs)
  } finally {
    closeSync(file)
  }
}

const measureShards = (scratch: string, seconds: number): number | undefined => {
  const script = fileURLToPath(new URL('shard-files.js', import.meta.url))
  const env = { ...process.env, UV_THREADPOOL_SIZE: '24' }
  // Without O_DIRECT it fails, and there is no such floor.
  const { status, stdout } = spawnSync(process.execPath, [script, scratch, String(seconds)], {
    env,
    encoding: 'utf8',
  })
  return status === 0 ? Number(stdout) : undefined
}

const measureMd5 = (): number => {
  const bytes = randomBytes(16 * MiB)
  const rates: number[] = []
  for (let round = 0; round < 7; round++) {
    const startMs = performance.now()
    createHash('md5').update(bytes).digest()
    rates.push(bytes.length / 1e3 / (performance.now() - startMs))
  }
  return median(rates)
}
