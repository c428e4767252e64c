// History 9: partitions fail alone. One whose journal cannot be shown whole answers 503 and says which disks it needs, the others
// serve; it serves again as soon as its disks have what it lacks.
import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { createSigner } from '../../bench/load/presign.ts'
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { partitionOf } from '../../src/actors/connect-gateway.ts'
import type { InspectorProtocol, Redundancy } from '../../src/actors/inspector.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { silentLog } from '../../src/base/log.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { Data, ShardPlace } from '../../src/metadata/records.ts'
import { type Server, startServer } from '../../src/server.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { flipByte, readFile, writeFile } from '../support/disks.ts'
import { openProbedStore, type ProbedStore } from '../support/engine-probe.ts'
import { eventually, filesBelow } from '../support/memory-tree.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('partition door')
const LIMIT_MS = 30_000
const OWNER = 'a'.repeat(64)
/** One in each of two partitions. */
const NAMES = [0, 1].map(
  (partition) =>
    ['bucket-a', 'bucket-b', 'bucket-c', 'bucket-d'].find((name) => partitionOf(name, 2) === partition)!,
)
const address = (partition: number, key: string) => ({ bucket: NAMES[partition]!, key })
const bytesOf = (partition: number, key: string): Buffer => Buffer.alloc(300 * KiB, `${partition}/${key} `)

const put = ({ engine }: ProbedStore, partition: number, key: string) =>
  engine.objects.put(
    { ...address(partition, key), owner: OWNER, headers: [], metadata: [] },
    bodyOf(bytesOf(partition, key)),
  )
const check = async ({ engine }: ProbedStore, partition: number, key: string): Promise<void> => {
  const read = await readBytes(engine, address(partition, key))
  assert.ok(Buffer.compare(read, bytesOf(partition, key)) === 0, key)
}
const redundancy = ({ system }: ProbedStore): Promise<Redundancy> =>
  system.ref<InspectorProtocol>(PATHS.inspector).ask('redundancy', {}, { withinMs: 10_000 })

interface Taken {
  readonly path: string
  readonly bytes: Uint8Array
}

/** Takes every copy of the partition's oldest segment away; resolves to what was taken. */
const takeOldest = async (
  files: FileSystem,
  roots: readonly string[],
  partition: number,
): Promise<Taken[]> => {
  const below = await Promise.all(roots.map((root) => filesBelow(files, `${root}/journal/${partition}`)))
  const paths = below.flat().map(({ path }) => path)
  const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1)
  const [oldest] = paths.map(nameOf).sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10))
  const taken: Taken[] = []
  for (const path of paths.filter((one) => nameOf(one) === oldest)) {
    taken.push({ path, bytes: await readFile(files, path) })
    await files.remove(path)
  }
  return taken
}

/** Where the first shard of an object is. */
const firstPlace = async ({ engine }: ProbedStore, partition: number, key: string): Promise<ShardPlace> => {
  const { data } = await engine.objects.head(address(partition, key))
  return (data as Extract<Data, { kind: 'shards' }>).places[0]!
}

/** A store of two partitions with an object in each, stopped; several segments of each journal are alive. */
const stoppedStore = async (): Promise<ProbedStore> => {
  const first = await openProbedStore()
  for (const [partition, name] of NAMES.entries()) {
    await first.engine.buckets.create(name, { owner: OWNER, region: 'us-east-1' })
    await put(first, partition, 'first')
  }
  await first.close()
  const second = await openProbedStore(first.files)
  for (const partition of NAMES.keys()) await put(second, partition, 'second')
  await second.close()
  return second
}

