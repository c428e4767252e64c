// `npm run bench -- reclaim [--gigabytes 1]`: a store is filled, half of it is deleted, and it is watched until its directories
// hold at most 1.3 times what is alive at its geometry. The promise is a minute for ten gigabytes.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DeleteObjectsCommand } from '@aws-sdk/client-s3'
import { GiB, KiB, MINUTE, MiB, SECOND } from '../src/base/units.ts'
import { createS3Client } from '../test/support/s3-client.ts'
import { startProcess } from '../test/support/server-process.ts'
import { createSigner } from './load/presign.ts'
import { createBodies, createStoreClient } from './load/store-client.ts'
import type { BenchOptions, Report } from './run.ts'

/** 4+2. */
const REDUNDANCY = 6 / 4
const BOUND = 1.3
/** Up to ten gigabytes; for more in proportion. */
const GOAL_SECONDS = 60
const GIVE_UP_MS = 10 * MINUTE
const BUCKET = 'bench'
const DELETED_AT_ONCE = 1000
/** What fills the store, and each one's share of its bytes: in the journal, packed, and files of their own. */
const KINDS = [
  { name: 'inline', size: 12 * KiB, share: 0.02 },
  { name: 'packed', size: 96 * KiB, share: 0.28 },
  { name: 'packed-1m', size: MiB, share: 0.4 },
  { name: 'large', size: 8 * MiB, share: 0.3 },
] as const

/** What the files of a directory take of its disk. */
const bytesIn = (directory: string): number => {
  let bytes = 0
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    // What is removed meanwhile takes nothing.
    bytes += (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.blocks ?? 0) * 512
  }
  return bytes
}

export const run = async (report: Report, { gigabytes }: BenchOptions): Promise<void> => {
  const scratch = mkdtempSync(join(tmpdir(), 'moraine-bench-'))
  const data = join(scratch, 'data')
  const server = await startProcess({ data })
  const signer = createSigner({ ...server, nowMs: Date.now() })
  const client = createStoreClient(server.endpoint, signer)
  const sdk = createS3Client(server)
  try {
    await client.send('PUT', signer.presign('PUT', `/${BUCKET}`))
    const kinds = KINDS.map(({ name, size, share }) => {
      const count = Math.ceil((gigabytes * GiB * share) / size)
      return { size, keys: Array.from({ length: count }, (_, index) => `${name}/${index}`) }
    })
    for (const { size, keys } of kinds) {
      await client.fill(
        keys.map((key) => `/${BUCKET}/${key}`),
        createBodies(size),
      )
    }
    report({ case: `reclaim ${gigabytes} GB, before`, value: bytesIn(data) / GiB, unit: 'GiB' })
    const deleted = kinds.flatMap(({ keys }) => keys.filter((_, index) => index % 2 === 0))
    const aliveBytes = kinds.reduce((sum, { size, keys }) => sum + size * Math.floor(keys.length / 2), 0)
    for (let at = 0; at < deleted.length; at += DELETED_AT_ONCE) {
      const Objects = deleted.slice(at, at + DELETED_AT_ONCE).map((Key) => ({ Key }))
      await sdk.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete: { Objects, Quiet: true } }))
    }
    const startMs = performance.now()
    const ratio = (): number => bytesIn(data) / (aliveBytes * REDUNDANCY)
    let reached = ratio()
    while (reached > BOUND && performance.now() - startMs < GIVE_UP_MS) {
      await pause(SECOND)
      reached = ratio()
    }
    const seconds = (performance.now() - startMs) / SECOND
    const goal = GOAL_SECONDS * Math.max(1, gigabytes / 10)
    const verdict = reached <= BOUND && seconds <= goal ? 'met' : 'MISSED'
    report({ case: `reclaim ${gigabytes} GB, physical beside alive`, value: reached, unit: '×' })
    report({ case: `reclaim ${gigabytes} GB, ${verdict} (≤ ${goal})`, value: seconds, unit: 's' })
  } finally {
    client.close()
    sdk.destroy()
    await server.kill()
    rmSync(scratch, { recursive: true, force: true })
  }
}
