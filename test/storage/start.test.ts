import { spawnSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { type LogFields, silentLog } from '../../src/base/log.ts'
import { createPrng } from '../../src/base/prng.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { applyJoin, applyPublish } from '../../src/storage/forming.ts'
import { planStart, whyNotAdoptable } from '../../src/storage/identity.ts'
import { type DiskTable, decodeIdentity, encodeIdentity } from '../../src/storage/identity-file.ts'
import { type DirectoryState, inspectDirectory } from '../../src/storage/inspect.ts'
import { DIRECTORIES } from '../../src/storage/layout.ts'
import { createLevelLock } from '../../src/storage/lock.ts'
import type { StartedStore } from '../../src/storage/start.ts'
import { planReplacement } from '../../src/storage/table-change.ts'
import { crashStates } from '../support/crash-states.ts'
import { flipByte, readFile, writeFile } from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { diskRoots, listTree, startTestStore } from '../support/stores.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('start')
const LIMIT_MS = 60_000
const six = diskRoots(6)

const numbersOf = (store: StartedStore): number[] => store.disks.map(({ identity }) => identity.number)

/** A formed store with data in it, as far as a start can see. */
const makeStore = async (roots = six) => {
  const files = createMemoryFiles()
  const store = await startTestStore(files, roots)
  return { files, store }
}

const wipe = async (files: ReturnType<typeof createMemoryFiles>, root: string): Promise<void> => {
  for (const name of await files.list(root)) files.removeTree(`${root}/${name}`)
}

/** The start is refused with `code`, its message has `words`, and nothing was touched. */
const checkRefused = async (
  files: FileSystem,
  roots: readonly string[],
  code: string,
  words: string,
  parity?: number,
): Promise<void> => {
  const before = await listTree(files)
  const error = await rejectsWith(code, () =>
    startTestStore(files, roots, parity === undefined ? {} : { parity }),
  )
  assert.ok(error.message.includes(words), error.message)
  assert.equal(await listTree(files), before)
}

test(
  'a store is formed where nothing is, and found again',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await makeStore()
    assert.is(store.isNew, true)
    assert.equal([store.table.m, store.table.disks.length, store.table.partitions], [2, 6, 2])
    assert.equal(numbersOf(store), [1, 2, 3, 4, 5, 6])
    const again = await startTestStore(files, six, { partitions: 7 })
    assert.is(again.isNew, false)
    assert.equal(again.table, store.table)
    assert.equal(again.key, store.key)
    assert.equal([again.missing, again.out, again.unreadableSets, again.change], [[], [], [], undefined])
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
    const { files } = await makeStore()
    const others = ['/e1', '/e2']
    await startTestStore(files, others, { random: createPrng(77) })
    await checkRefused(
      files,
      [...six.slice(0, 5), '/e1'],
      'DISK_FORMAT',
      '/d1 and /e1 belong to two different stores',
    )
    await checkRefused(files, six, 'CONFIG_INVALID', 'the store has parity 2', 3)
    await wipe(files, '/d6')
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
    const { files, store } = await makeStore()
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
    assert.equal(fewer.unreadableSets, [])
    const tooFew = await startTestStore(files, six.slice(0, 3))
    assert.equal(tooFew.unreadableSets, [0])
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
    const { files, store } = await makeStore()
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
    const warn = (event: string, fields?: LogFields): void => void warnings.push([event, fields?.['root']])
    const again = await startTestStore(files, six, { log: { ...silentLog, warn } })
    assert.equal(
      warnings,
      ['/d2', '/d3', '/d4', '/d5'].map((root) => ['disk.identity-damaged', root]),
    )
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

/** Commits nothing, as a test of storage alone, and publishes. */
const finishChange = async (files: FileSystem, store: StartedStore): Promise<void> => {
  assert.ok(store.change)
  await applyPublish(() => files, store.disks, store.change!)
}

test(
  'an emptied directory on a device of the store takes the place of the lost disk, under a new number',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await makeStore()
    await wipe(files, '/d2')
    await wipe(files, '/d5')
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
    const { files } = await makeStore()
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
    const { files } = await makeStore()
    await wipe(files, '/d6')
    const states: DirectoryState[] = await Promise.all(six.map((root) => inspectDirectory(files, root)))
    const onOther = states.map((state) => (state.root === '/d6' ? { ...state, device: 99 } : state))
    const options = { partitions: 2, newId: () => 'f'.repeat(32), newKey: () => new Uint8Array(32) }
    const plan = planStart({ ...options, directories: onOther })
    assert.is(plan.kind, 'open')
    if (plan.kind !== 'open') return
    assert.is(plan.change, undefined)
    assert.ok(plan.out[0]?.reason.includes('lies on another device'))
    const lost = plan.missing[0]!
    assert.ok(whyNotAdoptable(onOther[5]!, lost, new Set([1]))?.includes('another device'))
    assert.is(whyNotAdoptable(states[5]!, lost, new Set([1])), undefined)
    assert.ok(whyNotAdoptable(states[4]!, lost, new Set([1])))
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
    const { files } = await makeStore()
    await wipe(files, '/d3')
    await wipe(files, '/d4')
    await files.rename('/d5', '/away')
    const before = await listTree(files)
    const started = await startTestStore(files, six)
    assert.equal([started.unreadableSets, started.change], [[0], undefined])
    assert.equal(await listTree(files), before)
    // A wiped disk that only kept its key is a blank too.
    await files.rename('/away', '/d5')
    await writeFile(files, '/d3/store.key', await readFile(files, '/d1/store.key'))
    assert.equal(
      (await startTestStore(files, six)).missing.map(({ number }) => number),
      [3, 4],
    )
    // So is one that only kept its disk.json: it would stand for journal and shards it no longer has.
    for (const name of DIRECTORIES) files.removeTree(`/d5/${name}`)
    const without = await startTestStore(files, six)
    assert.equal([without.missing.map(({ number }) => number), without.unreadableSets], [[3, 4, 5], [0]])
    const left = Object.keys(await listTree(files)).filter((path) => path.startsWith('/d5/'))
    assert.equal(left, ['/d5/disk.json', '/d5/store.key'])
  }),
)

