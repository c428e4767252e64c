// The scrub in simulated time: it finds what nobody reads, has it mended, removes what nobody knows, keeps to its budget and
// to its period, and goes on after a restart.

import type { BucketProtocol } from '../../src/actors/bucket-protocol.ts'
import type { InspectorProtocol } from '../../src/actors/inspector.ts'
import { SCRUB_ENTRY, type ScrubState } from '../../src/actors/scrub-state.ts'
import type { ScrubberProtocol, ScrubStatus } from '../../src/actors/scrubber.ts'
import { PATHS } from '../../src/actors/store-facts.ts'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { silentLog } from '../../src/base/log.ts'
import { DAY, HOUR, KiB, MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { createMemoryFiles, type MemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { flipByte, readFile, writeFile } from '../support/disks.ts'
import { createLogLines } from '../support/log-lines.ts'
import { filesBelow } from '../support/memory-tree.ts'
import {
  createSimulation,
  openSimulatedStore,
  type SimulatedStore,
  type Simulation,
} from '../support/simulated-store.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('scrubber')
const LIMIT_MS = 60_000
const OWNER = 'a'.repeat(64)
const ROOTS = ['/d1', '/d2', '/d3', '/d4', '/d5', '/d6']
const SIZES = [100, 20 * KiB, 300 * KiB, 5 * MiB, 9 * MiB + 1]
/** More than one piece of a tour. */
const LONG = 41 * MiB
const SCRUB = { periodMs: 7 * DAY, bytesPerSecond: 32 * MiB }
const LIMIT = { withinMs: HOUR }
const address = (key: string) => ({ bucket: 'bucket', key })
const bytesOf = (key: string, size: number): Buffer => Buffer.alloc(size, `${key}/${size} moraine `)

interface Stage {
  readonly simulation: Simulation
  readonly files: MemoryFiles
  readonly store: SimulatedStore
  readonly scrubber: ActorRef<ScrubberProtocol>
}

const open = async (
  files: MemoryFiles = createMemoryFiles(),
  simulation = createSimulation(1),
  scrub = SCRUB,
  log = silentLog,
): Promise<Stage> => {
  const store = await openSimulatedStore(simulation, { files, roots: ROOTS, partitions: 2, scrub, log })
  return { simulation, files, store, scrubber: store.system.ref<ScrubberProtocol>(PATHS.scrubber) }
}
const bucketOf = ({ store }: Stage): ActorRef<BucketProtocol> =>
  store.system.ref<BucketProtocol>(PATHS.bucket(0))
const put = ({ store: { run, engine } }: Stage, key: string, size: number) => {
  const request = { ...address(key), owner: OWNER, headers: [], metadata: [] }
  return run(engine.objects.put(request, bodyOf(bytesOf(key, size))))
}
const fill = async (stage: Stage): Promise<void> => {
  const { run, engine } = stage.store
  await run(engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' }))
  for (const size of SIZES) await put(stage, `key-${size}`, size)
}
const checkAll = async ({ store: { run, engine } }: Stage): Promise<void> => {
  for (const size of SIZES) {
    const key = `key-${size}`
    const read = await run(readBytes(engine, address(key)))
    assert.ok(Buffer.compare(read, bytesOf(key, size)) === 0, key)
  }
}
const statusOf = ({ store: { run }, scrubber }: Stage): Promise<ScrubStatus> =>
  run(scrubber.ask('status', {}, LIMIT))
/** Lets time pass until the scrub has nothing to do. */
const untilIdle = async (stage: Stage): Promise<ScrubStatus> => {
  for (let i = 0; i < 100; i++) {
    const status = await statusOf(stage)
    if (status.state === 'idle' && !status.demands.some(({ state }) => state === 'waiting')) return status
    await stage.store.pass(MINUTE)
  }
  throw new Error(`still ${JSON.stringify(await statusOf(stage))}`)
}
const tour = async (stage: Stage): Promise<ScrubStatus> => {
  await stage.store.run(stage.scrubber.ask('begin', {}, LIMIT))
  return untilIdle(stage)
}
const isWhole = async ({ store: { run, system } }: Stage): Promise<boolean> => {
  const inspector = system.ref<InspectorProtocol>(PATHS.inspector)
  const { waiting } = await run(inspector.ask('redundancy', {}, LIMIT))
  return waiting.shards === 0 && waiting.bytes === 0
}
/** Changes a byte of every file of one kind on a disk; resolves to how many there were. */
const damage = async (
  files: FileSystem,
  root: string,
  directory: string,
  offset: number,
): Promise<number> => {
  let count = 0
  for (const { path, bytes } of await filesBelow(files, `${root}/${directory}`)) {
    if (bytes <= offset || path.endsWith('.free')) continue
    await flipByte(files, path, offset)
    count++
  }
  return count
}

test(
  'damage that nobody reads is found and mended: large shards, packed ones, missing ones, segments',
  deadline(LIMIT_MS, async () => {
    const first = await open()
    await fill(first)
    await put(first, 'long', LONG)
    // Sealed by the next start: only of a sealed segment it is known what should be in it.
    await first.store.close()
    const stage = await open(first.files, first.simulation)
    const { files } = stage
    const clean = (await tour(stage)).last!
    assert.equal(
      { ...clean.findings, bytes: 0 },
      { bytes: 0, missing: 0, corrupt: 0, segments: 0, indexes: 0, orphans: 0, skipped: 0 },
    )
    assert.ok(clean.findings.bytes > (3 / 2) * SIZES.reduce((sum, size) => sum + size, 0))

    const large = await damage(files, '/d1', 'shards', 8192)
    const packed = await damage(files, '/d2', 'volumes', 4096)
    assert.ok(large >= 2 && packed >= 1)
    const gone = await filesBelow(files, '/d3/shards')
    for (const { path } of gone) await files.remove(path)
    const found = (await tour(stage)).last!
    assert.ok(found.findings.corrupt >= large + packed, JSON.stringify(found))
    assert.is(found.findings.missing, gone.length, JSON.stringify(found))
    await stage.store.pass(MINUTE)
    assert.ok(await isWhole(stage))
    const after = (await tour(stage)).last!
    assert.equal([after.findings.missing, after.findings.corrupt], [0, 0])
    // With what was damaged whole again, two others may go.
    for (const root of ['/d4', '/d5']) files.removeTree(root)
    await stage.store.pass(MINUTE)
    await checkAll(stage)
    await stage.store.close()
  }),
)

test(
  'a damaged copy of a sealed segment is found and made anew',
  deadline(LIMIT_MS, async () => {
    const first = await open()
    await fill(first)
    await first.store.close()
    const stage = await open(first.files, first.simulation)
    const sealed: string[] = []
    for (const root of ROOTS) {
      for (const { path, bytes } of await filesBelow(stage.files, `${root}/journal`)) {
        if (path.endsWith('/1.log') && bytes > 200) sealed.push(path)
      }
    }
    assert.ok(sealed.length >= 3, 'the first segment has its copies')
    await flipByte(stage.files, sealed[0]!, 200)
    assert.is((await tour(stage)).last!.findings.segments, 1)
    await stage.store.pass(MINUTE)
    assert.ok(await isWhole(stage))
    assert.is((await tour(stage)).last!.findings.segments, 0)
    await stage.store.close()
  }),
)

/** What is read past the cache of these files is wrong, or cannot be read at all; from the cache all is well. */
const damageMedium = async (
  files: MemoryFiles,
  paths: readonly string[],
  how: 'flipped' | 'unreadable',
): Promise<void> => {
  const inodes = new Set(await Promise.all(paths.map(async (path) => (await files.stat(path))!.inode)))
  const { open: openFile } = files
  files.open = async (path, mode, options) => {
    const file = await openFile(path, mode, options)
    if (!file.isDirect || !inodes.has((await file.stat()).inode)) return file
    return {
      ...file,
      async read(into, position) {
        if (how === 'unreadable') throw new FileError('read', path, 'EIO')
        const count = await file.read(into, position)
        into[200]! ^= 1
        return count
      },
    }
  }
}

test(
  'a copy of a segment that the medium no longer has as the cache does, or cannot read, is made anew',
  deadline(LIMIT_MS, async () => {
    for (const how of ['flipped', 'unreadable'] as const) {
      const first = await open(createMemoryFiles({ direct: true }))
      await fill(first)
      await first.store.close()
      const stage = await open(first.files, first.simulation)
      const paths = ROOTS.map((root) => `${root}/journal/0/1.log`)
      const copies = []
      for (const path of paths) if (await stage.files.stat(path)) copies.push(path)
      await damageMedium(stage.files, copies.slice(0, 1), how)
      assert.is((await tour(stage)).last!.findings.segments, 1, how)
      await stage.store.pass(MINUTE)
      assert.ok(await isWhole(stage))
      // Another file, on another place of the medium.
      assert.is((await tour(stage)).last!.findings.segments, 0, how)
      await checkAll(stage)
      await stage.store.close()
    }
  }),
)

test(
  'a copy of a segment that cannot be read as its disk goes is passed over, and is no finding',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const first = await open(createMemoryFiles({ direct: true }))
    await fill(first)
    await first.store.close()
    const stage = await open(first.files, first.simulation, SCRUB, log)
    const { files } = stage
    const { open: openFile } = files
    let went = 0
    files.open = async (path, mode, options) => {
      const file = await openFile(path, mode, options)
      if (!file.isDirect || !path.startsWith('/d1/journal/')) return file
      const read = async (): Promise<number> => {
        went++
        files.removeTree('/d1')
        throw new FileError('read', path, 'ENOENT')
      }
      return { ...file, read }
    }
    const { findings } = (await tour(stage)).last!
    assert.ok(went >= 1)
    assert.is(findings.segments, 0)
    assert.ok(findings.skipped >= 1)
    const told = [...of('scrub-found'), ...of('segment-unreadable')]
    assert.equal(
      told.filter(({ fields }) => 'segment' in fields),
      [],
    )
    await stage.store.close()
  }),
)

test(
  'the files that say who a disk is are read, and written anew where they are damaged',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const stage = await open(createMemoryFiles(), createSimulation(5), SCRUB, log)
    const { files } = stage
    const paths = ['/d2/store.key', '/d3/disk.json', '/d4/store.key']
    const before = await Promise.all(paths.map((path) => readFile(files, path)))
    assert.is((await tour(stage)).last!.findings.corrupt, 0)
    for (const path of paths.slice(0, 2)) await flipByte(files, path, 50)
    await files.remove(paths[2]!)
    assert.is((await tour(stage)).last!.findings.corrupt, 3)
    const said = (event: string, name: string) =>
      of(event).map(({ fields }) => [fields[name], fields['file']])
    const names = ['store.key', 'disk.json', 'store.key']
    assert.equal(
      said('scrub-found', 'disk'),
      names.map((name, i) => [i + 2, name]),
    )
    assert.equal(
      said('disk.identity-damaged', 'root'),
      names.map((name, i) => [`/d${i + 2}`, name]),
    )
    assert.equal(await Promise.all(paths.map((path) => readFile(files, path))), before)
    assert.is((await tour(stage)).last!.findings.corrupt, 0)
    await stage.store.close()
  }),
)

