// Power cuts at every step of what storage writes: what was acknowledged is whole afterwards, what was not is whole or not
// there, and the disk goes on.
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { Disk } from '../../src/storage/disk.ts'
import { entryBytesOf } from '../../src/storage/unit.ts'
import type { PackedPlace } from '../../src/storage/volumes.ts'
import { crashStates } from '../support/crash-states.ts'
import { formDirectory, openTestDisk, readsBack, readUnit, TEST_ROOT, writeShard } from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { randomBody, randomWriteId, type SealedBody, sealBody } from '../support/stripes.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('storage after a power cut')
const LIMIT_MS = 60_000
const start = (files: FileSystem): Promise<void> => formDirectory(files, TEST_ROOT)

interface Written {
  readonly sealed: SealedBody
  readonly place: PackedPlace | undefined
}

/** Never wrong bytes, and whole when `mustBeWhole`. */
const checkShard = async (
  disk: Disk,
  { sealed, place }: Written,
  mustBeWhole: boolean,
  description: string,
): Promise<void> => {
  for (const stripe of sealed.units.keys()) {
    const { read, payload } = await readUnit(disk, sealed, 0, stripe, place === undefined ? {} : { place })
    if (mustBeWhole) assert.is(read.status, 'ok', description)
    if (read.status !== 'ok') continue
    assert.is(Buffer.compare(payload, sealed.units[stripe]![0]!.subarray(4096, 4096 + payload.length)), 0)
  }
}

test(
  'packed shards: every acknowledged one is whole, and new ones do not disturb them',
  seeded(LIMIT_MS, async (random) => {
    const faulty = await createFaultyFiles({}, start)
    const disk = await openTestDisk(faulty)
    const bodies = [300, 20 * KiB, 70 * KiB, 5].map((size) =>
      sealBody(randomWriteId(random), randomBody(random, size), 1, 0),
    )
    const written = new Map<string, Written>()
    const writeOne = async (index: number): Promise<void> => {
      const sealed = bodies[index]!
      written.set(`${index}`, { sealed, place: await writeShard(disk, sealed, 0) })
      faulty.mark(`${index}`)
    }
    await writeOne(0)
    await Promise.all([writeOne(1), writeOne(2)])
    await writeOne(3)
    let states = 0
    for await (const { files, marks, description } of crashStates(faulty, random, start)) {
      states += 1
      const after = await openTestDisk(files)
      const fresh = sealBody(randomWriteId(random), random.bytes(100), 1, 0)
      const place = await writeShard(after, fresh, 0)
      for (const [label, shard] of written) {
        await checkShard(after, shard, marks.has(label), `${label}: ${description}`)
      }
      assert.ok(await readsBack(after, fresh, 0, place), description)
      for (const { volume } of await after.listVolumes()) await after.walkVolume(volume, 0, 100)
      await after.close()
    }
    assert.ok(states > 50)
  }),
)

test(
  'a large shard is whole once it was sealed, and gone once its removal was acknowledged',
  seeded(LIMIT_MS, async (random) => {
    const faulty = await createFaultyFiles({ direct: true }, start)
    const disk = await openTestDisk(faulty)
    const sealed = sealBody(randomWriteId(random), randomBody(random, MiB + 100), 1, 0)
    await writeShard(disk, sealed, 0)
    faulty.mark('sealed')
    faulty.mark('removing')
    await disk.removeShards([sealed.write])
    faulty.mark('removed')
    for await (const { files, marks, description } of crashStates(faulty, random, start)) {
      const after = await openTestDisk(files)
      const isThere = marks.has('sealed') && !marks.has('removing')
      await checkShard(after, { sealed, place: undefined }, isThere, description)
      const { read } = await readUnit(after, sealed, 0, 0)
      if (marks.has('removed')) assert.is(read.status, 'missing', description)
      await after.close()
    }
  }),
)

