// Directories of a start that cannot be written to: a known store goes on without them as without lost disks, a new one is
// refused; and neither hides what else is wrong.
import { fault } from '../../src/base/errors.ts'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { type LogFields, silentLog } from '../../src/base/log.ts'
import { createPrng } from '../../src/base/prng.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { noLock, type TakeLock } from '../../src/storage/lock.ts'
import { flipByte, writeFile } from '../support/disks.ts'
import {
  checkRefused,
  diskRoots,
  formTestStore,
  listTree,
  numbersOf,
  startTestStore,
} from '../support/stores.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('start-unwritable')
const LIMIT_MS = 60_000
const six = diskRoots(6)

/** A lock that cannot be taken in some directories: what the system says, by directory. */
const refusingLock =
  (codes: Readonly<Record<string, string>>): TakeLock =>
  async (root) => {
    const code = codes[root]
    if (code !== undefined) throw new FileError('open', `${root}/lock`, code)
    return noLock(root)
  }

test(
  'a known store starts without directories that cannot be written to, and says which and why',
  deadline(LIMIT_MS, async () => {
    const { files, store } = await formTestStore()
    const before = await listTree(files)
    const warnings: unknown[] = []
    const warn = (event: string, fields?: LogFields): void => void warnings.push([event, fields?.['reason']])
    const takeLock = refusingLock({ '/d2': 'EROFS', '/d5': 'EACCES' })
    const started = await startTestStore(files, six, { takeLock, log: { ...silentLog, warn } })
    assert.equal([started.isNew, started.table, numbersOf(started)], [false, store.table, [1, 3, 4, 6]])
    assert.equal(
      started.missing.map(({ number }) => number),
      [2, 5],
    )
    const reasons = [
      '/d2 cannot be written to (EROFS): its disk is out',
      '/d5 cannot be written to (EACCES): its disk is out',
    ]
    assert.equal(
      started.out,
      ['/d2', '/d5'].map((root, index) => ({ root, reason: reasons[index]! })),
    )
    assert.equal(
      warnings,
      reasons.map((reason) => ['disk.out', reason]),
    )
    assert.equal(await listTree(files), before)
    assert.equal(numbersOf(await startTestStore(files, six)), [1, 2, 3, 4, 5, 6])
  }),
)

/** The same files, of which the system lets nobody write to `path`. */
const forbidding = (files: FileSystem, path: string): FileSystem => ({
  ...files,
  checkWritable: (asked, kind) =>
    asked === path
      ? Promise.reject(new FileError('access', path, 'EACCES'))
      : files.checkWritable(asked, kind),
})

test(
  'a disk is out that cannot be written to in any of its directories, and is not locked for it',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    for (const path of ['/d2/journal/0', '/d2/journal/1', '/d2/index/0']) await files.makeDirectory(path)
    const before = await listTree(files)
    const places = ['', '/lock', '/lock/LOCK', '/journal', '/journal/1', '/volumes', '/shards', '/index']
    for (const place of [...places, '/index/0']) {
      const locked: string[] = []
      const takeLock: TakeLock = (root) => {
        locked.push(root)
        return noLock(root)
      }
      const started = await startTestStore(forbidding(files, `/d2${place}`), six, { takeLock })
      const reason = '/d2 cannot be written to (EACCES): its disk is out'
      assert.equal(started.out, [{ root: '/d2', reason }], place)
      assert.equal(numbersOf(started), [1, 3, 4, 5, 6], place)
      assert.equal(locked, ['/d1', '/d3', '/d4', '/d5', '/d6'], place)
      await rejectsWith('DISK_READ_ONLY', () => started.relock('/d2'))
      await started.relock('/d3')
      assert.equal(locked, ['/d1', '/d3', '/d4', '/d5', '/d6'], place)
    }
    assert.equal(await listTree(files), before)
  }),
)

test(
  'a disk that comes back is taken in when it can be written to, whether its lock is still held or not',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    let forbidden = '/d2/volumes'
    const checked: FileSystem = {
      ...files,
      checkWritable: (path, kind) => forbidding(files, forbidden).checkWritable(path, kind),
    }
    const started = await startTestStore(checked, six)
    await rejectsWith('DISK_READ_ONLY', () => started.relock('/d2'))
    forbidden = ''
    await started.relock('/d2')
    forbidden = '/d2/shards'
    await rejectsWith('DISK_READ_ONLY', () => started.relock('/d2'))
    forbidden = ''
    await started.relock('/d2')
  }),
)

