// One life of an actor: from a `setup` to the cleanups that undo it. It is the Context its behaviour sees, and it knows
// all that must end with it: timers, watches, children, messages at work, cleanups.
//
// Invariant: after `close` nothing of this life runs on behalf of the actor, and all it deferred has been called, last in,
// first out, even what is deferred too late.
import type { Clock } from '../base/clock.ts'
import { asMoraineError, type MoraineError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import type { ActorRef, ActorSpec, Address, Context, Protocol } from './actor.ts'
import type { Arena } from './arena.ts'
import type { Cell } from './cell.ts'
import type { Ticker, Watch } from './hub.ts'
import type { Envelope } from './mailbox.ts'
import { stopped } from './member.ts'

type Cleanup = () => void | Promise<void>
/** The protocol of an actor is the compiler's affair: here messages have a type and a content. */
type Untyped = Record<string, (message: unknown) => unknown>

export class Life implements Context<Untyped> {
  readonly self: ActorRef<Untyped>
  readonly #cell: Cell
  readonly #cleanups: Cleanup[] = []
  #tickers: Ticker[] | undefined
  #watches: Watch[] | undefined
  #children: Map<string, Cell> | undefined
  /** Messages whose answer is not yet known. */
  #open: Set<Envelope> | undefined
  #setUp: Promise<unknown> | undefined
  #onIdle: (() => void) | undefined
  #isOver = false
  #closing: Promise<void> | undefined

  constructor(cell: Cell) {
    this.#cell = cell
    this.self = cell.hub.refOf(cell)
  }

  get clock(): Clock {
    return this.#cell.hub.clock
  }

  get random(): Random {
    return this.#cell.hub.random
  }

  get log(): Log {
    return this.#cell.hub.logFor(this.#cell.path)
  }

  get arena(): Arena {
    return this.#cell.hub.arena
  }

  get workerData(): unknown {
    return this.#cell.hub.workerData
  }

  ref<Q extends Protocol<Q>>(path: string): ActorRef<Q> {
    return this.#cell.hub.ref(path)
  }

  watch(other: Address, type: string, message: unknown): void {
    if (this.#isOver) return
    this.#watches ??= []
    this.#watches.push(this.#cell.hub.watch(other.path, this.#cell, type, message))
  }

  every(periodMs: number, type: string, message: unknown): void {
    if (this.#isOver) return
    this.#tickers ??= []
    this.#tickers.push(this.#cell.hub.tick(this.#cell, periodMs, type, message))
  }

  defer(cleanup: Cleanup): void {
    if (this.#isOver) void this.#run(cleanup)
    else this.#cleanups.push(cleanup)
  }

  spawn<Q extends Protocol<Q>>(spec: ActorSpec<Q>): ActorRef<Q> {
    const { hub } = this.#cell
    const cell = hub.spawn(`${this.#cell.path}/${spec.name}`, spec)
    this.#children ??= new Map()
    const children = this.#children
    children.set(cell.path, cell)
    const end = (cause?: MoraineError) => {
      void cell.end(cause).then(() => children.delete(cell.path))
    }
    cell.owner = {
      faulted: (error) => {
        hub.logFault(cell, error, 'stop')
        end(error)
      },
      finished: () => end(),
    }
    if (this.#isOver) end()
    else cell.start().catch((error: MoraineError) => cell.owner.faulted(error))
    return hub.refOf(cell)
  }

  async stop(actor: Address): Promise<void> {
    if (actor.path === this.#cell.path) return this.#cell.finish(this)
    const cell = this.#children?.get(actor.path)
    if (!cell) return
    await cell.end()
    this.#children?.delete(actor.path)
  }

  fail(error: unknown): void {
    this.#cell.fault(error, this)
  }

  // -- For the cell. --

  untilSetUp(setUp: Promise<unknown>): void {
    this.#setUp = setUp
  }

  open(envelope: Envelope): void {
    this.#open ??= new Set()
    this.#open.add(envelope)
  }

  settled(envelope: Envelope): void {
    this.#open?.delete(envelope)
  }

  idle(): void {
    this.#onIdle?.()
  }

  /** Ends this life within about twice `limitMs`: once for the messages at work, once for the cleanups. */
  close(limitMs: number): Promise<void> {
    this.#closing ??= this.#close(limitMs)
    return this.#closing
  }

  async #close(limitMs: number): Promise<void> {
    const { hub, path } = this.#cell
    this.#endTimers()
    await this.#endChildren()
    if (this.#setUp || this.#cell.running > 0) {
      const isIdle = await hub.within(limitMs, this.#untilIdle())
      if (!isIdle) this.log.warn('stopped in the middle of a message', { limitMs })
    }
    this.#isOver = true
    // What was set or spawned while we waited ends here too.
    this.#endTimers()
    await this.#endChildren()
    if (this.#cleanups.length > 0) {
      const isClean = await hub.within(limitMs, this.#cleanUp())
      if (!isClean) this.log.warn('cleanups did not end in time', { limitMs })
    }
    // Whoever still waits for this life waits in vain; a slab stays held until the operation on it ends.
    for (const envelope of this.#open ?? []) envelope.ask?.reject(stopped(path))
  }

  #endTimers(): void {
    for (const ticker of this.#tickers ?? []) ticker.cancel()
    for (const watch of this.#watches ?? []) watch.cancel()
    this.#tickers = undefined
    this.#watches = undefined
  }

  async #endChildren(): Promise<void> {
    if (this.#children) await Promise.all([...this.#children.values()].map((cell) => cell.end()))
  }

  async #untilIdle(): Promise<void> {
    // A setup that throws now has nobody left to tell: its life is over either way.
    await this.#setUp?.catch(() => undefined)
    if (this.#cell.running === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  async #cleanUp(): Promise<void> {
    for (let cleanup = this.#cleanups.pop(); cleanup; cleanup = this.#cleanups.pop()) await this.#run(cleanup)
  }

  async #run(cleanup: Cleanup): Promise<void> {
    try {
      await cleanup()
    } catch (error) {
      // One cleanup that fails must not keep the others from running.
      this.log.error('a cleanup failed', { error: asMoraineError(error) })
    }
  }
}
