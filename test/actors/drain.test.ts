// A disk is drained while the store runs: nothing new is written to it, everything on it moves into the geometry of the disks that stay,
// and when nothing names it any more it leaves, whatever was deleted, replaced or cut off meanwhile.
import { Buffer } from 'node:buffer'
import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import type { DrainAnswer, DrainTarget } from '../../src/actors/draining.ts'
import type { Redundancy } from '../../src/actors/inspector.ts'
import type { KeeperProtocol } from '../../src/actors/keeper.ts'
import { createRoster } from '../../src/actors/roster.ts'
import type { ScrubberProtocol } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { HOUR, KiB, MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import type { ShardsData } from '../../src/metadata/stored.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { redundancyOf } from '../support/crashed-store.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('drain')
const LIMIT_MS = 120_000
const OWNER = 'a'.repeat(64)
const PARTITIONS = 2
const LIMIT = { withinMs: HOUR }
const SIZES = [100, 20 * KiB, 60 * KiB, MiB + 1]
const BUCKETS = ['bucket-a', 'bucket-b']
const bytesOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key}/${size} moraine `)
const rootsOf = (count: number): string[] => Array.from({ length: count }, (_, slot) => `/d${slot + 1}`)

interface Stage {
  readonly simulation: Simulation
  readonly files: MemoryFiles
  readonly roots: readonly string[]
  store: SimulatedStore
  /** What every key holds. */
  readonly expected: Map<string, Buffer>
}

const open = async (
  simulation: Simulation,
  files: MemoryFiles,
  roots: readonly string[],
  parity?: number,
): Promise<SimulatedStore> =>
  openSimulatedStore(simulation, {
    ...{ files, roots, partitions: PARTITIONS },
    ...(parity !== undefined && { parity }),
  })

const addressOf = (name: string) => {
  const [bucket = '', key = ''] = name.split('/')
  return { bucket, key }
}
const put = async ({ store: { run, engine }, expected }: Stage, name: string, bytes: Buffer) => {
  const request = { ...addressOf(name), owner: OWNER, headers: [], metadata: [] }
  await run(engine.objects.put(request, bodyOf(bytes)))
  expected.set(name, bytes)
}
const putMultipart = async ({ store: { run, engine }, expected }: Stage, name: string): Promise<void> => {
  const { uploads } = engine
  const whole = bytesOf(name, 6 * MiB)
  const upload = await run(uploads.create({ ...addressOf(name), owner: OWNER, headers: [], metadata: [] }))
  const at = { ...addressOf(name), upload: upload.id }
  const parts = []
  for (const [i, body] of [whole.subarray(0, 5 * MiB), whole.subarray(5 * MiB)].entries()) {
    const { etag } = await run(uploads.putPart(at, i + 1, bodyOf(body)))
    parts.push({ partNumber: i + 1, etag })
  }
  await run(uploads.complete({ ...at, parts }))
  expected.set(name, whole)
}
const fill = async (stage: Stage, name: string): Promise<void> => {
  for (const bucket of BUCKETS) {
    for (const size of SIZES) await put(stage, `${bucket}/${name}-${size}`, bytesOf(`${bucket}${name}`, size))
  }
}
const begin = async (seed: number, count: number, parity?: number): Promise<Stage> => {
  const simulation = createSimulation(seed)
  const files = createMemoryFiles()
  const roots = rootsOf(count)
  const store = await open(simulation, files, roots, parity)
  const stage = { simulation, files, roots, store, expected: new Map<string, Buffer>() }
  for (const name of BUCKETS) {
    await store.run(store.engine.buckets.create(name, { owner: OWNER, region: 'us-east-1' }))
  }
  await fill(stage, 'first')
  return stage
}
const checkAll = async ({ store: { run, engine }, expected }: Stage): Promise<void> => {
  for (const [name, bytes] of expected) {
    const read = await run(readBytes(engine, addressOf(name)))
    assert.ok(Buffer.compare(read, bytes) === 0, name)
  }
}
const drain = ({ store: { run, system } }: Stage, target: DrainTarget): Promise<DrainAnswer> =>
  run(system.ref<KeeperProtocol>(PATHS.keeper).ask('drain', target, LIMIT))
const redundancy = ({ store }: Stage): Promise<Redundancy> => redundancyOf(store)
const heldIn = async ({ store: { run, system } }: Stage): Promise<readonly ShardsData[]> => {
  const request = { scope: { kind: 'all' }, cursor: '', limit: 1000 } as const
  const pages = Array.from({ length: PARTITIONS }, (_, partition) =>
    system.ref<BucketProtocol>(PATHS.bucket(partition)).ask('heldData', request, LIMIT),
  )
  return (await run(Promise.all(pages))).flatMap(({ held }) => held)
}
const hasLeft = async (stage: Stage, disks: number): Promise<boolean> => {
  const now = await redundancy(stage)
  return now.draining === undefined && now.disks.length === disks
}
const untilItLeft = async (stage: Stage, disks: number): Promise<void> => {
  for (let i = 0; i < 60; i++) {
    if (await hasLeft(stage, disks)) return
    await stage.store.pass(5 * SECOND)
  }
  throw new Error(JSON.stringify(await redundancy(stage)))
}
const refusedWith = async (stage: Stage, target: DrainTarget, ...what: RegExp[]): Promise<void> => {
  const answer = await drain(stage, target)
  assert.is(answer.kind, 'refused')
  for (const one of what) assert.match(answer.kind === 'refused' ? answer.message : '', one)
}
/** Everything is in the geometry of the disks that stay, nothing else is anywhere, and any m of them may go. */
const checkDrained = async (stage: Stage, left: DiskNumber, geometry = [3, 2]): Promise<void> => {
  const held = await heldIn(stage)
  assert.ok(held.length > 0)
  for (const { places, k, m, size } of held) {
    assert.is(
      places.some(({ disk }) => disk === left),
      false,
    )
    if (size > MiB) assert.equal([k, m], geometry)
  }
  const { run, system } = stage.store
  const scrubber = system.ref<ScrubberProtocol>(PATHS.scrubber)
  await run(scrubber.ask('begin', {}, LIMIT))
  await stage.store.pass(HOUR)
  const { last } = await run(scrubber.ask('status', {}, LIMIT))
  const { missing, corrupt, orphans, skipped, segments } = last!.findings
  assert.equal([missing, corrupt, orphans, skipped, segments], [0, 0, 0, 0, 0])
  assert.equal((await redundancy(stage)).waiting, { shards: 0, bytes: 0 })
  await checkAll(stage)
}

test(
  'a disk is drained under writes, overwrites and deletes; then it may go, and any two others with it',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed, 6)
    const number = 2 as DiskNumber
    await putMultipart(stage, `${BUCKETS[0]}/multipart`)
    const answer = await drain(stage, { directory: '/d2' })
    assert.is(answer.kind, 'begun')
    assert.ok(answer.kind === 'begun' && answer.number === 2 && answer.shards > 0 && answer.disks === 6)
    assert.is((await drain(stage, { disk: number })).kind, 'known')
    const now = await redundancy(stage)
    assert.ok(now.draining && now.draining.number === 2 && now.draining.shards > 0)
    assert.is(now.disks[1]?.isDraining, true)
    assert.equal(now.waiting, { shards: 0, bytes: 0 }, 'nothing lacks redundancy')
    const before = new Set((await heldIn(stage)).map(({ write }) => write))
    await fill(stage, 'second')
    for (const { write, places } of await heldIn(stage)) {
      if (before.has(write)) continue
      assert.is(
        places.some(({ disk }) => disk === 2),
        false,
        'what is new leaves it out',
      )
    }
    for (const size of SIZES) {
      const name = `${BUCKETS[0]}/first-${size}`
      if (random.below(2) === 0) await put(stage, name, bytesOf(`new ${name}`, size))
      else {
        await stage.store.run(stage.store.engine.objects.delete(addressOf(name)))
        stage.expected.delete(name)
      }
      await stage.store.pass(random.below(1000))
    }
    await checkAll(stage)
    await untilItLeft(stage, 5)
    await checkDrained(stage, number)
    const { unused } = await redundancy(stage)
    assert.match(unused[0]?.message ?? '', /d2 was drained/)
    // The directory goes, two others with it; then a start without it.
    stage.files.removeTree('/d2')
    for (const root of ['/d1', '/d6']) await stage.files.rename(root, `/away${root.slice(1)}`)
    await stage.store.pass(10 * SECOND)
    await checkAll(stage)
    await stage.store.close()
    for (const root of ['/d1', '/d6']) await stage.files.rename(`/away${root.slice(1)}`, root)
    // As --data would: the list is still that of the first start.
    stage.store = await open(stage.simulation, stage.files, stage.roots)
    assert.equal(
      stage.store.started.out.map(({ reason }) => reason),
      ['/d2 does not exist, and no disk is missing: it is not needed'],
    )
    await checkAll(stage)
    await stage.store.close()
    const roots = stage.roots.filter((root) => root !== '/d2')
    stage.store = await open(stage.simulation, stage.files, roots)
    await stage.store.pass(10 * SECOND)
    assert.equal(
      (await redundancy(stage)).disks.map(({ position, state }) => [position, state]),
      [1, 3, 4, 5, 6].map((position) => [position, 'present']),
    )
    await checkAll(stage)
    await stage.store.close()
  }),
)

test(
  'a disk that is lost while it is drained, or before, is done without',
  seeded(LIMIT_MS, async (_, seed) => {
    const stage = await begin(seed, 6)
    await stage.files.rename('/d3', '/away3')
    await stage.store.pass(10 * SECOND)
    assert.is((await drain(stage, { disk: 3 as DiskNumber })).kind, 'begun')
    await stage.files.makeDirectory('/d3')
    await untilItLeft(stage, 5)
    await checkDrained(stage, 3 as DiskNumber)
    // It comes back, and is none of the store's.
    await stage.files.remove('/d3')
    await stage.files.rename('/away3', '/d3')
    await stage.store.pass(10 * SECOND)
    assert.is((await redundancy(stage)).disks.length, 5)
    await checkAll(stage)
    await stage.store.close()
    stage.store = await open(stage.simulation, stage.files, stage.roots)
    assert.is(stage.store.started.table.disks.length, 5)
    assert.match(stage.store.started.out[0]?.reason ?? '', /d3 holds a disk that is no longer part/)
    await checkAll(stage)
    await stage.store.close()
  }),
)

test(
  'a drain that a restart cuts off goes on, with another disk away meanwhile',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed, 6)
    assert.is((await drain(stage, { directory: '/d5' })).kind, 'begun')
    for (let i = 0; i < 3; i++) {
      await stage.store.pass(random.below(1500))
      await stage.store.close()
      if (i === 0) await stage.files.rename('/d1', '/away1')
      stage.store = await open(stage.simulation, stage.files, stage.roots)
      if (i === 0) {
        const waits = await redundancy(stage)
        assert.is(waits.draining?.number, 5)
        await fill(stage, 'reduced')
        await stage.store.pass(20 * SECOND)
        await stage.files.rename('/away1', '/d1')
      }
      await checkAll(stage)
    }
    await untilItLeft(stage, 5)
    await stage.store.pass(2 * MINUTE)
    await checkDrained(stage, 5 as DiskNumber)
    await stage.store.close()
  }),
)

test(
  'a write that chose its disks before the drain and ends after it is refused, and leaves nothing',
  seeded(LIMIT_MS, async (_, seed) => {
    const stage = await begin(seed, 6)
    const { run, engine } = stage.store
    const name = `${BUCKETS[0]}/late`
    const whole = bytesOf(name, 9 * MiB)
    let goOn = (): void => undefined
    const isDrained = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const chunks = async function* (): AsyncGenerator<Uint8Array> {
      yield whole.subarray(0, 8 * MiB)
      await isDrained
      yield whole.subarray(8 * MiB)
    }
    const body = { ...bodyOf(whole), chunks: chunks() }
    const request = { ...addressOf(name), owner: OWNER, headers: [], metadata: [] }
    const late = engine.objects.put(request, body).then(
      () => 'stored',
      (error: { kind?: string }) => error.kind,
    )
    await stage.store.pass(2 * SECOND)
    assert.is((await drain(stage, { disk: 2 as DiskNumber })).kind, 'begun')
    await untilItLeft(stage, 5)
    goOn()
    assert.is(await run(late), 'unavailable')
    await put(stage, name, whole)
    await checkDrained(stage, 2 as DiskNumber)
    await stage.store.close()
  }),
)

test(
  'without parity two disks become one, and every byte of the other is on it',
  seeded(LIMIT_MS, async (_, seed) => {
    const stage = await begin(seed, 2, 0)
    assert.is((await drain(stage, { disk: 1 as DiskNumber })).kind, 'begun')
    await untilItLeft(stage, 1)
    await checkDrained(stage, 1 as DiskNumber, [1, 0])
    await stage.store.close()
    stage.files.removeTree('/d1')
    stage.store = await open(stage.simulation, stage.files, ['/d2'])
    await checkAll(stage)
    await refusedWith(stage, { directory: '/d2' }, /its set has 1 disks with parity 0/)
    await stage.store.close()
  }),
)

test(
  'no commit names the disk when it is about to leave',
  deadline(1000, async () => {
    const roster = createRoster(3)
    roster.assign(1, { number: 7 as DiskNumber, set: 0 })
    roster.setDraining(7 as DiskNumber)
    assert.equal([roster.isOpen(7 as DiskNumber), roster.row(1).isDraining], [true, true])
    roster.closeDraining()
    assert.equal([roster.isOpen(7 as DiskNumber), roster.draining(), roster.row(1).isDraining], [
      false,
      7,
      true,
    ] as unknown[])
    assert.equal([roster.isOpen(8 as DiskNumber), roster.row(0).isDraining], [true, false])
    roster.setDraining(0)
    assert.equal([roster.isOpen(7 as DiskNumber), roster.row(1).isDraining], [true, false])
  }),
)

test(
  'what cannot be drained is refused, with the numbers',
  seeded(LIMIT_MS, async (_, seed) => {
    const small = await begin(seed, 3, 2)
    await refusedWith(small, { disk: 1 as DiskNumber }, /3 disks with parity 2 \(1\+2\)/, /2 would be left/)
    await refusedWith(small, { disk: 9 as DiskNumber }, /no disk with the number 9, but 1, 2, 3/)
    await refusedWith(small, { directory: '/elsewhere' }, /\/elsewhere holds no disk of this store/)
    await small.store.close()
    const stage = await begin(seed, 6)
    await stage.files.rename('/d4', '/away4')
    await stage.store.pass(10 * SECOND)
    await refusedWith(
      stage,
      { disk: 1 as DiskNumber },
      /1 of the 5 other disks of its set are out \(number 4\)/,
    )
    await stage.files.rename('/away4', '/d4')
    await stage.store.pass(10 * SECOND)
    assert.is((await drain(stage, { disk: 1 as DiskNumber })).kind, 'begun')
    await refusedWith(
      stage,
      { disk: 2 as DiskNumber },
      /while disk 1 is: \d+ shards with [\d.]+ MiB are left/,
    )
    await stage.store.close()
  }),
)

test.run()
