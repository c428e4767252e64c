// What compaction and the scrub ask of a disk: which entries of a volume are left, and copies of them elsewhere.
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import type { Disk } from '../../src/storage/disk.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { volumePath } from '../../src/storage/layout.ts'
import { entryBytesOf } from '../../src/storage/unit.ts'
import type { PackedPlace } from '../../src/storage/volumes.ts'
import { flipByte, makeTestDisk, openTestDisk, readsBack, TEST_ROOT, writeShard } from '../support/disks.ts'
import { randomBody, randomWriteId, type SealedBody, sealBody } from '../support/stripes.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('moving')
const LIMIT_MS = 30_000
const random = createPrng(1)
const makeBody = (size: number, k = 2, m = 1): SealedBody =>
  sealBody(randomWriteId(random), randomBody(random, size), k, m)

const looseIn = async (disk: Disk, volume: number, passesDamage = false): Promise<string[]> => {
  const found: string[] = []
  let next: number | undefined = 0
  while (next !== undefined) {
    const page: Awaited<ReturnType<Disk['looseEntries']>> = await disk.looseEntries(
      volume,
      next,
      passesDamage,
    )
    found.push(...page.entries.map(({ write, offset }) => `${write}@${offset}`))
    next = page.next
  }
  return found
}
const unitOf = ({ write, k, m, plan }: SealedBody, index: number, place: PackedPlace) => ({
  ...{ write, k, m, index, stripe: 0, payloadBytes: plan.lastPayloadBytes, place },
})

test(
  'what was not freed of a volume is found, up to where it is damaged, or behind that as well',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const sealed = Array.from({ length: 40 }, (_, i) => makeBody(1 + i * 3 * KiB))
    // More than one look finds.
    const bodies = Array.from({ length: 600 }, (_, i) => sealed[i % 40]!)
    const places: PackedPlace[] = []
    for (const body of bodies) places.push((await writeShard(disk, body, 0))!)
    const nameOf = (i: number): string => `${bodies[i]!.write}@${places[i]!.offset}`
    const all = bodies.map((_, i) => i)
    assert.equal(await looseIn(disk, 1), all.map(nameOf))
    const freed = [0, 7, 8, 39].map((i) => ({
      ...places[i]!,
      bytes: entryBytesOf(bodies[i]!.plan.lastPayloadBytes),
    }))
    await disk.freePacked(freed)
    const left = all.filter((i) => ![0, 7, 8, 39].includes(i))
    assert.equal(await looseIn(disk, 1), left.map(nameOf))
    await flipByte(files, volumePath(TEST_ROOT, 1), places[20]!.offset)
    assert.equal(await looseIn(disk, 1), left.filter((i) => i < 20).map(nameOf))
    assert.equal(await looseIn(disk, 1, true), left.filter((i) => i !== 20).map(nameOf))
    await disk.close()
  }),
)

test(
  'an entry that lies in a body is none',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    // A body that holds a whole sealed entry, as a copy of a volume would.
    const inner = makeBody(40 * KiB)
    const place = (await writeShard(disk, inner, 0))!
    const file = await files.open(volumePath(TEST_ROOT, place.volume), 'read')
    const copy = new Uint8Array(64 * KiB)
    await file.read(copy, 64)
    await file.close()
    const outer = sealBody(randomWriteId(random), copy, 1, 0)
    const at = (await writeShard(disk, outer, 0))!
    assert.is((await looseIn(disk, 1)).length, 2)
    await flipByte(files, volumePath(TEST_ROOT, at.volume), at.offset)
    assert.equal(await looseIn(disk, 1), [`${inner.write}@${place.offset}`])
    await disk.close()
  }),
)

test(
  'a volume that was dropped since it was listed has nothing, and the disk goes on',
  deadline(LIMIT_MS, async () => {
    const { disk } = await makeTestDisk()
    const sealed = makeBody(100 * KiB)
    const place = (await writeShard(disk, sealed, 0))!
    await disk.closeVolume(1)
    await disk.freePacked([{ ...place, bytes: entryBytesOf(sealed.plan.lastPayloadBytes) }])
    assert.equal(
      (await disk.listVolumes()).map(({ volume }) => volume),
      [2],
    )
    assert.equal(await disk.looseEntries(1, 0), { entries: [] })
    assert.equal(await disk.volumeUsages(), [])
    assert.is(await disk.repack(unitOf(sealed, 0, place)), undefined)
    await disk.checkPresence()
    await disk.close()
  }),
)

test(
  'a copy is the same shard, durable, in the volume that is written to; of what is damaged there is none',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeTestDisk()
    const bodies = [1, 64, 20 * KiB, 300 * KiB, 1900 * KiB].map((size) => makeBody(size))
    const places: PackedPlace[] = []
    for (const sealed of bodies) places.push((await writeShard(disk, sealed, 1))!)
    await disk.closeVolume(1)
    const damaged = bodies.length - 1
    await flipByte(files, volumePath(TEST_ROOT, 1), places[damaged]!.offset + 500 * KiB)
    const copies = await Promise.all(bodies.map((sealed, i) => disk.repack(unitOf(sealed, 1, places[i]!))))
    await disk.close()
    const again = await openTestDisk(files)
    for (const [i, copy] of copies.entries()) {
      if (i === damaged) assert.is(copy, undefined)
      else {
        assert.is(copy?.volume, 2)
        assert.ok(await readsBack(again, bodies[i]!, 1, copy))
      }
    }
    await again.close()
  }),
)

test(
  'on a full disk there is room to move, half of the reserve of it',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles({ totalBytes: 64 * MiB })
    const { disk } = await makeTestDisk({ files, reserveBytes: 8 * MiB })
    const bodies: { sealed: SealedBody; place: PackedPlace }[] = []
    await rejectsWith('DISK_FULL', async () => {
      for (;;) {
        const sealed = makeBody(1900 * KiB)
        bodies.push({ sealed, place: (await writeShard(disk, sealed, 0))! })
      }
    })
    await disk.closeVolume(bodies[0]!.place.volume)
    let moved = 0
    await rejectsWith('DISK_FULL', async () => {
      for (const { sealed, place } of bodies) {
        assert.ok(await disk.repack(unitOf(sealed, 0, place)))
        moved++
      }
    })
    assert.ok(moved >= 3 && moved <= 5, `${moved} of some 950 KiB`)
    await disk.close()
  }),
)

test.run()
