// What was written while disks were out is written again in full when they are back; nothing else about it changes, and what was
// replaced or deleted meanwhile stays so.

import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import type { InspectorProtocol } from '../../src/actors/inspector.ts'
import type { ScrubberProtocol } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { HOUR, KiB, MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import type { ShardsData } from '../../src/metadata/stored.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { createLogLines } from '../support/log-lines.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedOptions,
  type SimulatedStore,
} from '../support/simulated-store.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('recoder')
const LIMIT_MS = 120_000
const OWNER = 'a'.repeat(64)
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5', '/d6']
const LIMIT = { withinMs: HOUR }
const SIZES = [100, 20 * KiB, 300 * KiB, 2 * MiB, 9 * MiB + 1]
const address = (key: string) => ({ bucket: 'bucket', key })
const bytesOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key} moraine `)

interface Stage {
  readonly files: MemoryFiles
  readonly store: SimulatedStore
}

const put = ({ store: { run, engine } }: Stage, key: string, bytes: Uint8Array) =>
  run(engine.objects.put({ ...address(key), owner: OWNER, headers: [], metadata: [] }, bodyOf(bytes)))

const putMultipart = async ({ store: { run, engine } }: Stage, key: string, whole: Buffer): Promise<void> => {
  const { uploads } = engine
  const request = { ...address(key), owner: OWNER, headers: [], metadata: [] }
  const upload = await run(uploads.create(request))
  const at = { ...address(key), upload: upload.id }
  const parts = []
  for (const [i, body] of [whole.subarray(0, 5 * MiB), whole.subarray(5 * MiB)].entries()) {
    const { etag } = await run(uploads.putPart(at, i + 1, bodyOf(body)))
    parts.push({ partNumber: i + 1, etag })
  }
  await run(uploads.complete({ ...at, parts }))
}

const heldIn = async ({ store: { run, system } }: Stage): Promise<readonly ShardsData[]> => {
  const bucket = system.ref<BucketProtocol>(PATHS.bucket(0))
  const request = { scope: { kind: 'all' }, cursor: '', limit: 1000 } as const
  return (await run(bucket.ask('heldData', request, LIMIT))).held
}
const waitingIn = ({ store: { run, system } }: Stage) =>
  run(system.ref<BucketProtocol>(PATHS.bucket(0)).ask('waiting', {}, LIMIT))

/** A store with two disks out. */
const begin = async (seed: number, options: Partial<SimulatedOptions> = {}): Promise<Stage> => {
  const files = createMemoryFiles()
  const store = await openSimulatedStore(createSimulation(seed), { files, roots: ROOTS, ...options })
  await store.run(store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
  for (const root of ['/d2', '/d5']) await files.rename(root, `/away${root.slice(1)}`)
  await store.pass(10 * SECOND)
  return { files, store }
}
const comeBack = async ({ files, store }: Stage): Promise<void> => {
  for (const root of ['/d2', '/d5']) await files.rename(`/away${root.slice(1)}`, root)
  await store.pass(20 * SECOND)
}

test(
  'versions and parts of fewer disks are written again in full, and nothing else of them changes',
  seeded(LIMIT_MS, async (_, seed) => {
    const stage = await begin(seed)
    const { run, engine, system } = stage.store
    for (const size of SIZES) await put(stage, `key-${size}`, bytesOf(`key-${size}`, size))
    const whole = bytesOf('multipart', 6 * MiB)
    await putMultipart(stage, 'multipart', whole)
    const names = [...SIZES.map((size) => `key-${size}`), 'multipart']
    const before = await Promise.all(names.map((key) => run(engine.objects.head(address(key)))))
    const reduced = (await heldIn(stage)).filter(({ isReduced }) => isReduced)
    assert.ok(reduced.length >= 4, `${reduced.length} are reduced`)
    assert.ok(reduced.every(({ k, m }) => k <= 2 && m === 2))
    const shards = reduced.reduce((sum, { places }) => sum + places.length, 0)
    assert.is((await waitingIn(stage)).reduced, shards)

    await comeBack(stage)
    await stage.store.pass(MINUTE)
    const now = await heldIn(stage)
    assert.equal(
      now.filter(({ isReduced }) => isReduced),
      [],
    )
    assert.is((await waitingIn(stage)).reduced, 0)
    for (const { size, k, m } of now) if (size >= 2 * MiB) assert.equal([k, m], [4, 2])
    const after = await Promise.all(names.map((key) => run(engine.objects.head(address(key)))))
    const shown = (versions: typeof before) =>
      versions.map(({ data: _data, ...others }) => JSON.stringify(others))
    assert.equal(shown(after), shown(before))

    // Nothing of what it was is left, and any two disks may go.
    const scrubber = system.ref<ScrubberProtocol>(PATHS.scrubber)
    await run(scrubber.ask('begin', {}, LIMIT))
    await stage.store.pass(HOUR)
    const { last } = await run(scrubber.ask('status', {}, LIMIT))
    const { missing, corrupt, orphans, skipped } = last!.findings
    assert.equal([missing, corrupt, orphans, skipped], [0, 0, 0, 0])
    const inspector = system.ref<InspectorProtocol>(PATHS.inspector)
    assert.equal((await run(inspector.ask('redundancy', {}, LIMIT))).waiting, { shards: 0, bytes: 0 })
    for (const root of ['/d1', '/d6']) stage.files.removeTree(root)
    await stage.store.pass(10 * SECOND)
    for (const size of SIZES) {
      const key = `key-${size}`
      const read = await run(readBytes(engine, address(key)))
      assert.ok(Buffer.compare(read, bytesOf(key, size)) === 0, key)
    }
    assert.ok(Buffer.compare(await run(readBytes(engine, address('multipart'))), whole) === 0)
    await stage.store.close()
  }),
)

test(
  'what is deleted or replaced while it is written again stays so',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    const { run, engine } = stage.store
    const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`)
    for (const key of keys) await put(stage, key, bytesOf(key, 2 * MiB))
    await comeBack({ ...stage, store: { ...stage.store, pass: () => stage.store.pass(2 * SECOND) } })
    const expected = new Map<string, Buffer | undefined>()
    for (const key of keys) {
      const fate = random.below(3)
      const bytes =
        fate === 0 ? bytesOf(key, 2 * MiB) : fate === 1 ? bytesOf(`new ${key}`, 3 * MiB) : undefined
      expected.set(key, bytes)
      if (fate === 1) await put(stage, key, bytes!)
      if (fate === 2) await run(engine.objects.delete(address(key)))
      await stage.store.pass(random.below(400))
    }
    await stage.store.pass(2 * MINUTE)
    for (const [key, bytes] of expected) {
      const read = await run(readBytes(engine, address(key))).catch(() => undefined)
      assert.ok(bytes ? read && Buffer.compare(read, bytes) === 0 : read === undefined, key)
    }
    const held = await heldIn(stage)
    assert.is(held.length, [...expected.values()].filter((bytes) => bytes).length)
    assert.is((await waitingIn(stage)).reduced, 0)
    const { onDisks } = await waitingIn(stage)
    for (const { disk, shards } of onDisks) {
      const counted = held.flatMap(({ places }) => places).filter((place) => place.disk === disk).length
      assert.is(shards, counted, `disk ${disk}`)
    }
    await stage.store.close()
  }),
)

test(
  'what went since the recoder has found it is not taken for damage',
  seeded(LIMIT_MS, async (_, seed) => {
    const { log, of } = createLogLines()
    const stage = await begin(seed, { log, repairBytesPerSecond: MiB })
    const keys = Array.from({ length: 12 }, (_, i) => `key-${i}`)
    for (const key of keys) await put(stage, key, bytesOf(key, 2 * MiB))
    await comeBack(stage)
    // The first of a page are being written again, the others wait for their turn.
    assert.ok((await waitingIn(stage)).reduced > 0)
    for (const key of keys) await stage.store.run(stage.store.engine.objects.delete(address(key)))
    await stage.store.pass(5 * MINUTE)
    for (const event of ['shard-missing', 'shard-lost', 'disk.corrupt', 'recoding-postponed']) {
      assert.equal(of(event), [], event)
    }
    assert.is((await waitingIn(stage)).reduced, 0)
    await stage.store.close()
  }),
)

test.run()
