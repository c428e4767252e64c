import type { FileSpace } from '../../src/base/files.ts'
import { GiB, MiB } from '../../src/base/units.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { createRoom, type Room, type RoomOptions, trafficOn } from '../../src/storage/room.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('room')

const makeRoom = async (space: Partial<FileSpace>, options: RoomOptions = {}) => {
  const disk = { totalBytes: 100 * MiB, freeBytes: 100 * MiB, freeInodes: 10_000, ...space }
  let asked = 0
  const ask = async (): Promise<FileSpace> => {
    asked += 1
    return { ...disk }
  }
  const room = createRoom(1, ask, options)
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
  'who begins a file is admitted by all that it is going to take, and keeps nobody out by it',
  deadline(1_000, async () => {
    const { room } = await makeRoom({}, { reserveBytes: 0 })
    for (let i = 0; i < 5; i++) await room.admit(90 * MiB)
    assert.is(room.space().freeBytes, 100 * MiB)
    await rejectsWith('DISK_FULL', () => room.admit(101 * MiB))
    const unit = await room.take(20 * MiB)
    await rejectsWith('DISK_FULL', () => room.admit(90 * MiB))
    unit.release()
    await room.admit(90 * MiB)
  }),
)

test(
  'what was written without a promise counts until the file system has been asked',
  deadline(1_000, async () => {
    const { room } = await makeRoom({}, { reserveBytes: 0 })
    room.wrote(98 * MiB + 1)
    assert.equal([room.space().freeBytes, room.space().hasRoom], [2 * MiB - 1, false])
    await room.refresh()
    assert.ok(room.space().hasRoom)
  }),
)

const sharedRooms = async (freeBytes: number) => {
  const disk = { totalBytes: 160 * MiB, freeBytes, freeInodes: 10_000 }
  const traffic = trafficOn(createMemoryFiles(), 1)
  const rooms = Array.from({ length: 6 }, () =>
    createRoom(1, async () => ({ ...disk }), { sharers: 6, traffic }),
  )
  for (const room of rooms) await room.refresh()
  return { disk, rooms }
}

test(
  'disks on one device show an equal share of its room, less what any of them has on its way',
  deadline(1_000, async () => {
    const { rooms } = await sharedRooms(70 * MiB)
    assert.equal([rooms[0]!.space().freeBytes, rooms[0]!.space().reserveBytes], [10 * MiB, 10 * MiB])
    for (const room of rooms) await room.take(9 * MiB)
    for (const room of rooms) {
      assert.is(room.space().freeBytes, MiB)
      await rejectsWith('DISK_FULL', () => room.admit(2 * MiB))
      await rejectsWith('DISK_FULL', () => room.take(7 * MiB))
    }
  }),
)

test(
  'however old the look of a neighbour at the device is, together they leave the reserve alone',
  deadline(1_000, async () => {
    const { disk, rooms } = await sharedRooms(70 * MiB)
    let takenBytes = 0
    const takeAll = async (room: Room): Promise<void> => {
      for (;;) {
        try {
          const reservation = await room.take(MiB)
          reservation.use(MiB)
          takenBytes += MiB
          disk.freeBytes -= MiB
        } catch {
          return
        }
      }
    }
    // The first asks again and again; the others still have what they saw at the start.
    for (let i = 0; i < 3; i++) {
      await rooms[0]!.refresh()
      await rooms[0]!.take(10 * MiB).then((reservation) => reservation.release())
    }
    await takeAll(rooms[0]!)
    for (const room of rooms) await takeAll(room)
    assert.is(takenBytes, 60 * MiB)
    assert.is(disk.freeBytes, 10 * MiB)
  }),
)

test(
  'other devices and other file systems have room of their own',
  deadline(1_000, async () => {
    const files = createMemoryFiles()
    assert.is(trafficOn(files, 1), trafficOn(files, 1))
    assert.is.not(trafficOn(files, 1), trafficOn(files, 2))
    assert.is.not(trafficOn(files, 1), trafficOn(createMemoryFiles(), 1))
  }),
)

test(
  'a file system that refused a write has no room until it is asked again',
  deadline(1_000, async () => {
    const { room, disk, asked } = await makeRoom({}, { reserveBytes: 0 })
    room.refused()
    assert.equal([room.space().freeBytes, room.space().hasRoom], [0, false])
    disk.freeBytes = 5 * MiB
    await room.take(MiB)
    assert.is(asked(), 2)
    assert.is(room.space().freeBytes, 4 * MiB)
  }),
)

test(
  'what was promised is given back, what was used is not, and release says it once',
  deadline(1_000, async () => {
    const { room } = await makeRoom({}, { reserveBytes: 0 })
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
    const { room, disk, asked } = await makeRoom({ freeBytes: 10 * MiB }, { reserveBytes: 0 })
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
    const { room, disk } = await makeRoom({ freeInodes: 258 }, { reserveBytes: 0 })
    await room.admit(1)
    await room.admit(1)
    disk.freeInodes = 256
    await rejectsWith('DISK_FULL', () => room.admit(1))
    await rejectsWith('DISK_FULL', () => room.take(1))
  }),
)

test.run()
