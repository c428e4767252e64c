// A store of small objects: its journal comes down to what is alive in it, larger bodies move to volumes, and everything that
// was put is read, listed, verified and freed there as it was before.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MINUTE, SECOND } from '../../src/base/units.ts'
import { inspectObject } from '../../src/offline/inspect.ts'
import type { MemoryFiles } from '../../src/storage/files-memory.ts'
import { flipByte, readFile } from '../support/disks.ts'
import { filesBelow } from '../support/memory-tree.ts'
import {
  address,
  beginStage,
  check,
  LIMIT,
  put,
  ROOTS,
  remove,
  reopen,
  type Stage,
  scrub,
  WELL,
} from '../support/stage.ts'
import { assert, seeded, suite } from '../support/uvu.ts'
import { verify } from '../support/verifying.ts'

const test = suite('journal compaction')
const LIMIT_MS = 240_000
const M = 2
const SEGMENT_BYTES = 128 * KiB
/** What a record takes: its JSON, its key, its place in a frame. */
const RECORD_BYTES = 450
/** Places of its shards, and the entry that finds them. */
const MOVED_RECORD_BYTES = 900
const begin = (seed: number): Promise<Stage> => beginStage(seed, { segmentBytes: SEGMENT_BYTES })
const putSome = (stage: Stage, key: string, size: number): Promise<void> =>
  put(stage, key, Buffer.alloc(size, `${key}/${size}/${stage.bodies.size} `))
/** One copy of the sealed segments. (Their files are longer: a segment is extended far ahead of what is written.) */
const sealedBytes = async ({ store: { run, system } }: Stage): Promise<number> => {
  const sealed = await run(system.ref<BucketProtocol>(PATHS.bucket(0)).ask('segments', {}, LIMIT))
  return sealed.reduce((sum, { length }) => sum + length, 0)
}
const bytesBelow = async (files: FileSystem, root: string): Promise<number> =>
  (await filesBelow(files, root)).reduce((sum, { bytes }) => sum + bytes, 0)
const kindsOf = async ({ store: { run, engine }, bodies }: Stage): Promise<Map<string, number>> => {
  const kinds = new Map<string, number>()
  for (const key of bodies.keys()) {
    const { data } = await run(engine.objects.head(address(key)))
    kinds.set(data.kind, (kinds.get(data.kind) ?? 0) + 1)
    if (data.kind === 'shards') assert.equal([data.k, data.m, data.places.length], [1, M, M + 1])
  }
  return kinds
}
/** What the journal may take, each of its short segments with a header of a page. */
const boundOf = async (stage: Stage): Promise<number> => {
  let alive = 0
  for (const [key, body] of stage.bodies) {
    const { data } = await stage.store.run(stage.store.engine.objects.head(address(key)))
    alive += data.kind === 'inline' ? RECORD_BYTES + body.length : MOVED_RECORD_BYTES
  }
  return 1.35 * alive + 2 * SEGMENT_BYTES
}

const fill = async (stage: Stage, random: Random, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await putSome(stage, `key-${i}`, 1 + random.below(16 * KiB))
}
/** Two of three go, or are replaced, in no order: every segment keeps something. */
const thin = async (stage: Stage, random: Random): Promise<void> => {
  for (const key of [...stage.bodies.keys()]) {
    const fate = random.below(3)
    if (fate === 0) await remove(stage, key)
    else if (fate === 1) await putSome(stage, key, 1 + random.below(4 * KiB))
  }
}
test(
  'a minute after the last DELETE the journal is within its bound, and all of it is read, also without two disks',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await fill(stage, random, 220)
    const full = await sealedBytes(stage)
    await thin(stage, random)
    await stage.store.pass(MINUTE)
    const [left, bound] = [await sealedBytes(stage), await boundOf(stage)]
    assert.ok(left <= bound && left < full / 2, `${left} of ${full} bytes, with a bound of ${bound}`)
    const kinds = await kindsOf(stage)
    assert.ok((kinds.get('shards') ?? 0) > 0 && (kinds.get('inline') ?? 0) > 0, JSON.stringify([...kinds]))
    await check(stage)
    // What is at rest writes nothing.
    const before = await bytesBelow(stage.files, '/d1')
    await stage.store.pass(10 * MINUTE)
    assert.is(await bytesBelow(stage.files, '/d1'), before)
    await stage.store.close()
    // Its indexes are in memory: the next store makes them anew from the journal.
    const again = await reopen(stage)
    await check(again)
    assert.equal(await scrub(again), WELL)
    for (const root of ['/d2', '/d5']) again.files.removeTree(root)
    await again.store.pass(10 * SECOND)
    await check(again)
    await again.store.close()
  }),
)

