import { type LogFields, silentLog } from '../../src/base/log.ts'
import { createPrng } from '../../src/base/prng.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { encodeIdentity } from '../../src/storage/identity-file.ts'
import { DIRECTORIES } from '../../src/storage/layout.ts'
import { crashStates } from '../support/crash-states.ts'
import { flipByte, readFile, writeFile } from '../support/disks.ts'
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

const test = suite('start')
const LIMIT_MS = 60_000
const six = diskRoots(6)

test(
  'a store is formed where nothing is, and found again',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await formTestStore()
    assert.is(store.isNew, true)
    assert.equal([store.table.m, store.table.disks.length, store.table.partitions], [2, 6, 2])
    assert.equal(numbersOf(store), [1, 2, 3, 4, 5, 6])
    const again = await startTestStore(files, six, { partitions: 7 })
    assert.is(again.isNew, false)
    assert.equal(again.table, store.table)
    assert.equal(again.key, store.key)
    assert.equal([again.missing, again.out, again.change], [[], [], undefined])
  }),
)

test(
  'more than 16 disks form equal sets',
  deadline(LIMIT_MS, async () => {
    const store = await startTestStore(createMemoryFiles(), diskRoots(24))
    const sizes = [0, 1].map((set) => store.table.disks.filter((disk) => disk.set === set).length)
    assert.equal([...sizes, store.table.m], [12, 12, 4])
    await checkRefused(createMemoryFiles(), diskRoots(17), 'CONFIG_INVALID', '17 disks')
    await checkRefused(createMemoryFiles(), six, 'CONFIG_INVALID', 'parity 6', 6)
  }),
)

test(
  'directories that are not empty, not directories or the same twice are refused untouched',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    await files.makeDirectory('/d3')
    await writeFile(files, '/d3/holiday.jpg', new Uint8Array(9))
    await checkRefused(files, six, 'DISK_FORMAT', '/d3 is not empty: it holds holiday.jpg')
    await files.remove('/d3/holiday.jpg')
    await files.makeDirectory('/d3/volumes')
    await checkRefused(files, six, 'DISK_FORMAT', 'disk.json is missing')
    await files.remove('/d3/volumes')
    await checkRefused(files, ['/d3', '/d3/'], 'CONFIG_INVALID', 'the same directory')
    await writeFile(files, '/d5', new Uint8Array(9))
    await checkRefused(files, six, 'DISK_FORMAT', '/d5 cannot be used: it is not a directory')
    await files.remove('/d5')
    await files.makeDirectory('/d1')
    await files.makeDirectory('/d1/lost+found')
    assert.is((await startTestStore(files, six)).isNew, true)
  }),
)

test(
  'disks of two stores, copies, another parity and newer formats are refused untouched',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    const others = ['/e1', '/e2']
    await startTestStore(files, others, { random: createPrng(77) })
    await checkRefused(
      files,
      [...six.slice(0, 5), '/e1'],
      'DISK_FORMAT',
      '/d1 and /e1 belong to two different stores',
    )
    await checkRefused(files, six, 'CONFIG_INVALID', 'the store has parity 2', 3)
    await emptyRoot(files, '/d6')
    for (const name of ['disk.json', 'store.key']) {
      await writeFile(files, `/d6/${name}`, await readFile(files, `/d1/${name}`))
    }
    await checkRefused(files, six, 'DISK_FORMAT', '/d1 and /d6 hold the same disk')
    const text = new TextDecoder().decode(await readFile(files, '/d2/disk.json'))
    const { checksum, ...content } = JSON.parse(text.replace('"format": 1', '"format": 9')) as Record<
      string,
      unknown
    >
    assert.type(checksum, 'string')
    const { crc32 } = await import('node:zlib')
    const fresh = crc32(JSON.stringify(content)).toString(16).padStart(8, '0')
    await files.remove('/d2/disk.json')
    await writeFile(
      files,
      '/d2/disk.json',
      new TextEncoder().encode(JSON.stringify({ ...content, checksum: fresh })),
    )
    await checkRefused(
      files,
      six.slice(0, 5),
      'RECORD_VERSION',
      '/d2 was written by a newer release (format 9)',
    )
  }),
)