test(
  'one tour a period, and nothing is read between two',
  deadline(LIMIT_MS, async () => {
    const hourly = { ...SCRUB, periodMs: HOUR }
    const stage = await open(createMemoryFiles(), createSimulation(5), hourly)
    const { store } = stage
    await fill(stage)
    assert.is((await statusOf(stage)).last, undefined)
    await store.pass(55 * MINUTE)
    const before = await statusOf(stage)
    assert.equal([before.state, before.last], ['idle', undefined])
    let reads = 0
    const { open: openFile } = stage.files
    await store.pass(10 * MINUTE)
    const one = await statusOf(stage)
    assert.equal([one.state, one.last?.number], ['idle', 1])
    stage.files.open = (path, mode, options) => {
      reads++
      return openFile(path, mode, options)
    }
    await store.pass(50 * MINUTE)
    assert.is(reads, 0)
    assert.is((await statusOf(stage)).last?.number, 1)
    await store.pass(10 * MINUTE)
    assert.is((await statusOf(stage)).last?.number, 2)
    assert.ok(reads > 0)
    await store.close()
  }),
)

test(
  'no disk is read faster than the budget says',
  deadline(LIMIT_MS, async () => {
    const stage = await open(createMemoryFiles(), createSimulation(2), {
      periodMs: 0,
      bytesPerSecond: 64 * KiB,
    })
    await fill(stage)
    const { last } = await tour(stage)
    // Its bytes are spread over six disks; the strays are looked at twice, with a pause between.
    const leastMs = (last!.findings.bytes / 6 / (64 * KiB)) * SECOND
    assert.ok(last!.finishedMs - last!.startedMs > 0.8 * leastMs, JSON.stringify(last))
    await stage.store.close()
  }),
)

