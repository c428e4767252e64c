// The system: a tree of actors that was given as data, on the threads that the placement table names. It lives inside
// somebody's process: it installs no global handler, never ends the process, and `close` leaves no thread and no timer.
//
// Invariant: every path of the tree leads to its actor from the first moment to the last, whatever restarts meanwhile.
import { type Clock, createOwnClock, systemClock } from '../base/clock.ts'
import { asMoraineError, assert, type MoraineError } from '../base/errors.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Random, systemRandom } from '../base/prng.ts'
import { SECOND } from '../base/units.ts'
import type { ActorRef, ActorSpec, Protocol, Strategy, SupervisorSpec } from './actor.ts'
import type { Arena } from './arena.ts'
import { Hub } from './hub.ts'
import type { Bounds } from './mailbox.ts'
import type { MemberState } from './member.ts'
import { MAIN_THREAD, type Placed, type Placement, planPlacement } from './placement.ts'
import { createScheduler, type Scheduler } from './scheduler.ts'
import { type Child, type Environment, Supervisor } from './supervisor.ts'
import type { ThreadOptions, ThreadView } from './thread.ts'
import { Threads } from './threads.ts'

export interface SystemOptions {
  /** The whole tree; its name is 'root'. */
  readonly spec: SupervisorSpec
  /** Path or place -> thread; what it does not mention runs on the main thread. */
  readonly placement?: Placement
  /** By thread name: memory limits. */
  readonly threads?: Readonly<Record<string, ThreadOptions>>
  /** After an ask to it timed out, how long a thread may stay silent before it is ended as hung. Default 10 s. */
  readonly hangMs?: number
  readonly clock?: Clock
  readonly random?: Random
  readonly log?: Log
  /** In production the order of asking; a seeded one in simulation. */
  readonly scheduler?: Scheduler
  readonly arena?: Arena
  /** Plain data every behaviour sees as `context.workerData`. */
  readonly workerData?: unknown
  /** Detach sent bytes from their sender within a thread too: in tests and simulation. */
  readonly movesBytes?: boolean
}

export interface ActorView {
  readonly kind: 'actor'
  readonly path: string
  readonly thread: string
  readonly state: MemberState
  readonly restarts: number
  readonly mailbox: {
    readonly messages: number
    readonly bytes: number
    readonly messagesMax: number
    readonly bytesMax: number
  }
  /** Made at run time by its parent. */
  readonly isTemporary: boolean
}

export interface SupervisorView {
  readonly kind: 'supervisor'
  readonly path: string
  readonly strategy: Strategy
  readonly thread: string
  readonly state: MemberState
  /** Its own: how often the one above has started it again. */
  readonly restarts: number
}

export type NodeView = SupervisorView | ActorView

export interface SystemView {
  /** Every actor, in the order of the tree. */
  readonly actors: readonly ActorView[]
  /** The actors with their supervisors: in the order in which they start, whoever has children before them. */
  readonly tree: readonly NodeView[]
  /** The main thread first. */
  readonly threads: readonly ThreadView[]
  /** Tells to addresses where nobody lives, since each thread started. */
  readonly deadLetters: number
  /** Tells that found a full mailbox, or whose handler refused. */
  readonly refused: number
}

export interface System {
  /** The actor at `path`, for use outside of any actor. */
  ref<P extends Protocol<P>>(path: string): ActorRef<P>
  inspect(): Promise<SystemView>
  /** Settles when the system has ended: undefined after `close`, the fault when the root gave up. Never rejects. */
  readonly closed: Promise<MoraineError | undefined>
  /** Stops the tree in reverse order. Idempotent; resolves when nothing of it is left, within about `withinMs`. */
  close(limit?: { withinMs: number }): Promise<void>
  /** For tests: ends the worker of a thread at once. Resolves when nothing of it is left; it is started again. */
  killThread(name: string): Promise<void>
}

/** A root that does not stop in time is left behind; its threads are ended all the same. */
const CLOSE_WITHIN_MS = 10 * SECOND

/** Far above any turn of ours, far below what an operator would do. */
const HANG_MS = 10 * SECOND

