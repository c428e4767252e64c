// A disk that fails in every way: which fault it becomes, what it leaves behind, and that nobody is told too early.
import type { FileSystem, OpenFile } from '../../src/base/files.ts'
import { createPrng } from '../../src/base/prng.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { shardPath } from '../../src/storage/layout.ts'
import { entryBytesOf } from '../../src/storage/unit.ts'
import {
  formDirectory,
  openTestDisk,
  readsBack,
  readUnit,
  recordingLog,
  TEST_ROOT,
  writeShard,
} from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { randomBody, randomWriteId, sealBody } from '../support/stripes.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('a failing disk')
const LIMIT_MS = 10_000
const random = createPrng(8)
const makeBody = (size: number) => sealBody(randomWriteId(random), randomBody(random, size), 1, 0)
const start = (files: FileSystem): Promise<void> => formDirectory(files, TEST_ROOT)

const makeDisk = async (direct = false) => {
  const files = await createFaultyFiles({ direct }, start)
  const { log, events } = recordingLog()
  return { files, disk: await openTestDisk(files, { log }), events }
}

test(
  'the system code becomes the fault that says who must act',
  deadline(LIMIT_MS, async () => {
    const cases = [
      ['EIO', 'DISK_IO'],
      ['ENOSPC', 'DISK_FULL'],
      ['EDQUOT', 'DISK_FULL'],
      ['EROFS', 'DISK_READ_ONLY'],
      ['ENODEV', 'DISK_GONE'],
      ['EACCES', 'DISK_IO'],
      // Of the process, not of the disk: nobody starts a disk anew for it.
      ['EMFILE', 'MAILBOX_FULL'],
      ['ENFILE', 'MAILBOX_FULL'],
    ] as const
    for (const [code, fault] of cases) {
      const { files, disk } = await makeDisk()
      const packed = makeBody(100)
      for (const path of ['volumes/', 'shards/', 'journal/']) {
        files.inject({ operation: 'write', path, effect: { kind: 'error', code } })
      }
      await rejectsWith(fault, () => writeShard(disk, packed, 0))
      await disk.segments.create(0, 1, new Uint8Array(64)).catch(() => undefined)
      const large = makeBody(3 * MiB)
      const writer = await disk.createShard(large.write, large.plan.diskBytes)
      await rejectsWith(fault, () => writer.append(large.units[0]![0]!))
      await rejectsWith(fault, () => writer.seal())
      await writer.abort()
      assert.is(await files.stat(shardPath(TEST_ROOT, large.write)), undefined)
      // One failure is one failure: what comes next goes on.
      assert.ok(await readsBack(disk, packed, 0, await writeShard(disk, packed, 0)))
      await writeShard(disk, large, 0)
      assert.ok(await readsBack(disk, large, 0))
      await disk.segments.create(0, 2, new Uint8Array(64))
      await disk.close()
    }
  }),
)

test(
  'history 35: a disk that fills in the middle of anything refuses it with DISK_FULL, and freeing still works',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const kept = makeBody(2 * MiB)
    await writeShard(disk, kept, 0)
    const packed = makeBody(10 * KiB)
    const place = (await writeShard(disk, packed, 0))!
    for (const operation of ['write', 'open', 'makeDirectory'] as const) {
      const full = { operation, times: 100, effect: { kind: 'error', code: 'ENOSPC' } } as const
      files.inject({ ...full, path: 'shards/' })
      files.inject({ ...full, path: '.vol' })
    }
    files.inject({
      operation: 'write',
      path: 'volumes/',
      after: 1,
      times: 100,
      effect: { kind: 'torn', bytes: 700, code: 'ENOSPC' },
    })
    const large = makeBody(3 * MiB)
    await rejectsWith('DISK_FULL', async () => {
      const writer = await disk.createShard(large.write, large.plan.diskBytes)
      try {
        await writer.append(large.units[0]![0]!)
      } finally {
        await writer.abort()
      }
    })
    await rejectsWith('DISK_FULL', () => writeShard(disk, makeBody(100), 0))
    await disk.removeShards([kept.write])
    await disk.freePacked([{ ...place, bytes: entryBytesOf(packed.plan.lastPayloadBytes) }])
    assert.is(await files.stat(shardPath(TEST_ROOT, kept.write)), undefined)
    await disk.close()
  }),
)

