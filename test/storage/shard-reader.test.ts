// Whole units read from the medium: what is whole is found whole wherever it lies, and damage anywhere in it is found.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { Disk } from '../../src/storage/disk.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { shardPath, volumePath } from '../../src/storage/layout.ts'
import type { PlacedUnit } from '../../src/storage/shard-reader.ts'
import { payloadBytesOf } from '../../src/storage/stripes.ts'
import { PAGE_BYTES } from '../../src/storage/unit.ts'
import type { PackedPlace } from '../../src/storage/volumes.ts'
import {
  flipByte,
  formDirectory,
  makeTestDisk,
  openTestDisk,
  TEST_ROOT,
  writeShard,
} from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { randomBody, randomWriteId, type SealedBody, sealBody } from '../support/stripes.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('shard reader')
const LIMIT_MS = 30_000
const random = createPrng(1)
const makeBody = (size: number, k = 2, m = 1): SealedBody =>
  sealBody(randomWriteId(random), randomBody(random, size), k, m)

/** The units of shard `index`, in order. */
const unitsOf = ({ write, k, m, plan }: SealedBody, index: number, place?: PackedPlace): PlacedUnit[] =>
  Array.from({ length: plan.stripes }, (_, stripe) => ({
    ...{ write, k, m, index, stripe, payloadBytes: payloadBytesOf(plan, stripe) },
    ...(place && { place }),
  }))
const statuses = async (disk: Disk, units: readonly PlacedUnit[]): Promise<string[]> =>
  (await disk.verifyUnits(units)).map(({ status }) => status)

const SIZES = [1, 64, 20 * KiB, 300 * KiB, 2 * MiB - 200 * KiB, 2 * MiB, 5 * MiB + 12_345]

const wholeEverywhere = async (files: FileSystem, root: string): Promise<void> => {
  const disk = await openTestDisk(files, { root })
  const units: PlacedUnit[] = []
  for (const size of SIZES) {
    const sealed = makeBody(size)
    units.push(...unitsOf(sealed, 1, await writeShard(disk, sealed, 1)))
  }
  assert.equal(
    await statuses(disk, units),
    units.map(() => 'ok'),
  )
  await disk.close()
}

for (const direct of [true, false]) {
  test(
    `what is whole is found whole, ${direct ? 'with' : 'without'} direct reads`,
    deadline(LIMIT_MS, async () => {
      const { files, disk } = await makeTestDisk({ files: createMemoryFiles({ direct }) })
      await disk.close()
      await wholeEverywhere(files, TEST_ROOT)
    }),
  )
}

test(
  'what is whole is found whole on real files, at every place of a volume',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-reader-'))
    try {
      rmSync(root, { recursive: true })
      await formDirectory(nodeFiles, root)
      await wholeEverywhere(nodeFiles, root)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'a changed byte is found wherever it lies, and only in its unit',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const large = makeBody(5 * MiB)
    await writeShard(disk, large, 0)
    const packed = makeBody(100 * KiB)
    const place = (await writeShard(disk, packed, 0))!
    const neighbour = makeBody(100 * KiB)
    const next = (await writeShard(disk, neighbour, 0))!
    const units = [...unitsOf(large, 0), ...unitsOf(packed, 0, place), ...unitsOf(neighbour, 0, next)]
    assert.is(units.length, 5)
    const damaged = async (path: string, position: number): Promise<number[]> => {
      await flipByte(files, path, position)
      const found = await statuses(disk, units)
      await flipByte(files, path, position)
      return found.flatMap((status, i) => (status === 'corrupt' ? [i] : []))
    }
    const path = shardPath(TEST_ROOT, large.write)
    for (const position of [0, 9, 41, 107, PAGE_BYTES, PAGE_BYTES + 70 * KiB, PAGE_BYTES + MiB - 1]) {
      assert.equal(await damaged(path, position), [0], `byte ${position}`)
      assert.equal(await damaged(path, position + PAGE_BYTES + MiB), [1], `byte ${position} of the next unit`)
    }
    const volume = volumePath(TEST_ROOT, place.volume)
    for (let at = place.offset; at < place.offset + 50 * KiB; at += 1999) {
      assert.equal(await damaged(volume, at), [3], `byte ${at} of the volume`)
    }
    assert.equal(await damaged(volume, next.offset), [4])
    assert.equal(await damaged(volume, next.offset - 1), [], 'padding is nobody’s')
    await disk.close()
  }),
)

test(
  'what is not there, too short or another’s is told from what is whole',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const large = makeBody(5 * MiB)
    await writeShard(disk, large, 0)
    const packed = makeBody(100 * KiB)
    const place = (await writeShard(disk, packed, 0))!
    const [unit] = unitsOf(packed, 0, place)
    assert.equal(
      await statuses(disk, [
        { ...unit!, place: { ...place, volume: 99 } },
        { ...unit!, place: { ...place, offset: place.offset + 64 } },
        { ...unit!, place: { ...place, offset: place.offset + MiB } },
        { ...unit!, index: 1 },
        ...unitsOf(makeBody(5 * MiB), 0),
        ...unitsOf(large, 0),
      ]),
      ['missing', 'corrupt', 'corrupt', 'corrupt', 'missing', 'missing', 'missing', 'ok', 'ok', 'ok'],
    )
    const file = await files.open(shardPath(TEST_ROOT, large.write), 'update')
    await file.truncate(2 * MiB)
    await file.close()
    assert.equal(await statuses(disk, unitsOf(large, 0)), ['ok', 'corrupt', 'corrupt'])
    await disk.close()
  }),
)

test(
  'a unit that cannot be read is damage of that unit; a read that may not be direct is none',
  deadline(LIMIT_MS, async () => {
    const files = await createFaultyFiles({ direct: true })
    const { disk } = await makeTestDisk({ files })
    const large = makeBody(7 * MiB)
    await writeShard(disk, large, 0)
    const path = large.write
    files.inject({ operation: 'read', path, after: 0, effect: { kind: 'error', code: 'EINVAL' } })
    assert.equal(await statuses(disk, unitsOf(large, 0)), ['ok', 'ok', 'ok', 'ok'])
    // The second unit, whichever way it is read.
    files.inject({ operation: 'read', path, after: 1, effect: { kind: 'error', code: 'EIO' } })
    files.inject({ operation: 'read', path, after: 1, effect: { kind: 'error', code: 'EIO' } })
    const found = await statuses(disk, unitsOf(large, 0))
    assert.is(found.filter((status) => status === 'corrupt').length, 1)
    assert.is(found.length, 4)
    files.inject({ operation: 'open', path, effect: { kind: 'error', code: 'EIO' } })
    assert.equal(await statuses(disk, unitsOf(large, 0)), ['corrupt', 'corrupt', 'corrupt', 'corrupt'])
    await disk.close()
  }),
)

test.run()
