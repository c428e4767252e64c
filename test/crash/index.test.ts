// The index may lose any suffix, a batch in the middle, or everything; it may lie, stall and fail. The journal is the
// truth, and nothing is removed on the word of one index.
import type { IndexStore } from '../../src/metadata/index-slot.ts'
import { SPACE } from '../../src/metadata/keys.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import { alteredStore, RecordingStore } from '../support/index-stores.ts'
import {
  createIndexStore,
  factsOf,
  isKnownWrite,
  kill,
  openPartition,
  putText,
  readText,
  shardsData,
} from '../support/partitions.ts'
import { createSegmentDisks, type MemorySegmentDisk } from '../support/segment-disks.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('index crash')

const owner = { owner: 'me', region: 'r' }
const followed = async (partition: Partition): Promise<void> => {
  while (partition.isIndexing) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Ten keys, written and overwritten and deleted over several batches. */
const fill = async (partition: Partition): Promise<Map<string, string | undefined>> => {
  const expected = new Map<string, string | undefined>()
  await partition.createBucket('b', owner)
  for (let round = 0; round < 4; round++) {
    for (let i = round; i < 10; i += round + 1) {
      const key = `k${i}`
      const value = (i + round) % 3 === 0 ? undefined : `value ${round} ${i}`
      if (value === undefined) await partition.deleteVersion({ bucket: 'b', key })
      else await putText(partition, 'b', key, value)
      expected.set(key, value)
    }
    await followed(partition)
  }
  return expected
}

const assertHolds = async (
  partition: Partition,
  expected: ReadonlyMap<string, string | undefined>,
): Promise<void> => {
  for (const [key, value] of expected) assert.is(await readText(partition, 'b', key), value, key)
  const listed = await partition.listVersions({
    bucket: 'b',
    prefix: '',
    delimiter: '',
    after: '',
    limit: 1000,
  })
  const present = [...expected].filter(([, value]) => value !== undefined).map(([key]) => key)
  assert.equal(
    listed.versions.map(({ key }) => key),
    present.sort(),
  )
  assert.is(partition.bucketCounters({ bucket: 'b' }).objects, present.length)
}

const filled = async () => {
  const disks = createSegmentDisks(6)
  const stores = [new RecordingStore(), new RecordingStore()] as const
  const partition = await openPartition({ disks, indexes: [...stores] })
  const expected = await fill(partition)
  kill(partition)
  return { disks, stores, expected }
}

const copies = (disks: readonly MemorySegmentDisk[]): MemorySegmentDisk[] => disks.map((disk) => disk.copy())

test(
  'history 16: whatever batches an index lost, a suffix or one in the middle, the journal gives them back',
  deadline(20_000, async () => {
    const { disks, stores, expected } = await filled()
    assert.ok(stores[0].isSynced && stores[1].isSynced, 'every batch is synced')
    const { batches } = stores[0]
    for (let i = 0; i <= batches.length; i++) {
      for (const left of [batches.slice(0, i), [...batches.slice(0, i), ...batches.slice(i + 1)]]) {
        const indexes = [new RecordingStore(left), new RecordingStore(stores[1].batches)]
        for (const chosen of [indexes, [indexes[0]!, undefined]]) {
          const partition = await openPartition({ disks: copies(disks), indexes: chosen })
          await assertHolds(partition, expected)
          kill(partition)
        }
      }
    }
  }),
)

const throwIt = (error: unknown): never => {
  throw error
}

/** The two indexes, of which the first lacks `key`, under a partition that is running. */
const withLack = async (lacks: (key: Buffer) => boolean) => {
  const disks = createSegmentDisks(6)
  const lying = new RecordingStore()
  const honest = new RecordingStore()
  const partition = await openPartition(
    { disks, indexes: [lying, honest] },
    { onIndexLost: (position) => lost.push(position) },
  )
  const lost: number[] = []
  await partition.createBucket('b', owner)
  const data = shardsData('abc', 40_000, [1, 2, 3, 4, 5, 6], 4)
  await partition.putVersion({ bucket: 'b', key: 'k', facts: factsOf(40_000), data })
  await followed(partition)
  const iterator = lying.iterator({ gte: Buffer.alloc(0) })
  for (const [key] of await iterator.nextv(1000)) {
    if (lacks(key)) await lying.level.batch([{ type: 'del', key, value: Buffer.alloc(0) }], { sync: true })
  }
  await iterator.close()
  return { disks, partition, data, lying, honest, lost }
}

test(
  'history 17: what one index silently lacks is not removed: both must agree, and the other is rebuilt',
  deadline(20_000, async () => {
    const { partition, data, lying, honest, lost } = await withLack((key) => key[0] !== 0)
    await rejectsWith('PARTITION_RECOVERING', () => isKnownWrite(partition, data.write))
    assert.equal(lost, [0])
    // With one index gone, its word alone removes nothing.
    await rejectsWith('PARTITION_RECOVERING', () => isKnownWrite(partition, 'f'.repeat(32) as never))
    await lying.clear()
    await partition.attachIndex(0, lying)
    await honest.clear()
    assert.equal(lost, [0, 1])
    await partition.attachIndex(1, honest)
    assert.is(await isKnownWrite(partition, data.write), true)
    assert.is(await isKnownWrite(partition, 'f'.repeat(32) as never), false)
    const [place] = data.places
    const moved = await partition.relocate([
      { write: data.write, shard: 0, from: place!, to: { ...place!, volume: 1 } },
    ])
    assert.equal(moved, [true])
    await partition.close()
  }),
)

test(
  'history 18: an index that is older than the oldest segment is rebuilt, and what was deleted stays deleted',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const stores = [new RecordingStore(), new RecordingStore()] as const
    const partition = await openPartition({ disks, indexes: [...stores] }, { segmentBytes: 10_000 })
    await partition.createBucket('b', owner)
    for (let i = 0; i < 12; i++) await putText(partition, 'b', `k${i}`, 'x'.repeat(2_000))
    await followed(partition)
    const stale = [...stores[0].batches]
    for (let i = 0; i < 12; i++) await partition.deleteVersion({ bucket: 'b', key: `k${i}` })
    await putText(partition, 'b', 'left', 'here')
    for (let round = 0; round < 3; round++) {
      await followed(partition)
      await partition.segments.dropOldest()
    }
    kill(partition)
    const old = new RecordingStore(stale)
    const again = await openPartition({ disks, indexes: [old, stores[1]] }, { segmentBytes: 10_000 })
    while (again.isRebuilding) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.ok(old.clears > 0, 'the stale index was cleared')
    assert.is(await readText(again, 'b', 'k3'), undefined)
    assert.is(await readText(again, 'b', 'left'), 'here')
    kill(again)
  }),
)