test(
  'what is left of a disk that was wiped while it was in use does not keep it from being taken in',
  deadline(LIMIT_MS, async () => {
    const { files } = await makeStore()
    await wipe(files, '/d3')
    await files.makeDirectory('/d3/shards')
    await files.makeDirectory('/d3/shards/ab')
    await writeFile(files, '/d3/shards/ab/remnant', new Uint8Array(3))
    const started = await startTestStore(files, six)
    assert.is(started.change?.joined[0]?.root, '/d3')
    assert.is(await files.stat('/d3/shards/ab/remnant'), undefined)
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
    const { files, store } = await makeStore()
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

/** Every file of a directory of this machine, its bytes and its inode. */
const listReal = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = statSync(join(root, name))
      return `${name} ${stat.isFile() ? readFileSync(join(root, name)).toString('hex') : 'directory'}`
    })

test(
  'history 34: a second start on the same disks is refused, and leaves them as they are to the byte',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const roots = [1, 2, 3].map((i) => join(root, 'data', `d${i}`))
    const takeLock = createLevelLock(nodeFiles)
    try {
      const request = { takeLock, random: createPrng(1) }
      // Twice, so that the lock has a history: LevelDB renames its logs.
      await (await startTestStore(nodeFiles, roots, request)).release()
      const store = await startTestStore(nodeFiles, roots, request)
      const before = listReal(root)
      const error = await rejectsWith('STORE_IN_USE', () => startTestStore(nodeFiles, roots, request))
      assert.ok(error.message.includes(`${roots[0]} is in use by another Moraine`))
      assert.equal(listReal(root), before)
      // Only one directory is shared, and comes last: those locked before it, and made for it, are as they were.
      const fresh = join(root, 'fresh')
      mkdirSync(fresh)
      await rejectsWith('STORE_IN_USE', () => startTestStore(nodeFiles, [fresh, roots[2]!], request))
      assert.equal(
        listReal(root).filter((line) => !line.startsWith('fresh ')),
        before,
      )
      assert.equal(readdirSync(fresh), [])
      await store.release()
      await store.release()
      await (await startTestStore(nodeFiles, roots, request)).release()
      assert.is(statSync(join(roots[0]!, 'store.key')).mode & 0o777, 0o600)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

/** Takes the lock in a process of its own and prints what came of it. */
const lockElsewhere = (root: string): string => {
  const script = `
    const { createLevelLock } = await import(${JSON.stringify(new URL('../../src/storage/lock.js', import.meta.url).href)})
    const { nodeFiles } = await import(${JSON.stringify(new URL('../../src/storage/files-node.js', import.meta.url).href)})
    const outcome = await createLevelLock(nodeFiles)(process.argv[1]).then(() => 'locked', (error) => error.code)
    process.stdout.write(outcome, () => process.kill(process.pid, 'SIGKILL'))`
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', script, root], { encoding: 'utf8' })
  return child.stdout
}

test(
  'history 34: another process is refused as long as this one lives, and a killed one leaves nothing to clear',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const takeLock = createLevelLock(nodeFiles)
    try {
      assert.is(lockElsewhere(root), 'locked')
      const store = await startTestStore(nodeFiles, [join(root, 'd1')], { takeLock })
      assert.is(lockElsewhere(join(root, 'd1')), 'STORE_IN_USE')
      // The directory is emptied while the store runs, and locked again before it is used again.
      for (const name of readdirSync(join(root, 'd1'))) {
        rmSync(join(root, 'd1', name), { recursive: true })
      }
      await store.relock(join(root, 'd1'))
      assert.is(lockElsewhere(join(root, 'd1')), 'STORE_IN_USE')
      await store.release()
      assert.is(lockElsewhere(join(root, 'd1')), 'locked')
      await (await takeLock(join(root, 'd1'))).release()
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'bits that flip in any file of a lock keep nobody from starting, nor let a second one in',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const takeLock = createLevelLock(nodeFiles)
    try {
      await (await takeLock(root)).release()
      await (await takeLock(root)).release()
      const names = readdirSync(join(root, 'lock')).filter(
        (name) => statSync(join(root, 'lock', name)).size > 0,
      )
      assert.ok(names.includes('CURRENT') && names.some((name) => name.startsWith('MANIFEST')))
      for (const name of ['CURRENT', 'MANIFEST', 'LOG']) {
        for (const at of [0, 9, -1]) {
          const file = readdirSync(join(root, 'lock')).find((found) => found.startsWith(name))!
          const bytes = readFileSync(join(root, 'lock', file))
          bytes[at < 0 ? bytes.length - 1 : at]! ^= 4
          writeFileSync(join(root, 'lock', file), bytes)
          const lock = await takeLock(root)
          assert.is(lockElsewhere(root), 'STORE_IN_USE', `${name} at ${at}`)
          await lock.release()
        }
      }
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'a store lies where a link leads, as long as no disk is a link itself',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const request = { takeLock: createLevelLock(nodeFiles) }
    const refused = async (roots: readonly string[], code: string, words: string): Promise<void> => {
      const error = await rejectsWith(code, () => startTestStore(nodeFiles, roots, request))
      assert.ok(error.message.includes(words), error.message)
    }
    try {
      mkdirSync(join(root, 'large'))
      symlinkSync(join(root, 'large'), join(root, 'data'))
      symlinkSync(join(root, 'nowhere'), join(root, 'torn'))
      const roots = [1, 2].map((i) => join(root, 'data', `d${i}`))
      for (const isNew of [true, false]) {
        const store = await startTestStore(nodeFiles, roots, request)
        assert.is(store.isNew, isNew)
        await store.release()
      }
      assert.equal(readdirSync(join(root, 'large')).sort(), ['d1', 'd2'])
      await refused([join(root, 'data')], 'DISK_FORMAT', 'no link is followed')
      await refused([join(root, 'torn', 'd1')], 'DISK_READ_ONLY', '/torn/d1 cannot be written to (ENOENT)')
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'disks that no directory was given for are named',
  deadline(LIMIT_MS, async () => {
    const { files } = await makeStore()
    const warnings: unknown[] = []
    const warn = (event: string, fields?: unknown): void => void warnings.push([event, fields])
    await startTestStore(files, six.slice(0, 4), { log: { ...silentLog, warn } })
    assert.equal(warnings, [['disks.missing', { positions: '5, 6', disks: 6, directories: 4 }]])
  }),
)

test(
  'a directory that nobody may write to is named with the reason, whether it was locked before or not',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const isReadOnly = (path: string): Promise<never> => Promise.reject(new FileError('write', path, 'EROFS'))
    const readOnly: FileSystem = { ...nodeFiles, makeDirectory: isReadOnly, remove: isReadOnly }
    const takeLock = createLevelLock(readOnly)
    try {
      for (const isLocked of [false, true]) {
        if (isLocked) {
          await (await createLevelLock(nodeFiles)(root)).release()
          // It does not open, and nothing of it can be thrown away.
          writeFileSync(join(root, 'lock', 'CURRENT'), 'x')
        }
        const before = listReal(root)
        const error = await rejectsWith('DISK_READ_ONLY', () =>
          startTestStore(nodeFiles, [root], { takeLock }),
        )
        assert.is(error.message, `${root} cannot be written to (EROFS)`)
        // LevelDB, which does not go through these files, found them as writable as ever.
        if (!isLocked) assert.equal(listReal(root), before)
      }
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'a directory that cannot be made is named, and those made before it are gone again',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    try {
      writeFileSync(join(root, 'file'), '')
      const roots = [join(root, 'a', 'd1'), join(root, 'file', 'd2')]
      const error = await rejectsWith('DISK_READ_ONLY', () =>
        startTestStore(nodeFiles, roots, { takeLock: createLevelLock(nodeFiles) }),
      )
      assert.ok(error.message.includes(`${roots[1]} cannot be written to`), error.message)
      assert.equal(readdirSync(root), ['file'])
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test.run()
