// The real engine keeps every promise of the reference store, and gives back every slab it took.
import { Buffer } from 'node:buffer'
import { MiB } from '../../src/base/units.ts'
import { bodyOf, engineContract, readBytes } from '../model/engine-contract.ts'
import { openProbedStore } from '../support/engine-probe.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

engineContract('actors over disks in memory', openProbedStore)

const test = suite('engine')
const LIMIT_MS = 20_000
const OWNER = 'a'.repeat(64)
const SIZES = [0, 1, 16_384, 16_385, 70_000, 1 * MiB, 4 * MiB - 1, 4 * MiB, 9_500_000]

const fill = (size: number): Uint8Array => Buffer.alloc(size, Buffer.from(`${size} moraine `))

const putAll = async (engine: Parameters<typeof readBytes>[0]): Promise<void> => {
  await engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
  for (const size of SIZES) {
    const request = { bucket: 'bucket', key: `${size}`, owner: OWNER, headers: [], metadata: [] }
    await engine.objects.put(request, bodyOf(fill(size)))
  }
}

test(
  'every slab is back when the work is done',
  deadline(LIMIT_MS, async () => {
    const { engine, arena, close } = await openProbedStore()
    await putAll(engine)
    for (const size of SIZES) await readBytes(engine, { bucket: 'bucket', key: `${size}` })
    assert.equal(arena.inUse(), { small: 0, large: 0 })
    await close()
  }),
)

test(
  'any range of any size is the range of the body',
  deadline(LIMIT_MS, async () => {
    const { engine, arena, close } = await openProbedStore()
    await putAll(engine)
    for (const size of SIZES.filter((size) => size > 1)) {
      const whole = fill(size)
      const cuts = [0, 1, 65_535, 65_536, 65_537, MiB - 1, MiB, 4 * MiB - 3, size - 1].filter(
        (cut) => cut < size,
      )
      for (const start of cuts) {
        for (const length of [1, 65_536, size].map((wanted) => Math.min(wanted, size - start))) {
          const read = await readBytes(engine, { bucket: 'bucket', key: `${size}` }, { start, length })
          assert.ok(
            Buffer.compare(read, whole.subarray(start, start + length)) === 0,
            `${size}: ${start}+${length}`,
          )
        }
      }
    }
    assert.equal(arena.inUse(), { small: 0, large: 0 })
    await close()
  }),
)

test(
  'what was acknowledged is there after a restart',
  deadline(LIMIT_MS, async () => {
    const first = await openProbedStore()
    await putAll(first.engine)
    await first.close()
    const second = await openProbedStore(first.files)
    for (const size of SIZES) {
      const read = await readBytes(second.engine, { bucket: 'bucket', key: `${size}` })
      assert.ok(Buffer.compare(read, fill(size)) === 0, `${size}`)
    }
    await second.close()
  }),
)

test.run()
