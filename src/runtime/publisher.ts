// The publishing end of events, for actors on any thread. Apart from the stream, because RxJS is two hundred modules, which
// every thread that only publishes would load at each of its starts.
import type { ActorRef, Context } from './actor.ts'

export interface EventsProtocol<E> {
  publish(message: { readonly event: E }): void
}

/** A function that publishes, for an actor on any thread. False when the event was dropped. */
export const publisher = <E>(
  context: Pick<Context<never>, 'ref'>,
  path = 'root/events',
): ((event: E) => boolean) => {
  const events: ActorRef<EventsProtocol<E>> = context.ref(path)
  return (event) => events.tell('publish', { event })
}