test(
  'history 9: one partition that lacks a segment answers 503 and names the disks, the other serves',
  deadline(LIMIT_MS, async () => {
    const stopped = await stoppedStore()
    const taken = await takeOldest(stopped.files, stopped.roots, 1)
    assert.is(taken.length, 3)
    const store = await openProbedStore(stopped.files)
    for (const key of ['first', 'second']) await check(store, 0, key)
    await put(store, 0, 'third')
    await check(store, 0, 'third')

    for (const attempt of [
      () => put(store, 1, 'third'),
      () => store.engine.objects.head(address(1, 'first')),
      () => store.engine.buckets.get(NAMES[1]!),
      () => store.engine.objects.delete(address(1, 'first')),
      // A list with a hole in it would be a wrong one.
      () => store.engine.buckets.list({ prefix: '', after: '', limit: 10 }),
    ]) {
      await rejectsWith('PARTITION_SHUT', attempt)
    }
    const { notServed } = await redundancy(store)
    assert.equal(
      notServed.map(({ partition }) => partition),
      [1],
    )
    for (const { path } of taken)
      assert.match(notServed[0]!.message, `(${path.slice(0, path.indexOf('/journal'))})`)
    assert.equal(store.arena.inUse(), { small: 0, large: 0 })

    // One copy of what it lacks comes back: it is looked at again when a disk says that it has changed.
    await writeFile(store.files, taken[0]!.path, taken[0]!.bytes)
    store.system.ref<BucketProtocol>(PATHS.bucket(1)).tell('diskChanged', {})
    await eventually('both partitions are served', LIMIT_MS, async () => {
      return (await redundancy(store)).notServed.length === 0
    })
    for (const key of ['first', 'second']) await check(store, 1, key)
    await put(store, 1, 'third')
    assert.is((await store.engine.buckets.list({ prefix: '', after: '', limit: 10 })).buckets.length, 2)
    await store.close()

    const again = await openProbedStore(store.files)
    for (const partition of NAMES.keys()) {
      for (const key of ['first', 'second', 'third']) await check(again, partition, key)
    }
    await again.close()
  }),
)

test(
  'what is damaged in a partition that serves is repaired while another does not',
  deadline(LIMIT_MS, async () => {
    const stopped = await stoppedStore()
    await takeOldest(stopped.files, stopped.roots, 0)
    const store = await openProbedStore(stopped.files)
    const before = await firstPlace(store, 1, 'first')
    const volume = `${store.roots[before.disk - 1]}/volumes/${before.volume}.vol`
    await flipByte(store.files, volume, before.offset! + 4_000)
    await check(store, 1, 'first')
    await eventually('the shard lies elsewhere', LIMIT_MS / 2, async () => {
      return !isDeepStrictEqual(await firstPlace(store, 1, 'first'), before)
    })
    await check(store, 1, 'first')
    await store.close()
  }),
)

const configOf = (disks: readonly string[]) => ({
  ...{ disks, host: '127.0.0.1', port: 0, region: 'us-east-1', drainTimeoutMs: 1_000 },
  ...{
    arenaBytes: 64 * MiB,
    logLevel: 'silent' as const,
    repairBytesPerSecond: MiB,
    scrub: { periodMs: 0, bytesPerSecond: MiB },
  },
})

const statusOf = async (server: Server, method: string, path: string): Promise<number> => {
  const { presign } = createSigner({ ...server, nowMs: Date.now() })
  const { status } = await fetch(server.endpoint + presign(method, path), { method })
  return status
}

test(
  'a partition that is not served locks nobody out: the keys are with the others, too',
  deadline(LIMIT_MS, async () => {
    const memory = createMemoryFiles()
    const disks = [1, 2, 3, 4].map((number) => `/memory/d${number}`)
    const start = () => startServer(configOf(disks), { log: silentLog, memory, partitions: 2 })
    const first = await start()
    const { credentials } = first
    for (const name of NAMES) assert.is(await statusOf(first, 'PUT', `/${name}`), 200)
    await first.close()
    await (await start()).close()
    await takeOldest(memory, disks, 0)

    const second = await start()
    assert.equal(second.credentials, credentials)
    assert.is(await statusOf(second, 'GET', `/${NAMES[0]}`), 503)
    assert.is(await statusOf(second, 'GET', `/${NAMES[1]}`), 200)
    assert.is(await statusOf(second, 'GET', '/-/health/redundancy'), 200)
    const ready = await fetch(`${second.endpoint}/-/health/ready`)
    assert.is(ready.status, 503)
    assert.match(await ready.text(), '1 of 2 partitions of the metadata cannot be served')
    await second.close()

    await takeOldest(memory, disks, 1)
    const { message } = await rejectsWith('PARTITION_SHUT', start)
    assert.match(message, 'partition 0 is not served: segment')
    assert.match(message, '/memory/d')
  }),
)

test.run()