/** The disks as directories; what is in memory only, the indexes, they lack. */
const onDisk = async <T>(files: MemoryFiles, use: (roots: string[]) => Promise<T>): Promise<T> => {
  const parent = mkdtempSync(join(tmpdir(), 'moraine-compaction-'))
  try {
    for (const root of ROOTS) {
      for (const name of ['shards', 'index']) mkdirSync(join(parent, root, name), { recursive: true })
      for (const { path } of await filesBelow(files, root)) {
        mkdirSync(dirname(join(parent, path)), { recursive: true })
        writeFileSync(join(parent, path), await readFile(files, path))
      }
    }
    return await use(ROOTS.map((root) => join(parent, root)))
  } finally {
    rmSync(parent, { recursive: true })
  }
}

test(
  'a stopped store shows what moved, and verifies it',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await fill(stage, random, 100)
    await thin(stage, random)
    await stage.store.pass(MINUTE)
    const { run, engine } = stage.store
    const moved: string[] = []
    for (const key of stage.bodies.keys()) {
      if ((await run(engine.objects.head(address(key)))).data.kind === 'shards') moved.push(key)
    }
    assert.ok(moved.length > 0)
    await stage.store.close()
    await onDisk(stage.files, async (roots) => {
      const { findings, lines, summary } = await verify(roots)
      assert.is(summary.objects, stage.bodies.size)
      assert.equal(
        findings.filter(({ what }) => what !== 'index'),
        [],
        lines.join('\n'),
      )
      for (const key of moved.slice(0, 3)) {
        const { versions } = await inspectObject(roots, address(key))
        const [{ data, redundancy }] = versions as [(typeof versions)[number]]
        assert.is(redundancy, 'whole')
        assert.is(data.kind === 'shards' && data.k, 1)
        assert.is(data.kind === 'shards' && data.shards.length, M + 1)
      }
    })
  }),
)

test(
  'what moved is repaired and freed like every packed shard: nothing of it is left when all is deleted',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await fill(stage, random, 120)
    await thin(stage, random)
    await stage.store.pass(MINUTE)
    assert.ok(((await kindsOf(stage)).get('shards') ?? 0) > 0)
    // What is damaged on one disk is made anew from a copy, and is good without the two others.
    for (const { path, bytes } of await filesBelow(stage.files, '/d3/volumes')) {
      for (let at = 5_000; at < bytes && path.endsWith('.vol'); at += 20_000)
        await flipByte(stage.files, path, at)
    }
    const damaged = await scrub(stage)
    assert.ok(damaged.corrupt > 0)
    assert.equal(await scrub(stage), WELL)
    for (const root of ['/d1', '/d6']) await stage.files.rename(root, `${root}-away`)
    await stage.store.pass(10 * SECOND)
    await check(stage)
    for (const root of ['/d1', '/d6']) await stage.files.rename(`${root}-away`, root)
    await stage.store.pass(MINUTE)
    for (const key of [...stage.bodies.keys()]) await remove(stage, key)
    await stage.store.pass(MINUTE)
    assert.equal(await scrub(stage), WELL)
    for (const root of ROOTS) {
      const volumes = await filesBelow(stage.files, `${root}/volumes`)
      // The highest number is never dropped; what is left of it is far below what a compaction is for.
      assert.ok(volumes.filter(({ path }) => path.endsWith('.vol')).length <= 1, root)
    }
    await stage.store.close()
  }),
)

test(
  'with two disks out the journal comes down as well',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await fill(stage, random, 120)
    for (const root of ['/d2', '/d4']) await stage.files.rename(root, `${root}-away`)
    await stage.store.pass(10 * SECOND)
    const full = await sealedBytes(stage)
    await thin(stage, random)
    await stage.store.pass(MINUTE)
    const left = await sealedBytes(stage)
    assert.ok(left < full && left <= (await boundOf(stage)), `${left} of ${full} bytes`)
    await check(stage)
    for (const root of ['/d2', '/d4']) await stage.files.rename(`${root}-away`, root)
    await stage.store.pass(MINUTE)
    await check(stage)
    assert.equal(await scrub(stage), WELL)
    await stage.store.close()
  }),
)

test.run()
