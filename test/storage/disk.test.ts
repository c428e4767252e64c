import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { shardPath, volumePath } from '../../src/storage/layout.ts'
import { entryBytesOf, PAGE_BYTES } from '../../src/storage/unit.ts'
import {
  flipByte,
  formDirectory,
  makeTestDisk,
  openTestDisk,
  readsBack,
  readUnit,
  recordingLog,
  TEST_ROOT,
  writeShard,
} from '../support/disks.ts'
import { randomBody, randomWriteId, sealBody } from '../support/stripes.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('disk')
const random = createPrng(1)
const makeBody = (size: number, k = 2, m = 1) =>
  sealBody(randomWriteId(random), randomBody(random, size), k, m)
const LIMIT_MS = 10_000

test(
  'shards of every shape read back, also after the disk was opened again',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk({ files: createMemoryFiles({ direct: true }) })
    const sizes = [1, 64, 20 * KiB, 300 * KiB, 2 * MiB - 1, 2 * MiB, 2 * MiB + 1, 5 * MiB + 12_345]
    const written = []
    for (const size of sizes) {
      const sealed = makeBody(size)
      written.push({ sealed, place: await writeShard(disk, sealed, 2) })
    }
    for (const { sealed, place } of written) assert.ok(await readsBack(disk, sealed, 2, place))
    await disk.close()
    const again = await openTestDisk(files)
    for (const { sealed, place } of written) assert.ok(await readsBack(again, sealed, 2, place))
    await again.close()
  }),
)

test(
  'a range reads its blocks behind the first page of the slab, and nothing else',
  deadline(LIMIT_MS, async () => {
    const { disk } = await makeTestDisk()
    for (const sealed of [makeBody(1.5 * MiB), makeBody(3 * MiB)]) {
      const place = await writeShard(disk, sealed, 0)
      const options = { firstBlock: 2, blockCount: 3, ...(place === undefined ? {} : { place }) }
      const { read, slab } = await readUnit(disk, sealed, 0, 0, options)
      assert.equal(read, { status: 'ok' })
      const [start, length] = [PAGE_BYTES + 128 * KiB, 192 * KiB]
      const blocks = sealed.units[0]![0]!.subarray(start, start + length)
      assert.equal(Buffer.compare(slab.subarray(PAGE_BYTES, PAGE_BYTES + length), blocks), 0)
      assert.ok(slab.subarray(PAGE_BYTES + length).every((byte) => byte === 0))
    }
    await disk.close()
  }),
)

test(
  'of many units only a few are with the kernel at a time, and what is small does not wait behind them',
  deadline(LIMIT_MS, async () => {
    const memory = createMemoryFiles({ direct: true })
    let letGo = (): void => undefined
    const gate = new Promise<void>((resolve) => {
      letGo = resolve
    })
    let underWay = 0
    let most = 0
    const files: FileSystem = {
      ...memory,
      async open(path, mode, options) {
        const file = await memory.open(path, mode, options)
        if (!path.includes('/shards/')) return file
        return Object.assign(Object.create(file), {
          async write(pieces: Uint8Array[], position: number) {
            most = Math.max(most, ++underWay)
            await gate
            await file.write(pieces, position)
            underWay--
          },
        })
      },
    }
    const { disk } = await makeTestDisk({ files })
    const large = Array.from({ length: 20 }, () => makeBody(2 * MiB))
    const writing = large.map((sealed) => writeShard(disk, sealed, 0))
    const packed = makeBody(100 * KiB)
    const place = await writeShard(disk, packed, 0)
    assert.ok(await readsBack(disk, packed, 0, place))
    assert.is(underWay, 4)
    letGo()
    await Promise.all(writing)
    assert.is(most, 4)
    for (const sealed of large) assert.ok(await readsBack(disk, sealed, 0))
    await disk.close()
  }),
)