test(
  'history 19: a flipped bit in a key or a value of an index is noticed, and the other index answers',
  deadline(20_000, async () => {
    const { disks, stores, expected } = await filled()
    for (const flip of ['key', 'value'] as const) {
      const lost: number[] = []
      const good = await alteredStore(stores[0].level, (key, value) => [key, value])
      const partition = await openPartition(
        { disks: copies(disks), indexes: [good, stores[1].level] },
        {
          onIndexLost: (position) => lost.push(position),
        },
      )
      await followed(partition)
      const at = [...expected].find(([, value]) => value !== undefined)![0]
      const iterator = good.iterator({ gte: Buffer.from('v') })
      for (const [key, value] of await iterator.nextv(100)) {
        if (!key.toString('latin1').endsWith(at)) continue
        const other = Buffer.from(flip === 'key' ? key : value)
        other[other.length - 1]! ^= 1
        await good.batch(
          [
            { type: 'del', key, value },
            { type: 'put', key: flip === 'key' ? other : key, value: flip === 'key' ? value : other },
          ],
          { sync: true },
        )
      }
      await iterator.close()
      const list = () =>
        partition.listVersions({ bucket: 'b', prefix: '', delimiter: '', after: '', limit: 100 })
      const present = [...expected].filter(([, value]) => value !== undefined).map(([key]) => key)
      assert.equal(
        (await list()).versions.map(({ key }) => key),
        present.sort(),
      )
      assert.equal(lost, [0])
      await assertHolds(partition, expected)
      kill(partition)
    }
  }),
)

const isOf = (space: string) => (key: Buffer) => key.toString('latin1', 0, 1) === space