test(
  'a note of garbage that found no room is written when there is some',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const body = makeBody(10 * KiB)
    const place = (await writeShard(disk, body, 0))!
    const entry = { ...place, bytes: entryBytesOf(body.plan.lastPayloadBytes) }
    files.inject({ operation: 'write', path: '.free', effect: { kind: 'torn', bytes: 7, code: 'ENOSPC' } })
    await rejectsWith('DISK_FULL', () => disk.freePacked([entry]))
    await disk.freePacked([entry])
    assert.is((await disk.volumeUsage(place.volume))?.garbageBytes, entry.bytes)
    await disk.close()
  }),
)

test(
  'a write that is torn and refused, or lands elsewhere, is never read as what it was to be',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const [first, second, third] = [makeBody(50 * KiB), makeBody(50 * KiB), makeBody(50 * KiB)]
    const place = (await writeShard(disk, first, 0))!
    files.inject({ operation: 'write', path: '.vol', effect: { kind: 'torn', bytes: 5_000 } })
    await rejectsWith('DISK_IO', () => writeShard(disk, second, 0))
    const after = (await writeShard(disk, third, 0))!
    assert.is.not(after.volume, place.volume, 'nothing follows a torn entry')
    const torn = { volume: place.volume, offset: place.offset + entryBytesOf(first.plan.lastPayloadBytes) }
    assert.is((await readUnit(disk, second, 0, 0, { place: torn })).read.status, 'corrupt')
    files.inject({ operation: 'write', path: '.vol', effect: { kind: 'misdirected', by: 128 } })
    const misdirected = (await writeShard(disk, second, 0))!
    assert.is((await readUnit(disk, second, 0, 0, { place: misdirected })).read.status, 'corrupt')
    assert.ok(await readsBack(disk, first, 0, place))
    await disk.close()
  }),
)

test(
  'a sector that cannot be read, or reads wrong once, is damage; the next read may be right',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const sealed = makeBody(3 * MiB)
    await writeShard(disk, sealed, 0)
    files.inject({ operation: 'read', path: 'shards/', effect: { kind: 'error', code: 'EIO' } })
    assert.equal((await readUnit(disk, sealed, 0, 0)).read, { status: 'corrupt', reason: 'EIO' })
    files.inject({ operation: 'read', path: 'shards/', effect: { kind: 'flip', at: 100_000 } })
    assert.is((await readUnit(disk, sealed, 0, 1)).read.status, 'corrupt')
    assert.ok(await readsBack(disk, sealed, 0))
    await disk.close()
  }),
)

test(
  'history 32: a read that failed settles only when nothing writes to its slab any more',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const sealed = makeBody(3 * MiB)
    await writeShard(disk, sealed, 0)
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    // Of the two reads of a range the header's fails at once, the blocks' hangs.
    files.inject({ operation: 'read', path: 'shards/', effect: { kind: 'error', code: 'EIO' } })
    files.inject({ operation: 'read', path: 'shards/', effect: { kind: 'wait', until } })
    let isSettled = false
    const reading = readUnit(disk, sealed, 0, 1, { firstBlock: 3, blockCount: 1 }).finally(() => {
      isSettled = true
    })
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve))
    assert.is(isSettled, false)
    release()
    assert.is((await reading).read.status, 'corrupt')
    await disk.close()
  }),
)

test(
  'history 31: a read that began before its shard was removed gets its bytes',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const sealed = makeBody(3 * MiB)
    await writeShard(disk, sealed, 0)
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    files.inject({ operation: 'read', path: 'shards/', effect: { kind: 'wait', until } })
    const reading = readUnit(disk, sealed, 0, 0)
    await new Promise<void>((resolve) => setImmediate(resolve))
    await disk.removeShards([sealed.write])
    release()
    assert.is((await reading).read.status, 'ok')
    assert.is((await readUnit(disk, sealed, 0, 0)).read.status, 'missing')
    await disk.close()
  }),
)

test(
  'what could not be noted as free for want of descriptors is noted the next time',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const packed = makeBody(100)
    const place = await writeShard(disk, packed, 0)
    const entry = { ...place!, bytes: entryBytesOf(packed.plan.lastPayloadBytes) }
    const effect = { kind: 'error', code: 'EMFILE' } as const
    for (const operation of ['open', 'syncDirectory'] as const) {
      files.inject({ operation, path: operation === 'open' ? '.free' : 'volumes', effect })
      await rejectsWith('MAILBOX_FULL', () => disk.freePacked([entry]))
    }
    await disk.freePacked([entry])
    await disk.close()
  }),
)

