// Events say what happened: to the console, to metrics, to whoever embeds the store. They are published from any thread by a
// tell to one actor, on the main thread, and come out as an RxJS stream. They never carry object bytes, nothing waits for
// them, and under overload they are dropped, counted as refused tells: what must not be lost is a commit, not an event.
import type { Observable } from 'rxjs'
import { require } from '../base/require.ts'
import { MiB } from '../base/units.ts'
import { type ActorSpec, type Behavior, child } from './actor.ts'
import type { EventsProtocol } from './publisher.ts'

// Of the two hundred modules of the whole package a start would load each.
const { Subject } = require('rxjs/internal/Subject') as typeof import('rxjs/internal/Subject')

export interface Events<E> {
  readonly stream: Observable<E>
  /** The actor, for the tree; it must stay on the main thread. */
  readonly spec: ActorSpec<EventsProtocol<E>>
  /** Ends the stream, once the system is closed. */
  complete(): void
}

/** The stream of a system's events, and the actor behind it, by the name `name`. */
export const createEvents = <E>(name = 'events'): Events<E> => {
  const subject = new Subject<E>()
  const behavior: Behavior<EventsProtocol<E>, undefined> = {
    mailbox: { messagesMax: 4096, bytesMax: 4 * MiB },
    setup: () => ({ publish: ({ event }) => subject.next(event) }),
  }
  return {
    stream: subject.asObservable(),
    spec: child(behavior, name, undefined),
    complete: () => subject.complete(),
  }
}
