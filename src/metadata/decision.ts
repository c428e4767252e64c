// A decision in the making: it reads the queue, the table and the indexes, collects what it will change, and remembers
// which queued commit it rests on. It runs synchronously; nothing comes between what it reads and what it writes.
import type { MoraineError } from '../base/errors.ts'
import type { Counts } from './counters.ts'
import { deleteEntry, type Entry, putEntry } from './entry.ts'
import type { BinaryKey } from './keys.ts'

/** What a commit depends on besides the records. */
export interface CommitLimits {
  /** Monotonic time after which the commit is refused: its asker has given up and may have gone on. */
  readonly deadlineMs?: number
  /** Asked when the decision is made: whether what was written beforehand still counts (sessions of disks). */
  readonly isValid?: () => boolean
}

/** A decision that waits for its frame. */
export interface Commit {
  readonly entries: readonly Entry[]
  /** By position: what each entry replaces. */
  readonly previous: readonly (Entry | undefined)[]
  readonly counts: readonly (readonly [BinaryKey, Counts])[]
  readonly bytes: number
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: MoraineError) => void
}

/** What a queued commit leaves under a key. */
export interface Pending {
  readonly entry: Entry
  readonly commit: Commit
}

/** What a decision reads. */
interface DecisionSource {
  pending(key: BinaryKey): Pending | undefined
  get(key: BinaryKey): Entry | undefined
  counted(key: BinaryKey): Counts
}

/** One decision in the making: what it reads, what it rests on, what it will change. */
export class Decision {
  readonly #source: DecisionSource
  readonly changes = new Map<BinaryKey, { entry: Entry; previous: Entry | undefined }>()
  readonly counts: (readonly [BinaryKey, Counts])[] = []
  /** Of this commit, if it becomes one. */
  readonly sequence: number
  #restsOn: Commit | undefined
  #restedSequence = 0
  #frees = 0
  /** The latest answer of the source: nothing changes there while a decision is made. */
  #lastKey: BinaryKey | undefined
  #lastEntry: Entry | undefined

  constructor(source: DecisionSource, sequence: number) {
    this.#source = source
    this.sequence = sequence
  }

  /** What all decisions before this one left under `key`. */
  get(key: BinaryKey): Entry | undefined {
    const changed = this.changes.get(key)
    if (changed) return changed.entry.payload === undefined ? undefined : changed.entry
    const pending = this.#source.pending(key)
    if (!pending) {
      // What is replaced was read just before; an index is asked once.
      if (key !== this.#lastKey) {
        this.#lastEntry = this.#source.get(key)
        this.#lastKey = key
      }
      return this.#lastEntry
    }
    // Commits are acknowledged in order: the latest one seen stands for all.
    if (pending.entry.sequence >= this.#restedSequence) {
      this.#restsOn = pending.commit
      this.#restedSequence = pending.entry.sequence
    }
    return pending.entry.payload === undefined ? undefined : pending.entry
  }
  put(key: BinaryKey, record: unknown, body?: Uint8Array): Entry {
    const previous = this.changes.has(key) ? this.changes.get(key)!.previous : this.get(key)
    const entry = putEntry(key, record, body)
    entry.sequence = this.sequence
    this.changes.set(key, { entry, previous })
    return entry
  }

  delete(key: BinaryKey): void {
    const previous = this.changes.has(key) ? this.changes.get(key)!.previous : this.get(key)
    if (previous === undefined) this.changes.delete(key)
    else this.changes.set(key, { entry: { ...deleteEntry(key), sequence: this.sequence }, previous })
  }

  count(key: BinaryKey, change: Counts): void {
    this.counts.push([key, change])
  }

  /** Index of the next free entry of this commit. */
  nextFree(): number {
    return this.#frees++
  }

  counted(key: BinaryKey): Counts {
    return this.#source.counted(key)
  }

  /** Settles as the last queued commit this decision has seen. */
  async settled(): Promise<void> {
    await this.#restsOn?.promise
  }
}
