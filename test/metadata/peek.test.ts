// Reading a journal beside the store that writes it.
import { systemClock } from '../../src/base/clock.ts'
import type { MemberDisk } from '../../src/metadata/members.ts'
import { peekConfig } from '../../src/metadata/peek.ts'
import type { SegmentDisk } from '../../src/metadata/segment-disk.ts'
import { createIndexStore, openPartition, type TestStore } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('peek')

const filled = async (): Promise<TestStore> => {
  const place: TestStore = {
    disks: createSegmentDisks(6),
    indexes: [createIndexStore(), createIndexStore()],
  }
  const partition = await openPartition(place)
  for (const value of [1, 2, 3]) await partition.putConfig({ name: 'x', value })
  await partition.close()
  return place
}

/** Where the frame before the last begins. */
const lastButOne = (bytes: Uint8Array): number => {
  const buffer = Buffer.from(bytes)
  return buffer.lastIndexOf('MFRM', buffer.lastIndexOf('MFRM') - 1)
}

const peek = (members: readonly MemberDisk[]): Promise<unknown> =>
  peekConfig(members, { parity: 2, partition: 0, name: 'x', clock: systemClock })

/** Members whose newest segment ends before its last two frames, until `isWritten` says that they are there. */
const writing = ({ disks }: TestStore, isWritten: (offset: number, end: number) => boolean): MemberDisk[] =>
  disks.map((io) => {
    const bytes = io.files.get(1)
    const end = bytes ? lastButOne(bytes) : 0
    const near: SegmentDisk = {
      disk: io.disk,
      list: () => io.list(),
      async read(partition, segment, offset, length) {
        const piece = Uint8Array.from(await io.read(partition, segment, offset, length))
        // Zeros are kept ahead of the frames.
        if (!isWritten(offset, end)) piece.fill(0, Math.max(0, end - offset))
        return piece
      },
      readMedium: io.readMedium.bind(io),
      create: io.create.bind(io),
      append: io.append.bind(io),
      restore: io.restore.bind(io),
      remove: io.remove.bind(io),
    }
    return { number: io.disk, set: 0, io: near }
  })

test(
  'frames that are written while the end is looked at are no damage',
  deadline(5_000, async () => {
    const place = await filled()
    assert.is(await peek(writing(place, () => true)), 3)
    assert.is(await peek(writing(place, () => false)), 1)
    // They come when what is behind the last frame is searched for more.
    let isThere = false
    const coming = writing(place, (offset, end) => {
      isThere ||= offset === end + 1
      return isThere
    })
    assert.is(await peek(coming), 3)
  }),
)

test(
  'a frame behind one that is damaged on every copy is damage still',
  deadline(5_000, async () => {
    const place = await filled()
    for (const { files } of place.disks) {
      const bytes = files.get(1)
      if (bytes) bytes[lastButOne(bytes) + 70]! ^= 1
    }
    await rejectsWith('METADATA_CORRUPT', () => peek(writing(place, () => true)))
  }),
)

test.run()
