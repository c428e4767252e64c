// What one thread knows: its own actors by path, the way to those of other threads, who watches whom, and what went
// astray. A ref asks the hub where its message goes; everything an actor does beyond itself passes here.
//
// Invariant: a message is sent only when its receiver had room; one that is not sent leaves nothing behind.
import type { Clock } from '../base/clock.ts'
import { assert, type MoraineError, unavailable } from '../base/errors.ts'
import type { Log, LogFields } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import type { ActorRef, ActorSpec, Protocol } from './actor.ts'
import type { Arena, Slab } from './arena.ts'
import { LocalAsk } from './ask.ts'
import { Cell } from './cell.ts'
import { Deadlines } from './deadlines.ts'
import type { Link } from './link.ts'
import { type Envelope, Occupancy } from './mailbox.ts'
import { stopped } from './member.ts'
import { Notices, tellFault } from './notices.ts'
import { moveBytes, releaseAll, weigh } from './payload.ts'
import { Ref } from './ref.ts'
import type { Scheduler } from './scheduler.ts'

/** Where an address leads, seen from this thread. One object per address, so that a ref stays good when it changes. */
export interface Place {
  readonly path: string
  /** An actor of this thread. */
  cell: Cell | undefined
  /** An actor of another thread. Its counters are known if it is part of the tree. */
  readonly thread: number
  occupancy: Occupancy | undefined
  /** An actor of another thread that is known to have ended for good. */
  hasEnded: boolean
}

export interface HubOptions {
  /** 0 is the main thread. */
  readonly thread: number
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly scheduler: Scheduler
  readonly arena?: Arena | undefined
  readonly workerData?: unknown
  /** Detach bytes that were sent, also within one thread: see `moveBytes`. */
  readonly movesBytes?: boolean
}

export interface Watch {
  cancel(): void
}

export interface Ticker {
  isWaiting: boolean
  cancel(): void
}

const NOT_SENT = {
  MAILBOX_FULL: 'the mailbox is full',
  ACTOR_STOPPED: 'the actor has stopped',
  THREAD_EXITED: 'the thread of the actor is not running',
} as const
type Verdict = 'sent' | keyof typeof NOT_SENT

export class Hub {
  readonly thread: number
  readonly clock: Clock
  readonly random: Random
  readonly scheduler: Scheduler
  readonly workerData: unknown
  readonly deadlines: Deadlines
  /** Of the mailboxes of this thread's actors of the tree, where other threads see them. */
  counters = new Int32Array(new SharedArrayBuffer(0))
  readonly deadLetters: Notices
  readonly refusals: Notices
  /** By thread number; undefined where a thread is not running just now. */
  readonly links: (Link | undefined)[] = []
  readonly #log: Log
  readonly #arena: Arena | undefined
  readonly #movesBytes: boolean
  readonly #places = new Map<string, Place>()
  /** Threads that watch an actor of this one, made at run time. */
  readonly #watchedFrom = new Map<string, Set<number>>()
  readonly #watches = new Map<string, Set<Watch & { fire(): void }>>()

  constructor(options: HubOptions) {
    this.thread = options.thread
    this.clock = options.clock
    this.random = options.random
    this.scheduler = options.scheduler
    this.workerData = options.workerData
    this.#log = options.log
    this.#arena = options.arena
    this.#movesBytes = options.movesBytes ?? false
    this.deadlines = new Deadlines(options.clock)
    this.deadLetters = new Notices('dead letter', options)
    this.refusals = new Notices('refused tell', options)
  }

