// Which disks hold the truth: the histories of disks that leave, come back, and bring old content.
import { createIndexStore, factsOf, kill, openPartition, putText, readText } from '../support/partitions.ts'
import { createSegmentDisks, type MemorySegmentDisk } from '../support/segment-disks.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('journal disks')

const indexes = () => [createIndexStore(), createIndexStore()]
const open = (disks: readonly MemorySegmentDisk[], out: readonly number[] = [], parity = 2) =>
  openPartition({ disks, indexes: indexes() }, { out, parity, segmentBytes: 8_000 })
const owner = { owner: 'me', region: 'r' }

/** Whoever opens the disks finds `values`, or is refused for want of disks. */
const seesOrRefuses = async (
  disks: readonly MemorySegmentDisk[],
  out: readonly number[],
  values: Readonly<Record<string, string | undefined>>,
): Promise<'served' | 'refused'> => {
  let partition: Awaited<ReturnType<typeof open>>
  try {
    partition = await open(disks, out)
  } catch (error) {
    assert.is((error as { code?: string }).code, 'TOO_FEW_DISKS')
    return 'refused'
  }
  for (const [key, value] of Object.entries(values)) assert.is(await readText(partition, 'b', key), value)
  kill(partition)
  return 'served'
}

/** Puts enough to seal some segments. */
const fill = async (partition: Awaited<ReturnType<typeof open>>, prefix: string): Promise<void> => {
  for (let i = 0; i < 6; i++)
    await putText(partition, 'b', `${prefix}${i}`, `${prefix}${i}`.padEnd(2_000, '.'))
}

test(
  'history 1: a substitute holds only what came after, and nothing is served from a suffix',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await fill(first, 'a')
    const oldest = first.segments.list()[0]!
    kill(first)
    // All copies of the oldest segment go; what came after is whole.
    for (const { disk, files } of disks) if (oldest.disks.includes(disk)) files.delete(oldest.segment)
    const refused = await rejectsWith('TOO_FEW_DISKS', () => open(disks))
    assert.is((refused as Error & { detail: { segment: number } }).detail.segment, oldest.segment)
  }),
)

test(
  'history 2: what was committed without disks 1 and 2 is there with them and without 3, or the start is refused',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await putText(first, 'b', 'k', 'old')
    await fill(first, 'a')
    kill(first)
    const second = await open(disks, [1, 2])
    await putText(second, 'b', 'k', 'new')
    await second.deleteVersion({ bucket: 'b', key: 'a1' })
    kill(second)
    for (const out of [[3], [3, 4], [4], [5, 6], [3, 6]]) {
      assert.is(
        await seesOrRefuses(
          disks.map((disk) => disk.copy()),
          out,
          { k: 'new', a1: undefined },
        ),
        'served',
      )
    }
  }),
)

test(
  'history 3: two starts that saw different disks and wrote no frame leave one history',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await putText(first, 'b', 'k', 'kept')
    kill(first)
    for (const out of [
      [5, 6],
      [1, 2],
      [3, 4],
      [1, 6],
    ]) {
      // The header is written, the first frame never is.
      const files = disks.map((disk) => ({ disk, append: disk.append }))
      for (const { disk } of files) disk.append = () => new Promise(() => undefined)
      void open(disks, out)
      await new Promise((resolve) => setTimeout(resolve, 20))
      for (const { disk, append } of files) disk.append = append
    }
    const numbers = new Set(disks.flatMap(({ files }) => [...files.keys()]))
    assert.ok(numbers.size >= 4, 'each start took a number of its own')
    assert.is(await seesOrRefuses(disks, [], { k: 'kept' }), 'served')
    assert.is(await seesOrRefuses(disks, [2, 3], { k: 'kept' }), 'served')
  }),
)

test(
  'history 4: with two of four out writes are refused, and the other pair brings nothing old back',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(4)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await putText(first, 'b', 'k', 'kept')
    const holders = disks.filter(({ files }) => files.size > 0).map(({ disk }) => disk as number)
    kill(first)
    const second = await open(disks, [1, 2])
    assert.is(await readText(second, 'b', 'k'), 'kept')
    await rejectsWith('TOO_FEW_DISKS', () => putText(second, 'b', 'k', 'refused'))
    await rejectsWith('TOO_FEW_DISKS', () => second.deleteVersion({ bucket: 'b', key: 'k' }))
    assert.is(await readText(second, 'b', 'k'), 'kept')
    kill(second)
    assert.is(holders.length, 3)
    assert.is(await seesOrRefuses(disks, [3, 4], { k: 'kept' }), 'served')
    assert.is(await seesOrRefuses(disks, [], { k: 'kept' }), 'served')
  }),
)

