// An address in the hand of an actor. It holds a place of its thread's hub, never the actor itself: that is why it stays
// good when the actor or its thread starts again.
import type { Hub, Place } from './hub.ts'

/** What `context.ref` gives out. The compiler knows it as an ActorRef of some protocol. */
export class Ref {
  readonly #hub: Hub
  readonly #place: Place
  constructor(hub: Hub, place: Place) {
    this.#hub = hub
    this.#place = place
  }

  get path(): string {
    return this.#place.path
  }

  tell(type: string, message: unknown): boolean {
    return this.#hub.tell(this.#place, type, message)
  }

  ask(type: string, message: unknown, limit: { withinMs: number }): Promise<unknown> {
    return this.#hub.ask(this.#place, type, message, limit.withinMs)
  }
}
