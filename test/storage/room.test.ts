import type { FileSpace } from '../../src/base/files.ts'
import { GiB, MiB } from '../../src/base/units.ts'
import { createRoom } from '../../src/storage/room.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('room')

const makeRoom = async (space: Partial<FileSpace>, reserveBytes?: number) => {
  const disk = { totalBytes: 100 * MiB, freeBytes: 100 * MiB, freeInodes: 10_000, ...space }
  let asked = 0
  const ask = async (): Promise<FileSpace> => {
    asked += 1
    return { ...disk }
  }
  const room = createRoom(1, ask, reserveBytes)
  await room.refresh()
  return { room, disk, asked: () => asked }
}

test(
  'the reserve is a sixteenth, at most 1 GiB, and is never promised',
  deadline(1_000, async () => {
    const { room } = await makeRoom({ totalBytes: 160 * MiB, freeBytes: 30 * MiB })
    assert.equal([room.space().reserveBytes, room.space().freeBytes], [10 * MiB, 20 * MiB])
    await room.take(15 * MiB)
    await rejectsWith('DISK_FULL', () => room.take(6 * MiB))
    await room.take(5 * MiB)
    assert.equal([room.space().freeBytes, room.space().hasRoom], [0, false])
    assert.is((await makeRoom({ totalBytes: 64 * GiB })).room.space().reserveBytes, GiB)
  }),
)

test(
  'what was promised is given back, what was used is not, and release says it once',
  deadline(1_000, async () => {
    const { room } = await makeRoom({}, 0)
    const reservation = await room.take(40 * MiB)
    reservation.use(10 * MiB)
    assert.is(room.space().freeBytes, 60 * MiB)
    reservation.release()
    reservation.release()
    assert.is(room.space().freeBytes, 90 * MiB)
  }),
)

test(
  'the file system is asked before anything is refused, and after much was written; not otherwise',
  deadline(1_000, async () => {
    const { room, disk, asked } = await makeRoom({ freeBytes: 10 * MiB }, 0)
    disk.freeBytes = 500 * MiB
    for (let i = 0; i < 5; i++) (await room.take(MiB)).release()
    assert.is(asked(), 1)
    const reservation = await room.take(100 * MiB)
    assert.is(asked(), 2)
    reservation.use(100 * MiB)
    reservation.release()
    await room.take(1)
    assert.is(asked(), 3)
  }),
)

test(
  'the last inodes are kept too',
  deadline(1_000, async () => {
    const { room, disk } = await makeRoom({ freeInodes: 258 }, 0)
    await room.take(1)
    await room.take(1)
    disk.freeInodes = 256
    await rejectsWith('DISK_FULL', () => room.take(1))
  }),
)

test.run()