test(
  'damage is a value: a flipped byte anywhere, a short file, a shard that is not there',
  deadline(LIMIT_MS, async () => {
    const { log, events } = recordingLog()
    const { files, disk } = await makeTestDisk({ log })
    const large = makeBody(5 * MiB)
    await writeShard(disk, large, 0)
    const packed = makeBody(100 * KiB)
    const place = (await writeShard(disk, packed, 0))!
    for (const position of [0, 9, 41, 107, PAGE_BYTES, PAGE_BYTES + 70 * KiB, PAGE_BYTES + MiB - 1]) {
      const path = shardPath(TEST_ROOT, large.write)
      await flipByte(files, path, position)
      const { read } = await readUnit(disk, large, 0, 0)
      assert.is(read.status, 'corrupt', `byte ${position}`)
      assert.is((await readUnit(disk, large, 0, 1)).read.status, 'ok')
      await flipByte(files, path, position)
    }
    for (let position = place.offset; position < place.offset + 50 * KiB; position += 977) {
      await flipByte(files, volumePath(TEST_ROOT, place.volume), position)
      assert.is((await readUnit(disk, packed, 0, 0, { place })).read.status, 'corrupt', `byte ${position}`)
      await flipByte(files, volumePath(TEST_ROOT, place.volume), position)
    }
    assert.ok(events.includes('disk.corrupt'))
    const file = await files.open(shardPath(TEST_ROOT, large.write), 'update')
    await file.truncate(2 * MiB)
    await file.close()
    assert.is((await readUnit(disk, large, 0, 1)).read.status, 'corrupt')
    assert.is((await readUnit(disk, large, 0, 0)).read.status, 'ok')
    const beyond = { ...place, offset: place.offset + MiB }
    assert.is((await readUnit(disk, packed, 0, 0, { place: beyond })).read.status, 'corrupt')
    const other = { ...place, volume: 99 }
    assert.is((await readUnit(disk, packed, 0, 0, { place: other })).read.status, 'missing')
    assert.is((await readUnit(disk, makeBody(5 * MiB), 0, 0)).read.status, 'missing')
    await disk.close()
  }),
)

test(
  'history 33: a block of another shard, stripe or older encoding in the right place does not pass',
  deadline(LIMIT_MS, async () => {
    const { disk } = await makeTestDisk()
    const body = randomBody(random, 5 * MiB)
    const old = sealBody(randomWriteId(random), body, 2, 1)
    const fresh = sealBody(randomWriteId(random), body, 2, 1)
    // The same bytes under another write id, another shard's bytes, and the units of two stripes exchanged.
    const writer = await disk.createShard(fresh.write, fresh.plan.diskBytes)
    await writer.append(old.units[0]![0]!)
    await writer.append(fresh.units[1]![1]!)
    await writer.append(fresh.units[1]![0]!)
    await writer.seal()
    for (const stripe of [0, 1, 2]) {
      assert.is((await readUnit(disk, fresh, 0, stripe)).read.status, 'corrupt', `stripe ${stripe}`)
    }
    // A whole header with blocks of the older encoding behind it: the header passes, the block does not.
    const mixed = fresh.units[0]![0]!.slice()
    mixed.set(old.units[0]![1]!.subarray(PAGE_BYTES), PAGE_BYTES)
    const place = await disk.writePacked(mixed.slice(0, PAGE_BYTES + 64 * KiB), 64 * KiB)
    assert.is((await readUnit(disk, fresh, 0, 0, { place })).read.status, 'corrupt')
    await disk.close()
  }),
)

test(
  'packed shards asked for together take one write and one sync',
  deadline(LIMIT_MS, async () => {
    const { disk } = await makeTestDisk()
    await writeShard(disk, makeBody(1), 0)
    const before = disk.report().counters
    const bodies = Array.from({ length: 50 }, () => makeBody(30 * KiB))
    const places = await Promise.all(bodies.map((sealed) => writeShard(disk, sealed, 1)))
    const after = disk.report().counters
    assert.is(after.writes - before.writes, 1)
    assert.is(after.syncs - before.syncs, 1)
    for (const [i, sealed] of bodies.entries()) assert.ok(await readsBack(disk, sealed, 1, places[i]))
    await disk.close()
  }),
)

