// One running actor: its address, its mailbox, and the life that is behind them just now. Lives come and go with
// restarts; the address and the queued messages stay. Messages are taken one at a time, except that the queries a
// behaviour names in `interleave` may overlap each other.
//
// Invariant: every ask that was accepted is answered once: by its handler, by the end of the actor, or by its deadline.
import { asMoraineError, type MoraineError, unavailable } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import { type ActorSpec, Deferred } from './actor.ts'
import type { Hub } from './hub.ts'
import { Life } from './life.ts'
import { type Envelope, Mailbox, type Occupancy } from './mailbox.ts'
import { type Member, type MemberState, NO_OWNER, type Owner, stopped } from './member.ts'
import { releaseAll } from './payload.ts'
import type { Turn } from './scheduler.ts'

const STOP_WITHIN_MS = 5 * SECOND

type Handler = (message: unknown) => unknown

export class Cell implements Member, Turn {
  readonly path: string
  readonly mailbox: Mailbox
  readonly spec: ActorSpec
  readonly hub: Hub
  /** Made at run time: it never comes back. */
  isTemporary = false
  owner: Owner = NO_OWNER
  state: MemberState = 'starting'
  #life: Life | undefined
  #handlers: Readonly<Record<string, Handler>> = {}
  #isDue = false
  /** Messages that are being handled; all of them interleaved ones when there is more than one. */
  #running = 0
  #runningOf: Record<string, number> | undefined
  #isAlone = false
  /** A fault that was reported before setup was done. */
  #early: MoraineError | undefined

  constructor(hub: Hub, path: string, spec: ActorSpec, occupancy: Occupancy) {
    this.hub = hub
    this.path = path
    this.spec = spec
    this.mailbox = new Mailbox(occupancy)
  }

  // -- The member. --

  start(): Promise<void> {
    const life = this.#begin()
    try {
      const handlers = this.spec.behavior.setup(life, this.spec.args)
      if (!(handlers instanceof Promise)) {
        this.#up(life, handlers)
        return Promise.resolve()
      }
      const settled = handlers.then(
        (made) => this.#up(life, made),
        (error) => {
          throw asMoraineError(error)
        },
      )
      life.untilSetUp(settled)
      return settled
    } catch (error) {
      return Promise.reject(asMoraineError(error))
    }
  }

