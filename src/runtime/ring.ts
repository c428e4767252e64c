// The ring between two threads: one writes, one reads, neither ever waits for the other. It carries a stream of 32-bit
// words, so that a message may be longer than the ring; ringbuf.js keeps the storage and its two pointers. Beside it stand
// two flags, so that a thread is woken only when it sleeps:
//
//   reader finds nothing -> raises `sleeps`, looks once more, sleeps        writer pushes -> lowers `sleeps`, was it up? ring the bell
//   writer finds no room -> raises `waits`, looks once more, waits          reader pulls  -> lowers `waits`,  was it up? ring the bell
//
// Invariant: after raising its flag each side looks once more, so no wake-up is lost, and each flag rings at most one bell.
import { RingBuffer } from 'ringbuf.js'

export interface RingShared {
  readonly storage: SharedArrayBuffer
  readonly flags: SharedArrayBuffer
}

const SLEEPS = 0
const WAITS = 1

export const createRing = (bytes: number): RingShared => ({
  storage: RingBuffer.getStorageForCapacity(bytes / 4, Int32Array as never),
  flags: new SharedArrayBuffer(8),
})

/** One end's view; a thread uses either the writer's or the reader's half. */
export class Ring {
  readonly #buffer: RingBuffer
  readonly #flags: Int32Array

  constructor({ storage, flags }: RingShared) {
    this.#buffer = new RingBuffer(storage, Int32Array as never)
    this.#flags = new Int32Array(flags)
  }

  /** Writes as many of `words[from … to)` as there is room for, and returns how many. */
  push(words: Int32Array, from: number, to: number): number {
    return this.#buffer.push(words as never, to - from, from)
  }

  /** Reads up to `room` words into `into` at `at`, and returns how many. */
  pull(into: Int32Array, at: number, room: number): number {
    return this.#buffer.pop(into as never, room, at)
  }

  /** The reader is about to sleep. False: something has come, stay awake. */
  trySleep(): boolean {
    Atomics.store(this.#flags, SLEEPS, 1)
    if (this.#buffer.empty()) return true
    Atomics.store(this.#flags, SLEEPS, 0)
    return false
  }

  /** The writer is about to wait for room. False: there is some, go on. */
  tryWait(): boolean {
    Atomics.store(this.#flags, WAITS, 1)
    if (this.#buffer.full()) return true
    Atomics.store(this.#flags, WAITS, 0)
    return false
  }

  /** True, once, when the reader slept: the bell is then the caller's to ring. */
  wakesReader(): boolean {
    return Atomics.load(this.#flags, SLEEPS) === 1 && Atomics.exchange(this.#flags, SLEEPS, 0) === 1
  }

  /** True, once, when the writer waited. */
  wakesWriter(): boolean {
    return Atomics.load(this.#flags, WAITS) === 1 && Atomics.exchange(this.#flags, WAITS, 0) === 1
  }
}