test(
  'a tour that is asked for is told, and shows how much there is and how fast it reads',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const slow = { periodMs: 7 * DAY, bytesPerSecond: 64 * KiB }
    const stage = await open(createMemoryFiles(), createSimulation(4), slow, log)
    await fill(stage)
    for (let i = 0; i < 2; i++) await stage.store.run(stage.scrubber.ask('begin', {}, LIMIT))
    assert.equal(
      of('scrub-began').map(({ fields }) => fields['tour']),
      [1],
    )
    await stage.store.pass(20 * SECOND)
    const { totalBytes, readBytesPerSecond, findings } = (await statusOf(stage)).tour!
    // Six disks, each at its rate.
    assert.ok(readBytesPerSecond! > 64 * KiB && readBytesPerSecond! < 8 * 64 * KiB, `${readBytesPerSecond}`)
    assert.ok(Math.abs(readBytesPerSecond! * 20 - findings.bytes) < findings.bytes / 10)
    const { bytes } = (await untilIdle(stage)).last!.findings
    assert.ok(Math.abs(totalBytes! - bytes) < bytes / 20, `${totalBytes} were ${bytes}`)
    await stage.store.close()
  }),
)

test(
  'a tour that is paused stays so over a restart, and then goes on where it was',
  deadline(LIMIT_MS, async () => {
    const slow = { periodMs: 7 * DAY, bytesPerSecond: 64 * KiB }
    const first = await open(createMemoryFiles(), createSimulation(3), slow)
    await fill(first)
    await first.store.run(first.scrubber.ask('begin', {}, LIMIT))
    await first.store.pass(40 * SECOND)
    // A kill would cost at most what was read since.
    const saved = await first.store.run(bucketOf(first).ask('config', { name: SCRUB_ENTRY }, LIMIT))
    assert.ok((saved as ScrubState).tour!.findings.bytes > 0)
    await first.store.run(first.scrubber.ask('pause', {}, LIMIT))
    const paused = await statusOf(first)
    assert.is(paused.state, 'paused')
    const { bytes } = paused.tour!.findings
    assert.ok(bytes > 0)
    await first.store.pass(HOUR)
    assert.is((await statusOf(first)).tour!.findings.bytes, bytes)
    await first.store.close()

    const second = await open(first.files, first.simulation, slow)
    await second.store.pass(HOUR)
    const still = await statusOf(second)
    assert.equal([still.state, still.tour?.number, still.tour?.findings.bytes], ['paused', 1, bytes])
    await second.store.run(second.scrubber.ask('resume', {}, LIMIT))
    const { last } = await untilIdle(second)
    assert.is(last?.number, 1)
    assert.ok(last!.findings.bytes > bytes)
    await second.store.close()
  }),
)

