// Outside of a thread: starts its worker, talks to it through comlink, and notices its end. A thread is a name with one
// worker at a time behind it; when the worker exits, for whatever reason, that is a fault of every actor on it, and the
// next start of any of them starts a new worker under the same name.
//
// Invariant: no worker is started before all that belonged to its predecessor, slabs and links, has been taken back.
import { MessageChannel, type MessagePort, type ResourceLimits, Worker } from 'node:worker_threads'
import type { Endpoint, Remote } from 'comlink'
import { asMoraineError, type MoraineError, unavailable } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { require } from '../base/require.ts'
import type { Boot, Connection, Control, LogReport, ThreadReport } from './control.ts'
import { type Member, type MemberState, NO_OWNER, type Owner, stopped } from './member.ts'
import { decodeError, encodeError } from './wire-error.ts'

const { transfer, wrap } = require('comlink') as typeof import('comlink')

/**
 * A worker has the flags of the process by itself. Naming them would be refused for those that only a process can have,
 * `--max-old-space-size` for one; but a program that was typed has one that a worker, which is a file, must not see.
 */
export const WORKER_FLAGS: { readonly execArgv?: string[] } = process.execArgv.some((flag) =>
  flag.startsWith('--input-type'),
)
  ? { execArgv: [] }
  : {}

export interface ThreadOptions {
  readonly resourceLimits?: ResourceLimits
}

/** A thread as the operator sees it. */
export interface ThreadView {
  readonly name: string
  readonly state: MemberState
  /** Workers that took the place of one that exited. */
  readonly restarts: number
}

/** What the system does around a worker's life. */
export interface Surroundings {
  readonly log: Log
  boot(thread: Thread): Omit<Boot, 'control' | 'reports'>
  /** The worker is ready: links it to all others. */
  connect(thread: Thread): Promise<void>
  /** An ask to an actor of this thread was not answered in time. */
  silent(thread: number): void
  /** A line the worker wants to have logged. */
  logged(thread: Thread, line: LogReport): void
  /** The worker has exited: takes back all that was its own. */
  exited(thread: Thread, error: MoraineError): Promise<void>
}

/** One worker, from its start to its exit. */
interface Life {
  readonly worker: Worker
  readonly control: Remote<Control>
  readonly ports: readonly MessagePort[]
  /** Resolves to the error all its actors fail with. */
  readonly exited: Promise<MoraineError>
  /** Linked to all others. */
  isUp: boolean
}

export class Thread {
  readonly name: string
  readonly number: number
  readonly members: RemoteActor[] = []
  /** Of its actors' mailboxes; new with each worker. */
  counters: SharedArrayBuffer = new SharedArrayBuffer(0)
  readonly #options: ThreadOptions
  readonly #surroundings: Surroundings
  #life: Life | undefined
  #starting: Promise<void> | undefined
  /** Settles when what the last worker left has been taken back. */
  #cleared: Promise<void> = Promise.resolve()
  isClosed = false
  #starts = 0
  #isChecking = false

  constructor(name: string, number: number, options: ThreadOptions, surroundings: Surroundings) {
    this.name = name
    this.number = number
    this.#options = options
    this.#surroundings = surroundings
  }

  get isRunning(): boolean {
    return this.#life !== undefined
  }

