// What was deleted or overwritten gives its room back, not before its last reader is gone, and whether or not all disks
// are there at that time.
import { Buffer } from 'node:buffer'
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { partitionOf } from '../../src/actors/connect-gateway.ts'
import type { InspectorProtocol } from '../../src/actors/inspector.ts'
import { planRemovals } from '../../src/actors/reclaimer.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { DiskNumber, WriteId } from '../../src/base/ids.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { FreeWork } from '../../src/metadata/frees.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf } from '../model/engine-contract.ts'
import { openProbedStore, type ProbedStore } from '../support/engine-probe.ts'
import { eventually, filesBelow } from '../support/memory-tree.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('reclaimer')
const LIMIT_MS = 20_000
const OWNER = 'a'.repeat(64)
const address = (key: string) => ({ bucket: 'bucket', key })

const open = async (): Promise<ProbedStore> => {
  const store = await openProbedStore()
  await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  return store
}
const put = (store: ProbedStore, key: string, size: number) =>
  store.engine.objects.put(
    { ...address(key), owner: OWNER, headers: [], metadata: [] },
    bodyOf(Buffer.alloc(size, key)),
  )
const BUCKET_PARTITION = partitionOf('bucket', 2)
/** Long enough for the reclaimer to have looked. */
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 400))
/** Its supervisor starts it again. */
const breakActor = async ({ system }: ProbedStore, path: string): Promise<void> => {
  const restarts = async (): Promise<number | undefined> =>
    (await system.inspect()).actors.find((actor) => actor.path === path)?.restarts
  const before = await restarts()
  const ask = system.ref<{ nothing(m: object): void }>(path).ask('nothing', {}, { withinMs: 5_000 })
  await ask.catch(() => undefined)
  await eventually('it is started again', 5_000, async () => (await restarts()) !== before)
}
const shardFiles = async ({ files, roots }: ProbedStore): Promise<string[]> => {
  const there = roots.map(async (root) =>
    (await files.stat(root)) ? filesBelow(files, `${root}/shards`) : [],
  )
  const found = await Promise.all(there)
  return found.flat().map(({ path }) => path)
}
const freesLeft = async ({ system }: ProbedStore): Promise<boolean> => {
  for (const partition of [0, 1]) {
    const bucket = system.ref<BucketProtocol>(PATHS.bucket(partition))
    const works = await bucket.ask('nextFrees', { shardsMax: 1, after: '' }, { withinMs: 5_000 })
    bucket.tell('giveBackFrees', { ids: works.map(({ id }) => id) })
    if (works.length > 0) return true
  }
  return false
}
const stateOf = async ({ system }: ProbedStore, slot: number): Promise<string | undefined> => {
  const inspector = system.ref<InspectorProtocol>(PATHS.inspector)
  return (await inspector.ask('redundancy', {}, { withinMs: 5_000 })).disks[slot]?.state
}

test('removals are grouped by disk: large shards by write, packed ones by place', () => {
  const write = 'ab'.repeat(16) as WriteId
  const [one, two] = [1 as DiskNumber, 2 as DiskNumber]
  const large = { kind: 'shards', write, set: 0, k: 1, m: 1, size: MiB } as const
  const packed = { ...large, size: 64 * KiB }
  const works: FreeWork[] = [
    { id: 'a', hasMore: false, shards: [{ ...large, places: [{ disk: one }, { disk: two }] }] },
    {
      id: 'b',
      hasMore: false,
      shards: [
        {
          ...packed,
          places: [
            { disk: two, volume: 3, offset: 64 },
            { disk: one, volume: 1, offset: 0 },
          ],
        },
      ],
    },
  ]
  const removals = planRemovals(works)
  assert.equal(removals.get(one)?.writes, [write])
  assert.equal(removals.get(two)?.writes, [write])
  assert.is(removals.get(one)?.entries[0]?.volume, 1)
  assert.is(removals.get(two)?.entries[0]?.offset, 64)
  assert.ok((removals.get(two)?.entries[0]?.bytes ?? 0) >= 64 * KiB)
})

test(
  'deleted and overwritten objects leave no shard behind, packed ones are noted as garbage',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    for (let i = 0; i < 4; i++) await put(store, `large-${i}`, 5 * MiB)
    for (let i = 0; i < 4; i++) await put(store, `packed-${i}`, 100 * KiB)
    assert.is((await shardFiles(store)).length, 24)
    await put(store, 'large-0', 6 * MiB)
    for (let i = 1; i < 4; i++) await store.engine.objects.delete(address(`large-${i}`))
    for (let i = 0; i < 4; i++) await store.engine.objects.delete(address(`packed-${i}`))
    await eventually('six shards are left', 5_000, async () => (await shardFiles(store)).length === 6)
    await eventually('nothing waits', 5_000, async () => !(await freesLeft(store)))
    const volumes = (await filesBelow(store.files, `${store.roots[0]}/volumes`)).map(({ path }) => path)
    assert.ok(volumes.some((path) => path.endsWith('.free')))
    await store.close()
  }),
)

