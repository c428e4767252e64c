// The system: a tree of actors that was given as data, on the threads that the placement table names. It lives inside
// somebody's process: it installs no global handler, never ends the process, and `close` leaves no thread and no timer.
//
// Invariant: every path of the tree leads to its actor from the first moment to the last, whatever restarts meanwhile.
import { type Clock, systemClock } from '../base/clock.ts'
import type { MoraineError } from '../base/errors.ts'
import { type Log, silentLog } from '../base/log.ts'
import { type Random, systemRandom } from '../base/prng.ts'
import { SECOND } from '../base/units.ts'
import type { ActorRef, ActorSpec, ChildSpec, Protocol, RestartType, SupervisorSpec } from './actor.ts'
import type { Arena } from './arena.ts'
import { Hub } from './hub.ts'
import { Occupancy } from './mailbox.ts'
import type { Member, MemberState } from './member.ts'
import { createScheduler, type Scheduler } from './scheduler.ts'
import { type Child, Supervisor } from './supervisor.ts'

export interface SystemOptions {
  /** The whole tree; its name is 'root'. */
  readonly spec: SupervisorSpec
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
}

export interface System {
  /** The actor at `path`, for use outside of any actor. */
  ref<P extends Protocol<P>>(path: string): ActorRef<P>
  /** Every actor, those made at run time too, in the order of the tree. */
  inspect(): Promise<readonly ActorView[]>
  /** Settles when the system has ended: undefined after `close`, the fault when the root gave up. Never rejects. */
  readonly closed: Promise<MoraineError | undefined>
  /** Stops the tree in reverse order. Idempotent; resolves when nothing of it is left, within about `withinMs`. */
  close(limit?: { withinMs: number }): Promise<void>
  /** Messages that nobody took, since the system started. */
  readonly counts: { readonly deadLetters: number; readonly refused: number }
}

interface Entry {
  readonly path: string
  readonly spec: ActorSpec
  readonly member: Member
  readonly occupancy: () => Occupancy
  readonly thread: string
}

/** Resolves when the whole tree is up. Rejects with the fault, and leaves nothing, when the root gave up before that. */
export const createSystem = async (options: SystemOptions): Promise<System> => {
  const environment = {
    clock: options.clock ?? systemClock,
    random: options.random ?? systemRandom,
    log: options.log ?? silentLog,
  }
  const hub = new Hub({
    ...environment,
    thread: 0,
    scheduler: options.scheduler ?? createScheduler(),
    arena: options.arena,
    workerData: options.workerData,
    movesBytes: options.movesBytes ?? false,
  })
  const entries: Entry[] = []
  const supervisors: Supervisor[] = []

  const actor = (path: string, spec: ActorSpec): Child => {
    const occupancy = new Occupancy(spec.behavior.mailbox)
    const member = hub.createCell(path, spec, occupancy)
    entries.push({ path, spec, member, occupancy: () => occupancy, thread: 'main' })
    return { member, restart: spec.restart ?? 'permanent' }
  }
  const supervisor = (path: string, spec: SupervisorSpec): Child => {
    const children = spec.children.map((child) => member(`${path}/${child.name}`, child))
    const made = new Supervisor(spec, path, children, environment)
    supervisors.push(made)
    return { member: made, restart: 'permanent' satisfies RestartType }
  }
  const member = (path: string, spec: ChildSpec): Child =>
    'children' in spec ? supervisor(path, spec) : actor(path, spec)

  const root = supervisor(options.spec.name, options.spec).member
  let settleClosed: (error: MoraineError | undefined) => void
  const closed = new Promise<MoraineError | undefined>((resolve) => {
    settleClosed = resolve
  })
  let closing: Promise<void> | undefined
  const shutDown = async (withinMs: number, cause: MoraineError | undefined): Promise<void> => {
    await hub.within(withinMs, root.end(cause))
    hub.close()
    settleClosed(cause)
  }
  const close = (withinMs: number, cause?: MoraineError): Promise<void> => {
    closing ??= shutDown(withinMs, cause)
    return closing
  }
  root.owner = {
    faulted: (error) => void close(CLOSE_WITHIN_MS, error),
    finished: () => undefined,
  }

  const restartsOf = (path: string): number =>
    supervisors.reduce((sum, supervisor) => sum + supervisor.restartsOf(path), 0)

  const system: System = {
    ref: (path) => hub.ref(path),
    closed,
    close: (limit = { withinMs: CLOSE_WITHIN_MS }) => close(limit.withinMs),
    async inspect() {
      return entries.map(({ path, spec, member, occupancy, thread }) => ({
        path,
        thread,
        state: member.state,
        restarts: restartsOf(path),
        mailbox: { messages: occupancy().messages, bytes: occupancy().bytes, ...spec.behavior.mailbox },
      }))
    },
    get counts() {
      return { deadLetters: hub.deadLetters.count, refused: hub.refusals.count }
    },
  }
  try {
    await root.start()
  } catch (error) {
    await close(CLOSE_WITHIN_MS, error as MoraineError)
    throw error
  }
  return system
}

const CLOSE_WITHIN_MS = 10 * SECOND