test(
  'what nobody knows is removed, after a while, and what belongs to somebody stays',
  deadline(LIMIT_MS, async () => {
    const first = await open()
    const { files, simulation } = first
    await fill(first)
    await put(first, 'gone-large', 5 * MiB)
    await put(first, 'gone-packed', 300 * KiB)
    await first.store.close()
    const old = [...(await filesBelow(files, '/d1/shards')), ...(await filesBelow(files, '/d1/volumes'))]
    const kept = new Map<string, Uint8Array>()
    for (const { path } of old) kept.set(path, await readFile(files, path))
    const second = await open(files, simulation)
    for (const key of ['gone-large', 'gone-packed']) {
      await second.store.run(second.store.engine.objects.delete(address(key)))
    }
    await second.store.pass(MINUTE)
    await second.store.close()
    // The disk comes back as it was: with shards that nobody knows any more.
    let restored = 0
    for (const { path } of await filesBelow(files, '/d1/volumes')) await files.remove(path)
    for (const [path, bytes] of kept) {
      if ((await files.stat(path)) !== undefined) continue
      await writeFile(files, path, bytes)
      restored++
    }
    assert.ok(restored >= 2)
    const rest = `${[...kept.keys()].find((path) => path.includes('/shards/'))}.new`
    await writeFile(files, rest, new Uint8Array(10))
    const stage = await open(files, simulation)
    await stage.store.run(stage.scrubber.ask('begin', {}, LIMIT))
    await stage.store.pass(10 * MINUTE)
    assert.is((await statusOf(stage)).tour!.findings.orphans, 0, 'not at the first look')
    const { last } = await untilIdle(stage)
    assert.is(last!.findings.orphans, 3, JSON.stringify(last))
    assert.is(await files.stat(rest), undefined)
    await checkAll(stage)
    const again = (await tour(stage)).last!
    assert.equal([again.findings.orphans, again.findings.missing, again.findings.corrupt], [0, 0, 0])
    await stage.store.close()
  }),
)

