// Where bodies go that leave a journal in tests of a partition: a shelf in memory, which knows what was put there and what was
// taken back.
import type { DiskNumber, WriteId } from '../../src/base/ids.ts'
import type { BodyMover, MovedBody } from '../../src/metadata/segment-compaction.ts'

export class BodyShelf implements BodyMover {
  readonly held = new Map<WriteId, Uint8Array>()
  /** Bodies that were taken back. */
  freed = 0
  /** Too few disks take anything. */
  isOut = false
  /** The disks that were written to are in another session by now. */
  isStale = false
  /** Awaited before `write` answers. */
  before: () => Promise<unknown> = async () => undefined
  #writes = 0

  async write(bodies: readonly Uint8Array[]): Promise<(MovedBody | undefined)[]> {
    const moved = bodies.map((body) => (this.isOut ? undefined : this.#put(body)))
    await this.before()
    return moved
  }

  free(moved: readonly MovedBody[]): void {
    for (const { data } of moved) {
      if (this.held.delete(data.write)) this.freed++
    }
  }

  #put(body: Uint8Array): MovedBody {
    const write = (++this.#writes).toString(16).padStart(32, 'f') as WriteId
    this.held.set(write, Uint8Array.from(body))
    const places = [1, 2, 3].map((disk) => ({ disk: disk as DiskNumber, volume: 1, offset: 0 }))
    return {
      data: { kind: 'shards', write, set: 0, k: 1, m: 2, size: body.length, places },
      isValid: () => !this.isStale,
    }
  }
}