  async halt(): Promise<void> {
    if (this.state === 'ended' || this.state === 'restarting') return
    this.state = 'stopping'
    const life = this.#life
    await life?.close(this.spec.stopWithinMs ?? STOP_WITHIN_MS)
    if (this.#life !== life) return
    this.#life = undefined
    this.#handlers = {}
    this.state = 'restarting'
  }

  async end(cause?: MoraineError): Promise<void> {
    await this.halt()
    if (this.#hasEnded()) return
    this.state = 'ended'
    this.mailbox.occupancy.isGone = true
    const error = stopped(this.path, cause)
    for (let envelope = this.mailbox.take(); envelope; envelope = this.mailbox.take()) {
      if (envelope.ask) envelope.ask.reject(error)
      else this.hub.deadLetters.add(this.path, envelope.type)
      releaseAll(envelope.slabs)
    }
    this.hub.ended(this)
  }

  resume(): void {
    if (this.state !== 'faulted') return
    this.state = 'up'
    this.wake()
  }

  /** A message of the runtime's own making, one per watch: never refused. */
  signal(type: string, message: unknown): void {
    const bytes = 64
    this.mailbox.occupancy.reserveAlways(bytes)
    this.accept({ type, message, bytes, slabs: undefined, ask: undefined, ticker: undefined })
  }

  // -- What others send, and this actor takes. --

  /** Takes an envelope whose room was reserved. */
  accept(envelope: Envelope): void {
    this.mailbox.push(envelope)
    this.wake()
  }

  turn(): void {
    this.#isDue = false
    if (!this.#mayStartNext()) return
    this.#handle(this.mailbox.take()!)
    this.wake()
  }

  wake(): void {
    if (this.#isDue || !this.#mayStartNext()) return
    this.#isDue = true
    this.hub.scheduler.schedule(this)
  }

  /** From the life itself: something broke outside of any message. */
  fault(error: unknown, life: Life): void {
    if (life !== this.#life) return
    if (this.state === 'starting') this.#early ??= asMoraineError(error)
    if (this.state !== 'up') return
    this.state = 'faulted'
    this.owner.faulted(asMoraineError(error))
  }

  /** From the life itself: it asked to stop. */
  finish(life: Life): void {
    if (life !== this.#life || this.state !== 'up') return
    this.state = 'stopping'
    this.owner.finished()
  }

  #begin(): Life {
    this.state = 'starting'
    this.mailbox.occupancy.isGone = false
    this.#running = 0
    this.#runningOf = undefined
    this.#isAlone = false
    this.#early = undefined
    this.#life = new Life(this)
    return this.#life
  }

  #up(life: Life, handlers: unknown): void {
    // Halted while setup ran: its cleanups have run, or will.
    if (life !== this.#life || this.state !== 'starting') return
    this.#handlers = handlers as Record<string, Handler>
    this.state = 'up'
    if (this.#early) this.fault(this.#early, life)
    this.wake()
  }

  /** After an `await` the state may be another: asked through a method, so that the compiler looks again. */
  #hasEnded(): boolean {
    return this.state === 'ended'
  }

  #mayStartNext(): boolean {
    if (this.state !== 'up') return false
    const next = this.mailbox.peek()
    if (!next) return false
    if (this.#running === 0) return true
    const limit = this.spec.behavior.interleave?.[next.type]
    return limit !== undefined && !this.#isAlone && (this.#runningOf?.[next.type] ?? 0) < limit
  }

  #handle(envelope: Envelope): void {
    const life = this.#life!
    const { ask, type } = envelope
    if (envelope.ticker) envelope.ticker.isWaiting = false
    if (ask && ask.expiresAtMs <= this.hub.clock.monotonicMs()) {
      // Nobody waits for the answer: under overload this is what keeps the work that is done useful.
      ask.reject(unavailable('ASK_TIMEOUT', `${type} expired in the mailbox of ${this.path}`))
      releaseAll(envelope.slabs)
      return
    }
    this.#enter(type)
    try {
      const handler = this.#handlers[type]
      if (!handler) throw new TypeError(`${this.path} has no handler for ${type}`)
      const result = handler(envelope.message)
      if (result instanceof Promise) {
        life.open(envelope)
        result.then(
          (value) => {
            this.#leave(type, life)
            this.#answer(envelope, value, life)
          },
          (error) => {
            this.#leave(type, life)
            this.#refuse(envelope, error, life)
          },
        )
        return
      }
      this.#leave(type, life)
      this.#answer(envelope, result, life)
    } catch (error) {
      this.#leave(type, life)
      this.#refuse(envelope, error, life)
    }
  }

  #enter(type: string): void {
    this.#running++
    if (this.spec.behavior.interleave?.[type] === undefined) {
      this.#isAlone = true
      return
    }
    this.#runningOf ??= {}
    this.#runningOf[type] = (this.#runningOf[type] ?? 0) + 1
  }

  #leave(type: string, life: Life): void {
    if (life !== this.#life) return
    this.#running--
    if (this.#isAlone) this.#isAlone = false
    else if (this.#runningOf) this.#runningOf[type] = (this.#runningOf[type] ?? 1) - 1
    if (this.#running === 0) life.idle()
    this.wake()
  }

  #answer(envelope: Envelope, value: unknown, life: Life): void {
    if (value instanceof Deferred) {
      life.open(envelope)
      value.promise.then(
        (later) => this.#answer(envelope, later, life),
        (error) => this.#refuse(envelope, error, life),
      )
      return
    }
    life.settled(envelope)
    envelope.ask?.resolve(value)
    releaseAll(envelope.slabs)
  }

  #refuse(envelope: Envelope, thrown: unknown, life: Life): void {
    const error = asMoraineError(thrown)
    life.settled(envelope)
    envelope.ask?.reject(error)
    releaseAll(envelope.slabs)
    const isBroken = error.kind === 'fault' || error.kind === 'bug'
    if (isBroken && !this.spec.behavior.answers?.includes(error.code)) this.fault(error, life)
    else if (!envelope.ask) this.hub.refusedTell(this.path, envelope.type, error)
  }

  /** How many messages are being handled. */
  get running(): number {
    return this.#running
  }
}
