// A frame goes to m + 1 disks, and a message between threads moves its bytes: the second disk must get them too.
import type { DiskProtocol } from '../../src/actors/disk.ts'
import { segmentDiskOf } from '../../src/actors/segment-disk.ts'
import type { DiskNumber } from '../../src/base/ids.ts'
import type { ActorRef } from '../../src/runtime/actor.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('segment-disk')

/** An actor on another thread, as far as bytes are concerned: whatever it is sent is gone afterwards. */
const createMover = (): { ref: ActorRef<DiskProtocol>; received: Buffer[] } => {
  const received: Buffer[] = []
  const ask = async (_type: string, message: { pieces?: Uint8Array[]; header?: Uint8Array }) => {
    const pieces = message.pieces ?? (message.header ? [message.header] : [])
    for (const piece of pieces)
      received.push(Buffer.from(structuredClone(piece, { transfer: [piece.buffer as ArrayBuffer] })))
  }
  return { ref: { path: 'root/disk', tell: () => true, ask } as unknown as ActorRef<DiskProtocol>, received }
}

test(
  'the same header and the same frame reach every disk, and stay with the sender',
  deadline(1000, async () => {
    const movers = [createMover(), createMover(), createMover()]
    const disks = movers.map(({ ref }, number) => segmentDiskOf(number as DiskNumber, ref))
    const header = new Uint8Array(100).fill(1)
    // As many concurrent commits make it: larger than what is copied into a ring, and a Buffer with its own memory.
    const frame = Buffer.from(new ArrayBuffer(300_000)).fill(2)
    for (const disk of disks) {
      await disk.create(0, 1, header)
      await disk.append(0, 1, 100, [frame])
    }
    for (const { received } of movers) {
      assert.ok(received[0]?.equals(Buffer.alloc(100, 1)))
      assert.ok(received[1]?.equals(Buffer.alloc(300_000, 2)))
    }
    assert.equal([header.length, frame.length], [100, 300_000])
  }),
)

test.run()