  view(): ThreadView {
    const { name } = this
    const between = this.isClosed ? 'ended' : this.#starting ? 'starting' : 'restarting'
    const state = this.#life ? (this.#life.isUp ? 'up' : 'starting') : between
    return { name, state, restarts: Math.max(0, this.#starts - 1) }
  }

  /** A worker is there, and linked to all others, when this resolves. Rejects when it exits before that. */
  run(): Promise<void> {
    if (this.isClosed) return Promise.reject(stopped(`thread ${this.name}`))
    this.#starting ??= this.#start()
    return this.#starting
  }

  async #start(): Promise<void> {
    try {
      await this.#cleared
      const control = new MessageChannel()
      const reports = new MessageChannel()
      const { name, number } = this
      const worker = new Worker(new URL('./host.js', import.meta.url), {
        name,
        workerData: { ...this.#surroundings.boot(this), control: control.port2, reports: reports.port2 },
        transferList: [control.port2, reports.port2],
        ...WORKER_FLAGS,
        ...(this.#options.resourceLimits ? { resourceLimits: this.#options.resourceLimits } : {}),
      })
      let ready: () => void = () => undefined
      const isReady = new Promise<void>((resolve) => {
        ready = resolve
      })
      reports.port1.on('message', (report: ThreadReport) =>
        report.kind === 'ready' ? ready() : this.#onReport(report),
      )
      let cause: unknown
      worker.on('error', (error) => {
        cause = error
      })
      const exited = new Promise<MoraineError>((resolve) => {
        worker.on('exit', (exitCode) =>
          resolve(unavailable('THREAD_EXITED', `thread ${name} exited`, { thread: name, exitCode }, cause)),
        )
      })
      const life: Life = {
        worker,
        control: wrap<Control>(control.port1 as unknown as Endpoint),
        ports: [control.port1, reports.port1],
        exited,
        isUp: false,
      }
      // The worker keeps the process alive as long as it runs; its ports need not.
      for (const port of life.ports) port.unref()
      this.#life = life
      this.#starts++
      this.#surroundings.log.debug('thread started', { thread: name, number })
      void exited.then((error) => this.#onExit(life, error))
      await Promise.race([isReady, exited.then((error) => Promise.reject(error))])
      await this.#surroundings.connect(this)
      life.isUp = true
    } finally {
      // The next caller finds a worker that runs, or starts another.
      if (!this.#life) this.#starting = undefined
    }
  }

  #onExit(life: Life, error: MoraineError): void {
    for (const port of life.ports) port.close()
    this.#life = undefined
    this.#starting = undefined
    this.#cleared = this.#surroundings.exited(this, error)
    for (const member of this.members) member.exited(error)
  }

  #onReport(report: Exclude<ThreadReport, { kind: 'ready' }>): void {
    if (report.kind === 'log') {
      this.#surroundings.logged(this, report)
      return
    }
    if (report.kind === 'silence') this.#surroundings.silent(report.thread)
    else this.members.find(({ path }) => path === report.path)?.onReport(report)
  }

  /** One call of the control surface. Rejects with THREAD_EXITED when the worker exits first: comlink would wait for ever. */
  async call<T>(what: (control: Remote<Control>) => Promise<T>): Promise<T> {
    const life = this.#life
    if (!life) throw unavailable('THREAD_EXITED', `thread ${this.name} is not running`, { thread: this.name })
    return Promise.race([what(life.control), life.exited.then((error) => Promise.reject(error))])
  }

  /**
   * Looks whether the worker still turns, and ends it when it does not answer within `hangMs`: a handler that never gives
   * the thread back would otherwise silence all actors on it for good. An idle system never asks.
   */
  async check(
    hangMs: number,
    within: (ms: number, work: Promise<unknown>) => Promise<boolean>,
  ): Promise<void> {
    const life = this.#life
    if (!life || this.#isChecking) return
    this.#isChecking = true
    const answer = this.call((control) => control.inspect()).catch(() => undefined)
    const isAlive = await within(hangMs, answer)
    this.#isChecking = false
    if (isAlive || life !== this.#life) return
    this.#surroundings.log.error('thread hangs', { thread: this.name, hangMs })
    await this.kill()
  }

  connect(connection: Connection): Promise<void> {
    return this.call((control) => control.connect(transfer(connection, [connection.end.port])))
  }

  disconnect(thread: number, error: MoraineError): Promise<void> {
    return this.call((control) => control.disconnect(thread, encodeError(error)))
  }

  /** Ends the worker at once, in the middle of whatever it does. Resolves when it has exited and nothing of it is left. */
  async kill(): Promise<void> {
    const life = this.#life
    if (life) {
      await life.worker.terminate()
      await life.exited
    }
    await this.#cleared
  }

  /** As `kill`, and never runs again. */
  close(): Promise<void> {
    this.isClosed = true
    return this.kill()
  }
}

type LifeReport = Extract<ThreadReport, { life: number }>

/** An actor of the tree on another thread, as its supervisor sees it. */
export class RemoteActor implements Member {
  readonly path: string
  owner: Owner = NO_OWNER
  state: MemberState = 'starting'
  readonly #thread: Thread
  readonly #onEndedWithoutThread: (path: string) => void
  #life = 0
  /** News of this life that came before its start was known to have worked: another port, another order. */
  #early: LifeReport | undefined

  constructor(path: string, thread: Thread, onEndedWithoutThread: (path: string) => void) {
    this.path = path
    this.#thread = thread
    this.#onEndedWithoutThread = onEndedWithoutThread
    thread.members.push(this)
  }

  async start(): Promise<void> {
    this.state = 'starting'
    const life = ++this.#life
    this.#early = undefined
    await this.#thread.run()
    const { error } = await this.#thread.call((control) => control.start(this.path, life))
    if (error) throw decodeError(error)
    if (this.state !== 'starting' || life !== this.#life) return
    this.state = 'up'
    if (this.#early) this.onReport(this.#early)
  }

  async halt(): Promise<void> {
    if (this.state === 'ended' || this.state === 'restarting') return
    this.state = 'stopping'
    await this.#try((control) => control.halt(this.path))
    if (this.state === 'stopping') this.state = 'restarting'
  }

  async end(cause?: MoraineError): Promise<void> {
    if (this.state === 'ended') return
    this.state = 'stopping'
    const isDone = await this.#try((control) => control.end(this.path, cause && encodeError(cause)))
    this.state = 'ended'
    // With its thread gone, nobody else can tell those who watch it.
    if (!isDone) this.#onEndedWithoutThread(this.path)
  }

  resume(): void {
    this.state = 'up'
    void this.#try((control) => control.resume(this.path))
  }

  onReport(report: LifeReport): void {
    if (report.life !== this.#life) return
    if (this.state === 'starting') this.#early = report
    if (this.state !== 'up') return
    if (report.kind === 'faulted') {
      this.state = 'faulted'
      this.owner.faulted(decodeError(report.error))
    } else {
      this.state = 'stopping'
      this.owner.finished()
    }
  }

  /** Its worker has exited. A start or a stop that is under way hears of it through its call. */
  exited(error: MoraineError): void {
    if (this.state !== 'up') return
    this.state = 'faulted'
    this.owner.faulted(error)
  }

  /** False when the thread is not there, or went away meanwhile: there is then nothing left to stop. */
  async #try(what: (control: Remote<Control>) => Promise<void>): Promise<boolean> {
    try {
      await this.#thread.call(what)
      return true
    } catch (error) {
      if (asMoraineError(error).code === 'THREAD_EXITED') return false
      throw error
    }
  }
}
