// The table in memory over the index: every synced frame that some index still lacks, or that an open iterator may have
// missed. A look-up asks the table, then the index; what the table does not know both indexes agree on.
import type { Entry } from './entry.ts'
import { entryBytes } from './entry.ts'
import type { BinaryKey } from './keys.ts'
import { SortedMap } from './sorted-map.ts'

/** How many entries and bytes of a segment are alive. */
export interface Liveness {
  entries: number
  bytes: number
}

export interface TableFrame {
  /** Counts frames since the start; the order in which they are applied. */
  readonly number: number
  readonly lastSequence: number
  /** Counters included. */
  readonly entries: readonly Entry[]
  /** What the frame changes in the liveness of segments. */
  readonly liveness: ReadonlyMap<number, Liveness>
  readonly bytes: number
}

export class Table {
  readonly #overlay = new SortedMap<{ entry: Entry; frame: number }>()
  #frames: TableFrame[] = []
  #bytes = 0
  #lastNumber = 0
  /** Flushes so far; an iterator may have missed the frames of every flush after the one it began in. */
  #flushes = 0
  readonly #pins = new Map<number, number>()
  #nextPin = 0
  /** Frames all indexes have, with the flush that made it so, oldest first. */
  #appliedThrough: { number: number; flush: number }[] = []

  get bytes(): number {
    return this.#bytes
  }

  get lastNumber(): number {
    return this.#lastNumber
  }

  add(entries: readonly Entry[], lastSequence: number, liveness: ReadonlyMap<number, Liveness>): void {
    const number = ++this.#lastNumber
    const bytes = entries.reduce((sum, entry) => sum + entryBytes(entry), 128)
    this.#frames.push({ number, lastSequence, entries, liveness, bytes })
    this.#bytes += bytes
    for (const entry of entries) this.#overlay.set(entry.key, { entry, frame: number })
  }

  /** A deleted key has an entry without a record; undefined means the table does not know the key. */
  get(key: BinaryKey): Entry | undefined {
    return this.#overlay.get(key)?.entry
  }

  /** Entries with keys in [from, to), in order, `limit` at most; deleted ones included. */
  range(from: BinaryKey, to: BinaryKey | undefined, limit: number): Entry[] {
    return this.#overlay.keys(from, to, limit).map((key) => this.#overlay.get(key)!.entry)
  }

  /** Frames after `number`, oldest first, up to about `bytesMax`; at least one when there is one. */
  framesAfter(number: number, bytesMax: number): TableFrame[] {
    const frames: TableFrame[] = []
    let bytes = 0
    for (const frame of this.#frames) {
      if (frame.number <= number) continue
      if (frames.length > 0 && bytes + frame.bytes > bytesMax) break
      frames.push(frame)
      bytes += frame.bytes
    }
    return frames
  }

  /** The last frame that holds no commit after `sequence`: an index with that mark has it. */
  numberOf(sequence: number): number {
    const next = this.#frames.find(({ lastSequence }) => lastSequence > sequence)
    return next ? next.number - 1 : this.#lastNumber
  }

  /** Call before opening an iterator, and `unpin` when it is closed: the table keeps what it may have missed. */
  pin(): number {
    this.#pins.set(++this.#nextPin, this.#flushes)
    return this.#nextPin
  }

  unpin(pin: number): void {
    this.#pins.delete(pin)
    this.#drop()
  }

  /** An index that has the frames up to `number` follows from now on: what only the others had until now is kept for it. */
  joined(number: number): void {
    this.#appliedThrough = this.#appliedThrough.map((all) => ({
      ...all,
      number: Math.min(all.number, number),
    }))
  }

  /** Every index has the frames up to `number`. */
  applied(number: number): void {
    this.#flushes++
    if (number > (this.#appliedThrough.at(-1)?.number ?? 0)) {
      this.#appliedThrough.push({ number, flush: this.#flushes })
    }
    this.#drop()
  }

  #drop(): void {
    const oldestPin = this.#pins.values().next().value ?? Number.POSITIVE_INFINITY
    let through = 0
    while (this.#appliedThrough[0] && this.#appliedThrough[0].flush <= oldestPin) {
      through = this.#appliedThrough.shift()!.number
    }
    if (through === 0) return
    let dropped = 0
    while (this.#frames[dropped] && this.#frames[dropped]!.number <= through) {
      const frame = this.#frames[dropped++]!
      this.#bytes -= frame.bytes
      for (const { key } of frame.entries) {
        if (this.#overlay.get(key)?.frame === frame.number) this.#overlay.delete(key)
      }
    }
    this.#frames = this.#frames.slice(dropped)
  }
}