test(
  'aborting waits for the write that still runs: its slab is not free before',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const sealed = makeBody(3 * MiB)
    let release = (): void => undefined
    const until = new Promise<void>((resolve) => {
      release = resolve
    })
    const writer = await disk.createShard(sealed.write, sealed.plan.diskBytes)
    files.inject({ operation: 'write', path: 'shards/', effect: { kind: 'wait', until } })
    const events: string[] = []
    const appending = writer.append(sealed.units[0]![0]!).then(() => events.push('appended'))
    const aborting = writer.abort().then(() => events.push('aborted'))
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve))
    assert.equal(events, [])
    release()
    await Promise.all([appending, aborting])
    assert.equal(events, ['appended', 'aborted'])
    await disk.close()
  }),
)

test(
  'without O_DIRECT, at the opening or only at a write, the same bytes are written; it is logged once',
  deadline(LIMIT_MS, async () => {
    const offered = await makeDisk(true)
    offered.files.inject({
      operation: 'write',
      path: 'shards/',
      after: 1,
      effect: { kind: 'error', code: 'EINVAL' },
    })
    for (const { disk, events } of [await makeDisk(false), offered]) {
      for (let i = 0; i < 3; i++) {
        const sealed = makeBody(3 * MiB)
        await writeShard(disk, sealed, 0)
        assert.ok(await readsBack(disk, sealed, 0))
      }
      assert.equal(
        events.filter((event) => event === 'disk.no-direct-io'),
        ['disk.no-direct-io'],
      )
      await disk.close()
    }
  }),
)

test(
  'a disk that is closed in the middle of shards closes their files, whatever became of them',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    let openFiles = 0
    const counting: FileSystem = {
      ...files,
      async open(path, mode, options) {
        const file = await files.open(path, mode, options)
        openFiles++
        return {
          ...file,
          close: () => {
            openFiles--
            return file.close()
          },
        }
      },
    }
    await disk.close()
    const counted = await openTestDisk(counting)
    const [failing, waiting] = [makeBody(3 * MiB), makeBody(3 * MiB)]
    const first = await counted.createShard(failing.write, failing.plan.diskBytes)
    files.inject({ operation: 'write', path: 'shards/', effect: { kind: 'torn', bytes: 4096 } })
    await rejectsWith('DISK_IO', () => first.append(failing.units[0]![0]!))
    const second = await counted.createShard(waiting.write, waiting.plan.diskBytes)
    await second.append(waiting.units[0]![0]!)
    assert.is(openFiles, 2)
    await counted.close()
    assert.is(openFiles, 0)
  }),
)

test(
  'what a disk that hung begins behind its closing leaves no file open',
  deadline(LIMIT_MS, async () => {
    const { files, disk: first } = await makeDisk()
    await first.segments.create(0, 1, new Uint8Array(64))
    await first.close()
    const openFiles = new Set<OpenFile>()
    let release = (): void => undefined
    const hang = new Promise<void>((resolve) => {
      release = resolve
    })
    const hanging: FileSystem = {
      ...files,
      async open(path, mode, options) {
        if (path.includes('journal')) await hang
        const file = await files.open(path, mode, options)
        openFiles.add(file)
        return {
          ...file,
          close: () => {
            openFiles.delete(file)
            return file.close()
          },
        }
      },
    }
    const late = await openTestDisk(hanging)
    const { segments } = late
    const begun = [
      segments.create(0, 2, new Uint8Array(64)),
      segments.restore(0, 3, 0, new Uint8Array(64), false),
    ].map((action) => rejectsWith('TOO_FEW_DISKS', () => action))
    const read = segments.read(0, 1, 0, 64)
    const closed = late.close()
    const again = segments.read(0, 1, 0, 64)
    release()
    await Promise.all([...begun, read, again, closed])
    assert.is(openFiles.size, 0)
    // The same copy, begun again by who did not hear of the first: of what was let go of together one is left, and closed in the end.
    const disk = await openTestDisk(hanging)
    const begin = (): Promise<unknown> => disk.segments.restore(0, 3, 0, new Uint8Array(64), false)
    await Promise.allSettled([begin(), begin(), begin()])
    await disk.close()
    assert.is(openFiles.size, 0)
  }),
)

test(
  'a disk that is gone says so, and is itself again when it comes back',
  deadline(LIMIT_MS, async () => {
    const { files, disk } = await makeDisk()
    const sealed = makeBody(3 * MiB)
    await writeShard(disk, sealed, 0)
    files.detach('ENODEV')
    await rejectsWith('DISK_GONE', () => writeShard(disk, makeBody(100), 0))
    await rejectsWith('DISK_GONE', () => readUnit(disk, sealed, 0, 0))
    await rejectsWith('DISK_GONE', () => disk.checkPresence())
    files.attach()
    await disk.checkPresence()
    assert.ok(await readsBack(disk, sealed, 0))
    await disk.close()
  }),
)

test.run()
