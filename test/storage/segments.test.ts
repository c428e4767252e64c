// The zeros that a growing segment is kept longer with: they never land on a frame, whatever order things end in, and
// when they fail no frame is lost.

import { FileError, type FileSystem } from '../../src/base/files.ts'
import { KiB } from '../../src/base/units.ts'
import { segmentPath } from '../../src/storage/layout.ts'
import { formDirectory, openTestDisk, TEST_ROOT } from '../support/disks.ts'
import { createFaultyFiles } from '../support/faulty-files.ts'
import { assert, deadline, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('segments')
const HEADER = Buffer.alloc(4 * KiB, 1)
const PATH = segmentPath(TEST_ROOT, 0, 1)

const makeDisk = async () => {
  const files = await createFaultyFiles({}, (made: FileSystem) => formDirectory(made, TEST_ROOT))
  const disk = await openTestDisk(files)
  await disk.segments.create(0, 1, HEADER)
  return { files, segments: disk.segments, close: () => disk.close() }
}

const wholeFile = async (files: FileSystem): Promise<Buffer> => {
  const { size } = (await files.stat(PATH))!
  const file = await files.open(PATH, 'read')
  const bytes = Buffer.alloc(size)
  await file.read(bytes, 0)
  await file.close()
  return bytes
}

test(
  'frames of any size are whole between header and zeros',
  seeded(20_000, async (random) => {
    for (let round = 0; round < 20; round++) {
      const { files, segments, close } = await makeDisk()
      const frames: Buffer[] = [HEADER]
      let offset = HEADER.length
      for (let count = 0; count < 40; count++) {
        const frame = Buffer.alloc(1 + random.below(random.below(3) === 0 ? 700 * KiB : 20 * KiB), 2 + count)
        // As the journal does it: the next frame when the one before is synced, the zeros whenever they come.
        await segments.append(0, 1, offset, [frame])
        frames.push(frame)
        offset += frame.length
      }
      await close()
      const found = await wholeFile(files)
      assert.ok(found.subarray(0, offset).equals(Buffer.concat(frames)))
      assert.ok(found.length > offset, 'it is longer than what is in it')
      assert.ok(found.subarray(offset).every((byte) => byte === 0))
    }
  }),
)

test(
  'a frame waits for zeros that are on their way to its place',
  deadline(5000, async () => {
    const { files, segments, close } = await makeDisk()
    let letGo = (): void => undefined
    const until = new Promise<void>((resolve) => {
      letGo = resolve
    })
    files.inject({ operation: 'write', path: 'journal/', after: 1, effect: { kind: 'wait', until } })
    const frame = Buffer.alloc(100 * KiB, 2)
    await segments.append(0, 1, HEADER.length, [frame])
    const second = segments.append(0, 1, HEADER.length + frame.length, [frame])
    await new Promise((resolve) => setTimeout(resolve, 20))
    letGo()
    await second
    await close()
    const end = HEADER.length + 2 * frame.length
    assert.ok((await wholeFile(files)).subarray(HEADER.length, end).every((byte) => byte === 2))
  }),
)

test(
  'a small segment gets no zeros',
  deadline(5000, async () => {
    const { files, segments, close } = await makeDisk()
    await segments.append(0, 1, HEADER.length, [Buffer.alloc(1000, 2)])
    await close()
    assert.is((await wholeFile(files)).length, HEADER.length + 1000)
  }),
)

test(
  'without room for zeros frames are written all the same',
  deadline(5000, async () => {
    const { files, segments, close } = await makeDisk()
    const frame = Buffer.alloc(100 * KiB, 2)
    files.inject({
      operation: 'write',
      path: 'journal/',
      after: 1,
      effect: { kind: 'error', code: 'ENOSPC' },
    })
    for (let count = 0; count < 5; count++) {
      await segments.append(0, 1, HEADER.length + count * frame.length, [frame])
    }
    await close()
    const found = await wholeFile(files)
    assert.is(found.length, HEADER.length + 5 * frame.length, 'no zeros are tried again')
    assert.ok(found.subarray(HEADER.length).every((byte) => byte === 2))
  }),
)

test(
  'after a failed sync of zeros the segment takes no frame more',
  deadline(5000, async () => {
    const { files, segments, close } = await makeDisk()
    const frame = Buffer.alloc(100 * KiB, 2)
    files.inject({ operation: 'sync', path: 'journal/', after: 1, effect: { kind: 'error', code: 'EIO' } })
    await segments.append(0, 1, HEADER.length, [frame])
    await new Promise((resolve) => setTimeout(resolve, 20))
    await rejectsWith('DISK_IO', () => segments.append(0, 1, HEADER.length + frame.length, [frame]))
    await close()
  }),
)

test(
  'a frame is not acknowledged when only the sync of the zeros beside it was told of a lost write',
  deadline(5000, async () => {
    const { files, segments, close } = await makeDisk()
    const frame = Buffer.alloc(100 * KiB, 2)
    let fail = (): void => undefined
    const until = new Promise<void>((_, reject) => {
      fail = () => reject(new FileError('sync', PATH, 'EIO'))
    })
    // The zeros' sync runs until the frame's own has ended well; then it is the one that hears of the error.
    files.inject({ operation: 'sync', path: 'journal/', after: 1, effect: { kind: 'wait', until } })
    await segments.append(0, 1, HEADER.length, [frame])
    await new Promise((resolve) => setTimeout(resolve, 20))
    const second = segments.append(0, 1, HEADER.length + frame.length, [Buffer.alloc(1000, 3)])
    setTimeout(fail, 50)
    await rejectsWith('DISK_IO', () => second)
    await close()
  }),
)

test.run()
