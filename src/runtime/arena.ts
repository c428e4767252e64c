// The arena: the one shared WebAssembly.Memory that all object bodies flow through. Its size is the ceiling on body
// memory; a body that finds no slab waits, and after its deadline is answered 503.
//
//   0         codecReservedBytes                                                        end
//   | codec instances | small | small | … | large | large | …                             |
//                       4 + 64 KiB          4 KiB + 1 MiB each, all starting on a 4,096-byte boundary
//
// Who holds what stands in shared memory: `refs[slab]` counts all holds, `holds[thread][slab]` those of one thread, so
// that a dead thread's holds can be given back (`reclaim`). A slab is free when the last hold on it ends, whoever gave up.
//
// Invariant: refs[slab] is the sum of holds[…][slab] and of what is in transit. A thread may be terminated between any two function calls or
// loop turns, but not between two Atomics calls that stand side by side: each change of the pair is written so.
import { type Clock, systemClock, type Timer } from '../base/clock.ts'
import { assert, unavailable } from '../base/errors.ts'
import { KiB, MiB } from '../base/units.ts'
import { createSharedMemory, type SharedMemory, WASM_PAGE_BYTES } from '../base/wasm.ts'

export type SlabClass = 'small' | 'large'

const PAGE = 4 * KiB
/** One page for a unit's header, then its payload. */
export const SLAB_BYTES: Readonly<Record<SlabClass, number>> = {
  small: PAGE + 64 * KiB,
  large: PAGE + 1 * MiB,
}
/** Threads that may ever be attached at one time; their numbers are given again after `reclaim`. */
const THREADS_MAX = 128
/** 1 in 4 of the slabs of each class is for bodies up to 1 MiB: big uploads, and readers that stop, cannot starve small ones. */
const URGENT_SHARE = 1 / 4
/** 1 in 4 of the arena's bytes is cut into small slabs. */
const SMALL_SHARE = 1 / 4
/** How often a waiter looks, on an engine without Atomics.waitAsync. Nothing is polled while nobody waits. */
const POLL_MS = 2

/** Waiters that queue together. Urgent ones have lanes of their own: the head of a lane never blocks another lane. */
const LANES = { small: 0, large: 1, urgentSmall: 2, urgentLarge: 3 } as const
type Lane = (typeof LANES)[keyof typeof LANES]
const LANE_COUNT = 4

// Words of the control block.
const FREE = 0 // by class: small, large
const WAITING = 2 // by lane: threads that have published a ticket
const NEXT_TICKET = 6 // by lane
const SIGNAL = 10 // grows when a waiter somewhere might be served
const GEOMETRY = 11 // slab counts by class, then pages reserved in front
const REFS = 14

export interface ArenaShared {
  readonly memory: SharedMemory
  readonly control: SharedArrayBuffer
}

export interface AcquireRequest {
  readonly class: SlabClass
  readonly count: number
  /** For bodies up to 1 MiB: may use the share of the slabs that is kept for them. */
  readonly isUrgent?: boolean
}

/** One piece of the shared memory, and this thread's right to use it. Using it after the last `release` throws. */
export class Slab {
  readonly class: SlabClass
  /** Number among all slabs of the arena; what a message carries. */
  readonly handle: number
  /** Of its first byte, in the memory; a multiple of 4,096. */
  readonly offset: number
  #arena: Arena
  #holds: number
  constructor(arena: Arena, slabClass: SlabClass, handle: number, offset: number, holds: number) {
    this.#arena = arena
    this.#holds = holds
    this.class = slabClass
    this.handle = handle
    this.offset = offset
  }

