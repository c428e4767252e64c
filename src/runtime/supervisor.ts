// A supervisor starts its children in order, stops them in the reverse order, and decides what becomes of one that
// broke. It is itself a member of another supervisor; the root is a member of the system. All changes of children that
// depend on each other are made one after another.
//
// Invariant: at most `restartsMax` restarts in any `periodMs`; the next one is a fault of the supervisor itself.
import type { Clock, Timer } from '../base/clock.ts'
import { asMoraineError, type MoraineError, unavailable } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import type { Decision, Expectations, RestartType, Strategy, SupervisorSpec } from './actor.ts'
import { type Member, type MemberState, NO_OWNER, type Owner } from './member.ts'
import { tellFault } from './notices.ts'

export interface Child {
  readonly member: Member
  readonly restart: RestartType
  readonly tells?: Expectations['tells']
}

export interface Environment {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

interface Kept extends Child {
  /** Restarts since the last quiet period: the exponent of the backoff. */
  failures: number
  restarts: number
  lastRestartMs: number
  /** Grows with every start and halt: a fault of an earlier life is no news. */
  life: number
  /** Ended by a decision or by itself, not to be started again before the supervisor itself starts over. */
  isOver: boolean
  /** Changes of this child, in order; all children share one line unless each stands for itself. */
  line: Line
}

/** Work that is done one after another. */
class Line {
  #last: Promise<void> = Promise.resolve()
  run(work: () => Promise<void>): Promise<void> {
    this.#last = this.#last.then(work)
    return this.#last
  }
}

/** Thrown inside a supervisor that gives up; carries the fault that was one too many. */
class GaveUp {
  readonly error: MoraineError
  constructor(error: MoraineError) {
    this.error = error
  }
}

export class Supervisor implements Member {
  readonly path: string
  owner: Owner = NO_OWNER
  state: MemberState = 'starting'
  readonly #spec: SupervisorSpec
  readonly #environment: Environment
  readonly #children: readonly Kept[]
  readonly #line = new Line()
  readonly #backoffs = new Map<Timer, () => void>()
  #restartsMs: number[] = []
  #lastCounted: MoraineError | undefined