test(
  'a second shard in a directory that a killed process made and did not sync',
  seeded(LIMIT_MS, async (random) => {
    const faulty = await createFaultyFiles({}, start)
    const first = await openTestDisk(faulty)
    const one = sealBody(randomWriteId(random), randomBody(random, MiB), 1, 0)
    const two = sealBody(`${one.write.slice(0, 2)}${'7'.repeat(30)}` as typeof one.write, one.body, 1, 0)
    await first.createShard(one.write, one.plan.diskBytes)
    // The process ends here; its directory entry is in the page cache only. Another process finds the directory.
    const second = await openTestDisk(faulty)
    await writeShard(second, two, 0)
    faulty.mark('acknowledged')
    for await (const { files, marks, description } of crashStates(faulty, random, start)) {
      const after = await openTestDisk(files)
      await checkShard(after, { sealed: two, place: undefined }, marks.has('acknowledged'), description)
      await after.close()
    }
  }),
)

test(
  'segments keep every acknowledged byte, and a restored copy appears only whole',
  seeded(LIMIT_MS, async (random) => {
    const faulty = await createFaultyFiles({}, start)
    const { segments } = await openTestDisk(faulty)
    const pieces = [64, 3_000, 700, 9_000].map((size) => random.bytes(size))
    await segments.create(0, 5, pieces[0]!)
    faulty.mark('64')
    let length = 64
    for (const piece of pieces.slice(1)) {
      await segments.append(0, 5, length, [piece.subarray(0, 100), piece.subarray(100)])
      length += piece.length
      faulty.mark(`${length}`)
    }
    const whole = Buffer.concat(pieces)
    await segments.restore(0, 4, 0, whole.subarray(0, 5_000), false)
    await segments.restore(0, 4, 5_000, whole.subarray(5_000), true)
    faulty.mark('restored')
    for await (const { files, marks, description } of crashStates(faulty, random, start)) {
      const after = (await openTestDisk(files)).segments
      const names = (await after.list(0)).map(({ segment }) => segment)
      const acknowledged = Math.max(0, ...[...marks].map(Number).filter(Number.isFinite))
      if (acknowledged > 0) {
        const kept = await after.read(0, 5, 0, acknowledged)
        assert.is(Buffer.compare(kept, whole.subarray(0, acknowledged)), 0, description)
      }
      assert.ok(!marks.has('restored') || names.includes(4), description)
      if (names.includes(4)) {
        assert.is(Buffer.compare(await after.read(0, 4, 0, whole.length + 1), whole), 0, description)
      }
    }
  }),
)

test(
  'a volume is dropped only when everything in it was freed, and frees that were acknowledged are not forgotten',
  seeded(LIMIT_MS, async (random) => {
    const options = { volumeBytesMax: 64 + 2 * entryBytesOf(256) }
    const faulty = await createFaultyFiles({}, start)
    const disk = await openTestDisk(faulty, options)
    const written: Written[] = []
    for (let i = 0; i < 5; i++) {
      const sealed = sealBody(randomWriteId(random), random.bytes(256), 1, 0)
      written.push({ sealed, place: await writeShard(disk, sealed, 0) })
    }
    const entries = written.map(({ place }) => ({ ...place!, bytes: entryBytesOf(256) }))
    const first = faulty.log.length
    for (const [i, entry] of entries.slice(0, 3).entries()) {
      faulty.mark(`freeing ${i}`)
      await disk.freePacked([entry])
      faulty.mark(`freed ${i}`)
    }
    for await (const { files, marks, description } of crashStates(faulty, random, start, first)) {
      const after = await openTestDisk(files, options)
      for (const [i, shard] of written.entries()) {
        // 0 and 1 are all of volume 1: they may go with each other, not before the last was to be freed.
        const isAlive = i >= 2 || (i <= 1 && !marks.has('freeing 1'))
        await checkShard(after, shard, isAlive, `${i}: ${description}`)
      }
      // What was not acknowledged is said again; then the volume has to be gone.
      await after.freePacked(entries.slice(0, 2).filter((_, i) => !marks.has(`freed ${i}`)))
      const left = (await after.listVolumes()).map(({ volume }) => volume).sort()
      assert.equal(left, [2, 3], description)
      await after.close()
    }
  }),
)