test(
  'a volume is closed when it is full, and never continued after a start',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk({ volumeBytesMax: 100 * KiB })
    const volumes = new Set<number>()
    for (let i = 0; i < 10; i++) volumes.add((await writeShard(disk, makeBody(60 * KiB), 0))!.volume)
    assert.equal([...volumes], [1, 2, 3, 4])
    await disk.close()
    const again = await openTestDisk(files)
    assert.is((await writeShard(again, makeBody(60 * KiB), 0))!.volume, 5)
    await again.close()
  }),
)

test(
  'a volume in which everything was freed is dropped, however often it is said, and its number never comes back',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk({ volumeBytesMax: 100 * KiB })
    const entries = []
    for (let i = 0; i < 9; i++) {
      const place = (await writeShard(disk, makeBody(60 * KiB), 0))!
      entries.push({ ...place, bytes: entryBytesOf(30 * KiB) })
    }
    const [a, b, c, ...others] = entries as [(typeof entries)[0], (typeof entries)[0], (typeof entries)[0]]
    const numbers = async () => (await disk.listVolumes()).map(({ volume }) => volume).sort()
    assert.equal(await numbers(), [1, 2, 3])
    await disk.freePacked([a, b])
    await disk.freePacked([a, b])
    assert.equal(await numbers(), [1, 2, 3], 'two entries said twice are not three')
    assert.is((await disk.volumeUsage(1))?.garbageBytes, 4 * a.bytes)
    await disk.close()
    const again = await openTestDisk(files, { volumeBytesMax: 100 * KiB })
    await again.freePacked([c])
    assert.equal((await again.listVolumes()).map(({ volume }) => volume).sort(), [2, 3])
    await again.freePacked([a, b, c])
    await again.freePacked(others)
    assert.equal(
      (await again.listVolumes()).map(({ volume }) => volume),
      [3],
      'the highest stays',
    )
    assert.is((await writeShard(again, makeBody(60 * KiB), 0))!.volume, 4)
    await again.freePacked([])
    assert.equal(
      (await again.listVolumes()).map(({ volume }) => volume),
      [4],
      'until it has a successor',
    )
    await again.close()
  }),
)

test(
  'what was freed behind the end that a power cut left says nothing of what lies before it',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk({ volumeBytesMax: 100 * KiB })
    const [alive, lost] = [makeBody(4 * KiB), makeBody(60 * KiB)]
    const [first, second] = [(await writeShard(disk, alive, 0))!, (await writeShard(disk, lost, 0))!]
    const [ofAlive, ofLost] = [entryBytesOf(2 * KiB), entryBytesOf(30 * KiB)]
    await writeShard(disk, makeBody(160 * KiB), 0)
    await disk.freePacked([{ ...second, bytes: ofLost }])
    await disk.close()
    // What was never synced was freed; then the power went.
    const volume = await files.open(volumePath(TEST_ROOT, 1), 'update')
    await volume.truncate(second.offset)
    await volume.close()
    const again = await openTestDisk(files, { volumeBytesMax: 100 * KiB })
    await again.freePacked([{ ...second, bytes: ofLost }])
    assert.ok(await readsBack(again, alive, 0, first))
    await again.freePacked([{ ...first, bytes: ofAlive }])
    assert.equal(
      (await again.listVolumes()).map(({ volume }) => volume),
      [2],
    )
    await again.close()
  }),
)