test(
  'history 19: a start goes on with the other index when a table of one does not unpack, wherever that shows',
  deadline(20_000, async () => {
    const { disks, stores, expected } = await filled()
    for (const space of [SPACE.mark, SPACE.counter, SPACE.current, SPACE.bucket]) {
      for (const both of [false, true]) {
        const indexes = [new RecordingStore(stores[0].batches), new RecordingStore(stores[1].batches)]
        indexes[0]!.damaged = isOf(space)
        if (both) indexes[1]!.damaged = isOf(space)
        const partition = await openPartition({ disks: copies(disks), indexes })
        while (partition.isRebuilding) await new Promise((resolve) => setTimeout(resolve, 5))
        await assertHolds(partition, expected)
        assert.is(indexes[0]!.clears, 1, `${space} was made anew`)
        kill(partition)
      }
    }
  }),
)

test(
  'history 19: a table that does not unpack while the store runs costs that index, the last one too, and no more',
  deadline(20_000, async () => {
    const { disks, stores, expected } = await filled()
    const [at] = [...expected].find(([, value]) => value !== undefined)!
    const list = (partition: Partition) =>
      partition.listVersions({ bucket: 'b', prefix: '', delimiter: '', after: '', limit: 100 })
    for (const read of [list, (partition: Partition) => readText(partition, 'b', at)]) {
      const indexes = [new RecordingStore(stores[0].batches), new RecordingStore(stores[1].batches)]
      const lost: number[] = []
      const partition = await openPartition(
        { disks: copies(disks), indexes },
        { onIndexLost: (position) => lost.push(position) },
      )
      await followed(partition)
      for (const index of indexes) index.damaged = isOf(SPACE.current)
      await rejectsWith('PARTITION_RECOVERING', async () => {
        for (let turn = 0; turn < 2; turn++)
          await read(partition).catch((error) => turn === 0 || throwIt(error))
      })
      assert.equal(lost.sort(), [0, 1])
      for (const position of [0, 1] as const) {
        await indexes[position]!.clear()
        await partition.attachIndex(position, indexes[position]!)
      }
      await assertHolds(partition, expected)
      kill(partition)
    }
  }),
)

test(
  'history 20: what one index lacks and the other has already is answered by the table',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const [slow, quick] = [new RecordingStore(), new RecordingStore()]
    const partition = await openPartition({ disks, indexes: [slow, quick] })
    await partition.createBucket('b', owner)
    await followed(partition)
    let release = (): void => undefined
    slow.stall = new Promise((resolve) => {
      release = resolve
    })
    await putText(partition, 'b', 'k', 'new')
    while (quick.batches.length < 3) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.is(await readText(partition, 'b', 'k'), 'new')
    const page = await partition.listVersions({ bucket: 'b', prefix: '', delimiter: '', after: '', limit: 9 })
    assert.equal(
      page.versions.map(({ key }) => key),
      ['k'],
    )
    release()
    await partition.close()
    assert.is(slow.batches.length, quick.batches.length)
  }),
)

test(
  'history 21: stalled indexes hold up no acknowledgement until the table is full; then commits wait',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const stores = [new RecordingStore(), new RecordingStore()]
    const partition = await openPartition({ disks, indexes: stores }, { tableBytesMax: 20_000 })
    await partition.createBucket('b', owner)
    await followed(partition)
    let release = (): void => undefined
    const stall = new Promise<void>((resolve) => {
      release = resolve
    })
    for (const store of stores) store.stall = stall
    let acknowledged = 0
    const puts = Array.from({ length: 10 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, 10 * i))
      const headers = [['content-type', 'x'.repeat(4_000)]] as const
      const facts = { ...factsOf(0), headers }
      await partition.putVersion({
        bucket: 'b',
        key: `k${i}`,
        facts,
        data: { kind: 'inline', bytes: new Uint8Array() },
      })
      acknowledged++
    })
    await new Promise((resolve) => setTimeout(resolve, 400))
    assert.ok(acknowledged >= 4 && acknowledged < 10, `${acknowledged} were acknowledged`)
    release()
    await Promise.all(puts)
    await partition.close()
  }),
)

test(
  'one stalled index is dropped when the table is full, and rebuilt when it is back',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const [slow, quick] = [new RecordingStore(), new RecordingStore()]
    const lost: number[] = []
    const partition = await openPartition(
      { disks, indexes: [slow, quick] },
      {
        tableBytesMax: 20_000,
        onIndexLost: (position) => lost.push(position),
      },
    )
    await partition.createBucket('b', owner)
    await followed(partition)
    slow.stall = new Promise(() => undefined)
    const fresh = new RecordingStore()
    for (let i = 0; i < 30; i++) await putText(partition, 'b', `k${i}`, 'y'.repeat(1_000))
    assert.equal(lost, [0])
    await Promise.all([
      partition.attachIndex(0, fresh),
      (async () => {
        for (let i = 30; i < 60; i++) await putText(partition, 'b', `k${i}`, 'y')
      })(),
    ])
    assert.is(partition.isRebuilding, false)
    assert.equal(lost, [0])
    await partition.close()
    const again = await openPartition({ disks, indexes: [fresh, undefined] })
    for (let i = 0; i < 60; i++) assert.is((await readText(again, 'b', `k${i}`))?.length, i < 30 ? 1_000 : 1)
    kill(again)
  }),
)

