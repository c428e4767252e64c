// The whole vocabulary of the actors, on one screen. An actor is a behaviour behind a bounded mailbox: it takes one
// message at a time, owns its state alone, and when it breaks its supervisor starts it again under the same address.
// An actor never knows on which thread it runs, nor on which thread those it talks to do.
//
// Invariant: asks go down the tree, towards disks; tells go anywhere. So no two actors can wait for each other.
import type { Clock } from '../base/clock.ts'
import type { ErrorCode, MoraineError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import type { Arena } from './arena.ts'

/** A protocol is an interface: one method a message, its parameter the message, its result the reply. */
export type Protocol<P> = { [K in keyof P]: (message: never) => unknown }
export type Message<P extends Protocol<P>, K extends keyof P> = Parameters<P[K]>[0]
export type Reply<P extends Protocol<P>, K extends keyof P> = Awaited<ReturnType<P[K]>>

/** What has an address: every ActorRef, whatever it speaks. */
export interface Address {
  /** 'root/storage/disk-3'; all of a ref that ever crosses a thread. */
  readonly path: string
}

/** An address. It stays good across restarts, of the actor and of its thread. */
export interface ActorRef<P extends Protocol<P>> extends Address {
  /** At most once, in order per sender and receiver. False: mailbox full or actor gone, nothing was sent. */
  tell<K extends keyof P>(type: K, message: Message<P, K>): boolean
  /** Rejects with the handler's error, or MAILBOX_FULL, ASK_TIMEOUT, ACTOR_STOPPED, THREAD_EXITED. Never retried. */
  ask<K extends keyof P>(type: K, message: Message<P, K>, limit: { withinMs: number }): Promise<Reply<P, K>>
}

/** A reply that comes later, while the actor takes its next message: see `deferReply`. */
export class Deferred<T> {
  readonly promise: Promise<T>
  constructor(promise: Promise<T>) {
    this.promise = promise
  }
}

/**
 * A handler that has decided, and queued what it decided, returns `deferReply(synced)`: its message counts as done, the
 * next is taken, and the asker hears what becomes of `promise`.
 */
export const deferReply = <T>(promise: Promise<T>): Deferred<T> => new Deferred(promise)

type Answer<T> = T | Deferred<T> | Promise<T | Deferred<T>>
/** What a behaviour's `setup` returns: one handler for each message of the protocol. */
export type Handlers<P extends Protocol<P>> = {
  [K in keyof P]: (message: Message<P, K>) => Answer<Reply<P, K>>
}

export interface Context<P extends Protocol<P>> {
  readonly self: ActorRef<P>
  /** Never Date.now(): a test owns time. */
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The slabs of this system; throws in a system that was given none. */
  readonly arena: Arena
  /** What `createSystem` was given as `workerData`, on every thread. */
  readonly workerData: unknown
  /** The actor at `path`, wherever it runs, whether it is there already or not. */
  ref<Q extends Protocol<Q>>(path: string): ActorRef<Q>
  /** Tells `self` once, when `other` ends for good, also when it already has. Restarts are not told. */
  watch<K extends keyof P>(other: Address, type: K, message: Message<P, K>): void
  /** Tells `self` every `periodMs`. A tick whose predecessor still waits is dropped. */
  every<K extends keyof P>(periodMs: number, type: K, message: Message<P, K>): void
  /** Last in, first out; at stop and at restart. */
  defer(cleanup: () => void | Promise<void>): void
  /** A child for one piece of work, on this thread, never restarted; it ends with this actor. Costs microseconds. */
  spawn<Q extends Protocol<Q>>(child: ActorSpec<Q>): ActorRef<Q>
  /**
   * Ends a child of this actor, or this actor itself, after the message it is at; resolves when its cleanups have run.
   * Waiting for one's own end inside a handler would wait for itself.
   */
  stop(actor: Address): Promise<void>
  /** Something broke outside of any message (a background loop): the supervisor decides, as for a handler that threw. */
  fail(error: unknown): void
}

/** What is said of a fault by a name of its own. */
export interface Telling {
  readonly level: 'info' | 'warn' | 'error'
  readonly event: string
}

/** How an actor stands to faults that it knows of. */
export interface Expectations {
  /**
   * Faults that are an answer: the asker hears it, nothing of this actor is broken, and it goes on as after a refusal. A full
   * disk is one: whoever writes to it must know, and starting anything again would make no room.
   */
  readonly answers?: readonly ErrorCode[]
  /** What the operator hears of a fault that belongs to an actor's life, instead of the error `actor failed`. */
  readonly tells?: Readonly<Partial<Record<ErrorCode, Telling>>>
}

export interface Behavior<P extends Protocol<P>, Args> extends Expectations {
  /** Required: no unbounded queue can be written. A message heavier than `bytesMax` is always refused. */
  readonly mailbox: { readonly messagesMax: number; readonly bytesMax: number }
  /** How many of each named query may overlap; what is not named runs alone, to completion. */
  readonly interleave?: { readonly [K in keyof P]?: number }
  /** Where another thread finds it; `behavior` fills it in. */
  readonly origin?: Origin
  /** Runs again, from nothing, at each restart. What it throws is a fault. */
  setup(context: Context<P>, args: Args): Handlers<P> | Promise<Handlers<P>>
}

/** The name of a behaviour across threads: the module that exports it, and the name of the export. */
export interface Origin {
  readonly module: string
  readonly name: string
}

/**
 * A behaviour that may run on any thread:
 * `export const disk = behavior<DiskProtocol, DiskArgs>(import.meta.url, 'disk', { mailbox, setup })`.
 * Its arguments are then plain data, SharedArrayBuffers and shared memories.
 */
export const behavior = <P extends Protocol<P>, Args>(
  module: string,
  name: string,
  definition: Omit<Behavior<P, Args>, 'origin'>,
): Behavior<P, Args> => ({ ...definition, origin: { module, name } })

/** What the supervisor is told. */
export interface Fault {
  readonly path: string
  readonly code: string
  readonly error: MoraineError
}

export type Strategy = 'one-for-one' | 'rest-for-one' | 'one-for-all'
export type Decision = 'resume' | 'restart' | 'stop' | 'escalate'
/** Restarted whenever it ends; only when it ended by a fault; never. */
export type RestartType = 'permanent' | 'transient' | 'temporary'

export interface SupervisorSpec {
  /** One segment of the path; the root's is 'root'. */
  readonly name: string
  readonly strategy: Strategy
  /** Past it, the supervisor stops its children and fails upward. One thread's exit counts once. */
  readonly intensity: { readonly restartsMax: number; readonly periodMs: number }
  /** Doubles from `minMs` with each restart of a child, back to `minMs` after a quiet `periodMs`; `jitter` is a share of it. */
  readonly backoff: { readonly minMs: number; readonly maxMs: number; readonly jitter: number }
  /** Started in this order, stopped in the reverse order. */
  readonly children: readonly ChildSpec[]
  /** As in `ActorSpec`, for all children that say nothing else. */
  readonly place?: string
  decide(fault: Fault): Decision
}

export interface ActorOptions {
  /** Default 'permanent' in the tree. What `Context.spawn` starts is always temporary. */
  readonly restart?: RestartType
  /** The name by which the placement table puts it on a thread; its path works too. */
  readonly place?: string
  /** How long its running message, and then its cleanups, may take at a stop. Default 5 s. */
  readonly stopWithinMs?: number
}

export interface ActorSpec<P = unknown> extends ActorOptions {
  readonly name: string
  readonly behavior: UntypedBehavior
  readonly args: unknown
  /** Only for the compiler: what the actor speaks. */
  readonly speaks?: P
}

export type ChildSpec = ActorSpec | SupervisorSpec

/** A behaviour whose protocol is known at run time only: what the machinery handles. */
export interface UntypedBehavior extends Expectations {
  readonly mailbox: { readonly messagesMax: number; readonly bytesMax: number }
  readonly interleave?: Readonly<Record<string, number | undefined>>
  readonly origin?: Origin
  setup(context: unknown, args: unknown): unknown
}

/** One actor of the tree, or of a parent that spawns it. */
export const child = <P extends Protocol<P>, Args>(
  what: Behavior<P, Args>,
  name: string,
  args: Args,
  options: ActorOptions = {},
): ActorSpec<P> => ({ ...options, name, behavior: what as unknown as UntypedBehavior, args })
