// Which directories take the place of lost disks, and which stay out: the change of the table that a start begins, cut off
// at any step, and the one that the operator asks for.
import type { FileSystem } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { createPrng } from '../../src/base/prng.ts'
import { applyJoin, applyPublish } from '../../src/storage/forming.ts'
import { planStart, whyNotAdoptable } from '../../src/storage/identity.ts'
import { type DiskTable, decodeIdentity } from '../../src/storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../../src/storage/inspect.ts'
import { DIRECTORIES } from '../../src/storage/layout.ts'
import type { StartedStore } from '../../src/storage/start.ts'
import { planReplacement } from '../../src/storage/table-change.ts'
import { crashStates } from '../support/crash-states.ts'
import { readFile, writeFile } from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import {
  checkRefused,
  diskRoots,
  emptyRoot,
  formTestStore,
  listTree,
  numbersOf,
  startTestStore,
} from '../support/stores.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('table-change')
const LIMIT_MS = 60_000
const six = diskRoots(6)

/** Commits nothing, as a test of storage alone, and publishes. */
const finishChange = async (files: FileSystem, store: StartedStore): Promise<void> => {
  assert.ok(store.change)
  await applyPublish(() => files, store.disks, store.change!)
}

test(
  'an emptied directory on a device of the store takes the place of the lost disk, under a new number',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await formTestStore()
    await emptyRoot(files, '/d2')
    await emptyRoot(files, '/d5')
    const started = await startTestStore(files, six, { random: createPrng(3) })
    assert.equal(
      started.missing.map(({ number }) => number),
      [2, 5],
    )
    assert.equal(started.table, store.table, 'it does not count yet')
    assert.equal(
      started.change?.left.map(({ number }) => number),
      [2, 5],
    )
    assert.equal(
      started.change?.joined.map(({ root, identity }) => [root, identity.number]),
      [
        ['/d2', 7],
        ['/d5', 8],
      ],
    )
    await finishChange(files, started)
    const after = await startTestStore(files, six)
    assert.equal(numbersOf(after), [1, 7, 3, 4, 8, 6])
    assert.equal([after.table.version, after.table.nextDiskNumber], [2, 9])
    assert.equal(
      after.table.disks.map(({ position }) => position),
      [0, 1, 2, 3, 4, 5],
    )
    assert.equal([after.missing, after.change], [[], undefined])
  }),
)

test(
  'a replaced disk that comes back stays out, and an older table on a member is brought up to date',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    await files.rename('/d2', '/old2')
    await files.rename('/d3', '/old3')
    await files.makeDirectory('/d2')
    const started = await startTestStore(files, six)
    assert.equal(
      started.missing.map(({ number }) => number),
      [2, 3],
    )
    await finishChange(files, started)
    await files.rename('/old3', '/d3')
    const after = await startTestStore(files, ['/d1', '/old2', ...six.slice(2), '/d2'])
    assert.equal(numbersOf(after), [1, 3, 4, 5, 6, 7])
    assert.ok(after.out[0]?.reason.includes('/old2 holds a disk that is no longer part of this store'))
    const identity = decodeIdentity(await readFile(files, '/d3/disk.json'))
    assert.is(identity.kind === 'ok' && identity.value.table.version, 2)
  }),
)

test(
  'an empty directory on another device stays out with a message; the operator may take it in',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    await emptyRoot(files, '/d6')
    const states: DirectoryState[] = await Promise.all(six.map((root) => inspectDirectory(files, root)))
    const onOther = states.map((state) => (state.root === '/d6' ? { ...state, device: 99 } : state))
    const options = { partitions: 2, newId: () => 'f'.repeat(32), newKey: () => new Uint8Array(32) }
    const plan = planStart({ ...options, directories: onOther })
    assert.is(plan.kind, 'open')
    if (plan.kind !== 'open') return
    assert.is(plan.change, undefined)
    assert.ok(plan.out[0]?.reason.includes('lies on another device'))
    const lost = plan.missing[0]!
    assert.ok(whyNotAdoptable(onOther[5]!, lost, new Set([1]), plan)?.includes('another device'))
    assert.is(whyNotAdoptable(states[5]!, lost, new Set([1]), plan), undefined)
    assert.is(whyNotAdoptable(states[4]!, lost, new Set([1]), plan), '/d5 holds disk 5 of this store')
    const stranger = { ...plan, storeId: 'e'.repeat(32) }
    assert.ok(whyNotAdoptable(states[4]!, lost, new Set([1]), stranger)?.includes('of another store'))
    // The operator's word: the same change, whatever the device.
    const change = planReplacement(plan, [{ root: '/d6', lost: lost.number }], options.newId)
    await applyJoin(files, '/d6', change.joined[0]!.identity, plan.key)
    const resumed = planStart({
      ...options,
      directories: await Promise.all(
        six.map(async (root) => {
          const state = await inspectDirectory(files, root)
          return root === '/d6' ? { ...state, device: 99 } : state
        }),
      ),
    })
    assert.is(resumed.kind === 'open' && resumed.change?.joined[0]?.root, '/d6', 'what was begun goes on')
  }),
)

