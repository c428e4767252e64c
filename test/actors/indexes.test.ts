// An index is a database of its own: opened where it was lost, and closed with the actor that had it open.
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { createIndexes } from '../../src/actors/indexes.ts'
import { createRoster } from '../../src/actors/roster.ts'
import { createAddedMemory } from '../../src/actors/slot-roots.ts'
import type { StoreFacts } from '../../src/actors/store-facts.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { indexPath } from '../../src/storage/layout.ts'
import { flipByte } from '../support/disk-damage.ts'
import { createLogLines } from '../support/log-lines.ts'
import { SimulatedClock } from '../support/simulated-clock.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('indexes')

/** Disks by their numbers, in the order of their slots. */
const on = (directory: string, numbers: readonly number[], log: Log = silentLog) => {
  const roots = numbers.map((number) => join(directory, `d${number}`))
  const roster = createRoster(numbers.length)
  for (const [slot, root] of roots.entries()) {
    mkdirSync(join(root, 'index'), { recursive: true })
    roster.enter(slot, { number: numbers[slot] as DiskNumber, set: 0, state: 'up' })
  }
  const added = createAddedMemory(0)
  const facts = { roots, firstSpareSlot: roots.length, added } as unknown as StoreFacts
  const clock = new SimulatedClock()
  const indexes = createIndexes({ facts, roster, partition: 0, clock, log })
  return { directory, roots, roster, indexes, clock }
}
const begin = () => on(mkdtempSync(join(tmpdir(), 'moraine-indexes-')), [1, 2])
const key = Buffer.from('k')
const put = { type: 'put', key, value: Buffer.from('v') } as const

test(
  'an index that is being opened again when all are closed is closed with them',
  deadline(10_000, async () => {
    const { directory, roots, indexes } = begin()
    await indexes.open()
    const reopened = indexes.reopen(0)
    await indexes.close()
    await reopened
    for (const root of roots) {
      const level = new ClassicLevel(indexPath(root, 0))
      await level.open()
      await level.close()
    }
    rmSync(directory, { recursive: true })
  }),
)

test(
  'one on a disk that is being drained is opened on another, and none is opened there',
  deadline(10_000, async () => {
    const { directory, roots, roster, indexes } = on(
      mkdtempSync(join(tmpdir(), 'moraine-indexes-')),
      [1, 2, 3],
    )
    await indexes.open()
    assert.equal(await indexes.moved(), [])
    roster.setDraining(2 as DiskNumber)
    assert.equal(await indexes.moved(), [1])
    await indexes.reopen(1)
    assert.equal(await indexes.moved(), [])
    await indexes.close()
    const names = roots.map((root) => readdirSync(join(root, 'index')))
    assert.equal(names, [['0'], [], ['0']])
    rmSync(directory, { recursive: true })
  }),
)

test(
  'one that is cleared is empty and good for writing; one that is lost again at once waits before it is opened',
  deadline(10_000, async () => {
    const { directory, indexes, clock } = begin()
    const [first] = await indexes.open()
    await first!.batch([put], { sync: true })
    await first!.clear()
    assert.is(first!.getSync(key), undefined)
    await first!.batch([put], { sync: true })
    assert.equal(first!.getSync(key), put.value)
    const again = await indexes.reopen(0)
    assert.is(again!.getSync(key), undefined)
    let isOpen = false
    const third = indexes.reopen(0).then(() => {
      isOpen = true
    })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.is(isOpen, false, 'a disk that fails every write is not a busy loop')
    await clock.advance(1_000)
    await third
    await indexes.close()
    rmSync(directory, { recursive: true })
  }),
)

test(
  'one that was cleared is where it is; one whose directory was exchanged, or whose disk is another, is not',
  deadline(10_000, async () => {
    const { directory, roots, roster, indexes } = begin()
    const stores = await indexes.open()
    const paths = roots.map((root) => indexPath(root, 0))
    // As long as they are open no other directory is given their numbers.
    const open = paths.map((path) => openSync(path, 'r'))
    for (const store of stores) await store!.clear()
    assert.equal(await indexes.moved(), [])
    renameSync(paths[0]!, `${paths[0]}-away`)
    assert.equal(await indexes.moved(), [], 'of a disk that is going its actor will say so')
    mkdirSync(paths[0]!)
    assert.equal(await indexes.moved(), [0])
    // Adopted in the place of the other, and no index in it yet.
    rmSync(paths[1]!, { recursive: true })
    roster.enter(1, { number: 3 as DiskNumber, set: 0, state: 'up' })
    assert.equal(await indexes.moved(), [0, 1])
    for (const position of [0, 1] as const) await indexes.reopen(position)
    assert.equal(await indexes.moved(), [])
    for (const fd of open) closeSync(fd)
    await indexes.close()
    rmSync(directory, { recursive: true })
  }),
)

test(
  'they are opened where they are, in whichever order the directories are given',
  deadline(10_000, async () => {
    // The first two were away when they were made.
    const { directory, indexes } = on(mkdtempSync(join(tmpdir(), 'moraine-indexes-')), [3, 4])
    for (const [i, store] of (await indexes.open()).entries()) {
      await store!.batch([{ ...put, value: Buffer.from(`${i}`) }], { sync: true })
    }
    await indexes.close()
    const { indexes: again } = on(directory, [1, 4, 2, 3])
    const stores = await again.open()
    assert.equal(
      stores.map((store) => [store!.disk, store!.getSync(key)?.toString()]),
      [
        [3, '0'],
        [4, '1'],
      ],
    )
    // One that is lost is made anew where it was: there are no others to be taken for it.
    assert.is((await again.reopen(1))!.disk, 4)
    await again.close()
    rmSync(directory, { recursive: true })
  }),
)

test(
  'damage in the files of an index is told with its place, and one without a manifest begins from nothing',
  deadline(10_000, async () => {
    const { directory, indexes } = begin()
    for (const store of await indexes.open()) {
      await store!.batch([put], { sync: true })
      await store!.batch([{ ...put, key: Buffer.from('l') }], { sync: true })
    }
    await indexes.close()
    const { log, lines } = createLogLines()
    for (const [disk, kind] of [
      [1, /^MANIFEST/],
      [2, /\.log$/],
    ] as const) {
      const path = join(directory, `d${disk}`, 'index', '0')
      const file = readdirSync(path).find((name) => kind.test(name))!
      assert.ok(flipByte(join(path, file), 12))
    }
    const { indexes: again } = on(directory, [1, 2], log)
    const [first, second] = await again.open()
    assert.equal(
      lines.map(({ level, event, fields }) => [
        level,
        event,
        fields['disk'],
        fields['offset'],
        fields['isFatal'],
      ]),
      [
        ['warn', 'index-file-damaged', 1, 0, true],
        ['warn', 'index-file-damaged', 2, 0, false],
      ],
    )
    assert.match(lines[0]?.fields['file'] as string, /^index\/0\/MANIFEST-\d+$/)
    assert.match(lines[1]?.fields['file'] as string, /^index\/0\/\d+\.log$/)
    assert.is(first!.getSync(key), undefined)
    assert.is(second!.getSync(key), undefined, 'LevelDB drops what is damaged, and says nothing')
    await again.close()
    const { indexes: third } = on(directory, [1, 2], log)
    await third.open()
    await third.close()
    assert.is(lines.length, 2, 'what was found is gone with the next opening')
    rmSync(directory, { recursive: true })
  }),
)

test.run()