test(
  'history 5: segments that were dropped while a disk was out are void when it brings them back',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await fill(first, 'a')
    kill(first)
    const old = disks.map((disk) => disk.copy())
    const second = await open(disks)
    for (let i = 0; i < 6; i++) await second.deleteVersion({ bucket: 'b', key: `a${i}` })
    for (let round = 0; round < 3; round++) {
      while (second.isIndexing) await new Promise((resolve) => setTimeout(resolve, 20))
      await second.segments.dropOldest()
    }
    const alive = new Set(second.segments.list().map(({ segment }) => segment))
    kill(second)
    // Disk 1 comes back with everything it had; the others go on.
    const mixed = disks.map((disk, i) => (i === 0 ? old[0]! : disk))
    assert.ok([...old[0]!.files.keys()].some((segment) => !alive.has(segment)))
    const gone = Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`a${i}`, undefined]))
    assert.is(await seesOrRefuses(mixed, [], gone), 'served')
    assert.is(await seesOrRefuses(mixed, [3, 5], gone), 'served')
  }),
)

test(
  'history 6: blanks are not members: a partition whose newest segment they replaced is not served',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await putText(first, 'b', 'k', 'new')
    const holders = disks.filter(({ files }) => files.size > 0).map(({ disk }) => disk as number)
    kill(first)
    assert.is(holders.length, 3)
    // Two holders are blanks, so they are out; the third is out as well.
    const refused = await rejectsWith('TOO_FEW_DISKS', () => open(disks, holders))
    assert.is((refused as Error & { detail: { missing: string } }).detail.missing, holders.join())
  }),
)

test(
  'history 8: a change of the table of disks is a commit on disks of both tables, or it never was',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const first = await open(disks)
    await first.createBucket('b', owner)
    await first.putConfig({ name: 'disks', value: 1 })
    await first.putConfig({ name: 'disks', value: 2, onDisks: new Set([2, 4, 6] as never[]) })
    const newest = Math.max(...disks.flatMap(({ files }) => [...files.keys()]))
    assert.equal(
      disks.filter(({ files }) => files.has(newest)).map(({ disk }) => disk as number),
      [2, 4, 6],
    )
    // Too few disks of both tables: refused, and the next commit goes anywhere.
    await rejectsWith('TOO_FEW_DISKS', () =>
      first.putConfig({ name: 'disks', value: 3, onDisks: new Set([2, 4] as never[]) }),
    )
    await putText(first, 'b', 'k', 'v')
    kill(first)
    const second = await open(disks, [4, 6])
    assert.is(second.getConfig('disks'), 2)
    kill(second)
  }),
)

test(
  'history 9: erasure sets fail alone: three disks out of one set of four is too many, one of each is not',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(12)
    const members = (out: readonly number[]) =>
      disks.map((io) => ({
        number: io.disk,
        set: io.disk <= 6 ? 0 : 1,
        io: out.includes(io.disk) ? undefined : io,
      }))
    const start = (out: readonly number[]) =>
      openPartition({ disks, indexes: indexes() }, { members: members(out), segmentBytes: 8_000 })
    const first = await start([])
    await first.createBucket('b', owner)
    await fill(first, 'a')
    for (const { disks: holders } of first.segments.list()) {
      assert.is(new Set(holders.map((disk) => disk <= 6)).size, 1, 'all copies of a segment lie in one set')
    }
    await first.close()
    const second = await start([1, 2, 8, 9])
    assert.is((await readText(second, 'b', 'a1'))?.length, 2_000)
    await putText(second, 'b', 'more', 'x')
    await second.close()
    const refused = await rejectsWith('TOO_FEW_DISKS', () => start([1, 2, 3]))
    assert.is((refused as Error & { detail: { set: number } }).detail.set, 0)
  }),
)

test(
  'a journal that ends before its index is not served: what it lacks was acknowledged',
  deadline(10_000, async () => {
    const disks = createSegmentDisks(6)
    const stores = indexes()
    const first = await openPartition({ disks, indexes: stores })
    await first.createBucket('b', owner)
    const old = disks.map((disk) => disk.copy())
    await first.putVersion({
      bucket: 'b',
      key: 'k',
      facts: factsOf(0),
      data: { kind: 'inline', bytes: new Uint8Array() },
    })
    await first.close()
    await rejectsWith('METADATA_CORRUPT', () => openPartition({ disks: old, indexes: stores }))
  }),
)

test.run()
