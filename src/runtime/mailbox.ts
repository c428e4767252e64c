// A mailbox: a queue of envelopes, bounded in messages and in bytes. What it holds is counted where its senders can see
// it, in shared memory for actors of the tree, so that a sender in any thread knows "full" without asking. A sender
// reserves room first and then sends; the room is given back when the message is taken out, or never got in.
//
// Invariant: the counters are never below what is in the queue; they may be above it while a message is on its way.
import type { MoraineError } from '../base/errors.ts'
import type { Slab } from './arena.ts'

export interface Bounds {
  readonly messagesMax: number
  readonly bytesMax: number
}

/** Where an ask's answer goes: to a promise of this thread, or into a link to another. The first answer counts. */
export interface ReplyTo {
  /** On this thread's monotonic clock; after it nobody waits. */
  readonly expiresAtMs: number
  resolve(value: unknown): void
  reject(error: MoraineError): void
}

export interface Envelope {
  readonly type: string
  readonly message: unknown
  readonly bytes: number
  /** Held for the receiver; released when the message is done with. */
  readonly slabs: readonly Slab[] | undefined
  /** Undefined for a tell. */
  readonly ask: ReplyTo | undefined
  /** Set for a tick of `every`, which is not told again while this one waits. */
  readonly ticker: { isWaiting: boolean } | undefined
}

/** Words of one mailbox's counters. */
export const OCCUPANCY_WORDS = 3

/**
 * The counters of one mailbox: `[slot]` messages, `[slot + 1]` bytes, `[slot + 2]` 1 when its actor has ended. A sender in
 * another thread also adds what it reserved to its own `sent`, laid out alike, so that when it dies the receiver knows what
 * will never come. The counters of a pair stand side by side: a thread is not terminated between them.
 */
export class Occupancy {
  readonly #counters: Int32Array
  readonly #slot: number
  readonly #bounds: Bounds
  readonly #sent: Int32Array | undefined
  constructor(
    bounds: Bounds,
    counters: Int32Array = new Int32Array(OCCUPANCY_WORDS),
    slot = 0,
    sent: Int32Array | undefined = undefined,
  ) {
    this.#bounds = bounds
    this.#counters = counters
    this.#slot = slot
    this.#sent = sent
  }

  /** Makes room for one message, or returns false and changes nothing. */
  reserve(bytes: number): boolean {
    const slot = this.#slot
    const counters = this.#counters
    if (Atomics.add(counters, slot, 1) >= this.#bounds.messagesMax) {
      Atomics.sub(counters, slot, 1)
      return false
    }
    if (Atomics.add(counters, slot + 1, bytes) + bytes > this.#bounds.bytesMax) {
      Atomics.sub(counters, slot, 1)
      Atomics.sub(counters, slot + 1, bytes)
      return false
    }
    const sent = this.#sent
    if (sent) {
      sent[slot]!++
      sent[slot + 1]! += bytes
    }
    return true
  }

  /** Takes back a `reserve` whose message was not sent after all. */
  unreserve(bytes: number): void {
    this.free(bytes)
    if (!this.#sent) return
    this.#sent[this.#slot]!--
    this.#sent[this.#slot + 1]! -= bytes
  }

  /** For what is bounded by its own nature (a death notice, one per watch) and must not be refused. */
  reserveAlways(bytes: number): void {
    Atomics.add(this.#counters, this.#slot, 1)
    Atomics.add(this.#counters, this.#slot + 1, bytes)
  }

  /** A message has been taken out, or will not be put in. */
  free(bytes: number): void {
    Atomics.sub(this.#counters, this.#slot, 1)
    Atomics.sub(this.#counters, this.#slot + 1, bytes)
  }

  /** The receiver's side of `sent`: notes one message that has arrived. */
  arrived(received: Int32Array, bytes: number): void {
    received[this.#slot]!++
    received[this.#slot + 1]! += bytes
  }

  get isGone(): boolean {
    return Atomics.load(this.#counters, this.#slot + 2) !== 0
  }

  set isGone(isGone: boolean) {
    Atomics.store(this.#counters, this.#slot + 2, isGone ? 1 : 0)
  }

  get messages(): number {
    return Atomics.load(this.#counters, this.#slot)
  }

  get bytes(): number {
    return Atomics.load(this.#counters, this.#slot + 1)
  }
}

/** First in, first out. What has been reserved may be pushed; taking out frees the room. */
export class Mailbox {
  readonly occupancy: Occupancy
  #queue: Envelope[] = []
  #head = 0
  constructor(occupancy: Occupancy) {
    this.occupancy = occupancy
  }

  get length(): number {
    return this.#queue.length - this.#head
  }

  push(envelope: Envelope): void {
    this.#queue.push(envelope)
  }

  peek(): Envelope | undefined {
    return this.#queue[this.#head]
  }

  take(): Envelope | undefined {
    const envelope = this.#queue[this.#head]
    if (!envelope) return undefined
    this.#head++
    // The part in front is cut off once it outweighs the rest, so that each message is moved at most once on average.
    if (this.#head > 32 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    } else if (this.#head === this.#queue.length) {
      this.#queue.length = 0
      this.#head = 0
    }
    this.occupancy.free(envelope.bytes)
    return envelope
  }
}
