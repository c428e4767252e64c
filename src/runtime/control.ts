// The whole conversation between the main thread and a worker, besides messages of actors: what the worker is born with,
// what main asks of it through comlink (a few calls a minute), and what it reports on its own.
import type { MessagePort } from 'node:worker_threads'
import type { Origin } from './actor.ts'
import type { ArenaShared } from './arena.ts'
import type { LinkEnd } from './link.ts'
import { type Bounds, Occupancy } from './mailbox.ts'
import type { MemberState } from './member.ts'
import type { EncodedError } from './wire-error.ts'

/** An actor of the tree, as every thread knows it. */
export interface Listing extends Bounds {
  readonly path: string
  readonly thread: number
  /** Of its counters, among those of its thread. */
  readonly slot: number
}

/** The mailbox counters of one thread's actors, by path; for a sender on another thread, with where it notes what it sent. */
export const occupanciesOf = (
  listings: readonly Listing[],
  thread: number,
  counters: SharedArrayBuffer,
  sent?: SharedArrayBuffer,
): Map<string, Occupancy> => {
  const words = new Int32Array(counters)
  const sentWords = sent && new Int32Array(sent)
  const ofThread = listings.filter((listing) => listing.thread === thread)
  return new Map(
    ofThread.map((listing) => [listing.path, new Occupancy(listing, words, listing.slot, sentWords)]),
  )
}

/** An actor of the tree, as the thread knows it that it lives on. */
export interface Assignment {
  readonly path: string
  readonly name: string
  readonly origin: Origin
  readonly args: unknown
  readonly stopWithinMs: number | undefined
  /** It had ended for good when an earlier worker of this thread exited. */
  readonly hasEnded: boolean
}

export interface Boot {
  readonly thread: number
  readonly listings: readonly Listing[]
  readonly assignments: readonly Assignment[]
  readonly counters: SharedArrayBuffer
  readonly arena: ArenaShared | undefined
  readonly workerData: unknown
  readonly movesBytes: boolean
  readonly control: MessagePort
  readonly reports: MessagePort
}

/** The way to another thread, and the counters of its actors. */
export interface Connection {
  readonly thread: number
  readonly end: LinkEnd
  readonly counters: SharedArrayBuffer
}

/** comlink keeps three fields of an Error: failures come as values. */
export type Outcome = { readonly error: EncodedError | undefined }

export interface TemporaryView {
  readonly path: string
  readonly state: MemberState
  readonly messages: number
  readonly bytes: number
  readonly bounds: Bounds
}

export interface Inspection {
  readonly temporaries: readonly TemporaryView[]
  readonly deadLetters: number
  readonly refused: number
}

/** What main may ask of a worker. */
export interface Control {
  connect(connection: Connection): void
  disconnect(thread: number, error: EncodedError): void
  /** `life` numbers the lives of the actor: reports name it, so that late news of an earlier one is recognized. */
  start(path: string, life: number): Promise<Outcome>
  halt(path: string): Promise<void>
  end(path: string, cause: EncodedError | undefined): Promise<void>
  resume(path: string): void
  inspect(): Inspection
}

export interface LogReport {
  readonly kind: 'log'
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What a worker tells main on its own. */
export type ThreadReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'faulted'; readonly path: string; readonly life: number; readonly error: EncodedError }
  | { readonly kind: 'finished'; readonly path: string; readonly life: number }
  /** An ask to an actor of `thread` was not answered in time: does it hang? */
  | { readonly kind: 'silence'; readonly thread: number }
  | LogReport
