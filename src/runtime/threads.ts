// All threads of a system: gives each worker what it is born with, links it to every other, and takes back what was its own
// when it exits. Actors reach each other directly; only control passes through here.
//
// Invariant: what a dead worker held of the arena, and what was on its way from or to it, is given back only after its
// exit, when its I/O has ended, and after every other thread has taken what it had sent and stopped sending to it.
import type { MoraineError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import type { Arena } from './arena.ts'
import {
  type Assignment,
  type Boot,
  type Inspection,
  type Listing,
  type LogReport,
  occupanciesOf,
} from './control.ts'
import type { Hub } from './hub.ts'
import { createLinkEnds, type Direction, Link, type LinkEnd } from './link.ts'
import { OCCUPANCY_WORDS, type Occupancy } from './mailbox.ts'
import { MAIN_THREAD, type Placed } from './placement.ts'
import { RemoteActor, type Surroundings, Thread, type ThreadOptions, type ThreadView } from './thread.ts'

/** How long a thread may take to confirm that it stopped sending to one that died; a hung one is not waited for. */
const CONFIRM_WITHIN_MS = 1 * SECOND
const INSPECT_WITHIN_MS = 1 * SECOND

export interface ThreadsOptions {
  readonly hub: Hub
  readonly log: Log
  readonly placed: readonly Placed[]
  readonly arena: Arena | undefined
  readonly workerData: unknown
  readonly movesBytes: boolean
  readonly threads: Readonly<Record<string, ThreadOptions>>
  readonly hangMs: number
}

interface MadeLink {
  readonly between: readonly [number, number]
  readonly ways: readonly [Direction, Direction]
}

export class Threads implements Surroundings {
  readonly log: Log
  readonly #options: ThreadsOptions
  readonly #threads = new Map<string, Thread>()
  readonly #listings: Listing[] = []
  /** Of the mailboxes of the main thread's actors. */
  readonly #mainCounters: SharedArrayBuffer
  /** Every link there is, to settle what is on its way when one of its ends exits. */
  #links: MadeLink[] = []
  /** Links are made one thread at a time, or two new threads would each link to the other. */
  #connecting: Promise<void> = Promise.resolve()

  constructor(options: ThreadsOptions) {
    this.#options = options
    this.log = options.log
    for (const { thread: name } of options.placed) {
      if (name === MAIN_THREAD || this.#threads.has(name)) continue
      const number = this.#threads.size + 1
      this.#threads.set(name, new Thread(name, number, options.threads[name] ?? {}, this))
    }
    const slots = new Map<number, number>()
    for (const { path, thread: name, spec } of options.placed) {
      const thread = this.#threads.get(name)?.number ?? 0
      const slot = slots.get(thread) ?? 0
      slots.set(thread, slot + OCCUPANCY_WORDS)
      const { messagesMax, bytesMax } = spec.behavior.mailbox
      this.#listings.push({ path, thread, slot, messagesMax, bytesMax })
      if (thread !== 0) options.hub.addRemote(path, thread)
    }
    this.#mainCounters = new SharedArrayBuffer(4 * (slots.get(0) ?? 0))
    options.hub.onSilence = (thread) => this.silent(thread)
    options.hub.counters = new Int32Array(this.#mainCounters)
  }

  get isEmpty(): boolean {
    return this.#threads.size === 0
  }

  views(): ThreadView[] {
    return [...this.#threads.values()].map((thread) => thread.view())
  }

  /** The counters of an actor of the main thread, where all threads see them. */
  occupancyInMain(path: string): Occupancy {
    return occupanciesOf(this.#listings, 0, this.#mainCounters).get(path)!
  }

  /** The actor at `path`, on another thread than main. */
  createActor(path: string, thread: string): RemoteActor {
    const { hub } = this.#options
    return new RemoteActor(path, this.#threads.get(thread)!, (ended) => {
      hub.endedElsewhere(ended)
      for (const link of hub.links) link?.ended(ended)
    })
  }

  /** All at the same time; one that fails is started again with the first of its actors. */
  async run(): Promise<void> {
    await Promise.allSettled([...this.#threads.values()].map((thread) => thread.run()))
  }

  /** Resolves when its worker has exited and nothing of it is left; its supervisors start another. */
  async kill(name: string): Promise<void> {
    await this.#threads.get(name)?.kill()
  }

  /** What only the threads themselves know. One that does not answer in time is left out. */
  async inspect(): Promise<readonly (Inspection & { readonly thread: string })[]> {
    const found: (Inspection & { thread: string })[] = []
    const asks = [...this.#threads.values()].map(async (thread) => {
      if (!thread.isRunning) return
      const seen = thread
        .call((control) => control.inspect())
        .then(
          (inspection) => void found.push({ thread: thread.name, ...inspection }),
          () => undefined,
        )
      await this.#options.hub.within(INSPECT_WITHIN_MS, seen)
    })
    await Promise.all(asks)
    return found
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads.values()].map((thread) => thread.close()))
  }

  // -- Surroundings of one thread. --

  boot(thread: Thread): Omit<Boot, 'control' | 'reports'> {
    const { placed, arena, workerData, movesBytes } = this.#options
    const ofThread = this.#listings.filter((listing) => listing.thread === thread.number)
    thread.counters = new SharedArrayBuffer(4 * OCCUPANCY_WORDS * ofThread.length)
    const assignments = ofThread.map(({ path }): Assignment => {
      const { spec } = placed.find((other) => other.path === path)!
      const member = thread.members.find((other) => other.path === path)
      return {
        path,
        name: spec.name,
        origin: spec.behavior.origin!,
        args: spec.args,
        stopWithinMs: spec.stopWithinMs,
        hasEnded: member?.state === 'ended',
      }
    })
    return {
      thread: thread.number,
      listings: this.#listings,
      assignments,
      counters: thread.counters,
      arena: arena?.shared,
      workerData,
      movesBytes,
    }
  }

  connect(thread: Thread): Promise<void> {
    this.#connecting = this.#connecting.then(() => this.#connect(thread))
    return this.#connecting
  }

  async #connect(thread: Thread): Promise<void> {
    const { hub } = this.#options
    const [ours, theirs] = this.#createLink([0, thread.number], this.#mainCounters, thread.counters)
    const toMain = thread.connect({ thread: 0, end: theirs, counters: this.#mainCounters })
    hub.connect(
      thread.number,
      new Link(hub, thread.number, ours),
      occupanciesOf(this.#listings, thread.number, thread.counters, ours.outgoing.sent),
    )
    const others = [...this.#threads.values()].filter((other) => other !== thread && hub.links[other.number])
    const toOthers = others.map(async (other) => {
      const [near, far] = this.#createLink([thread.number, other.number], thread.counters, other.counters)
      await Promise.all([
        thread.connect({ thread: other.number, end: near, counters: other.counters }),
        other.connect({ thread: thread.number, end: far, counters: thread.counters }),
      ])
    })
    // One of them may exit just now; its own exit then clears up, and its next worker is linked anew.
    await Promise.allSettled([toMain, ...toOthers])
  }

  #createLink(
    between: readonly [number, number],
    near: SharedArrayBuffer,
    far: SharedArrayBuffer,
  ): [LinkEnd, LinkEnd] {
    const ends = createLinkEnds(this.#options.arena, near, far)
    this.#links.push({ between, ways: [ends[0].outgoing, ends[0].incoming] })
    return ends
  }

  silent(number: number): void {
    const { hub, hangMs } = this.#options
    const thread = [...this.#threads.values()].find((other) => other.number === number)
    void thread?.check(hangMs, (ms, work) => hub.within(ms, work))
  }

  logged(thread: Thread, { level, event, fields }: LogReport): void {
    // What each thread logs once a minute, all threads together log once a minute.
    const { deadLetters, refusals } = this.#options.hub
    const notices = [deadLetters, refusals].find(({ what }) => what === event)
    if (notices && !notices.isNews(String(fields['actor']))) return
    this.log[notices?.isExpected ? 'debug' : level](event, { thread: thread.name, ...fields })
  }

  async exited(thread: Thread, error: MoraineError): Promise<void> {
    const { hub, arena, log } = this.#options
    if (thread.isClosed) log.debug('thread ended', { thread: thread.name })
    else log.error('thread exited', { thread: thread.name, error })
    hub.disconnect(thread.number, error)
    const others = [...this.#threads.values()].filter((other) => other !== thread && other.isRunning)
    const confirmed = others.map((other) => other.disconnect(thread.number, error))
    await hub.within(CONFIRM_WITHIN_MS, Promise.allSettled(confirmed))
    if (!arena) return
    const isOf = ({ between }: MadeLink) => between.includes(thread.number)
    for (const { ways } of this.#links.filter(isOf)) {
      for (const { transit } of ways) arena.settleTransit(new Int32Array(transit!))
    }
    this.#links = this.#links.filter((link) => !isOf(link))
    arena.reclaim(thread.number)
  }
}
