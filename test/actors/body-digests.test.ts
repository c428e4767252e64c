// Digests of large bodies are computed in the codec pool, from the stripes: they must be those of the bytes, hold the
// stripes for as long as they read them, and fail with the body.
import { createHash } from 'node:crypto'
import { createRegions } from '../../src/actors/codec-regions.ts'
import type { CodecThreadData } from '../../src/actors/codec-thread.ts'
import { type CodecJobs, createCoder } from '../../src/actors/coder.ts'
import type { Body } from '../../src/actors/engine.ts'
import { createPooledDigests } from '../../src/actors/pooled-digests.ts'
import { refusal, unavailable } from '../../src/base/errors.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createDigest } from '../../src/codec/checksums.ts'
import type { DigestStep } from '../../src/codec/portable-digests.ts'
import type { ChecksumAlgorithm } from '../../src/metadata/records.ts'
import { createPool, type Pool } from '../../src/runtime/pool.ts'
import { ALGORITHMS } from '../../src/s3/checksums.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf } from '../model/engine-contract.ts'
import { type MakeCoder, openProbedStore, POOL_REGIONS, type ProbedStore } from '../support/engine-probe.ts'
import { eventually, filesBelow } from '../support/memory-tree.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('body digests')
const LIMIT_MS = 60_000
const OWNER = 'a'.repeat(64)
const CODEC_THREAD = new URL('../../src/actors/codec-thread.js', import.meta.url)
const REQUEST = { bucket: 'bucket', key: 'k', owner: OWNER, headers: [], metadata: [] } as const

const open = async (makeCoder: MakeCoder): Promise<ProbedStore> => {
  const store = await openProbedStore(createMemoryFiles(), 6, makeCoder)
  await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  return store
}

/** A store with a codec pool of two threads. */
const openPooled = async (): Promise<ProbedStore> => {
  let pool: Pool<CodecJobs> | undefined
  const store = await open((jobs, memory) => {
    const { first, count } = POOL_REGIONS
    const workerData: CodecThreadData = { memory, regions: createRegions(count), first }
    pool = createPool<CodecJobs>({ module: CODEC_THREAD, threads: 2, workerData })
    return createCoder(jobs, pool)
  })
  const close = async (): Promise<void> => {
    await store.close()
    await pool?.close()
  }
  return { ...store, close }
}

/** A store whose pool runs on this thread, every task copied as it would be; `digest` may stand in its way. */
const openStaged = (
  digest: (steps: readonly DigestStep[], run: () => Uint8Array[]) => Promise<Uint8Array[]>,
) =>
  open((jobs) => {
    const run = async (name: keyof CodecJobs, task: never): Promise<unknown> => {
      const copy = structuredClone(task)
      return name === 'digest' ? digest(copy, () => jobs.digest(copy)) : jobs[name](copy)
    }
    return createCoder(jobs, {
      ...{ threads: 1, run: run as Pool<CodecJobs>['run'] },
      view: () => [],
      close: async () => undefined,
    })
  })

const md5Of = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('hex')

const shardBytes = async ({ files, roots }: ProbedStore): Promise<number> => {
  const found = await Promise.all(roots.map((root) => filesBelow(files, `${root}/shards`)))
  return found.flat().reduce((sum, { bytes }) => sum + bytes, 0)
}

const leavesNothing = async (store: ProbedStore): Promise<void> => {
  assert.equal(store.arena.inUse(), { small: 0, large: 0 })
  await rejectsWith('NoSuchKey', () => store.engine.objects.head({ bucket: 'bucket', key: 'k' }))
  await eventually('no shard is left', 5_000, async () => (await shardBytes(store)) === 0)
}

/** Packed and in files; one stripe and several; whole stripes, and a last one that is coded on the gateway's thread. */
const SIZES = [256 * KiB + 1, 4 * MiB, 4 * MiB + 1, 9_500_003]
const CHECKSUMS = [undefined, ...(Object.keys(ALGORITHMS) as ChecksumAlgorithm[])]

test(
  'ETag and checksum of a large body are those of its bytes, whatever the checksum',
  deadline(LIMIT_MS, async () => {
    const store = await openPooled()
    for (const [i, size] of SIZES.entries()) {
      const bytes = createPrng(i).bytes(size)
      for (const algorithm of size > 4 * MiB ? CHECKSUMS : CHECKSUMS.slice(0, 2)) {
        const { etag, checksum } = await store.engine.objects.put(REQUEST, bodyOf(bytes, algorithm))
        const label = `${algorithm} of ${size} bytes`
        assert.is(etag, md5Of(bytes), label)
        assert.is(checksum?.algorithm, algorithm, label)
        if (algorithm === undefined) continue
        const expected = createDigest(ALGORITHMS[algorithm].digest)
        expected.update(bytes)
        assert.is(checksum?.value, Buffer.from(expected.digest()).toString('base64'), label)
      }
    }
    assert.equal(store.arena.inUse(), { small: 0, large: 0 })
    await store.close()
  }),
)

