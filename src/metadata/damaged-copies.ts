// Copies of segments that are known not to be whole: each is told once, until it is made anew, and read last until then. One
// flipped bit makes a copy good for nothing as a whole, and yet its other frames may be all that is left of them.
import type { DiskNumber } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { CopyDamage } from './segment-reader.ts'

export class DamagedCopies {
  readonly #partition: number
  readonly #log: Log
  readonly #bySegment = new Map<number, Set<DiskNumber>>()

  constructor(partition: number, log: Log) {
    this.#partition = partition
    this.#log = log
  }

  has(segment: number, disk: DiskNumber): boolean {
    return this.#bySegment.get(segment)?.has(disk) ?? false
  }

  of(segment: number): readonly DiskNumber[] {
    return [...(this.#bySegment.get(segment) ?? [])]
  }

  /** False when it was known. */
  note(segment: number, damage: CopyDamage): boolean {
    if (this.has(segment, damage.disk)) return false
    const known = this.#bySegment.get(segment)
    if (known) known.add(damage.disk)
    else this.#bySegment.set(segment, new Set([damage.disk]))
    this.tell(segment, damage)
    return true
  }

  /** For the operator; the copy counts as before. */
  tell(segment: number, damage: CopyDamage): void {
    this.#log.warn('segment-damaged', { partition: this.#partition, segment, ...damage })
  }

  /** The copy is whole again. */
  restored(segment: number, disk: DiskNumber): void {
    this.#bySegment.get(segment)?.delete(disk)
  }

  /** There is no such segment any more. */
  forget(segment: number): void {
    this.#bySegment.delete(segment)
  }
}
