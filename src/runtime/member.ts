// What a supervisor has for children: something it can start, halt and end, wherever it runs. Actors of this thread,
// actors of another thread, and supervisors are all members.
import { type MoraineError, unavailable } from '../base/errors.ts'

/** Who decides what becomes of a member that broke or came to its own end. */
export interface Owner {
  faulted(error: MoraineError): void
  finished(): void
}

/** Before a supervisor takes it. */
export const NO_OWNER: Owner = { faulted: () => undefined, finished: () => undefined }

/** `restarting`: between two lives. `ended`: for good, unless its supervisor itself starts over. */
export type MemberState = 'starting' | 'up' | 'faulted' | 'stopping' | 'restarting' | 'ended'

/** What a supervisor can do with a member: an actor of this thread, an actor of another, or a supervisor. */
export interface Member {
  readonly path: string
  readonly state: MemberState
  owner: Owner
  /** A new life. Rejects with what its setup threw. */
  start(): Promise<void>
  /** Ends the life; address and queued messages stay. Bounded, never rejects, idempotent. */
  halt(): Promise<void>
  /** Ends for good: what is queued is refused, watchers are told. Bounded, never rejects, idempotent. */
  end(cause?: MoraineError): Promise<void>
  /** After a fault: goes on with the next message, with the state it has. */
  resume(): void
}

/** What becomes of a message to an actor that has ended. */
export const stopped = (path: string, cause?: MoraineError): MoraineError =>
  unavailable('ACTOR_STOPPED', `${path} has stopped`, { path }, cause)
