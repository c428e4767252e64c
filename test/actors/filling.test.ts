// A store whose disks fill up: what cannot fit is refused before it is read, what turns out not to fit leaves nothing
// behind, and who declares much and sends little keeps nobody out.
import { Buffer } from 'node:buffer'
import type { Body } from '../../src/actors/engine.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { openProbedStore, type ProbedStore } from '../support/engine-probe.ts'
import { eventually, filesBelow } from '../support/memory-tree.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('filling')
const LIMIT_MS = 20_000
const OWNER = 'a'.repeat(64)
/** Six disks share it; a sixteenth is the reserve. */
const DEVICE_BYTES = 320 * MiB
const FREE_BYTES = 300 * MiB

const open = async (): Promise<ProbedStore> => {
  const store = await openProbedStore(createMemoryFiles({ totalBytes: DEVICE_BYTES }))
  await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  return store
}
const put = (store: ProbedStore, key: string, body: Body) =>
  store.engine.objects.put({ bucket: 'bucket', key, owner: OWNER, headers: [], metadata: [] }, body)
const shardBytes = async ({ files, roots }: ProbedStore): Promise<number> => {
  const found = await Promise.all(roots.map((root) => filesBelow(files, `${root}/shards`)))
  return found.flat().reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Declares `size` bytes and sends `sent`; then it waits until `resume` is called, and sends the rest. */
const stalling = (size: number, sent: number): { body: Body; hasSent: Promise<void>; resume: () => void } => {
  let resume = (): void => undefined
  let tell = (): void => undefined
  const resumed = new Promise<void>((resolve) => {
    resume = resolve
  })
  const hasSent = new Promise<void>((resolve) => {
    tell = resolve
  })
  const chunk = Buffer.alloc(64 * KiB, 7)
  const body: Body = {
    ...bodyOf(''),
    size,
    chunks: (async function* () {
      for (let at = 0; at < size; at += chunk.length) {
        if (at >= sent) {
          tell()
          await resumed
        }
        yield chunk.subarray(0, Math.min(chunk.length, size - at))
      }
    })(),
  }
  return { body, hasSent, resume }
}

test(
  'a body that cannot fit is refused before a byte of it is read',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    let isRead = false
    const chunks = (async function* () {
      isRead = true
      yield Buffer.alloc(1)
    })()
    // Half as much again with its parity: 4+2.
    await rejectsWith('DISK_FULL', () => put(store, 'k', { ...bodyOf(''), size: FREE_BYTES, chunks }))
    assert.not(isRead)
    assert.is(await shardBytes(store), 0)
    await put(store, 'k', bodyOf(Buffer.alloc((FREE_BYTES * 2) / 3 - 20 * MiB, 1)))
    await store.close()
  }),
)

test(
  'uploads that declare more than there is and stall keep nobody out',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    const stalled = Array.from({ length: 5 }, () => stalling(100 * MiB, 128 * KiB))
    const puts = stalled.map(({ body }, i) => put(store, `stalled-${i}`, body))
    const settled = Promise.allSettled(puts)
    await Promise.all(stalled.map(({ hasSent }) => hasSent))
    await put(store, 'small', bodyOf(Buffer.alloc(MiB - 1, 3)))
    assert.is((await readBytes(store.engine, { bucket: 'bucket', key: 'small' })).length, MiB - 1)
    // What it declared fits, and nobody else has sent what was declared.
    stalled[0]!.resume()
    await puts[0]
    // All of them together do not fit.
    for (const { resume } of stalled) resume()
    const outcomes = await settled
    const codes = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'ok' : outcome.reason.code))
    const whole = codes.filter((code) => code === 'ok').length
    assert.ok(codes.includes('DISK_FULL'), codes.join())
    assert.is(codes.filter((code) => code === 'ok' || code === 'DISK_FULL').length, 5, codes.join())
    await eventually('what failed is gone', 5_000, async () => (await shardBytes(store)) < whole * 151 * MiB)
    assert.equal(store.arena.inUse(), { small: 0, large: 0 })
    await store.close()
  }),
)

test(
  'a disk that fills up in the middle fails the PUT and leaves nothing; when there is room again writes go on',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    const { body, hasSent, resume } = stalling(40 * MiB, 12 * MiB)
    const failing = rejectsWith('DISK_FULL', () => put(store, 'large', body))
    await hasSent
    await eventually('the first stripes are written', 5_000, async () => (await shardBytes(store)) > 6 * MiB)
    // Somebody else takes what is left.
    store.files.resize(60 * MiB)
    resume()
    await failing
    await eventually('it is gone', 5_000, async () => (await shardBytes(store)) === 0)
    assert.equal(store.arena.inUse(), { small: 0, large: 0 })
    store.files.resize(DEVICE_BYTES)
    await eventually('there is room', 5_000, () =>
      put(store, 'large', bodyOf(Buffer.alloc(20 * MiB, 5))).then(
        () => true,
        () => false,
      ),
    )
    await store.close()
  }),
)

test.run()
