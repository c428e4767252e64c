// What a disk says of damage that its reader makes up for: with the file and the place, and never in a flood.
import type { WriteId } from '../../src/base/ids.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { createDamageLog } from '../../src/storage/damage-log.ts'
import { freePath, shardPath, volumePath } from '../../src/storage/layout.ts'
import { entryBytesOf } from '../../src/storage/unit.ts'
import { flipByte, makeTestDisk, openTestDisk, readUnit, TEST_ROOT, writeShard } from '../support/disks.ts'
import { createLogLines } from '../support/log-lines.ts'
import { randomBody, randomWriteId, sealBody } from '../support/stripes.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('damage log')
const LIMIT_MS = 10_000
const random = createPrng(1)
const makeBody = (size: number) => sealBody(randomWriteId(random), randomBody(random, size), 2, 1)

test(
  'a damaged shard is told once, with its file and its place in it, however often it is read',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const { files, disk } = await makeTestDisk({ log })
    const large = makeBody(5 * MiB)
    await writeShard(disk, large, 0)
    const packed = makeBody(100 * KiB)
    await writeShard(disk, makeBody(60 * KiB), 0)
    const place = (await writeShard(disk, packed, 0))!
    await flipByte(files, shardPath(TEST_ROOT, large.write), 2 * MiB)
    await flipByte(files, volumePath(TEST_ROOT, place.volume), place.offset + 99)
    for (let i = 0; i < 3; i++) {
      assert.is((await readUnit(disk, large, 0, 1)).read.status, 'corrupt')
      assert.is((await readUnit(disk, packed, 0, 0, { place })).read.status, 'corrupt')
    }
    assert.equal(
      of('disk.corrupt').map(({ level, fields }) => [
        level,
        fields['write'],
        fields['file'],
        fields['offset'],
      ]),
      [
        ['warn', large.write, `shards/${large.write.slice(0, 2)}/${large.write}`, MiB + 4096],
        ['warn', packed.write, `volumes/${place.volume}.vol`, place.offset],
      ],
    )
    // What was written anew and is damaged again is news.
    const again = await disk.replaceShard(large.write, large.plan.diskBytes)
    await again.abort()
    assert.is((await readUnit(disk, large, 0, 1)).read.status, 'corrupt')
    assert.is(of('disk.corrupt').length, 3)
    await disk.close()
  }),
)

test('of a disk that is damaged all over a hundred shards are told, and then how many', () => {
  const { log, of } = createLogLines()
  const damage = createDamageLog(log, 'disk.corrupt')
  for (let i = 0; i < 12_345; i++) damage.note(`${i}` as WriteId, 'file', { i })
  const told = of('disk.corrupt').map(({ fields }) => fields)
  assert.is(told.length, 102)
  assert.equal(told.slice(-3), [{ i: 99 }, { i: 999, count: 1000 }, { i: 9999, count: 10_000 }])
})

test(
  'damaged notes of freed shards are told once for each volume; what a power cut left is not',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const { files, disk } = await makeTestDisk()
    const entries = []
    for (let i = 0; i < 6; i++) {
      const place = (await writeShard(disk, makeBody(60 * KiB), 0))!
      entries.push({ ...place, bytes: entryBytesOf(30 * KiB) })
    }
    await disk.freePacked(entries.slice(0, 4))
    await disk.close()
    const { volume } = entries[0]!
    const path = freePath(TEST_ROOT, volume)
    const torn = await files.open(path, 'update')
    await torn.write([new Uint8Array(16)], 4 * 16)
    await torn.close()
    const quiet = await openTestDisk(files, { log })
    await quiet.freePacked(entries.slice(4, 5))
    assert.equal(of('disk.notes-damaged'), [])
    await quiet.close()

    for (const position of [17, 33]) await flipByte(files, path, position)
    const again = await openTestDisk(files, { log })
    for (let i = 0; i < 2; i++) await again.freePacked(entries.slice(5))
    await again.volumeUsage(volume)
    assert.equal(
      of('disk.notes-damaged').map(({ level, fields }) => [level, fields]),
      [['warn', { disk: 1, volume, file: `volumes/${volume}.free`, offset: 16, notes: 2 }]],
    )
    // Two notes less: it is not taken for garbage as a whole.
    assert.is((await again.listVolumes()).length, 1)
    await again.close()
  }),
)

test.run()