  constructor(spec: SupervisorSpec, path: string, children: readonly Child[], environment: Environment) {
    this.#spec = spec
    this.path = path
    this.#environment = environment
    const isEachForItself = spec.strategy === 'one-for-one'
    this.#children = children.map((child, index) => {
      const line = isEachForItself ? new Line() : this.#line
      child.member.owner = {
        faulted: (error) => this.#faulted(index, error),
        finished: () => this.#finished(index),
      }
      return {
        ...child,
        failures: 0,
        restarts: 0,
        lastRestartMs: Number.NEGATIVE_INFINITY,
        life: 0,
        isOver: false,
        line,
      }
    })
  }

  get strategy(): Strategy {
    return this.#spec.strategy
  }

  /** Restarts of the child `path` since the system started. */
  restartsOf = (path: string): number =>
    this.#children.find(({ member }) => member.path === path)?.restarts ?? 0

  // -- The member. --

  /** Resolves when every child is up, or has been stopped by a decision. Rejects when the supervisor gave up. */
  async start(): Promise<void> {
    this.state = 'starting'
    this.#restartsMs = []
    for (const child of this.#children) {
      child.failures = 0
      child.isOver = false
    }
    try {
      await this.#startFrom(0, this.#children.length - 1)
    } catch (thrown) {
      throw thrown instanceof GaveUp ? thrown.error : thrown
    }
    if (this.state === 'starting') this.state = 'up'
  }

  halt(): Promise<void> {
    return this.#stopAll((member) => member.halt(), 'restarting')
  }

  end(cause?: MoraineError): Promise<void> {
    return this.#stopAll((member) => member.end(cause), 'ended')
  }

  resume(): void {
    // A supervisor that gave up has stopped its children: there is nothing to go on with.
    this.owner.faulted(unavailable('ACTOR_STOPPED', `${this.path} has given up and cannot be resumed`))
  }

  async #stopAll(stop: (member: Member) => Promise<void>, then: MemberState): Promise<void> {
    this.state = 'stopping'
    for (const [timer, wake] of this.#backoffs) {
      timer.cancel()
      wake()
    }
    this.#backoffs.clear()
    for (const child of [...this.#children].reverse()) {
      child.life++
      await stop(child.member)
    }
    // A change that was under way sees that we stop and leaves; what it started meanwhile stops now.
    await Promise.all(this.#children.map(({ line }) => line.run(async () => undefined)))
    for (const child of [...this.#children].reverse()) await stop(child.member)
    this.state = then
  }

  get #isStopping(): boolean {
    return this.state !== 'up' && this.state !== 'starting'
  }

  // -- What children report. --

  #faulted(index: number, error: MoraineError): void {
    const child = this.#children[index]!
    const { life } = child
    void this.#change(child, async () => {
      if (child.life !== life) return
      const decision = this.#judge(child, error)
      if (decision === 'resume') child.member.resume()
      else if (decision === 'stop') await this.#over(child, error)
      else await this.#restart(index)
    })
  }

  #finished(index: number): void {
    const child = this.#children[index]!
    const { life } = child
    void this.#change(child, async () => {
      if (child.life !== life) return
      if (child.restart !== 'permanent') return this.#over(child)
      this.#count(unavailable('ACTOR_STOPPED', `${child.member.path} came to its end`))
      await this.#restart(index)
    })
  }

  #change(child: Kept, work: () => Promise<void>): Promise<void> {
    return child.line.run(async () => {
      if (this.#isStopping) return
      try {
        await work()
      } catch (thrown) {
        if (!(thrown instanceof GaveUp)) throw thrown
        this.#giveUp(thrown.error)
      }
    })
  }

  #giveUp(error: MoraineError): void {
    if (this.#isStopping) return
    this.state = 'faulted'
    // Our owner stops us, children in reverse, before it decides anything else.
    this.owner.faulted(error)
  }

  // -- Decisions. --

  /** What to do about a fault. Throws GaveUp when it is for the one above. */
  #judge(child: Kept, error: MoraineError): Exclude<Decision, 'escalate'> {
    const { path } = child.member
    const decided = this.#spec.decide({ path, code: error.code, error })
    const decision = child.restart === 'temporary' && decided !== 'escalate' ? 'stop' : decided
    tellFault(this.#environment.log, child.tells, { path, decision, error })
    if (decision === 'escalate') throw new GaveUp(error)
    if (decision === 'restart') this.#count(error)
    return decision
  }

  /** One more restart. All faults of one thread's exit are one object, and count once. */
  #count(error: MoraineError): void {
    if (error === this.#lastCounted) return
    this.#lastCounted = error
    const { restartsMax, periodMs } = this.#spec.intensity
    const nowMs = this.#environment.clock.monotonicMs()
    this.#restartsMs = this.#restartsMs.filter((atMs) => nowMs - atMs < periodMs)
    this.#restartsMs.push(nowMs)
    if (this.#restartsMs.length > restartsMax) throw new GaveUp(error)
  }

  // -- Restarts. --

  /** The first child that restarts together with `index`. */
  #firstOf(index: number): number {
    return this.#spec.strategy === 'one-for-all' ? 0 : index
  }

  #lastOf(index: number): number {
    return this.#spec.strategy === 'one-for-one' ? index : this.#children.length - 1
  }

  async #restart(index: number): Promise<void> {
    await this.#haltDown(this.#lastOf(index), this.#firstOf(index))
    await this.#backOff(this.#children[index]!)
    await this.#startFrom(this.#firstOf(index), this.#lastOf(index))
  }

  async #haltDown(last: number, first: number): Promise<void> {
    for (let i = last; i >= first; i--) {
      const child = this.#children[i]!
      child.life++
      if (child.restart === 'temporary') await this.#over(child)
      else await child.member.halt()
    }
  }

  #over(child: Kept, cause?: MoraineError): Promise<void> {
    child.isOver = true
    return child.member.end(cause)
  }

  async #startFrom(first: number, last: number): Promise<void> {
    for (let i = first; i <= last && !this.#isStopping; i++) {
      const child = this.#children[i]!
      if (child.isOver) continue
      child.life++
      try {
        await child.member.start()
      } catch (error) {
        if (this.#isStopping) return
        const fault = asMoraineError(error)
        const decision = this.#judge(child, fault)
        if (decision === 'stop') {
          await this.#over(child, fault)
          continue
        }
        // A setup that failed has no state to resume with: 'resume' is a restart too.
        if (decision === 'resume') this.#count(fault)
        const from = this.#firstOf(i)
        await this.#haltDown(i, from)
        await this.#backOff(child)
        i = from - 1
      }
    }
  }

  /** Waits before a restart, longer with each one that follows closely; cut short when the supervisor stops. */
  async #backOff(child: Kept): Promise<void> {
    const { clock, random } = this.#environment
    const { minMs, maxMs, jitter } = this.#spec.backoff
    const nowMs = clock.monotonicMs()
    if (nowMs - child.lastRestartMs > this.#spec.intensity.periodMs + maxMs) child.failures = 0
    const plainMs = Math.min(maxMs, minMs * 2 ** Math.min(child.failures, 30))
    const spread = 1 + jitter * (random.below(2001) / 1000 - 1)
    child.failures++
    child.restarts++
    child.lastRestartMs = nowMs
    if (this.#isStopping) return
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(
        plainMs * spread,
        () => {
          this.#backoffs.delete(timer)
          resolve()
        },
        true,
      )
      this.#backoffs.set(timer, resolve)
    })
  }
}