test(
  'an index whose writes fail is dropped, and commits go on with the other',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const [bad, good] = [new RecordingStore(), new RecordingStore()]
    const lost: string[] = []
    const partition = await openPartition(
      { disks, indexes: [bad, good] },
      {
        onIndexLost: (position, cause) => lost.push(`${position} ${cause}`),
      },
    )
    await partition.createBucket('b', owner)
    bad.failure = 'IO error'
    await putText(partition, 'b', 'k', 'v')
    await followed(partition)
    assert.is(lost.length, 1)
    assert.is(await readText(partition, 'b', 'k'), 'v')
    assert.is(await readText(partition, 'b', 'none'), undefined)
    await partition.close()
  }),
)

test(
  'an index that comes back gets what the other has taken in since the last that it read of the journal',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const [bad, other] = [new RecordingStore(), new RecordingStore()]
    let onBatch = async (): Promise<void> => undefined
    const fresh = new (class extends RecordingStore {
      override async batch(...args: Parameters<RecordingStore['batch']>): Promise<void> {
        await super.batch(...args)
        await onBatch()
      }
    })()
    const partition = await openPartition({ disks, indexes: [bad, other] })
    await partition.createBucket('b', owner)
    bad.failure = 'IO error'
    await putText(partition, 'b', 'first', 'v')
    await followed(partition)

    const keys = ['first']
    const putAndFlush = async (): Promise<void> => {
      const key = `k${keys.length}`
      const count = other.batches.length
      await putText(partition, 'b', key, 'v')
      keys.push(key)
      while (other.batches.length === count) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    // While each batch of the one that comes back is under way something is committed, and flushed to the other one.
    onBatch = async () => {
      if (keys.length < 7) await putAndFlush()
    }
    await partition.attachIndex(0, fresh)
    assert.ok(keys.length > 2, 'it was written to while it caught up')
    await putText(partition, 'b', 'last', 'v')
    await followed(partition)
    const page = await partition.listVersions({
      bucket: 'b',
      prefix: '',
      delimiter: '',
      after: '',
      limit: 99,
    })
    assert.equal(
      page.versions.map(({ key }) => key),
      [...keys, 'last'].sort(),
    )
    for (const key of keys) assert.is(await readText(partition, 'b', key), 'v')
    await partition.close()
  }),
)

test(
  'history 22: with both indexes lost a start reads records, not bodies',
  deadline(20_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await openPartition(
      { disks, indexes: [createIndexStore(), createIndexStore()] },
      { segmentBytes: 2_000_000 },
    )
    await first.createBucket('b', owner)
    const bytes = Buffer.alloc(16_000, 'z')
    for (let i = 0; i < 300; i++) {
      const puts = [0, 1, 2, 3].map((j) => {
        const key = `k${i * 4 + j}`
        return first.putVersion({ bucket: 'b', key, facts: factsOf(16_000), data: { kind: 'inline', bytes } })
      })
      await Promise.all(puts)
    }
    const sealed = first.segments.sealedBytes
    kill(first)
    let read = 0
    for (const disk of disks) {
      const original = disk.read.bind(disk)
      disk.read = async (...args) => {
        const bytes = await original(...args)
        read += bytes.length
        return bytes
      }
    }
    const indexes: IndexStore[] = [createIndexStore(), createIndexStore()]
    const again = await openPartition({ disks, indexes })
    while (again.isRebuilding) await new Promise((resolve) => setTimeout(resolve, 10))
    assert.is(again.bucketCounters({ bucket: 'b' }).objects, 1_200)
    // Two rebuilds, one after the other, and the newest segment with its bodies.
    assert.ok(sealed > 15_000_000 && read < sealed / 2, `${read} of ${sealed} bytes were read`)
    assert.is((await readText(again, 'b', 'k777'))?.length, 16_000)
    kill(again)
  }),
)

test.run()