test(
  'the parts of an aborted upload go, and those of a completed one when it is deleted',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    const { uploads, objects } = store.engine
    const begin = async (key: string) => {
      const upload = await uploads.create({ ...address(key), owner: OWNER, headers: [], metadata: [] })
      const at = { ...address(key), upload: upload.id }
      const parts = []
      for (const partNumber of [1, 2]) {
        const { etag } = await uploads.putPart(at, partNumber, bodyOf(Buffer.alloc(5 * MiB, partNumber)))
        parts.push({ partNumber, etag })
      }
      return { at, parts }
    }
    const aborted = await begin('aborted')
    await uploads.abort(aborted.at)
    const completed = await begin('completed')
    await uploads.complete({ ...completed.at, parts: completed.parts })
    await eventually('one upload is left', 5_000, async () => (await shardFiles(store)).length === 12)
    await objects.delete(address('completed'))
    await eventually('none is left', 5_000, async () => (await shardFiles(store)).length === 0)
    await store.close()
  }),
)

test(
  'history 31: a version that is being read keeps its shards until the reading ends',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    await put(store, 'read', 9 * MiB)
    const reading = await store.engine.objects.open(address('read'))
    await store.engine.objects.delete(address('read'))
    await pause()
    assert.is((await shardFiles(store)).length, 6)
    reading.close()
    await eventually('they are gone', 5_000, async () => (await shardFiles(store)).length === 0)
    await store.close()
  }),
)

test(
  'a reading ends with the life of its gateway, which is started again',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    await put(store, 'read', 9 * MiB)
    await store.engine.objects.open(address('read'))
    await store.engine.objects.delete(address('read'))
    await store.restartGateway()
    await eventually('its shards are gone', 5_000, async () => (await shardFiles(store)).length === 0)
    await store.close()
  }),
)

test(
  'a reading of an earlier life of the bucket actor does not end another when it is closed',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    await put(store, 'read', 9 * MiB)
    const early = await store.engine.objects.open(address('read'))
    await breakActor(store, PATHS.bucket(BUCKET_PARTITION))
    const late = await store.engine.objects.open(address('read'))
    early.close()
    await store.engine.objects.delete(address('read'))
    await pause()
    assert.is((await shardFiles(store)).length, 6)
    late.close()
    await eventually('they are gone', 5_000, async () => (await shardFiles(store)).length === 0)
    await store.close()
  }),
)

test(
  'what was handed out to a reclaimer that died is handed out again to the next',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    const bucket = store.system.ref<BucketProtocol>(PATHS.bucket(BUCKET_PARTITION))
    await put(store, 'kept', 9 * MiB)
    const reading = await store.engine.objects.open(address('kept'))
    await store.engine.objects.delete(address('kept'))
    // The reclaimer has looked, and found that a reader holds it back.
    await pause()
    reading.close()
    // In its place, and then never heard of again.
    const taken = await bucket.ask('nextFrees', { shardsMax: 99, after: '' }, { withinMs: 5_000 })
    assert.is(taken.length, 1)
    await pause()
    assert.is((await shardFiles(store)).length, 6)
    await breakActor(store, PATHS.reclaimer(BUCKET_PARTITION))
    await eventually('they are gone', 5_000, async () => (await shardFiles(store)).length === 0)
    await store.close()
  }),
)

test(
  'what a disk that is out holds waits for it, and holds up nothing else',
  deadline(LIMIT_MS, async () => {
    const store = await open()
    const { files, roots } = store
    await put(store, 'before', 5 * MiB)
    await files.rename(roots[2]!, '/store/away')
    await eventually('the disk is out', 10_000, async () => (await stateOf(store, 2)) === 'out')
    await store.engine.objects.delete(address('before'))
    await put(store, 'other', 5 * MiB)
    await store.engine.objects.delete(address('other'))
    await eventually('what others hold goes', 10_000, async () => (await shardFiles(store)).length === 0)
    assert.ok(await freesLeft(store))
    assert.is((await filesBelow(files, '/store/away/shards')).length, 1)
    await files.rename('/store/away', roots[2]!)
    await eventually('the rest goes', 15_000, async () => (await shardFiles(store)).length === 0)
    await eventually('nothing waits', 5_000, async () => !(await freesLeft(store)))
    await store.close()
  }),
)

test(
  'a full disk, which nobody writes to, is seen to have room again',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles({ totalBytes: 2 * MiB })
    const store = await openProbedStore(files)
    await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    await rejectsWith('DISK_FULL', () => put(store, 'k', 5 * MiB))
    // As when what filled it was deleted: no write asks how much there is now.
    files.resize(256 * MiB)
    await eventually('bodies are taken again', 10_000, () =>
      put(store, 'k', 5 * MiB).then(
        () => true,
        () => false,
      ),
    )
    await store.close()
  }),
)

test.run()
