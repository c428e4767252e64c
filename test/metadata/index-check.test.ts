// Indexes that lack, contradict or have lost what was committed are found, made anew from the journal, and right again; and
// nothing is found where nothing is wrong, whatever is committed meanwhile.
import type { Random } from '../../src/base/prng.ts'
import { currentKey, keyBytes } from '../../src/metadata/keys.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import { RecordingStore } from '../support/index-stores.ts'
import { openPartition, putText, readText } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('index check')
const LIMIT_MS = 30_000

interface Stage {
  readonly partition: Partition
  readonly stores: readonly RecordingStore[]
  /** The index's key of an object. */
  keyOf(name: string): Buffer
}

const reopening = new Set<Promise<void>>()

const begin = async (count = 2): Promise<Stage> => {
  const stores = Array.from({ length: count }, () => new RecordingStore())
  const disks = createSegmentDisks(6)
  const partition = await openPartition(
    { disks, indexes: [...stores] },
    {
      segmentBytes: 20_000,
      // A lost one is given back empty.
      onIndexLost(position) {
        const store = stores[position]!
        reopening.add(store.clear().then(() => partition.attachIndex(position, store)))
      },
    },
  )
  await partition.createBucket('b', { owner: 'me', region: 'r' })
  for (let i = 0; i < 100; i++) await putText(partition, 'b', `k${i}`, `text ${i}`)
  for (let i = 0; i < 100; i += 3) await partition.deleteVersion({ bucket: 'b', key: `k${i}` })
  for (let i = 1; i < 100; i += 3) await putText(partition, 'b', `k${i}`, `again ${i}`)
  await followed(partition)
  const { id } = partition.getBucket('b')
  return { partition, stores, keyOf: (name) => keyBytes(currentKey(id, name)) }
}
const followed = async (partition: Partition): Promise<void> => {
  for (const one of reopening) {
    reopening.delete(one)
    await one
  }
  while (partition.isIndexing || partition.isRebuilding)
    await new Promise((resolve) => setTimeout(resolve, 5))
}
const check = async (
  partition: Partition,
  between: () => Promise<void> = async () => undefined,
): Promise<{ wrong: number; isPartial: boolean }> => {
  const checking = partition.checkIndexes()
  for (;;) {
    const { wrong, isPartial, isLast } = await checking.next()
    if (isLast) return { wrong, isPartial }
    await between()
  }
}
const isRight = async ({ partition }: Stage): Promise<void> => {
  for (let i = 0; i < 100; i++) {
    const expected = i % 3 === 0 ? undefined : i % 3 === 1 ? `again ${i}` : `text ${i}`
    assert.is(await readText(partition, 'b', `k${i}`), expected, `k${i}`)
  }
}
const put = (store: RecordingStore, key: Buffer, value: Buffer) =>
  store.level.batch([{ type: 'put', key, value }], { sync: true })
const del = (store: RecordingStore, key: Buffer) =>
  store.level.batch([{ type: 'del', key, value: Buffer.alloc(0) }], { sync: true })

test(
  'nothing is found where nothing is wrong',
  deadline(LIMIT_MS, async () => {
    const stage = await begin()
    assert.equal(await check(stage.partition), { wrong: 0, isPartial: false })
    assert.is(reopening.size, 0)
    await stage.partition.close()
  }),
)

test(
  'nothing is found while much is committed',
  seeded(LIMIT_MS, async (random: Random) => {
    const { partition } = await begin()
    let round = 0
    const found = await check(partition, async () => {
      if (round++ > 20) return
      const commits = Array.from({ length: 20 }, () => {
        const key = `k${random.below(120)}`
        return random.below(2) === 0
          ? putText(partition, 'b', key, `later ${round}`)
          : partition.deleteVersion({ bucket: 'b', key })
      })
      await Promise.all(commits)
      if (random.below(2) === 0) await followed(partition)
    })
    assert.is(found.wrong, 0)
    await partition.close()
  }),
)

const WRONGS: Readonly<Record<string, (stage: Stage, old: Buffer) => Promise<unknown>>> = {
  'history 17: one lacks a row': ({ stores, keyOf }) => del(stores[0]!, keyOf('k2')),
  'the other lacks a row': ({ stores, keyOf }) => del(stores[1]!, keyOf('k98')),
  'one has what was deleted': ({ stores, keyOf }, old) => put(stores[1]!, keyOf('k3'), old),
  'one has an older version': ({ stores, keyOf }, old) => put(stores[0]!, keyOf('k1'), old),
  'history 19: a row is under another key': async ({ stores, keyOf }) => {
    const value = stores[0]!.getSync(keyOf('k2'))!
    await del(stores[0]!, keyOf('k2'))
    await put(stores[0]!, keyOf('k2x'), value)
  },
  'a bit of a value flipped': async ({ stores, keyOf }) => {
    const value = Buffer.from(stores[1]!.getSync(keyOf('k2'))!)
    value[40]! ^= 4
    await put(stores[1]!, keyOf('k2'), value)
  },
  'both lack a row': ({ stores, keyOf }) => Promise.all(stores.map((store) => del(store, keyOf('k2')))),
  'both have an older version': ({ stores, keyOf }, old) =>
    Promise.all(stores.map((store) => put(store, keyOf('k1'), old))),
}

for (const [what, spoil] of Object.entries(WRONGS)) {
  test(
    `${what}: found, made anew, and right`,
    deadline(LIMIT_MS, async () => {
      const stage = await begin()
      const { partition, stores, keyOf } = stage
      // A whole row of an earlier commit, under its own key.
      const name = what.includes('older') ? 'k1' : 'k3'
      await putText(partition, 'b', name, 'old')
      await followed(partition)
      const old = Buffer.from(stores[0]!.getSync(keyOf(name))!)
      if (name === 'k3') await partition.deleteVersion({ bucket: 'b', key: name })
      else await putText(partition, 'b', name, 'again 1')
      await followed(partition)
      await spoil(stage, old)
      const found = await check(partition)
      assert.ok(found.wrong > 0, JSON.stringify(found))
      await followed(partition)
      await isRight(stage)
      assert.equal(await check(partition), { wrong: 0, isPartial: false })
      await partition.close()
    }),
  )
}

test(
  'the only index is compared with the journal',
  deadline(LIMIT_MS, async () => {
    const stage = await begin(1)
    await del(stage.stores[0]!, stage.keyOf('k2'))
    const found = await check(stage.partition)
    assert.is(found.wrong, 1)
    await followed(stage.partition)
    await isRight(stage)
    await stage.partition.close()
  }),
)

test.run()