test(
  'disks are known by what they hold: swapped, missing, and back again',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await formTestStore()
    await files.rename('/d1', '/x')
    await files.rename('/d2', '/d1')
    await files.rename('/x', '/d2')
    const swapped = await startTestStore(files, six)
    assert.equal(numbersOf(swapped), [2, 1, 3, 4, 5, 6])
    const fewer = await startTestStore(files, six.slice(0, 4))
    assert.equal(
      fewer.missing.map(({ number }) => number),
      [5, 6],
    )
    const words = 'without its disks at positions 4, 5, 6: 4 of 6 must be there'
    await checkRefused(files, six.slice(0, 3), 'TOO_FEW_DISKS', words)
    await files.rename('/d6', '/away')
    const without = await startTestStore(files, six)
    assert.equal([without.missing.map(({ number }) => number), without.out.length], [[6], 1])
    assert.ok(without.out[0]?.reason.includes('/d6 does not exist'))
    assert.is(await files.stat('/d6'), undefined, 'it may be an absent mount')
    assert.equal(without.table, store.table)
  }),
)

test(
  'a damaged disk.json or store.key is written anew from what the other disks and the rest of this one say',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await formTestStore()
    const before = await listTree(files)
    for (const [path, position] of [
      ['/d2/disk.json', 100],
      ['/d3/store.key', 50],
      ['/d4/disk.json', 0],
    ] as const) {
      await flipByte(files, path, position)
    }
    await files.remove('/d5/disk.json')
    const warnings: unknown[] = []
    const warn = (event: string, fields?: LogFields): void =>
      void warnings.push([event, fields?.['root'], fields?.['file']])
    const again = await startTestStore(files, six, { log: { ...silentLog, warn } })
    assert.equal(warnings, [
      ['disk.identity-damaged', '/d2', 'disk.json'],
      ['disk.identity-damaged', '/d3', 'store.key'],
      ['disk.identity-damaged', '/d4', 'disk.json'],
      ['disk.identity-damaged', '/d5', 'disk.json'],
    ])
    assert.equal([numbersOf(again), again.key], [[1, 2, 3, 4, 5, 6], store.key])
    assert.equal(await listTree(files), before)
    await flipByte(files, '/d2/disk.json', 100)
    await flipByte(files, '/d2/store.key', 60)
    const without = await startTestStore(files, six)
    assert.equal(
      without.missing.map(({ number }) => number),
      [2],
    )
    assert.ok(without.out[0]?.reason.includes('/d2 has lost its identity'))
  }),
)

test(
  'disks that no directory was given for are named',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    const warnings: unknown[] = []
    const warn = (event: string, fields?: unknown): void => void warnings.push([event, fields])
    await startTestStore(files, six.slice(0, 4), { log: { ...silentLog, warn } })
    assert.equal(warnings, [['disks.missing', { positions: '5, 6', disks: 6, directories: 4 }]])
  }),
)

test(
  'history 7: kill -9 or a power cut at any step of the very first start, and the next one goes on forming',
  seeded(LIMIT_MS, async (random) => {
    const roots = diskRoots(3)
    const faulty = await createFaultyFiles()
    const formed = await startTestStore(faulty, roots)
    faulty.mark('formed')
    let states = 0
    for await (const { files, marks, description } of crashStates(faulty, random)) {
      states += 1
      const store = await startTestStore(files, roots, { random: createPrng(99) })
      assert.equal(numbersOf(store), [1, 2, 3], description)
      if (marks.has('formed')) assert.equal([store.isNew, store.key], [false, formed.key], description)
      const again = await startTestStore(files, roots, { random: createPrng(98) })
      assert.equal([again.table, again.key, again.isNew], [store.table, store.key, false], description)
    }
    assert.ok(states > 100)
  }),
)

test(
  'an unfinished store is only finished in the same directories',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await formTestStore()
    for (const { root, identity } of store.disks) {
      for (const name of DIRECTORIES) files.removeTree(`${root}/${name}`)
      await files.remove(`${root}/disk.json`)
      if (identity.number <= 3) {
        await writeFile(
          files,
          `${root}/disk.json`,
          encodeIdentity({ ...identity, table: store.table, phase: 'forming' }),
        )
      }
    }
    await checkRefused(files, six.slice(0, 4), 'DISK_FORMAT', 'with 6 directories did not finish')
    await checkRefused(files, ['/d2', '/d1', ...six.slice(2)], 'DISK_FORMAT', '/d2 has moved')
    await checkRefused(files, six, 'CONFIG_INVALID', 'parity 2', 1)
    const again = await startTestStore(files, six, { random: createPrng(5) })
    assert.equal([again.isNew, again.table, again.key], [true, store.table, store.key])
  }),
)

test.run()