test(
  'a lock whose place cannot be looked at is given back',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    const failing: FileSystem = {
      ...files,
      stat: (path, options) =>
        path === '/d2/lock/LOCK'
          ? Promise.reject(new FileError('stat', path, 'EIO'))
          : files.stat(path, options),
    }
    const undone: string[] = []
    const takeLock: TakeLock = async (root) => ({
      ...(await noLock(root)),
      undo: async () => void undone.push(root),
    })
    const { out } = await startTestStore(failing, six, { takeLock })
    assert.equal([out.map(({ root }) => root), undone], [['/d2'], ['/d2']])
  }),
)

test(
  'with more than m directories that cannot be used a start is refused, and names each of them with its cause',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    await files.rename('/d6', '/away')
    await writeFile(files, '/d6', new Uint8Array(1))
    const before = await listTree(files)
    const takeLock = refusingLock({ '/d2': 'EROFS', '/d5': 'EACCES' })
    const { message } = await rejectsWith('TOO_FEW_DISKS', () => startTestStore(files, six, { takeLock }))
    for (const words of [
      'positions 2, 5, 6: 4 of 6 must be there',
      '/d2 cannot be written to (EROFS)',
      '/d5 cannot be written to (EACCES)',
      '/d6 cannot be used: it is not a directory',
    ]) {
      assert.ok(message.includes(words), message)
    }
    assert.equal(await listTree(files), before)
    const all = refusingLock(Object.fromEntries(six.slice(0, 5).map((root) => [root, 'EROFS'])))
    const none = await rejectsWith('DISK_READ_ONLY', () =>
      startTestStore(files, six.slice(0, 5), { takeLock: all }),
    )
    for (const root of six.slice(0, 5)) assert.ok(none.message.includes(`${root} cannot`), none.message)
    assert.equal(await listTree(files), before)
  }),
)

test(
  'a first start is refused for one directory that cannot be written to, and names all of them',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    const before = await listTree(files)
    const takeLock = refusingLock({ '/d2': 'EROFS', '/d5': 'EACCES' })
    const { message } = await rejectsWith('DISK_READ_ONLY', () => startTestStore(files, six, { takeLock }))
    assert.is(message, '/d2 cannot be written to (EROFS); /d5 cannot be written to (EACCES)')
    assert.equal(await listTree(files), before)
    await writeFile(files, '/d1', new Uint8Array(1))
    await writeFile(files, '/d3', new Uint8Array(1))
    await checkRefused(files, six, 'DISK_FORMAT', '/d1 cannot be used: it is not a directory (and no')
    await checkRefused(files, six, 'DISK_FORMAT', '; /d3 cannot be used: it is not a directory')
  }),
)

test(
  'that a directory cannot be written to hides neither who holds another nor that a disk is of another store',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    const before = await listTree(files)
    const isHeld = fault('STORE_IN_USE', '/d6 is in use by another Moraine')
    const takeLock: TakeLock = (root) =>
      root === '/d6' ? Promise.reject(isHeld) : refusingLock({ '/d2': 'EROFS' })(root)
    await rejectsWith('STORE_IN_USE', () => startTestStore(files, six, { takeLock }))
    assert.equal(await listTree(files), before)
    await startTestStore(files, ['/e1', '/e2'], { random: createPrng(77) })
    const mixed = [...six.slice(0, 5), '/e1']
    const readOnly = refusingLock({ '/e1': 'EROFS' })
    await rejectsWith('DISK_FORMAT', () => startTestStore(files, mixed, { takeLock: readOnly }))
  }),
)

