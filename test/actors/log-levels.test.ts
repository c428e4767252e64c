// What a store says to its operator when nothing is broken: a disk that is emptied and taken in again, and one that fills up,
// are told by their names, and nothing of them is the failure of an actor.
import { Buffer } from 'node:buffer'
import { MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { bodyOf, readBytes } from '../model/engine-contract.ts'
import { readFile } from '../support/disks.ts'
import { openProbedStore } from '../support/engine-probe.ts'
import { createLogLines } from '../support/log-lines.ts'
import { emptyTree, eventually, filesBelow } from '../support/memory-tree.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('log levels')
const LIMIT_MS = 60_000
const OWNER = 'a'.repeat(64)

test(
  'an emptied disk is gone, adopted and found, and no actor has failed',
  deadline(LIMIT_MS, async () => {
    const { log, of, told } = createLogLines()
    const store = await openProbedStore(createMemoryFiles(), 6, undefined, log)
    await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    await emptyTree(store.files, store.roots[1]!)
    await eventually('the disk is found', 30_000, async () => of('disk-found').length > 0)
    await store.close()
    assert.equal(
      ['disk-gone', 'disk-adopted', 'disk-found'].map((event) => of(event).map(({ level }) => level)),
      [['warn'], ['info'], ['info']],
    )
    assert.is(of('disk-gone')[0]?.fields['disk'], 2)
    assert.equal(
      told().filter((line) => line.startsWith('error') || /actor failed|dead letter/.test(line)),
      [],
    )
  }),
)

test(
  'a full store says so once for each disk, and its refused writes are no failures',
  deadline(LIMIT_MS, async () => {
    const { log, of, told } = createLogLines()
    const files = createMemoryFiles({ totalBytes: 96 * MiB })
    const store = await openProbedStore(files, 6, undefined, log)
    await store.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    const put = (key: string) => {
      const at = { bucket: 'bucket', key, owner: OWNER, headers: [], metadata: [] }
      // Two at a time find room when they begin that is not there for both.
      return store.engine.objects.put(at, bodyOf(Buffer.alloc(7 * MiB, key)))
    }
    let refused = 0
    for (let i = 0; refused < 6; i += 2) {
      for (const { status } of await Promise.allSettled([put(`${i}`), put(`${i + 1}`)])) {
        if (status === 'rejected') refused++
      }
    }
    await rejectsWith('DISK_FULL', () => put('last'))
    await eventually('the disks are full', 30_000, async () => of('disk-full').length === 6)
    await store.close()
    // Memory has no direct I/O to speak of.
    const lines = new Set(told().filter((line) => line !== 'warn disk.no-direct-io'))
    assert.equal([...lines], ['warn disk-full'])
    assert.is(new Set(of('disk-full').map(({ fields }) => fields['disk'])).size, 6)
  }),
)

test(
  'a shard that is not there is told once, read from the others, and written again',
  deadline(LIMIT_MS, async () => {
    const { log, of } = createLogLines()
    const store = await openProbedStore(createMemoryFiles(), 6, undefined, log)
    const { engine, files, roots } = store
    await engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    const bytes = Buffer.alloc(9 * MiB, 'moraine ')
    const at = { bucket: 'bucket', key: 'k' }
    await engine.objects.put({ ...at, owner: OWNER, headers: [], metadata: [] }, bodyOf(bytes))
    // Parity is not read as long as the data is there, and any disk may have either.
    const holdsData = async (root: string): Promise<boolean> => {
      const [shard] = await filesBelow(files, `${root}/shards`)
      return Buffer.from(await readFile(files, shard!.path)).includes('moraine moraine ')
    }
    const holding = await Promise.all(roots.map(holdsData))
    const slot = holding.indexOf(true)
    const [shard] = await filesBelow(files, `${roots[slot]}/shards`)
    await files.remove(shard!.path)
    for (let i = 0; i < 2; i++) assert.ok(bytes.equals(await readBytes(engine, at)))
    await eventually('it is written again', 50_000, async () => of('shard-repaired').length > 0)
    assert.ok(bytes.equals(await readBytes(engine, at)))
    await store.close()
    assert.equal(
      of('shard-missing').map(({ level, fields }) => [level, fields['disk']]),
      [['warn', slot + 1]],
    )
  }),
)

test(
  'a copy of a segment that is not there is written again, and it is said which and where',
  deadline(LIMIT_MS, async () => {
    const first = await openProbedStore()
    await first.engine.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
    // A segment with next to nothing alive is dropped after a start: on a busy machine before the repairer comes to it.
    const put = { bucket: 'bucket', key: 'k', owner: OWNER, headers: [], metadata: [] }
    await first.engine.objects.put(put, bodyOf(Buffer.alloc(12_000, 7)))
    await first.close()
    const { files, roots } = first
    const copies = (await Promise.all(roots.map((root) => filesBelow(files, `${root}/journal`)))).flat()
    const copy = copies.find(({ path }) => path.endsWith('/0/1.log'))!
    await files.remove(copy.path)
    const { log, of } = createLogLines()
    const store = await openProbedStore(files, 6, undefined, log)
    await eventually('it is written again', 50_000, () => of('segment-repaired').length > 0)
    await store.close()
    const { level, fields } = of('segment-repaired')[0]!
    const { partition, segment, disk, root } = fields
    assert.equal([level, partition, segment], ['info', 0, 1])
    assert.is(root, roots[(disk as number) - 1])
    assert.ok((await files.list(`${root}/journal/0`)).includes('1.log'))
  }),
)

test.run()