test(
  'a walk through a volume finds every entry, and passes over damage',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const bodies = Array.from({ length: 40 }, (_, i) => makeBody(1 + i * 17 * KiB))
    const places = await Promise.all(bodies.map((sealed) => writeShard(disk, sealed, 0)))
    await flipByte(files, volumePath(TEST_ROOT, 1), places[7]!.offset)
    const found: string[] = []
    let next: number | undefined = 0
    while (next !== undefined) {
      const page: Awaited<ReturnType<typeof disk.walkVolume>> = await disk.walkVolume(1, next, 3)
      assert.is(page.isOurs, true)
      found.push(...page.entries.map(({ write, offset }) => `${write}@${offset}`))
      next = page.next
    }
    const wanted = bodies.map(({ write }, i) => `${write}@${places[i]!.offset}`).filter((_, i) => i !== 7)
    assert.equal(found, wanted)
    await flipByte(files, volumePath(TEST_ROOT, 1), 30)
    assert.is((await disk.walkVolume(1, 0, 1)).isOurs, false)
    await disk.close()
  }),
)

test(
  'removed and aborted shards are gone, and said twice is no error',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const [kept, removed, aborted] = [makeBody(3 * MiB), makeBody(3 * MiB), makeBody(3 * MiB)]
    await writeShard(disk, kept, 0)
    await writeShard(disk, removed, 0)
    const writer = await disk.createShard(aborted.write, aborted.plan.diskBytes)
    const appended = writer.append(aborted.units[0]![0]!)
    await Promise.all([writer.abort(), writer.abort(), appended])
    await rejectsWith('ASSERTION', () => writer.seal())
    await readUnit(disk, removed, 0, 0)
    await disk.removeShards([removed.write])
    await disk.removeShards([removed.write])
    assert.is((await readUnit(disk, removed, 0, 0)).read.status, 'missing')
    assert.ok(await readsBack(disk, kept, 0))
    const names = []
    for (const directory of await disk.listShardDirectories()) {
      names.push(...(await disk.listShards(directory)).writes)
    }
    assert.equal(names, [kept.write])
    const directories = [kept, removed, aborted].map(({ write }) => Number.parseInt(write.slice(0, 2), 16))
    const inOrder = [...new Set(directories)].sort((a, b) => a - b)
    assert.equal(await disk.listShardDirectories(), inOrder)
    assert.is(await files.stat(shardPath(TEST_ROOT, aborted.write)), undefined)
    await disk.close()
  }),
)

test(
  'a disk that was wiped, moved away or remounted says so to every request',
  deadline(LIMIT_MS, async () => {
    const harms: ((files: ReturnType<typeof createMemoryFiles>) => Promise<unknown>)[] = [
      async (files) => files.removeTree(TEST_ROOT),
      async (files) => {
        for (const name of await files.list(TEST_ROOT)) {
          files.removeTree(`${TEST_ROOT}/${name}`)
        }
      },
      (files) => files.rename(TEST_ROOT, '/elsewhere'),
      async (files) => {
        await files.rename(TEST_ROOT, '/elsewhere')
        await formDirectory(files, TEST_ROOT)
      },
    ]
    for (const harm of harms) {
      const files = createMemoryFiles()
      const { disk } = await makeTestDisk({ files })
      const [large, other, unwritten] = [makeBody(3 * MiB), makeBody(3 * MiB), makeBody(3 * MiB)]
      const packed = makeBody(100)
      await writeShard(disk, packed, 0)
      const writer = await disk.createShard(large.write, large.plan.diskBytes)
      await writer.append(large.units[0]![0]!)
      await disk.segments.create(0, 1, new Uint8Array(64))
      await harm(files)
      await rejectsWith('DISK_GONE', () => writer.seal())
      await rejectsWith('DISK_GONE', () => writeShard(disk, packed, 0))
      await rejectsWith('DISK_GONE', () => disk.createShard(other.write, 10).then((w) => w.seal()))
      await rejectsWith('DISK_GONE', () => readUnit(disk, unwritten, 0, 0))
      await rejectsWith('DISK_GONE', () => disk.segments.append(0, 1, 64, [new Uint8Array(8)]))
      await rejectsWith('DISK_GONE', () => disk.segments.list(0))
      await rejectsWith('DISK_GONE', () => disk.removeShards([other.write]))
      await rejectsWith('DISK_GONE', () => disk.checkPresence())
      await disk.close()
    }
  }),
)