test(
  'a disk whose identity cannot be written anew is out, and the others go on',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    await flipByte(files, '/d2/disk.json', 100)
    const failing: FileSystem = {
      ...files,
      open: (path, mode, options) =>
        mode === 'create' && path.startsWith('/d2/')
          ? Promise.reject(new FileError('open', path, 'EROFS'))
          : files.open(path, mode, options),
    }
    const started = await startTestStore(failing, six)
    assert.equal([numbersOf(started), started.missing.length], [[1, 3, 4, 5, 6], 1])
    assert.equal(started.out, [{ root: '/d2', reason: '/d2 cannot be written to (EROFS): its disk is out' }])
    for (const root of ['/d3', '/d4']) await files.rename(root, `${root}-away`)
    const { message } = await rejectsWith('TOO_FEW_DISKS', () => startTestStore(failing, six))
    assert.ok(message.includes('positions 2, 3, 4'), message)
  }),
)

/** The same files, of which none can be made below `path`. */
const full = (files: FileSystem, path: string): FileSystem => ({
  ...files,
  open: (asked, mode, options) =>
    mode === 'create' && asked.startsWith(path)
      ? Promise.reject(new FileError('write', asked, 'ENOSPC'))
      : files.open(asked, mode, options),
})

test(
  'a first start that runs out of room is refused with the directory, and takes back what it has made',
  deadline(LIMIT_MS, async () => {
    const files = createMemoryFiles()
    await files.makeDirectory('/d1')
    const before = await listTree(files)
    for (const name of ['store.key', 'disk.json']) {
      const { message } = await rejectsWith('DISK_READ_ONLY', () =>
        startTestStore(full(files, `/d4/${name}`), six),
      )
      assert.is(message, '/d4 cannot be written to (ENOSPC)')
      assert.equal(await listTree(files), before, name)
    }
    // What an earlier start has begun stays, and what is left of another disk.
    await startTestStore(files, six)
    for (const root of six.slice(1)) files.removeTree(root)
    for (const name of ['disk.json', 'session', 'journal', 'volumes', 'shards', 'index']) {
      files.removeTree(`/d1/${name}`)
    }
    await rejectsWith('DISK_READ_ONLY', () => startTestStore(full(files, '/d4/store.key'), six))
    assert.ok((await files.stat('/d1/store.key')) !== undefined)
  }),
)

test(
  'a newcomer that cannot be written to keeps no store from starting',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    for (const name of await files.list('/d2')) files.removeTree(`/d2/${name}`)
    const started = await startTestStore(full(files, '/d2/'), six)
    assert.equal([numbersOf(started), started.change], [[1, 3, 4, 5, 6], undefined])
    assert.equal(started.out, [{ root: '/d2', reason: '/d2 cannot be written to (ENOSPC): its disk is out' }])
    assert.is((await startTestStore(files, six)).change?.joined.length, 1)
  }),
)

test(
  'what cannot be taken back keeps nothing else of a refused start from it',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    const undone: string[] = []
    const warnings: string[] = []
    const takeLock: TakeLock = async (root) => ({
      ...(await noLock(root)),
      async undo() {
        if (root === '/d2') throw new FileError('list', `${root}/lock`, 'ENOENT')
        undone.push(root)
      },
    })
    const log = { ...silentLog, warn: (event: string) => void warnings.push(event) }
    await rejectsWith('TOO_FEW_DISKS', () => startTestStore(files, six.slice(0, 3), { takeLock, log }))
    assert.equal([undone, warnings], [['/d3', '/d1'], ['start-not-undone']])
  }),
)

test(
  'a lock that is still being taken when the store ends is given back',
  deadline(LIMIT_MS, async () => {
    const { files } = await formTestStore()
    const held = new Set<object>()
    let taken = 0
    let hang: Promise<void> | undefined
    const takeLock: TakeLock = async (root) => {
      await hang
      taken += 1
      const lock = { ...(await noLock(root)), release: async () => void held.delete(lock) }
      held.add(lock)
      return lock
    }
    const store = await startTestStore(files, six, { takeLock })
    await files.rename('/d2', '/away')
    await files.makeDirectory('/d2')
    let goOn = (): void => undefined
    hang = new Promise((resolve) => {
      goOn = resolve
    })
    const relocked = store.relock('/d2')
    await store.release()
    goOn()
    await rejectsWith('ACTOR_STOPPED', () => relocked)
    assert.equal([taken, held.size], [7, 0])
  }),
)

test.run()