/** Resolves when the whole tree is up. Rejects with the fault, and leaves nothing, when the root gave up before that. */
export const createSystem = async (options: SystemOptions): Promise<System> => {
  const clock = createOwnClock(options.clock ?? systemClock)
  const environment = {
    clock,
    random: options.random ?? systemRandom,
    log: options.log ?? silentLog,
  }
  const { arena, workerData, movesBytes = false } = options
  const hub = new Hub({
    ...environment,
    thread: 0,
    scheduler: options.scheduler ?? createScheduler(),
    arena,
    workerData,
    movesBytes,
  })
  const placed = planPlacement(options.spec, options.placement ?? {})
  const threads = new Threads({
    hub,
    log: environment.log,
    placed,
    arena,
    workerData,
    movesBytes,
    threads: options.threads ?? {},
    hangMs: options.hangMs ?? HANG_MS,
  })
  assert(
    threads.isEmpty || (options.clock ?? systemClock) === systemClock,
    'only one thread can have a clock of its own',
  )
  const { root, viewNodes } = buildTree(options.spec, placed, hub, threads, environment)

  let settleClosed: (error: MoraineError | undefined) => void
  const closed = new Promise<MoraineError | undefined>((resolve) => {
    settleClosed = resolve
  })
  const shutDown = async (withinMs: number, cause?: MoraineError): Promise<void> => {
    // Whoever ends first is still told this and that by those that end after it.
    hub.deadLetters.isExpected = cause === undefined
    await hub.within(withinMs, root.end(cause))
    await threads.close()
    hub.close()
    clock.close()
    settleClosed(cause)
  }
  let closing: Promise<void> | undefined
  const close = (withinMs: number, cause?: MoraineError): Promise<void> => {
    closing ??= shutDown(withinMs, cause)
    return closing
  }
  root.owner = {
    faulted: (error) => void close(CLOSE_WITHIN_MS, error),
    finished: () => undefined,
  }
  try {
    await threads.run()
    await root.start()
  } catch (error) {
    await close(CLOSE_WITHIN_MS, asMoraineError(error))
    throw error
  }
  const temporariesHere = (): ActorView[] =>
    hub.cells
      .filter((cell) => cell.isTemporary)
      .map(({ path, state, spec, mailbox }) =>
        viewTemporary(path, MAIN_THREAD, state, mailbox.occupancy, spec.behavior.mailbox),
      )
  return {
    ref: (path) => hub.ref(path),
    closed,
    close: (limit = { withinMs: CLOSE_WITHIN_MS }) => close(limit.withinMs),
    killThread: (name) => threads.kill(name),
    async inspect() {
      const elsewhere = await threads.inspect()
      const temporaries = elsewhere.flatMap(({ thread, temporaries }) =>
        temporaries.map((seen) => viewTemporary(seen.path, thread, seen.state, seen, seen.bounds)),
      )
      const sum = (what: 'deadLetters' | 'refused') =>
        elsewhere.reduce((total, seen) => total + seen[what], 0)
      const tree = withTemporaries(viewNodes(), [...temporariesHere(), ...temporaries])
      return {
        ...{ actors: tree.filter((node) => node.kind === 'actor'), tree },
        threads: [{ name: MAIN_THREAD, state: 'up', restarts: 0 }, ...threads.views()],
        deadLetters: hub.deadLetters.count + sum('deadLetters'),
        refused: hub.refusals.count + sum('refused'),
      }
    },
  }
}

/** The spec come alive: a member for each actor, a supervisor for each group. */
const buildTree = (
  spec: SupervisorSpec,
  placed: readonly Placed[],
  hub: Hub,
  threads: Threads,
  environment: Environment,
): { root: Supervisor; viewNodes: () => NodeView[] } => {
  /** In the order of the tree. */
  const views: (() => NodeView)[] = []
  const supervisors = new Map<string, Supervisor>()
  const restartsOf = (path: string): number =>
    supervisors.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))))?.restartsOf(path) ?? 0
  const actor = (path: string, actorSpec: ActorSpec): Child => {
    const { thread } = placed.find((other) => other.path === path)!
    const isHere = thread === MAIN_THREAD
    const member = isHere
      ? hub.createCell(path, actorSpec, threads.occupancyInMain(path))
      : threads.createActor(path, thread)
    views.push((): ActorView => {
      const { messages = 0, bytes = 0 } = hub.place(path).occupancy ?? {}
      const { messagesMax, bytesMax } = actorSpec.behavior.mailbox
      const mailbox = { messages, bytes, messagesMax, bytesMax }
      const { state } = member
      return { kind: 'actor', path, thread, state, restarts: restartsOf(path), mailbox, isTemporary: false }
    })
    const { tells } = actorSpec.behavior
    return { member, restart: actorSpec.restart ?? 'permanent', ...(tells && { tells }) }
  }
  const supervisor = (path: string, node: SupervisorSpec): Supervisor => {
    views.push((): SupervisorView => {
      const { strategy, state } = supervisors.get(path)!
      return { kind: 'supervisor', path, strategy, thread: MAIN_THREAD, state, restarts: restartsOf(path) }
    })
    const children = node.children.map((child): Child => {
      const at = `${path}/${child.name}`
      return 'children' in child ? { member: supervisor(at, child), restart: 'permanent' } : actor(at, child)
    })
    const made = new Supervisor(node, path, children, environment)
    supervisors.set(path, made)
    return made
  }
  const root = supervisor(spec.name, spec)
  return { root, viewNodes: () => views.map((view) => view()) }
}

/** Those made at run time follow whoever made them. */
const withTemporaries = (nodes: readonly NodeView[], temporaries: readonly ActorView[]): NodeView[] => {
  const childrenOf = new Map<string, ActorView[]>()
  for (const child of temporaries) {
    const parent = child.path.slice(0, child.path.lastIndexOf('/'))
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), child])
  }
  const withChildren = (node: NodeView): NodeView[] => {
    const children = childrenOf.get(node.path) ?? []
    return [node, ...children.flatMap(withChildren)]
  }
  return nodes.flatMap(withChildren)
}

const viewTemporary = (
  path: string,
  thread: string,
  state: MemberState,
  { messages, bytes }: { readonly messages: number; readonly bytes: number },
  { messagesMax, bytesMax }: Bounds,
): ActorView => ({
  kind: 'actor',
  path,
  thread,
  state,
  restarts: 0,
  mailbox: { messages, bytes, messagesMax, bytesMax },
  isTemporary: true,
})
