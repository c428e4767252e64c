// Volumes of which much was freed: what is alive in them moves, what is being read is read to its end, and what they take
// comes down to what is alive.
import { pays } from '../../src/actors/compactor.ts'
import type { Random } from '../../src/base/prng.ts'
import { KiB, MINUTE, MiB, SECOND } from '../../src/base/units.ts'
import type { MemoryFiles } from '../../src/storage/files-memory.ts'
import { planStripes } from '../../src/storage/stripes.ts'
import { flipByte } from '../support/disks.ts'
import { filesBelow } from '../support/memory-tree.ts'
import {
  address,
  beginStage,
  check,
  put,
  ROOTS,
  remove,
  reopen,
  type Stage,
  scrub,
  WELL,
} from '../support/stage.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('compactor')
const LIMIT_MS = 120_000
const [K, M] = [4, 2]
const begin = (seed: number): Promise<Stage> => beginStage(seed, { partitions: 2 })
const volumeBytes = async (files: MemoryFiles): Promise<number> => {
  let sum = 0
  for (const root of ROOTS) {
    for (const { bytes } of await filesBelow(files, `${root}/volumes`)) sum += bytes
  }
  return sum
}
const aliveBytes = (bodies: ReadonlyMap<string, Buffer>): number =>
  [...bodies.values()].reduce((sum, { length }) => sum + (K + M) * planStripes(length, K).diskBytes, 0)
const fillPacked = async (stage: Stage, random: Random, count: number): Promise<void> => {
  for (let i = 0; i < count; i++) {
    const size = 20 * KiB + random.below(1 * MiB)
    await put(stage, `key-${i}`, Buffer.alloc(size, `${i} `))
  }
}

test(
  'what volumes take comes down to what is alive, whatever was deleted and overwritten',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await fillPacked(stage, random, 60)
    const full = await volumeBytes(stage.files)
    // Four of five go, or are replaced, in no order: every volume keeps something.
    const keys = [...stage.bodies.keys()]
    for (const key of keys) {
      const fate = random.below(5)
      if (fate < 3) await remove(stage, key)
      else if (fate === 3) await put(stage, key, Buffer.alloc(30 * KiB, `new ${key} `))
    }
    await stage.store.pass(MINUTE)
    const left = await volumeBytes(stage.files)
    const alive = aliveBytes(stage.bodies)
    assert.ok(left <= 1.3 * alive + 6 * MiB, `${left} of ${full} bytes for ${alive}`)
    assert.ok(left < full / 2, `${left} of ${full} bytes`)
    await check(stage)
    await stage.store.close()
    const again = await reopen(stage)
    await check(again)
    assert.equal(await scrub(again), WELL)
    for (const root of ['/d2', '/d5']) again.files.removeTree(root)
    await again.store.pass(10 * SECOND)
    await check(again)
    await again.store.close()
  }),
)

test(
  'history 31: what is read while it is moved on all its disks is read to its end',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await fillPacked(stage, random, 30)
    const { run, engine } = stage.store
    const kept = Buffer.alloc(900 * KiB, 'kept ')
    await put(stage, 'kept', kept)
    const reading = await run(engine.objects.open(address('kept')))
    const opened = reading.read({ start: 0, length: kept.length })
    for (const key of [...stage.bodies.keys()]) if (key !== 'kept') await remove(stage, key)
    const before = await volumeBytes(stage.files)
    await stage.store.pass(MINUTE)
    const pieces: Buffer[] = []
    const read = async (): Promise<void> => {
      for await (const { bytes, release } of opened) {
        pieces.push(Buffer.from(bytes))
        release()
      }
    }
    await run(read())
    assert.ok(Buffer.concat(pieces).equals(kept))
    reading.close()
    await stage.store.pass(MINUTE)
    assert.ok((await volumeBytes(stage.files)) < before / 4)
    await check(stage)
    await stage.store.close()
  }),
)

test(
  'a shard that is found damaged on the way is repaired, and its volume goes all the same',
  seeded(LIMIT_MS, async (random, seed) => {
    const stage = await begin(seed)
    await put(stage, 'kept', Buffer.alloc(200 * KiB, 'kept '))
    const [volume] = await filesBelow(stage.files, '/d1/volumes')
    // The first entry begins behind the header of the volume: this is in its payload.
    await flipByte(stage.files, volume!.path, 5000)
    await fillPacked(stage, random, 20)
    for (const key of [...stage.bodies.keys()]) if (key !== 'kept') await remove(stage, key)
    await stage.store.pass(MINUTE)
    const left = (await filesBelow(stage.files, '/d1/volumes')).filter(({ path }) => path.endsWith('.vol'))
    assert.not(
      left.some(({ path }) => path === volume!.path),
      'it was dropped',
    )
    await check(stage)
    for (const root of ['/d3', '/d4']) stage.files.removeTree(root)
    await stage.store.pass(10 * SECOND)
    await check(stage)
    await stage.store.close()
  }),
)

test('a volume is gone through when it pays, and again only when there is more to gain', () => {
  const usage = (bytes: number, garbageBytes: number) => ({ volume: 1, bytes, garbageBytes })
  assert.is(pays(usage(100 * MiB, 19 * MiB)), false)
  assert.is(pays(usage(100 * MiB, 20 * MiB)), true)
  assert.is(pays(usage(MiB / 2, MiB / 2)), false)
  assert.is(pays(usage(100 * MiB, 20.5 * MiB), 20 * MiB), false)
  assert.is(pays(usage(100 * MiB, 21 * MiB), 20 * MiB), true)
})

test.run()