test(
  'large bodies at the same time do not get into each other’s digests',
  deadline(LIMIT_MS, async () => {
    const store = await openPooled()
    const bodies = [1, 2, 3, 4].map((seed) => createPrng(seed).bytes(5 * MiB + seed))
    const etags = await Promise.all(
      bodies.map(async (bytes, i) => {
        const { etag } = await store.engine.objects.put({ ...REQUEST, key: `${i}` }, bodyOf(bytes))
        return etag
      }),
    )
    assert.equal(etags, bodies.map(md5Of))
    await store.close()
  }),
)

test(
  'a large body whose digest is another leaves nothing behind',
  deadline(LIMIT_MS, async () => {
    const store = await openPooled()
    for (const size of [300 * KiB, 9_500_003]) {
      const bytes = createPrng(1).bytes(size)
      const claimed = md5Of(createPrng(2).bytes(size))
      const body = bodyOf(bytes)
      const checked: Body = {
        ...body,
        seal(digests) {
          const sealed = body.seal(digests)
          if (sealed.etag !== claimed) throw refusal('BadDigest', 'not what was sent')
          return sealed
        },
      }
      await rejectsWith('BadDigest', () => store.engine.objects.put(REQUEST, checked))
      await leavesNothing(store)
    }
    await store.close()
  }),
)

test(
  'the slabs of a stripe are held until its digest is done, also when it is on every disk',
  deadline(LIMIT_MS, async () => {
    let letGo: () => void = () => undefined
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    const store = await openStaged(async (_, run) => {
      await gate
      return run()
    })
    const bytes = createPrng(3).bytes(8 * MiB)
    const stored = store.engine.objects.put(REQUEST, bodyOf(bytes))
    await eventually('both stripes are on the disks', 5_000, async () => (await shardBytes(store)) > 12 * MiB)
    // Room for whatever would give them back too early.
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.is(store.arena.inUse().large, 12)
    letGo()
    assert.is((await stored).etag, md5Of(bytes))
    assert.is(store.arena.inUse().large, 0)
    await store.close()
  }),
)

test(
  'a body whose digest fails on its way fails as it did, and leaves nothing behind',
  deadline(LIMIT_MS, async () => {
    let steps = 0
    const store = await openStaged(async (_, run) => {
      if (++steps === 2) throw unavailable('THREAD_EXITED', 'a thread of the pool exited')
      return run()
    })
    const body = bodyOf(createPrng(4).bytes(16 * MiB))
    await rejectsWith('THREAD_EXITED', () => store.engine.objects.put(REQUEST, body))
    await leavesNothing(store)
    await store.close()
  }),
)

test(
  'a step begins when the one before it has ended, and every digest goes its own way',
  deadline(LIMIT_MS, async () => {
    const begun: { step: DigestStep; end: (state: Uint8Array | Error) => void }[] = []
    const digest = (step: DigestStep): Promise<Uint8Array> =>
      new Promise((resolve, reject) => {
        begun.push({ step, end: (state) => (state instanceof Error ? reject(state) : resolve(state)) })
      })
    const turns = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
    const digests = createPooledDigests(['md5', 'crc32', 'sha256'], 2, { digest })
    const stripe = (offset: number, isLast: boolean) => ({ pieces: [{ offset, length: 1 }], isLast })
    const outcomes: string[] = []
    for (const [name, taken] of [
      ['first', digests.takeStripe(stripe(1, false))],
      ['second', digests.takeStripe(stripe(2, true))],
    ] as const) {
      taken.then(
        () => outcomes.push(name),
        (error: Error) => outcomes.push(`${name}: ${error.message}`),
      )
    }
    await turns()
    const told = () => begun.map(({ step }) => `${step.name} ${step.pieces[0]?.offset} after ${step.state}`)
    assert.equal(told(), ['md5 1 after undefined', 'crc32 1 after undefined'])
    begun[0]!.end(Uint8Array.of(7))
    await turns()
    assert.is(told().at(-1), 'md5 2 after 7')
    begun[1]!.end(new Error('lost'))
    await turns()
    assert.equal(outcomes, ['first: lost'], 'the second stripe is still being read for MD5')
    begun[2]!.end(Uint8Array.of(8))
    await turns()
    assert.equal(outcomes, ['first: lost', 'second: lost'])
    assert.is(begun.length, 3, 'nothing is computed after what is lost')
  }),
)

test.run()
