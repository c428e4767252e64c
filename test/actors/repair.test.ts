// Disks that lose what they held are taken in again and filled; damaged shards and segments are made anew; and until then,
// and afterwards with other disks gone, everything reads back.
import { Buffer } from 'node:buffer'
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import { partitionOf } from '../../src/actors/connect-gateway.ts'
import type { InspectorProtocol, Redundancy } from '../../src/actors/inspector.ts'
import type { RepairerProtocol } from '../../src/actors/repairer.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { FileSystem } from '../../src/base/files.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { ShardsData } from '../../src/metadata/stored.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { openProbedStore, type ProbedStore } from '../support/engine-probe.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { createLogLines } from '../support/log-lines.ts'
import { emptyTree, eventually, filesBelow } from '../support/memory-tree.ts'
import { createSimulation, openSimulatedStore } from '../support/simulated-store.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('repair')
const LIMIT_MS = 60_000
const REPAIR_MS = 30_000
const OWNER = 'a'.repeat(64)
const SIZES = [100, 16 * KiB, 20 * KiB, 300 * KiB, MiB, 5 * MiB, 9 * MiB + 1]
const address = (key: string) => ({ bucket: 'bucket', key })
const bytesOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key}/${size} moraine `)

const put = (store: ProbedStore, key: string, size: number) =>
  store.engine.objects.put(
    { ...address(key), owner: OWNER, headers: [], metadata: [] },
    bodyOf(bytesOf(key, size)),
  )
const check = async (store: ProbedStore, key: string, size: number): Promise<void> => {
  const read = await readBytes(store.engine, address(key))
  assert.ok(Buffer.compare(read, bytesOf(key, size)) === 0, key)
}
const putMultipart = async ({ engine: { uploads } }: ProbedStore, key: string): Promise<void> => {
  const upload = await uploads.create({ ...address(key), owner: OWNER, headers: [], metadata: [] })
  const at = { ...address(key), upload: upload.id }
  const whole = bytesOf(key, 6 * MiB)
  const parts = []
  for (const [i, body] of [whole.subarray(0, 5 * MiB), whole.subarray(5 * MiB)].entries()) {
    const { etag } = await uploads.putPart(at, i + 1, bodyOf(body))
    parts.push({ partNumber: i + 1, etag })
  }
  await uploads.complete({ ...at, parts })
}
const fill = async (files?: ProbedStore['files']): Promise<ProbedStore> => {
  const store = await openProbedStore(files)
  await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  for (const size of SIZES) await put(store, `first-${size}`, size)
  await putMultipart(store, 'multipart')
  return store
}
const checkAll = async (store: ProbedStore, names = ['first']): Promise<void> => {
  for (const name of names) for (const size of SIZES) await check(store, `${name}-${size}`, size)
  await check(store, 'multipart', 6 * MiB)
}
const redundancy = ({ system }: ProbedStore): Promise<Redundancy> =>
  system.ref<InspectorProtocol>(PATHS.inspector).ask('redundancy', {}, { withinMs: 10_000 })
const isFull = ({ waiting, disks }: Redundancy): boolean =>
  waiting.shards === 0 && waiting.bytes === 0 && disks.every(({ state }) => state === 'present')
const becomesFull = async (store: ProbedStore): Promise<void> => {
  let last: Redundancy | undefined
  try {
    await eventually('full redundancy', REPAIR_MS, async () => {
      last = await redundancy(store)
      return isFull(last)
    })
  } catch (error) {
    throw new Error(JSON.stringify(last), { cause: error })
  }
}
/** Changes one byte of every file below `directory` of a disk. */
const damage = async ({ files, roots }: ProbedStore, disk: number, directory: string, offset: number) => {
  let count = 0
  for (const { path, bytes } of await filesBelow(files, `${roots[disk]}/${directory}`)) {
    if (bytes <= offset) continue
    const file = await files.open(path, 'update')
    const byte = new Uint8Array(1)
    await file.read(byte, offset)
    await file.write([Uint8Array.of(byte[0]! ^ 0xff)], offset)
    await file.close()
    count++
  }
  assert.ok(count > 0, `there is nothing in ${directory}`)
}

test(
  'two emptied disks are adopted and filled while the store runs, then two others may be gone',
  deadline(LIMIT_MS, async () => {
    const store = await fill()
    const { files, roots } = store
    assert.ok(isFull(await redundancy(store)))
    for (const disk of [1, 4]) await emptyTree(files, roots[disk]!)
    await eventually('the loss shows', 10_000, async () => !isFull(await redundancy(store)))
    await checkAll(store)
    for (const size of SIZES) await put(store, `second-${size}`, size)
    await becomesFull(store)
    await checkAll(store, ['first', 'second'])
    for (const size of SIZES) await put(store, `third-${size}`, size)
    await store.close()
    for (const disk of [0, 3]) await emptyTree(files, roots[disk]!)
    const again = await openProbedStore(files)
    await checkAll(again, ['first', 'second', 'third'])
    await becomesFull(again)
    await checkAll(again, ['first', 'second', 'third'])
    await again.close()
  }),
)

test(
  'what was deleted while its disk was away needs no repair and is not revived',
  deadline(LIMIT_MS, async () => {
    const store = await fill()
    const { files, roots, engine } = store
    await emptyTree(files, roots[2]!)
    for (const size of SIZES) await engine.objects.delete(address(`first-${size}`))
    await becomesFull(store)
    const page = await engine.objects.list({
      ...{ bucket: 'bucket', prefix: '', delimiter: '', after: '', limit: 100 },
    })
    assert.is(JSON.stringify(page).includes('first-'), false)
    await check(store, 'multipart', 6 * MiB)
    await store.close()
  }),
)

for (const [what, directory, offset] of [
  ['large shards', 'shards', 8192],
  ['packed shards', 'volumes', 4096],
  ['the header of large shards', 'shards', 10],
] as const) {
  test(
    `${what} that are damaged are read right and repaired`,
    deadline(LIMIT_MS, async () => {
      const store = await fill()
      for (const disk of [0, 5]) await damage(store, disk, directory, offset)
      await checkAll(store)
      await becomesFull(store)
      await checkAll(store)
      await becomesFull(store)
      // With the damaged disks repaired, two others may be emptied.
      for (const disk of [2, 3]) await emptyTree(store.files, store.roots[disk]!)
      await checkAll(store)
      await store.close()
    }),
  )
}

test(
  'a disk that was replaced does not count when it comes back',
  deadline(LIMIT_MS, async () => {
    const store = await fill()
    const { files, roots } = store
    const root = roots[3]!
    await files.rename(root, '/store/away')
    await eventually('it is out', 10_000, async () => (await redundancy(store)).disks[3]?.state === 'out')
    assert.match((await redundancy(store)).disks[3]?.message ?? '', /not exist|not there/)
    await files.makeDirectory(root)
    await becomesFull(store)
    await files.rename(root, '/store/adopted')
    await files.rename('/store/away', root)
    await eventually('it stays out', 10_000, async () =>
      /no longer part/.test((await redundancy(store)).disks[3]?.message ?? ''),
    )
    await checkAll(store)
    await files.rename(root, '/store/away')
    await files.rename('/store/adopted', root)
    await becomesFull(store)
    await store.close()
  }),
)

test(
  'with three of six disks emptied nothing is adopted, and the message says why',
  deadline(LIMIT_MS, async () => {
    const store = await fill()
    for (const disk of [0, 1, 2]) await emptyTree(store.files, store.roots[disk]!)
    await eventually('it is said', 10_000, async () =>
      (await redundancy(store)).disks.slice(0, 3).every(({ message }) => /too few/.test(message ?? '')),
    )
    await store.close()
  }),
)

test(
  'with two of four disks emptied nothing is adopted, for the others are too few to agree, and the message says so',
  deadline(LIMIT_MS, async () => {
    const store = await openProbedStore(undefined, 4)
    await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    await put(store, 'key', 20 * KiB)
    for (const disk of [0, 1]) await emptyTree(store.files, store.roots[disk]!)
    await eventually('it is said', 20_000, async () =>
      (await redundancy(store)).disks.slice(0, 2).some(({ message }) => /3 other disks/.test(message ?? '')),
    )
    await check(store, 'key', 20 * KiB)
    await store.close()
  }),
)

/** Every shard of the bucket, as the records have it. */
const heldIn = async ({ system }: ProbedStore): Promise<readonly ShardsData[]> => {
  const partition = partitionOf('bucket', 2)
  const bucket = system.ref<BucketProtocol>(PATHS.bucket(partition))
  const request = { scope: { kind: 'bucket', bucket: 'bucket' }, cursor: '', limit: 100 } as const
  return (await bucket.ask('heldData', request, { withinMs: 10_000 })).held
}

test(
  'of what is damaged the most endangered is mended first',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const store = await openProbedStore(undefined, 6, undefined, log)
    await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    for (const key of ['a', 'b', 'c']) await put(store, key, 5 * MiB)
    const held = await heldIn(store)
    const shardOn = (data: ShardsData, disk: number): number =>
      data.places.findIndex((place) => place.disk === disk)
    const lost = [
      ...held.map((data) => ({ data, disk: 1 })),
      // The last one can lose nothing more.
      { data: held[2]!, disk: 2 },
    ]
    const repairer = store.system.ref<RepairerProtocol>(PATHS.repairer)
    for (const { data, disk } of lost) {
      const { write } = data
      await store.files.remove(`${store.roots[disk - 1]}/shards/${write.slice(0, 2)}/${write}`)
      repairer.tell('damaged', { data, shard: shardOn(data, disk) })
    }
    await eventually('all are mended', REPAIR_MS, () => of('shard-repaired').length === lost.length)
    const order = of('shard-repaired').map(({ fields }) => fields['write'])
    assert.is(order[0], held[2]!.write)
    await store.close()
  }),
)

test(
  'a repair that cannot be read back does not count, and is made again',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const simulation = createSimulation(7)
    const files = await createFaultyFiles()
    const roots = ['/d1', '/d2', '/d3', '/d4']
    const store = await openSimulatedStore(simulation, { files, roots, log })
    const { run, engine, system } = store
    await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    const request = { ...address('k'), owner: OWNER, headers: [], metadata: [] }
    const { data } = await run(engine.objects.put(request, bodyOf(bytesOf('k', 5 * MiB))))
    if (data.kind !== 'shards') throw new Error('it is a large one')
    const disk = data.places[0]!.disk
    const path = `/d${disk}/shards/${data.write.slice(0, 2)}/${data.write}`
    await files.remove(path)
    files.inject({ operation: 'write', path: '.new', effect: { kind: 'misdirected', by: 8192 } })
    system.ref<RepairerProtocol>(PATHS.repairer).tell('damaged', { data, shard: 0 })
    await store.pass(5_000)
    assert.is(of('shard-repaired').length, 0, 'what was written is not there')
    assert.ok(of('repair-postponed').some(({ fields }) => fields['code'] === 'DISK_IO'))
    await store.pass(60_000)
    assert.is(of('shard-repaired').length, 1)
    await store.close()
  }),
)

test(
  'no more is rebuilt in a second than was said',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const simulation = createSimulation(8)
    const files = createMemoryFiles()
    const roots = ['/d1', '/d2', '/d3', '/d4']
    const store = await openSimulatedStore(simulation, { files, roots, log, repairBytesPerSecond: MiB })
    const { run, engine, system } = store
    await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    for (const key of ['a', 'b', 'c']) {
      const request = { ...address(key), owner: OWNER, headers: [], metadata: [] }
      const { data } = await run(engine.objects.put(request, bodyOf(bytesOf(key, 20 * MiB))))
      if (data.kind !== 'shards') throw new Error('it is a large one')
      await files.remove(`/d1/shards/${data.write.slice(0, 2)}/${data.write}`)
      const shard = data.places.findIndex(({ disk }) => disk === 1)
      system.ref<RepairerProtocol>(PATHS.repairer).tell('damaged', { data, shard })
    }
    // Ten mebibytes each: ten seconds between two.
    for (const count of [1, 2, 3]) {
      await store.pass(count === 1 ? 5_000 : 10_000)
      assert.is(of('shard-repaired').length, count)
    }
    await store.close()
  }),
)

test(
  'what is wrong on the medium alone is repaired, however well it reads from memory',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const memory = createMemoryFiles({ direct: true })
    /** Files of which the medium has lost a bit, and the system's cache has not. */
    const lost = new Set<string>()
    const files: FileSystem = {
      ...memory,
      async open(path, mode, options) {
        const file = await memory.open(path, mode, options)
        if (!lost.has(path) || mode !== 'read' || options?.direct !== true) return file
        return {
          ...file,
          async read(into, position) {
            const count = await file.read(into, position)
            into[5000]! ^= 1
            return count
          },
        }
      },
      rename(from, to) {
        lost.delete(to)
        return memory.rename(from, to)
      },
    }
    const simulation = createSimulation(9)
    const store = await openSimulatedStore(simulation, { files, roots: ['/d1', '/d2', '/d3', '/d4'], log })
    const { run, engine, system } = store
    await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    const request = { ...address('k'), owner: OWNER, headers: [], metadata: [] }
    const { data } = await run(engine.objects.put(request, bodyOf(bytesOf('k', 5 * MiB))))
    if (data.kind !== 'shards') throw new Error('it is a large one')
    const repairer = system.ref<RepairerProtocol>(PATHS.repairer)
    repairer.tell('damaged', { data, shard: 0 })
    await store.pass(30_000)
    assert.is(of('shard-repaired').length, 0, 'it is whole')
    lost.add(`/d${data.places[0]!.disk}/shards/${data.write.slice(0, 2)}/${data.write}`)
    repairer.tell('damaged', { data, shard: 0 })
    await store.pass(30_000)
    assert.is(of('shard-repaired').length, 1)
    assert.is(lost.size, 0, 'another file has its name')
    await store.close()
  }),
)

test(
  'where no other disk may fail any more, a read that fails now and then is no loss: the shard is made anew later',
  deadline(LIMIT_MS, async () => {
    const files = await createFaultyFiles()
    const { log, of } = createLogLines()
    const store = await openSimulatedStore(createSimulation(11), { files, roots: ['/d1', '/d2', '/d3'], log })
    const { run, engine, system } = store
    await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
    const request = { ...address('k'), owner: OWNER, headers: [], metadata: [] }
    await run(engine.objects.put(request, bodyOf(bytesOf('k', 300 * KiB))))
    // More often than somebody wakes the repair for other reasons.
    const effect = { kind: 'error', code: 'EIO' } as const
    files.inject({ operation: 'read', path: '/d1/volumes/', times: 4, effect })
    await emptyTree(files, '/d2')
    await store.pass(30_000)
    assert.ok(of('shard-lost').length >= 1, 'it looked like one')
    const waiting = async (): Promise<number> => {
      const inspector = system.ref<InspectorProtocol>(PATHS.inspector)
      return (await run(inspector.ask('redundancy', {}, { withinMs: 10_000 }))).waiting.shards
    }
    assert.is(await waiting(), 1)
    await store.pass(20 * 60_000)
    assert.is(await waiting(), 0)
    await store.close()
  }),
)

test.run()