  get arena(): Arena {
    assert(this.#arena, 'this system was created without an arena')
    return this.#arena
  }

  get hasArena(): boolean {
    return this.#arena !== undefined
  }

  // -- Actors and addresses. --

  /** An actor of the tree, on this thread. */
  createCell(path: string, spec: ActorSpec, occupancy: Occupancy): Cell {
    const cell = new Cell(this, path, spec, occupancy)
    this.#places.set(path, { path, cell, thread: this.thread, occupancy, hasEnded: false })
    return cell
  }

  /** An actor of the tree, on another thread. */
  addRemote(path: string, thread: number): void {
    this.#places.set(path, { path, cell: undefined, thread, occupancy: undefined, hasEnded: false })
  }

  /** A child made at run time. */
  spawn(path: string, spec: ActorSpec): Cell {
    assert(!this.#places.has(path), `${path} exists already`)
    const cell = this.createCell(path, spec, new Occupancy(spec.behavior.mailbox))
    cell.isTemporary = true
    return cell
  }

  ref<P extends Protocol<P>>(path: string): ActorRef<P> {
    return new Ref(this, this.place(path)) as unknown as ActorRef<P>
  }

  refOf<P extends Protocol<P>>(cell: Cell): ActorRef<P> {
    return this.ref(cell.path)
  }

  cellOf(path: string): Cell | undefined {
    return this.#places.get(path)?.cell
  }

  get cells(): Cell[] {
    return [...this.#places.values()].flatMap(({ cell }) => cell ?? [])
  }

  place(path: string): Place {
    const known = this.#places.get(path)
    if (known) return known
    // A child made at run time lives where its parent lives.
    let thread = this.thread
    for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1)) {
      const parent = this.#places.get(path.slice(0, end))
      if (parent) {
        thread = parent.thread
        break
      }
    }
    return { path, cell: undefined, thread, occupancy: undefined, hasEnded: false }
  }

  // -- Messages. --

  tell(place: Place, type: string, message: unknown): boolean {
    const verdict = this.#send(place, type, message, undefined)
    if (verdict === 'sent') return true
    if (verdict === 'MAILBOX_FULL') this.refusals.add(place.path, type)
    else this.deadLetters.add(place.path, type)
    return false
  }

  ask(place: Place, type: string, message: unknown, withinMs: number): Promise<unknown> {
    assert(withinMs >= 0 && withinMs < Number.POSITIVE_INFINITY, 'an ask has a deadline')
    return new Promise((resolve, reject) => {
      const ask = new LocalAsk(this, place, type, withinMs, resolve, reject)
      const verdict = this.#send(place, type, message, ask)
      if (verdict === 'sent') this.deadlines.add(ask)
      else reject(unavailable(verdict, NOT_SENT[verdict], { path: place.path }))
    })
  }

  #send(place: Place, type: string, message: unknown, ask: LocalAsk | undefined): Verdict {
    found.length = 0
    const bytes = weigh(message, found)
    const { cell } = place
    if (cell) {
      if (cell.state === 'ended') return 'ACTOR_STOPPED'
      if (!cell.mailbox.occupancy.reserve(bytes)) return 'MAILBOX_FULL'
      const slabs = found.length > 0 ? found.map((slab) => slab.retain()) : undefined
      const sent = this.#movesBytes ? moveBytes(message) : message
      cell.accept({ type, message: sent, bytes, slabs, ask, ticker: undefined })
      return 'sent'
    }
    if (place.thread === this.thread || place.hasEnded) return 'ACTOR_STOPPED'
    const link = this.links[place.thread]
    if (!link) return 'THREAD_EXITED'
    if (place.occupancy?.isGone) return 'ACTOR_STOPPED'
    if (place.occupancy && !place.occupancy.reserve(bytes)) return 'MAILBOX_FULL'
    try {
      link.send(place, type, message, bytes, ask)
    } catch (error) {
      place.occupancy?.unreserve(bytes)
      throw error
    }
    if (this.#movesBytes) moveBytes(message)
    return 'sent'
  }

  /** What came from another thread for `cell`: the sender reserved the room if the actor is one of the tree. */
  receive(cell: Cell | undefined, path: string, envelope: Envelope): void {
    const { ask, slabs, bytes } = envelope
    if (!cell || cell.state === 'ended') {
      if (ask) ask.reject(stopped(path))
      else this.deadLetters.add(path, envelope.type)
      if (cell && !cell.isTemporary) cell.mailbox.occupancy.free(bytes)
    } else if (cell.isTemporary && !cell.mailbox.occupancy.reserve(bytes)) {
      if (ask) ask.reject(unavailable('MAILBOX_FULL', `the mailbox of ${path} is full`, { path }))
      else this.refusals.add(path, envelope.type)
    } else {
      cell.accept(envelope)
      return
    }
    releaseAll(slabs)
  }

  /** A tell whose handler refused: nobody hears of it but the operator. */
  refusedTell(path: string, type: string, error: MoraineError): void {
    // A refusal has no stack that anybody needs.
    this.refusals.add(path, type, { code: error.code, message: error.message, ...error.detail })
  }

  // -- Ends. --

  watch(path: string, watcher: Cell, type: string, message: unknown): Watch {
    const watch = {
      fire: () => {
        watch.cancel()
        watcher.signal(type, message)
      },
      cancel: () => {
        const others = this.#watches.get(path)
        if (others?.delete(watch) && others.size === 0) this.#watches.delete(path)
      },
    }
    const place = this.place(path)
    if (this.#isGone(place)) {
      watch.fire()
      return watch
    }
    const others = this.#watches.get(path)
    if (others) others.add(watch)
    else this.#watches.set(path, new Set([watch]))
    if (!place.cell && !place.occupancy) this.links[place.thread]?.watch(path)
    return watch
  }

  #isGone(place: Place): boolean {
    if (place.cell) return place.cell.state === 'ended'
    if (place.thread === this.thread) return true
    // An actor of the tree outlives its thread; what was made at run time does not.
    const isOfTree = this.#places.has(place.path)
    if (!isOfTree) return this.links[place.thread] === undefined
    return place.hasEnded || (place.occupancy?.isGone ?? false)
  }