test(
  'history 35: a full disk refuses bodies with DISK_FULL, keeps its reserve, and takes them again when room is made',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles({ totalBytes: 32 * MiB })
    const { disk } = await makeTestDisk({ files })
    const written = []
    for (;;) {
      const sealed = makeBody(3 * MiB, 1, 0)
      try {
        await writeShard(disk, sealed, 0)
        written.push(sealed)
      } catch (error) {
        assert.is((error as { code?: string }).code, 'DISK_FULL')
        break
      }
    }
    assert.ok(written.length >= 8)
    const large = makeBody(1.9 * MiB)
    await rejectsWith('DISK_FULL', async () => {
      for (;;) await writeShard(disk, large, 0)
    })
    assert.is(disk.report().space.hasRoom, false)
    await disk.segments.create(0, 1, new Uint8Array(64))
    await disk.segments.append(0, 1, 64, [new Uint8Array(MiB)])
    for (const sealed of written) assert.ok(await readsBack(disk, sealed, 0))
    await disk.removeShards(written.slice(0, 3).map(({ write }) => write))
    await writeShard(disk, makeBody(3 * MiB, 1, 0), 0)
    await disk.close()
  }),
)

test(
  'history 35: without inodes nothing new is begun, and what is there goes on',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles({ inodes: 270 })
    const { disk } = await makeTestDisk({ files })
    const packed = makeBody(100)
    await writeShard(disk, packed, 0)
    await rejectsWith('DISK_FULL', async () => {
      for (let i = 0; i < 20; i++) await writeShard(disk, makeBody(3 * MiB), 0)
    })
    assert.is(disk.report().space.hasRoom, false)
    await disk.segments.create(0, 1, new Uint8Array(64))
    await disk.close()
  }),
)

test(
  'the last volume is dropped when all of it is garbage, though nothing is written any more',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const bodies = Array.from({ length: 12 }, (_, i) => makeBody(900 * KiB - 64 * i, 1, 0))
    const places = []
    for (const body of bodies) places.push((await writeShard(disk, body, 0))!)
    const entries = places.map((place, i) => ({ ...place, bytes: bodies[i]!.plan.diskBytes }))
    const volumeFiles = async (): Promise<number> =>
      (await disk.listVolumes()).filter(({ bytes }) => bytes > 0).length
    await disk.freePacked(entries.slice(1))
    assert.is(await volumeFiles(), 1)
    await disk.freePacked(entries.slice(0, 1))
    assert.is(await volumeFiles(), 0)
    // The next goes to its successor, and is found.
    const place = (await writeShard(disk, bodies[0]!, 0))!
    assert.is(place.volume, places[0]!.volume + 1)
    assert.ok(await readsBack(disk, bodies[0]!, 0, place))
    // On a disk that was opened anew nothing is appended to the last volume: it has to be given a successor all the same.
    const more = []
    for (const body of bodies) more.push((await writeShard(disk, body, 0))!)
    await disk.close()
    const again = await openTestDisk(files)
    await again.freePacked(
      [place, ...more].map((at, i) => ({ ...at, bytes: bodies[Math.max(0, i - 1)]!.plan.diskBytes })),
    )
    assert.equal(await again.listVolumes(), [{ volume: place.volume + 1, bytes: 0 }])
    await again.close()
  }),
)

