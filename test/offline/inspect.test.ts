// `moraine inspect`: where an object lies, and what is wrong with it.
import { rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { createStore } from '../../src/index.ts'
import {
  type InspectedData,
  type InspectedVersion,
  inspectObject,
  parseObject,
} from '../../src/offline/inspect.ts'
import { formatInspected } from '../../src/offline/inspect-text.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { flipByte, snapshotOf } from '../support/disk-damage.ts'
import { copyStoppedStore, OBJECTS, PARTS, type StoppedStore } from '../support/offline-stores.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('inspect')
const LIMIT_MS = 60_000
let store: StoppedStore

test.before.each(async () => {
  store = await copyStoppedStore()
})
test.after.each(() => rmSync(store.parent, { recursive: true, force: true }))

const inspect = async (key: string): Promise<InspectedVersion> => {
  const { versions } = await inspectObject(store.disks, { bucket: 'bucket', key })
  assert.is(versions.length, 1)
  return versions[0]!
}

const shardsOf = (data: InspectedData | null) => {
  if (data?.kind !== 'shards') throw new Error('no shards')
  return data.shards
}
const copiesOf = (data: InspectedData | null) => {
  if (data?.kind !== 'inline') throw new Error('not inline')
  return data.copies
}

test(
  'an object of each kind is whole, and nothing is touched',
  deadline(LIMIT_MS, async () => {
    const before = snapshotOf(store.parent)
    for (const [key, body] of Object.entries(OBJECTS)) {
      const { redundancy, size, sequence, isCurrent, etag } = await inspect(key)
      assert.equal([redundancy, size, isCurrent, etag.length], ['whole', body.length, true, 32])
      assert.ok(sequence > 0)
    }
    const packed = shardsOf((await inspect('packed')).data)
    assert.equal(
      packed.map(({ index }) => index),
      [0, 1, 2, 3, 4, 5],
    )
    for (const { disk, position, directory, file, offset, state } of packed) {
      assert.equal([position, directory, state], [disk, store.disks[disk - 1], 'ok'])
      assert.match(file, /^volumes\/\d+\.vol$/)
      assert.ok((offset ?? 0) >= 64)
    }
    const large = await inspect('a/large')
    assert.equal(large.data.kind === 'shards' && [large.data.k, large.data.m], [4, 2])
    assert.match(shardsOf(large.data)[0]!.file, /^shards\/([0-9a-f]{2})\/\1[0-9a-f]{30}$/)
    assert.is(copiesOf((await inspect('inline')).data).length, 3)
    assert.is(copiesOf((await inspect('empty')).data).length, 0)
    const { data, etag } = await inspect('parts')
    assert.match(etag, /-2$/)
    if (data.kind !== 'parts') throw new Error('no parts')
    assert.equal(
      data.parts.map(({ partNumber, size, data: place }) => [partNumber, size, place?.kind]),
      [
        [1, PARTS[0]!.length, 'shards'],
        [2, PARTS[1]!.length, 'inline'],
      ],
    )
    assert.equal(snapshotOf(store.parent), before)
  }),
)

test(
  'each shard is said to be ok, missing, corrupt or on a disk that is missing',
  deadline(LIMIT_MS, async () => {
    const shards = shardsOf((await inspect('a/large')).data)
    const pathOf = (index: number): string => join(shards[index]!.directory!, shards[index]!.file)
    rmSync(pathOf(0))
    // In the second stripe, whose unit begins behind the first and its header's page.
    flipByte(pathOf(1), 1_052_672 + 4096 + 70_000)
    const found = await inspect('a/large')
    assert.is(found.redundancy, 'reduced')
    const [first, second, third] = shardsOf(found.data)
    assert.equal([first!.state, second!.state, third!.state], ['missing', 'corrupt', 'ok'])
    assert.equal(second!.damage, [
      { stripe: 1, offset: 1_052_672, reason: 'block 1 of the unit is damaged', blocks: [1] },
    ])
    rmSync(shards[2]!.directory!, { recursive: true })
    const lost = await inspect('a/large')
    assert.is(lost.redundancy, 'lost')
    const [, , out] = shardsOf(lost.data)
    assert.equal([out!.state, out!.directory], ['disk missing', null])
    const { versions, ...rest } = await inspectObject(store.disks, { bucket: 'bucket', key: 'a/large' })
    const text = formatInspected({ ...rest, versions })
    assert.match(text, /^bucket\/a\/large {2}partition/)
    const odd = formatInspected({ ...rest, key: 'a\nversion b', versions })
    assert.match(odd, /^"bucket\/a\\nversion b" {2}partition/)
    assert.match(text, /LOST/)
    assert.match(text, /shard 0 .* missing\n/)
    assert.match(text, /stripe 1 at 1052672: block 1 of the unit is damaged/)
  }),
)

test(
  'as many damaged blocks as there is parity are no loss when they are different ones',
  deadline(LIMIT_MS, async () => {
    const shards = shardsOf((await inspect('a/large')).data)
    const pathOf = (index: number): string => join(shards[index]!.directory!, shards[index]!.file)
    for (const index of [0, 1, 2]) flipByte(pathOf(index), 4096 + index * 65_536)
    assert.is((await inspect('a/large')).redundancy, 'reduced')
    for (const index of [0, 1, 2]) flipByte(pathOf(index), 4096 + 5 * 65_536)
    assert.is((await inspect('a/large')).redundancy, 'lost')
  }),
)

test(
  'a shard that was cut and one in a damaged volume are corrupt',
  deadline(LIMIT_MS, async () => {
    const [large] = shardsOf((await inspect('a/large')).data)
    truncateSync(join(large!.directory!, large!.file), 500_000)
    const [cut] = shardsOf((await inspect('a/large')).data)
    assert.is(cut!.state, 'corrupt')
    assert.equal(
      cut!.damage.map(({ stripe }) => stripe),
      [0, 1],
    )
    assert.is(cut!.damage[0]!.blocks[0], 7)
    const [packed] = shardsOf((await inspect('packed')).data)
    flipByte(join(packed!.directory!, packed!.file), packed!.offset! + 2)
    const [damaged] = shardsOf((await inspect('packed')).data)
    assert.equal([damaged!.state, damaged!.damage[0]!.reason], ['corrupt', 'the header is damaged'])
  }),
)

test(
  'each copy of an inline body is looked at',
  deadline(LIMIT_MS, async () => {
    const { data } = await inspect('inline')
    if (data.kind !== 'inline') throw new Error('not inline')
    const paths = data.copies.map(({ directory, file }) => join(directory!, file))
    flipByte(paths[0]!, data.offset + 5)
    rmSync(paths[1]!)
    const found = await inspect('inline')
    assert.is(found.redundancy, 'reduced')
    assert.equal(
      copiesOf(found.data).map(({ state }) => state),
      ['corrupt', 'missing', 'ok'],
    )
    flipByte(paths[2]!, data.offset + 999)
    assert.is((await inspect('inline')).redundancy, 'lost')
  }),
)

test(
  'of a part that is lost the object says so',
  deadline(LIMIT_MS, async () => {
    const { data } = await inspect('parts')
    if (data.kind !== 'parts') throw new Error('no parts')
    const shards = shardsOf(data.parts[0]!.data)
    for (const { directory, file } of shards.slice(0, 3)) rmSync(join(directory!, file))
    const found = await inspect('parts')
    assert.is(found.redundancy, 'lost')
    if (found.data.kind !== 'parts') throw new Error('no parts')
    assert.equal(
      found.data.parts.map(({ redundancy }) => redundancy),
      ['lost', 'whole'],
    )
  }),
)

test(
  'beside a running store the answer is a snapshot, and says so',
  deadline(LIMIT_MS, async () => {
    const address = { bucket: 'bucket', key: 'packed' }
    assert.is((await inspectObject(store.disks, address)).isRunning, false)
    const running = await createStore({ disks: store.disks })
    try {
      const inspected = await inspectObject(store.disks, address)
      assert.equal([inspected.isRunning, inspected.versions[0]!.redundancy], [true, 'whole'])
      assert.match(formatInspected(inspected), /the store is running: this is a snapshot/)
    } finally {
      await running.close()
    }
  }),
)

test(
  'what seems to be missing beside a running store is looked for again',
  deadline(LIMIT_MS, async () => {
    const address = { bucket: 'bucket', key: 'a/large' }
    let missed = 0
    // The first look finds a shard gone, as one that was moved a moment ago.
    const files: FileSystem = {
      ...nodeFiles,
      open(path, ...rest) {
        if (path.includes('/shards/') && missed++ === 0) {
          return Promise.reject(new FileError('open', path, 'ENOENT'))
        }
        return nodeFiles.open(path, ...rest)
      },
    }
    const stopped = await inspectObject(store.disks, address, files)
    assert.is(stopped.versions[0]!.redundancy, 'reduced')
    const running = await createStore({ disks: store.disks })
    try {
      missed = 0
      const { versions } = await inspectObject(store.disks, address, files)
      assert.is(versions[0]!.redundancy, 'whole')
      assert.ok(missed > 1)
    } finally {
      await running.close()
    }
  }),
)

test(
  'what is not there is said by name',
  deadline(LIMIT_MS, async () => {
    for (const key of ['gone', 'open', 'a', 'a/large/', 'nothing']) {
      await rejectsWith('NoSuchKey', () => inspectObject(store.disks, { bucket: 'bucket', key }))
    }
    await rejectsWith('NoSuchBucket', () => inspectObject(store.disks, { bucket: 'buckets', key: 'packed' }))
    await rejectsWith('DISK_FORMAT', () => inspectObject([store.parent], { bucket: 'bucket', key: 'packed' }))
    assert.equal(parseObject('bucket//a/b'), { bucket: 'bucket', key: '/a/b' })
    for (const text of ['', 'bucket', 'bucket/', '/key']) assert.is(parseObject(text), undefined)
  }),
)

test.run()
