// A frame goes to m + 1 disks, and a message between threads moves its bytes: the second disk must get them too.
import type { DiskProtocol } from '../../src/actors/disk-protocol.ts'
import { createFrameMemory, type FramePiece } from '../../src/actors/frame-memory.ts'
import { createNearSegments, segmentDiskOf } from '../../src/actors/segment-disk.ts'
import { viewOf } from '../../src/actors/stripe-buffer.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { FileSystem } from '../../src/base/files.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import { MiB } from '../../src/base/units.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { createArena } from '../../src/runtime/arena.ts'
import { createMemoryFiles } from '../../src/storage/files-memory.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('segment-disk')

/** An actor on another thread, as far as bytes are concerned: whatever it is sent is gone afterwards. */
const createMover = (): { ref: ActorRef<DiskProtocol>; received: Buffer[] } => {
  const received: Buffer[] = []
  const bytesOf = (piece: FramePiece): Uint8Array =>
    piece instanceof Uint8Array
      ? structuredClone(piece, { transfer: [piece.buffer as ArrayBuffer] })
      : viewOf(piece)
  const ask = async (_type: string, message: { pieces?: FramePiece[]; header?: Uint8Array }) => {
    const pieces = message.pieces ?? (message.header ? [message.header] : [])
    received.push(Buffer.concat(pieces.map(bytesOf)))
  }
  return { ref: { path: 'root/disk', tell: () => true, ask } as unknown as ActorRef<DiskProtocol>, received }
}

test(
  'the same header and the same frame reach every disk, and stay with the sender',
  deadline(1000, async () => {
    const near = createNearSegments(createMemoryFiles(), '/disk', systemClock)
    const movers = [createMover(), createMover(), createMover()]
    const arena = createArena({ bytes: 4 * MiB })
    const memory = createFrameMemory(arena)
    const disks = movers.map(({ ref }, number) => segmentDiskOf(number as DiskNumber, ref, near, memory))
    const header = new Uint8Array(100).fill(1)
    // As many concurrent commits make it: larger than what is copied into a ring, and a Buffer with its own memory.
    const frames = [
      [Buffer.alloc(90, 3), Buffer.alloc(10, 4)],
      [Buffer.from(new ArrayBuffer(300_000)).fill(2)],
    ]
    for (const disk of disks) await disk.create(0, 1, header)
    await Promise.all(disks.map((disk) => disk.append(0, 1, 100, frames[0]!)))
    // No slab to spare: the bytes travel in the messages.
    const all = arena.tryAcquire({ class: 'large', count: arena.total('large'), isUrgent: true })!
    await Promise.all(disks.map((disk) => disk.append(0, 1, 200, frames[1]!)))
    for (const slab of all) slab.release()
    await Promise.all(disks.map((disk) => disk.append(0, 1, 200, frames[1]!)))
    for (const { received } of movers) {
      const [first, second, third, fourth] = received
      assert.ok(first?.equals(Buffer.alloc(100, 1)))
      assert.ok(second?.equals(Buffer.concat(frames[0]!)))
      assert.ok(third?.equals(Buffer.alloc(300_000, 2)))
      assert.ok(fourth?.equals(Buffer.alloc(300_000, 2)))
    }
    assert.equal([header.length, frames[1]![0]!.length], [100, 300_000])
    assert.equal(arena.inUse(), { small: 0, large: 0 }, 'a frame that was answered for holds no slab')
  }),
)

test(
  'a short read comes from the file, one that cannot be had there from the actor',
  deadline(1000, async () => {
    const files = createMemoryFiles()
    for (const path of ['/disk', '/disk/journal', '/disk/journal/0']) await files.makeDirectory(path)
    const file = await files.open('/disk/journal/0/7.log', 'create')
    await file.write([Buffer.from('whole, countable')], 0)
    await file.close()
    let asked = 0
    const ask = async () => {
      asked++
      return Buffer.from('by the actor')
    }
    const ref = { path: 'root/disk', tell: () => true, ask } as unknown as ActorRef<DiskProtocol>
    const near = createNearSegments(files, '/disk', systemClock)
    const memory = createFrameMemory(createArena({ bytes: 4 * MiB }))
    const disk = segmentDiskOf(1 as DiskNumber, ref, near, memory)
    assert.is(Buffer.from(await disk.read(0, 7, 7, 9)).toString(), 'countable')
    assert.is(asked, 0)
    assert.is(Buffer.from(await disk.read(0, 7, 7, 10)).toString(), 'by the actor', 'past the end')
    assert.is(Buffer.from(await disk.read(0, 8, 0, 5)).toString(), 'by the actor', 'no such segment')
    await disk.remove(0, 7)
    await near.close()
    assert.is(asked, 3)
  }),
)

test(
  'reads of more segments than are kept open: none is closed under a read, whose number another file would get',
  deadline(2000, async () => {
    const memory = createMemoryFiles()
    for (const path of ['/disk', '/disk/journal', '/disk/journal/0']) await memory.makeDirectory(path)
    const segments = Array.from({ length: 40 }, (_, index) => index + 1)
    for (const segment of segments) {
      const file = await memory.open(`/disk/journal/0/${segment}.log`, 'create')
      await file.write([Buffer.alloc(100, segment)], 0)
      await file.close()
    }
    let open = 0
    let closedUnderRead = 0
    const files: FileSystem = {
      ...memory,
      async open(path, mode) {
        const file = await memory.open(path, mode)
        let reading = 0
        open++
        return {
          ...file,
          async read(into, position) {
            reading++
            await new Promise((resolve) => setTimeout(resolve, 5))
            reading--
            return file.read(into, position)
          },
          close() {
            open--
            closedUnderRead += reading
            return Promise.resolve()
          },
        }
      },
    }
    const near = createNearSegments(files, '/disk', systemClock)
    const found = await Promise.all(segments.map((segment) => near.read(0, segment, 10, 50)))
    found.forEach((bytes, index) => void assert.ok(bytes.every((byte) => byte === index + 1)))
    assert.is(closedUnderRead, 0)
    assert.ok(open <= 24, `${open} are kept open`)
    for (const bytes of found)
      assert.is(bytes.buffer.byteLength, 50, 'what is kept of a read holds no more memory')
    await near.close()
    assert.is(open, 0)
  }),
)

test(
  'what was made anew is read, and not the copy that it took the place of',
  deadline(1000, async () => {
    const files = createMemoryFiles()
    for (const path of ['/disk', '/disk/journal', '/disk/journal/0']) await files.makeDirectory(path)
    const write = async (path: string, text: string): Promise<void> => {
      const file = await files.open(path, 'create')
      await file.write([Buffer.from(text)], 0)
      await file.close()
    }
    await write('/disk/journal/0/7.log', 'garbled')
    await write('/disk/journal/0/7.log.part', 'as told')
    const ask = () => files.rename('/disk/journal/0/7.log.part', '/disk/journal/0/7.log')
    const ref = { path: 'root/disk', tell: () => true, ask } as unknown as ActorRef<DiskProtocol>
    const near = createNearSegments(files, '/disk', systemClock)
    const memory = createFrameMemory(createArena({ bytes: 4 * MiB }))
    const disk = segmentDiskOf(1 as DiskNumber, ref, near, memory)
    assert.is(Buffer.from(await disk.read(0, 7, 0, 7)).toString(), 'garbled')
    await disk.restore(0, 7, 0, Buffer.from('as told'), true)
    assert.is(Buffer.from(await disk.read(0, 7, 0, 7)).toString(), 'as told')
    await near.close()
  }),
)

test.run()