test(
  'segments are created, appended, read, listed, restored and removed',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const { segments } = disk
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
    const read = async (segment: number): Promise<string> =>
      new TextDecoder().decode(await segments.read(3, segment, 0, 100))
    assert.equal(await segments.list(3), [])
    await segments.create(3, 1, bytes('head'))
    await segments.append(3, 1, 4, [bytes('one'), bytes('two')])
    await segments.create(3, 2, bytes('next'))
    await rejectsWith('TOO_FEW_DISKS', () => segments.append(3, 1, 10, [bytes('x')]))
    await rejectsWith('DISK_IO', () => segments.create(3, 1, bytes('again')))
    assert.is(await read(1), 'headonetwo')
    await segments.restore(3, 7, 0, bytes('first'), false)
    assert.equal(
      (await segments.list(3)).map(({ segment }) => segment).sort(),
      [1, 2],
      'not before it is whole',
    )
    await segments.restore(3, 7, 5, bytes('second'), true)
    await segments.restore(3, 1, 0, bytes('HEADONETWO'), true)
    assert.equal([await read(7), await read(1)], ['firstsecond', 'HEADONETWO'])
    assert.equal(
      (await segments.list(3)).sort((a, b) => a.segment - b.segment),
      [
        { segment: 1, length: 10 },
        { segment: 2, length: 4 },
        { segment: 7, length: 11 },
      ],
    )
    await segments.remove(3, 7)
    await segments.remove(3, 7)
    await segments.remove(9, 1)
    await rejectsWith('DISK_IO', () => read(7))
    await disk.close()
    const again = await openTestDisk(files)
    await rejectsWith('TOO_FEW_DISKS', () => again.segments.append(3, 2, 4, [bytes('x')]))
    await again.close()
  }),
)

test(
  'on real files, with O_DIRECT where the file system has it',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-disk-'))
    try {
      await formDirectoryAt(root)
      const disk = await openTestDisk(nodeFiles, { root })
      for (const size of [100, 300 * KiB, 5 * MiB + 12_345]) {
        const sealed = makeBody(size)
        const place = await writeShard(disk, sealed, 1)
        assert.ok(await readsBack(disk, sealed, 1, place))
      }
      await disk.close()
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'attack 31: a shard or volume that somebody made a link to another file is damage, and is not written through',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-disk-'))
    try {
      await formDirectoryAt(root)
      const disk = await openTestDisk(nodeFiles, { root })
      const [target, soft, hard, planted] = [
        makeBody(3 * MiB),
        makeBody(3 * MiB),
        makeBody(3 * MiB),
        makeBody(3 * MiB),
      ]
      for (const sealed of [target, soft, hard]) await writeShard(disk, sealed, 0)
      const targetPath = shardPath(root, target.write)
      rmSync(shardPath(root, soft.write))
      symlinkSync(targetPath, shardPath(root, soft.write))
      rmSync(shardPath(root, hard.write))
      linkSync(targetPath, shardPath(root, hard.write))
      assert.equal((await readUnit(disk, soft, 0, 0)).read, { status: 'corrupt', reason: 'ELOOP' })
      assert.equal((await readUnit(disk, hard, 0, 0)).read, { status: 'corrupt', reason: 'EMLINK' })
      const before = readFileSync(targetPath)
      mkdirSync(dirname(shardPath(root, planted.write)), { recursive: true })
      symlinkSync(targetPath, shardPath(root, planted.write))
      symlinkSync(targetPath, volumePath(root, 1))
      await rejectsWith('DISK_IO', () => writeShard(disk, planted, 0))
      await rejectsWith('DISK_IO', () => writeShard(disk, makeBody(100), 0))
      assert.is((await writeShard(disk, makeBody(100), 0))?.volume, 2)
      assert.is(Buffer.compare(readFileSync(targetPath), before), 0)
      await disk.close()
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

const formDirectoryAt = async (root: string): Promise<void> => {
  const file = await nodeFiles.open(`${root}/disk.json`, 'create')
  await file.close()
  await nodeFiles.makeDirectory(`${root}/shards`)
}

test.run()