test(
  'a bucket, an object and a disk are looked at when somebody asks',
  deadline(LIMIT_MS, async () => {
    const stage = await open(createMemoryFiles(), createSimulation(4), {
      periodMs: 0,
      bytesPerSecond: 32 * MiB,
    })
    await fill(stage)
    const { run } = stage.store
    assert.ok((await damage(stage.files, '/d1', 'shards', 8192)) >= 2)
    const disk = 1 as never
    const demands = [
      { kind: 'object', bucket: 'bucket', key: 'key-100' },
      { kind: 'object', bucket: 'bucket', key: `key-${5 * MiB}` },
      { kind: 'object', bucket: 'bucket', key: 'no such key' },
      { kind: 'bucket', bucket: 'no-such-bucket' },
      { kind: 'disk', disk },
      { kind: 'bucket', bucket: 'bucket' },
      { kind: 'disk', disk: 0 as never },
      { kind: 'disk', disk: 77 as never },
    ] as const
    await run(stage.scrubber.ask('pause', {}, LIMIT))
    for (const [i, demand] of demands.entries()) {
      assert.is(await run(stage.scrubber.ask('demand', demand, LIMIT)), i + 1)
    }
    await run(stage.scrubber.ask('resume', {}, LIMIT))
    const { demands: done, last } = await untilIdle(stage)
    assert.is(last, undefined)
    assert.equal(
      done.map(({ state, code }) => code ?? state),
      ['done', 'done', 'NoSuchKey', 'NoSuchBucket', 'done', 'done', 'InvalidArgument', 'InvalidArgument'],
    )
    assert.is(done[0]!.findings.bytes, 100)
    assert.is(done[1]!.findings.corrupt, 1, JSON.stringify(done))
    assert.ok(done[4]!.findings.bytes > 0 && done[4]!.findings.bytes < done[5]!.findings.bytes)
    await stage.store.pass(MINUTE)
    assert.ok(await isWhole(stage))
    await stage.store.close()
  }),
)

test.run()
