// A start on directories of this machine: locks that other processes hold or left behind, links, and directories that
// cannot be made or written to.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
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
import { text } from 'node:stream/consumers'
import { Worker } from 'node:worker_threads'
import { FileError, type FileSystem } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { nodeFiles } from '../../src/storage/files-node.ts'
import { createLevelLock } from '../../src/storage/lock.ts'
import { endWithUs } from '../support/lifeline.ts'
import { startTestStore } from '../support/stores.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('start-directories')
const LIMIT_MS = 60_000

/** Every file of a directory of this machine, its bytes and its inode. */
const listReal = (root: string): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const stat = statSync(join(root, name))
      // An empty one may be a lock that this process holds: to open and close it is to let go of it.
      if (stat.size === 0) return `${name} empty`
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

/** Takes the lock in `root` once something was said on stdin, or nothing more is, and prints what came of it. */
const lockingProcess = (root: string): string[] => {
  const script = `
    const { createLevelLock } = await import(${JSON.stringify(new URL('../../src/storage/lock.js', import.meta.url).href)})
    const { nodeFiles } = await import(${JSON.stringify(new URL('../../src/storage/files-node.js', import.meta.url).href)})
    for await (const line of process.stdin) break
    const outcome = await createLevelLock(nodeFiles)(process.argv[1]).then(() => 'locked', (error) => error.code)
    process.stdout.write(outcome, () => process.kill(process.pid, 'SIGKILL'))`
  return ['--input-type=module', '-e', script, root]
}

/** Takes the lock in a process of its own and resolves to what came of it. */
const lockElsewhere = (root: string): string =>
  spawnSync(process.execPath, lockingProcess(root), { encoding: 'utf8' }).stdout

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

/** Takes the lock on another thread of this process, which shares nothing with this one but the process. */
const lockOnThread = async (root: string): Promise<string> => {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads')
    const take = async () => {
      const { createLevelLock } = await import(${JSON.stringify(new URL('../../src/storage/lock.js', import.meta.url).href)})
      const { nodeFiles } = await import(${JSON.stringify(new URL('../../src/storage/files-node.js', import.meta.url).href)})
      await (await createLevelLock(nodeFiles)(workerData)).release()
    }
    take().then(() => parentPort.postMessage('locked'), (error) => parentPort.postMessage(error.code))`
  const worker = new Worker(script, { eval: true, workerData: root })
  const [outcome] = (await once(worker, 'message')) as [string]
  await worker.terminate()
  return outcome
}

test(
  'a start that is refused because this process has the disks does not let go of their locks',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const roots = ['d1', 'd2', 'd3'].map((name) => join(root, 'data', name))
    const request = { takeLock: createLevelLock(nodeFiles) }
    try {
      await (await startTestStore(nodeFiles, roots, request)).release()
      const store = await startTestStore(nodeFiles, roots, request)
      symlinkSync(join(root, 'data'), join(root, 'link'))
      const before = listReal(root)
      const check = (what: string): void => {
        for (const disk of roots) assert.is(lockElsewhere(disk), 'STORE_IN_USE', `${what}: ${disk}`)
      }
      const [first, second, third] = roots as [string, string, string]
      for (const order of [roots, [third, first, second], [second]]) {
        await rejectsWith('STORE_IN_USE', () => startTestStore(nodeFiles, order, request))
      }
      assert.equal(listReal(root), before)
      check('the same names')
      // LevelDB knows its own locks by their names alone.
      const linked = roots.map((disk) => disk.replace('/data/', '/link/'))
      await rejectsWith('STORE_IN_USE', () => startTestStore(nodeFiles, linked, request))
      check('other names')
      for (const disk of roots) assert.is(await lockOnThread(disk), 'STORE_IN_USE')
      check('another thread')
      await store.release()
      for (const disk of roots) assert.is(await lockOnThread(disk), 'locked')
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'of two starts at once on the same disks in one process one is refused, and the other keeps its locks',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    const disk = join(root, 'd1')
    const takeLock = createLevelLock(nodeFiles)
    try {
      mkdirSync(disk)
      for (const isFirst of [true, false]) {
        const taken = await Promise.allSettled([1, 2, 3].map(() => takeLock(disk)))
        const locks = taken.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
        const refused = taken.flatMap((one) => (one.status === 'rejected' ? [one.reason.code] : []))
        assert.equal([locks.length, refused], [1, ['STORE_IN_USE', 'STORE_IN_USE']], `first: ${isFirst}`)
        assert.is(lockElsewhere(disk), 'STORE_IN_USE')
        await locks[0]!.release()
      }
      // A lock that is undone is free again, in this process as well.
      await (await takeLock(disk)).undo()
      await (await takeLock(disk)).release()
      assert.is(lockElsewhere(disk), 'locked')
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'a child that was started while this process had a lock takes it when it is free: what it inherited is no lock',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    try {
      const lock = await createLevelLock(nodeFiles)(root)
      const child = spawn(process.execPath, lockingProcess(root), {
        stdio: ['pipe', 'pipe', 'inherit'],
        detached: true,
      })
      endWithUs(child)
      await once(child, 'spawn')
      await lock.release()
      child.stdin.end('now')
      assert.is(await text(child.stdout), 'locked')
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
          // LOG is LevelDB's diary, and nothing rests on it.
          assert.is(lock.isRemade, name !== 'LOG', `${name} at ${at}`)
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

test(
  'two names of one directory that is not there yet are told apart from two directories',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    try {
      mkdirSync(join(root, 'data'))
      symlinkSync(join(root, 'data'), join(root, 'link'))
      const roots = ['data', 'link'].map((name) => join(root, name, 'd1'))
      const request = { takeLock: createLevelLock(nodeFiles) }
      const error = await rejectsWith('CONFIG_INVALID', () => startTestStore(nodeFiles, roots, request))
      assert.is(error.message, `${roots[0]} and ${roots[1]} are the same directory`)
      assert.equal(readdirSync(join(root, 'data')), [])
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test(
  'of a lock that LevelDB cannot make in a new directory nothing is left',
  deadline(LIMIT_MS, async () => {
    const root = mkdtempSync(join(tmpdir(), 'moraine-start-'))
    // What a full disk does in the middle of it: LOCK and LOG are there by then.
    const obstructing: FileSystem = {
      ...nodeFiles,
      async makeDirectory(path) {
        const isMade = await nodeFiles.makeDirectory(path)
        mkdirSync(join(path, 'CURRENT'))
        return isMade
      },
    }
    try {
      await rejectsWith('DISK_IO', () => createLevelLock(obstructing)(root))
      assert.equal(readdirSync(root), [])
      await (await createLevelLock(nodeFiles)(root)).undo()
      assert.equal(readdirSync(root), [])
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }),
)

test.run()