test(
  'history 6: blanks are not members, and with too few members nothing is taken in',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    await emptyRoot(files, '/d3')
    await emptyRoot(files, '/d4')
    await files.rename('/d5', '/away')
    await checkRefused(files, six, 'TOO_FEW_DISKS', 'positions 3, 4, 5: 4 of 6 must be there')
    // A wiped disk that only kept its key is a blank too.
    await files.rename('/away', '/d5')
    await writeFile(files, '/d3/store.key', await readFile(files, '/d1/store.key'))
    assert.equal(
      (await startTestStore(files, six)).missing.map(({ number }) => number),
      [3, 4],
    )
    // So is one that only kept its disk.json: it would stand for journal and shards it no longer has.
    for (const name of DIRECTORIES) files.removeTree(`/d5/${name}`)
    await checkRefused(files, six, 'TOO_FEW_DISKS', 'positions 3, 4, 5')
    const left = Object.keys(await listTree(files)).filter((path) => path.startsWith('/d5/'))
    assert.equal(left, ['/d5/disk.json', '/d5/store.key'])
  }),
)

test(
  'what is left of a disk that was wiped while it was in use does not keep it from being taken in',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    await emptyRoot(files, '/d3')
    await files.makeDirectory('/d3/shards')
    await files.makeDirectory('/d3/shards/ab')
    await writeFile(files, '/d3/shards/ab/remnant', new Uint8Array(3))
    const started = await startTestStore(files, six)
    assert.is(started.change?.joined[0]?.root, '/d3')
    assert.is(await files.stat('/d3/shards/ab/remnant'), undefined)
  }),
)

test(
  'history 8: a replacement cut off at any step leaves the old table or the new one',
  seeded(LIMIT_MS, async (random) => {
    const roots = diskRoots(4)
    const tables: DiskTable[] = []
    const start = async (files: FileSystem): Promise<void> => {
      const store = await startTestStore(files, roots)
      for (const name of await files.list('/d2')) await files.remove(`/d2/${name}`)
      if (tables.length === 0) tables.push(store.table)
    }
    const faulty = await createFaultyFiles({}, start)
    const started = await startTestStore(faulty, roots, { random: createPrng(4) })
    faulty.mark('prepared')
    await finishChange(faulty, started)
    faulty.mark('published')
    tables.push(started.change!.to)
    for await (const { files, marks, description } of crashStates(faulty, random, start)) {
      const next = await startTestStore(files, roots, { random: createPrng(9) })
      const which = tables.findIndex((table) => JSON.stringify(table) === JSON.stringify(next.table))
      assert.ok(which >= 0, description)
      if (!marks.has('prepared')) assert.is(which, 0, description)
      if (marks.has('published')) assert.is(which, 1, description)
      // The newcomer counts with the new table, and is taken in again with the old one.
      assert.equal(numbersOf(next), which === 1 ? [1, 5, 3, 4] : [1, 3, 4], description)
      if (which === 0) {
        assert.is(next.change?.joined[0]?.root, '/d2', description)
        await finishChange(files, next)
      }
      const last = await startTestStore(files, roots)
      assert.equal(
        [numbersOf(last), last.table.version],
        [[1, 5, 3, 4], 2] as [number[], DiskNumber | number],
        description,
      )
    }
  }),
)

test(
  'a directory that was emptied a moment ago, and whose power goes while it is taken in, is taken in by the next start',
  seeded(LIMIT_MS, async (random) => {
    const roots = diskRoots(4)
    const start = async (files: FileSystem): Promise<void> => void (await startTestStore(files, roots))
    const faulty = await createFaultyFiles({}, start)
    // As an operator does it: nothing of it is synced.
    for (const name of await faulty.list('/d2')) await faulty.remove(`/d2/${name}`)
    const first = faulty.log.length
    await startTestStore(faulty, roots, { random: createPrng(4) })
    for await (const { files, description } of crashStates(faulty, random, start, first)) {
      const { out } = await startTestStore(files, roots, { random: createPrng(9) })
      assert.equal(out, [], description)
    }
  }),
)

test.run()