  /** From a cell of this thread. Of an actor of the tree all threads hear, of another those that watch it. */
  ended(cell: Cell): void {
    const { path, isTemporary } = cell
    // The path of an actor made at run time is free again; those of the tree are known for good.
    if (isTemporary) this.#places.delete(path)
    const peers = isTemporary ? (this.#watchedFrom.get(path) ?? []) : this.links.keys()
    for (const peer of peers) this.links[peer]?.ended(path)
    this.#watchedFrom.delete(path)
    this.#fire(path)
  }

  /** From another thread: one of its actors has ended for good. */
  endedElsewhere(path: string): void {
    const place = this.#places.get(path)
    if (place) place.hasEnded = true
    this.#fire(path)
  }

  /** Another thread watches an actor of this one that was made at run time. */
  watchedFrom(peer: number, path: string): void {
    const cell = this.cellOf(path)
    if (!cell || cell.state === 'ended') {
      this.links[peer]?.ended(path)
      return
    }
    const peers = this.#watchedFrom.get(path)
    if (peers) peers.add(peer)
    else this.#watchedFrom.set(path, new Set([peer]))
  }

  #fire(path: string): void {
    for (const watch of [...(this.#watches.get(path) ?? [])]) watch.fire()
  }

  // -- Other threads. --

  /** A thread is there, or there again; `occupancies` are those of its actors of the tree. */
  connect(thread: number, link: Link, occupancies: ReadonlyMap<string, Occupancy>): void {
    this.links[thread] = link
    for (const [path, occupancy] of occupancies) {
      const place = this.#places.get(path)
      if (!place) continue
      place.occupancy = occupancy
      place.hasEnded = occupancy.isGone
    }
  }

  /** A thread has exited. Asks in flight to it are rejected with `error`; what was made on it at run time is gone. */
  disconnect(thread: number, error: MoraineError): void {
    this.links[thread]?.close(error)
    this.links[thread] = undefined
    for (const place of this.#places.values()) {
      if (place.thread === thread) place.occupancy = undefined
    }
    for (const path of [...this.#watches.keys()]) {
      if (!this.#places.has(path) && this.place(path).thread === thread) this.#fire(path)
    }
  }

  /** Set by whoever can find out: an ask to an actor of `thread` was not answered in time. */
  onSilence: (thread: number) => void = () => undefined

  // -- Time. --

  tick(cell: Cell, periodMs: number, type: string, message: unknown): Ticker {
    const arm = () =>
      this.clock.setTimer(periodMs, () => {
        timer = arm()
        if (ticker.isWaiting) return
        const bytes = 64
        if (!cell.mailbox.occupancy.reserve(bytes)) return this.refusals.add(cell.path, type)
        ticker.isWaiting = true
        cell.accept({ type, message, bytes, slabs: undefined, ask: undefined, ticker })
      })
    let timer = arm()
    const ticker: Ticker = { isWaiting: false, cancel: () => timer.cancel() }
    return ticker
  }

  /** True when `work` settles within the limit. It must not reject. */
  within(limitMs: number, work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.clock.setTimer(limitMs, () => resolve(false), true)
      void work.then(() => {
        timer.cancel()
        resolve(true)
      })
    })
  }

  // -- What the operator hears. --

  logFor(path: string): Log {
    const log = this.#log
    const as = (fields?: LogFields): LogFields => ({ actor: path, ...fields })
    return {
      debug: (event, fields) => log.debug(event, as(fields)),
      info: (event, fields) => log.info(event, as(fields)),
      warn: (event, fields) => log.warn(event, as(fields)),
      error: (event, fields) => log.error(event, as(fields)),
    }
  }

  logFault(cell: Cell, error: MoraineError, decision: string): void {
    tellFault(this.#log, cell.spec.behavior.tells, { path: cell.path, decision, error })
  }

  close(): void {
    this.deadlines.close()
    this.#watches.clear()
  }
}

/** Slabs of the message at hand: refilled by every send, which is synchronous. */
const found: Slab[] = []