  /** All bytes of the slab, header page included. */
  get bytes(): Uint8Array {
    assert(this.#holds > 0, 'a slab was used after its last release')
    return this.#arena.viewOf(this.handle)
  }

  get isHeld(): boolean {
    return this.#holds > 0
  }

  /** One more `release` is then due. */
  retain(): this {
    assert(this.#holds > 0, 'a slab was retained after its last release')
    this.#holds++
    this.#arena.hold(this.handle)
    return this
  }

  release(): void {
    assert(this.#holds > 0, 'a slab was released once too often')
    this.#holds--
    this.#arena.drop(this.handle)
  }
}

interface Waiter {
  readonly ticket: number
  readonly count: number
  readonly resolve: (slabs: Slab[]) => void
  readonly timer: Timer
}

// Not in the library of the language level we compile to.
type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { async: true; value: Promise<unknown> } | { async: false }
const waitAsync = (Atomics as unknown as { waitAsync?: WaitAsync }).waitAsync

/** Makes the arena; in the main thread, which is thread 0. `bytes` is the room for slabs, rounded down to whole ones. */
export const createArena = (options: {
  bytes: number
  codecReservedBytes?: number
  clock?: Clock
}): Arena => {
  const reservedPages = Math.ceil((options.codecReservedBytes ?? 0) / PAGE)
  const small = Math.floor((options.bytes * SMALL_SHARE) / SLAB_BYTES.small)
  const large = Math.floor((options.bytes - small * SLAB_BYTES.small) / SLAB_BYTES.large)
  assert(small > 0 && large > 0, `an arena of ${options.bytes} bytes has no room for a slab of each class`)
  const end = reservedPages * PAGE + small * SLAB_BYTES.small + large * SLAB_BYTES.large
  const pages = Math.ceil(end / WASM_PAGE_BYTES)
  const memory = createSharedMemory(pages, pages)
  const slabs = small + large
  const words = new Int32Array(
    new SharedArrayBuffer(4 * (REFS + slabs * (1 + THREADS_MAX) + LANE_COUNT * THREADS_MAX)),
  )
  words.set([small, large], FREE)
  words.set([1, 1, 1, 1], NEXT_TICKET)
  words.set([small, large, reservedPages], GEOMETRY)
  return new Arena({ memory, control: words.buffer as SharedArrayBuffer }, 0, options.clock ?? systemClock)
}

/** The same arena in another thread. `thread` is 1 … 127, used by one living thread at a time. */
export const attachArena = (shared: ArenaShared, thread: number, clock: Clock = systemClock): Arena =>
  new Arena(shared, thread, clock)

export class Arena {
  /** To attach it in another thread. */
  readonly shared: ArenaShared
  readonly memory: SharedMemory
  readonly #words: Int32Array
  readonly #thread: number
  readonly #clock: Clock
  readonly #counts: readonly [number, number]
  readonly #start: number
  readonly #views: (Uint8Array | undefined)[] = []
  readonly #queues: readonly [Waiter[], Waiter[], Waiter[], Waiter[]] = [[], [], [], []]
  readonly #searchFrom: [number, number] = [0, 0]
  #isListening = false

  constructor(shared: ArenaShared, thread: number, clock: Clock) {
    assert(thread >= 0 && thread < THREADS_MAX, `thread number ${thread} is out of range`)
    this.shared = shared
    this.memory = shared.memory
    this.#words = new Int32Array(shared.control)
    this.#thread = thread
    this.#clock = clock
    this.#counts = [this.#words[GEOMETRY]!, this.#words[GEOMETRY + 1]!]
    this.#start = this.#words[GEOMETRY + 2]! * PAGE
  }

  /** How many slabs of a class there are. */
  total(slabClass: SlabClass): number {
    return this.#counts[classIndex(slabClass)]
  }

  /** Share of a class that is free, 0 … 1: readers read ahead less when it falls. */
  pressure(slabClass: SlabClass): number {
    return Atomics.load(this.#words, FREE + classIndex(slabClass)) / this.total(slabClass)
  }

  /** Slabs that somebody, in any thread, holds: all zero when nothing leaked. */
  inUse(): Record<SlabClass, number> {
    const used = [0, 0] as [number, number]
    for (let handle = 0; handle < this.#slabs; handle++) {
      if (Atomics.load(this.#words, REFS + handle) !== 0) used[this.#classOf(handle)]++
    }
    return { small: used[0], large: used[1] }
  }

  /** All `count` slabs or none, now. Undefined also while others wait for the same: nobody overtakes. */
  tryAcquire(request: AcquireRequest): Slab[] | undefined {
    const lane = laneOf(request)
    if (Atomics.load(this.#words, WAITING + lane) !== 0) return undefined
    return this.#take(lane, request.count)
  }

  /** All `count` slabs or none, first come first served. Rejects with ARENA_FULL at the deadline. */
  acquire(request: AcquireRequest & { readonly withinMs: number }): Promise<Slab[]> {
    const { count, withinMs } = request
    const lane = laneOf(request)
    assert(count <= this.#limit(lane), `${count} slabs can never be had at once`)
    const slabs = this.tryAcquire(request)
    if (slabs) return Promise.resolve(slabs)
    return new Promise((resolve, reject) => {
      const giveUp = () => {
        const queue = this.#queues[lane]
        queue.splice(queue.indexOf(waiter), 1)
        this.#publish(lane)
        reject(
          unavailable('ARENA_FULL', `no ${count} ${request.class} slabs within ${withinMs} ms`, {
            class: request.class,
            count,
          }),
        )
        this.#serve()
      }
      const timer = this.#clock.setTimer(withinMs, giveUp)
      const waiter = { ticket: Atomics.add(this.#words, NEXT_TICKET + lane, 1), count, resolve, timer }
      this.#queues[lane].push(waiter)
      this.#publish(lane)
      this.#serve()
      this.#listen()
    })
  }

  /** Gives back what a thread held and its places in the queues. Only after its 'exit': its I/O has then ended. */
  reclaim(thread: number): void {
    const words = this.#words
    for (let handle = 0; handle < this.#slabs; handle++) {
      const held = Atomics.exchange(words, this.#holdsAt(thread, handle), 0)
      if (held > 0) this.#unref(handle, held)
    }
    for (let lane = 0; lane < LANE_COUNT; lane++) {
      if (Atomics.exchange(words, this.#ticketAt(lane, thread), 0) !== 0)
        Atomics.sub(words, WAITING + lane, 1)
    }
    this.#wake()
  }

  // -- For messages between threads. A slab on its way is held by neither end but by the way itself, so that whichever
  // end dies, what was on its way between them is known and can be given back. --

  /** Counts, for each slab, the holds that are on one way from a thread to another. */
  createTransit(): SharedArrayBuffer {
    return new SharedArrayBuffer(4 * this.#slabs)
  }

  /** One more hold on a slab, for the thread at the end of the way. */
  sendHold(handle: number, transit: Int32Array): void {
    Atomics.add(transit, handle, 1)
    Atomics.add(this.#words, REFS + handle, 1)
  }

  /** The slab of a hold that has arrived. It is a dead one when the way was settled meanwhile: its sender has exited. */
  takeHold(handle: number, transit: Int32Array): Slab {
    assert(handle < this.#slabs, `there is no slab ${handle}`)
    const holds = this.#holdsAt(this.#thread, handle)
    if (Atomics.load(transit, handle) <= 0) return this.#slab(handle, 0)
    Atomics.sub(transit, handle, 1)
    Atomics.add(this.#words, holds, 1)
    return this.#slab(handle, 1)
  }

  /** One of the ends has exited, and the other takes no more: gives back what was on its way. */
  settleTransit(transit: Int32Array): void {
    for (let handle = 0; handle < this.#slabs; handle++) {
      const lost = Atomics.exchange(transit, handle, 0)
      if (lost > 0) this.#unref(handle, lost)
    }
    this.#wake()
  }

  // -- For Slab alone. --

  viewOf(handle: number): Uint8Array {
    const { length } = this.#placeOf(handle)
    this.#views[handle] ??= new Uint8Array(this.memory.buffer, this.#placeOf(handle).offset, length)
    return this.#views[handle]
  }

  hold(handle: number): void {
    const holds = this.#holdsAt(this.#thread, handle)
    Atomics.add(this.#words, holds, 1)
    Atomics.add(this.#words, REFS + handle, 1)
  }

  drop(handle: number): void {
    const holds = this.#holdsAt(this.#thread, handle)
    const free = FREE + this.#classOf(handle)
    Atomics.sub(this.#words, holds, 1)
    if (Atomics.sub(this.#words, REFS + handle, 1) !== 1) return
    Atomics.add(this.#words, free, 1)
    this.#wake()
  }

  // -- Inside. --

  get #slabs(): number {
    return this.#counts[0] + this.#counts[1]
  }

  #holdsAt(thread: number, handle: number): number {
    return REFS + this.#slabs * (1 + thread) + handle
  }

  #ticketAt(lane: number, thread: number): number {
    return REFS + this.#slabs * (1 + THREADS_MAX) + lane * THREADS_MAX + thread
  }

  #classOf(handle: number): 0 | 1 {
    return handle < this.#counts[0] ? 0 : 1
  }

  #placeOf(handle: number): { offset: number; length: number } {
    const [small] = this.#counts
    if (handle < small) return { offset: this.#start + handle * SLAB_BYTES.small, length: SLAB_BYTES.small }
    const offset = this.#start + small * SLAB_BYTES.small + (handle - small) * SLAB_BYTES.large
    return { offset, length: SLAB_BYTES.large }
  }

  #slab(handle: number, holds: 0 | 1): Slab {
    const slabClass = this.#classOf(handle) === 0 ? 'small' : 'large'
    return new Slab(this, slabClass, handle, this.#placeOf(handle).offset, holds)
  }

  /** Ends `count` holds that a thread which has exited left behind. */
  #unref(handle: number, count: number): void {
    if (Atomics.sub(this.#words, REFS + handle, count) === count) {
      Atomics.add(this.#words, FREE + this.#classOf(handle), 1)
    }
  }

  /** What a lane leaves to others. */
  #reserve(lane: Lane): number {
    return isUrgentLane(lane) ? 0 : Math.floor(this.#counts[classOfLane(lane)] * URGENT_SHARE)
  }

  #limit(lane: Lane): number {
    return this.#counts[classOfLane(lane)] - this.#reserve(lane)
  }

  #take(lane: Lane, count: number): Slab[] | undefined {
    const words = this.#words
    const slabClass = classOfLane(lane)
    const free = FREE + slabClass
    if (Atomics.load(words, free) < count + this.#reserve(lane)) return undefined
    const first = slabClass === 0 ? 0 : this.#counts[0]
    const size = this.#counts[slabClass]
    const slabs: Slab[] = []
    for (let step = 0; step < size && slabs.length < count; step++) {
      const handle = first + ((this.#searchFrom[slabClass] + step) % size)
      const holds = this.#holdsAt(this.#thread, handle)
      if (Atomics.compareExchange(words, REFS + handle, 0, 1) !== 0) continue
      Atomics.store(words, holds, 1)
      Atomics.sub(words, free, 1)
      slabs.push(this.#slab(handle, 1))
    }
    this.#searchFrom[slabClass] = ((slabs.at(-1)?.handle ?? first) - first + 1) % size
    if (slabs.length === count && Atomics.load(words, free) >= this.#reserve(lane)) return slabs
    // Another thread took at the same moment: back with all, and into the queue.
    for (const slab of slabs) slab.release()
    return undefined
  }

  #serve(): void {
    for (const lane of [LANES.urgentLarge, LANES.large, LANES.urgentSmall, LANES.small] as const) {
      const queue = this.#queues[lane]
      for (let head = queue[0]; head && this.#isFirst(lane, head.ticket); head = queue[0]) {
        const slabs = this.#take(lane, head.count)
        if (!slabs) break
        queue.shift()
        head.timer.cancel()
        this.#publish(lane)
        head.resolve(slabs)
      }
    }
  }

  /** No other thread's first waiter in this lane came earlier. */
  #isFirst(lane: Lane, ticket: number): boolean {
    for (let thread = 0; thread < THREADS_MAX; thread++) {
      const other = Atomics.load(this.#words, this.#ticketAt(lane, thread))
      // Tickets wrap around, 0 left out of use by the subtraction's sign alone: the difference decides.
      if (other !== 0 && ((other - ticket) | 0) < 0) return false
    }
    return true
  }

  /** Lets the other threads know the ticket of our first waiter, or that there is none. */
  #publish(lane: Lane): void {
    const words = this.#words
    const ticket = this.#queues[lane][0]?.ticket ?? 0
    const at = this.#ticketAt(lane, this.#thread)
    const before = Atomics.load(words, at)
    if (before === ticket) return
    const change = (ticket === 0 ? 0 : 1) - (before === 0 ? 0 : 1)
    Atomics.store(words, at, ticket)
    Atomics.add(words, WAITING + lane, change)
    // Whoever comes next may be in another thread.
    if (before !== 0) this.#signal()
  }

  #wake(): void {
    let waiting = 0
    for (let lane = 0; lane < LANE_COUNT; lane++) waiting += Atomics.load(this.#words, WAITING + lane)
    if (waiting === 0) return
    this.#signal()
    this.#serve()
  }

  #signal(): void {
    Atomics.add(this.#words, SIGNAL, 1)
    Atomics.notify(this.#words, SIGNAL)
  }

  /** While anybody here waits: looks again whenever any thread signals. */
  #listen(): void {
    if (this.#isListening) return
    this.#isListening = true
    const again = () => {
      const seen = Atomics.load(this.#words, SIGNAL)
      this.#serve()
      if (this.#queues.every((queue) => queue.length === 0)) {
        this.#isListening = false
        return
      }
      const wait = waitAsync?.(this.#words, SIGNAL, seen)
      if (wait?.async) void wait.value.then(again)
      else if (wait) queueMicrotask(again)
      else void this.#clock.setTimer(POLL_MS, again)
    }
    again()
  }
}

const classIndex = (slabClass: SlabClass): 0 | 1 => (slabClass === 'small' ? 0 : 1)
const laneOf = ({ class: slabClass, isUrgent }: AcquireRequest): Lane =>
  LANES[isUrgent ? (slabClass === 'small' ? 'urgentSmall' : 'urgentLarge') : slabClass]
const isUrgentLane = (lane: Lane): boolean => lane === LANES.urgentSmall || lane === LANES.urgentLarge
const classOfLane = (lane: Lane): 0 | 1 => (lane === LANES.small || lane === LANES.urgentSmall ? 0 : 1)