test(
  'the number of a dropped volume is never given again',
  seeded(LIMIT_MS, async (random) => {
    const options = { volumeBytesMax: 64 + entryBytesOf(256) }
    const faulty = await createFaultyFiles({}, start)
    const disk = await openTestDisk(faulty, options)
    const make = () => sealBody(randomWriteId(random), random.bytes(256), 1, 0)
    const place = (await writeShard(disk, make(), 0))!
    await disk.freePacked([{ ...place, bytes: entryBytesOf(256) }])
    const first = faulty.log.length
    await writeShard(disk, make(), 0)
    await disk.freePacked([])
    assert.equal(
      (await disk.listVolumes()).map(({ volume }) => volume),
      [2],
    )
    for await (const { files, description } of crashStates(faulty, random, start, first)) {
      const after = await openTestDisk(files, options)
      assert.ok((await writeShard(after, make(), 0))!.volume > 1, description)
      await after.close()
    }
  }),
)

test(
  'history 13: after a failed sync nothing more is written to that file, and what is acknowledged is durable',
  seeded(LIMIT_MS, async (random) => {
    const faulty = await createFaultyFiles({}, start)
    const disk = await openTestDisk(faulty)
    const bodies = Array.from({ length: 3 }, () => sealBody(randomWriteId(random), random.bytes(500), 1, 0))
    const large = sealBody(randomWriteId(random), randomBody(random, MiB), 1, 0)
    const codes: unknown[] = []
    const failing = (action: Promise<unknown>): Promise<void> =>
      action.then(
        () => void codes.push('no error'),
        (error: { code?: unknown }) => void codes.push(error.code),
      )
    const first = await writeShard(disk, bodies[0]!, 0)
    faulty.inject({ operation: 'sync', path: 'volumes/', effect: { kind: 'error', code: 'EIO' } })
    await failing(writeShard(disk, bodies[1]!, 0))
    const third = await writeShard(disk, bodies[2]!, 0)
    assert.equal([first?.volume, third?.volume], [1, 2])

    faulty.inject({ operation: 'sync', path: 'shards/', effect: { kind: 'error', code: 'EIO' } })
    const writer = await disk.createShard(large.write, large.plan.diskBytes)
    await writer.append(large.units[0]![0]!)
    await failing(writer.seal())
    await failing(writer.seal())
    await failing(writer.append(large.units[0]![0]!))
    await writer.abort()

    await disk.segments.create(0, 1, new Uint8Array(64))
    faulty.inject({ operation: 'sync', path: 'journal/', effect: { kind: 'error', code: 'EIO' } })
    await failing(disk.segments.append(0, 1, 64, [new Uint8Array(10)]))
    await failing(disk.segments.append(0, 1, 64, [new Uint8Array(10)]))
    await disk.segments.create(0, 2, new Uint8Array(64))
    assert.equal(codes, ['DISK_IO', 'DISK_IO', 'ASSERTION', 'ASSERTION', 'DISK_IO', 'DISK_IO'])
    faulty.mark('end')
    for await (const { files, marks, description } of crashStates(faulty, random, start, faulty.log.length)) {
      assert.ok(marks.has('end'))
      const after = await openTestDisk(files)
      await checkShard(after, { sealed: bodies[0]!, place: first }, true, description)
      await checkShard(after, { sealed: bodies[2]!, place: third }, true, description)
      await after.close()
    }
  }),
)

test('the crash states find a missing sync', async () => {
  // The canary: a disk whose directory syncs do nothing must lose an acknowledged shard in some state.
  const random = createPrng(1)
  const faulty = await createFaultyFiles({}, start)
  const disk = await openTestDisk({ ...faulty, syncDirectory: async () => undefined })
  const sealed = sealBody(randomWriteId(random), random.bytes(500), 1, 0)
  const place = await writeShard(disk, sealed, 0)
  const outcomes = new Set<string>()
  for await (const { files } of crashStates(faulty, random, start, faulty.log.length)) {
    const after = await openTestDisk(files)
    const { read } = await readUnit(after, sealed, 0, 0, { place: place! })
    outcomes.add(read.status)
    await after.close()
  }
  assert.equal([...outcomes].sort(), ['missing', 'ok'])
})

test.run()
