// What happened in the store, for whoever embeds or watches it. Facts in the past tense; never object bytes, never a
// secret. An event may be dropped under overload: what must not be lost is a commit, not an event.
import type { Context } from '../runtime/actor.ts'
import { publisher } from '../runtime/publisher.ts'

export type StoreEvent =
  /** A disk of the store was found in its slot, and is used. */
  | { readonly kind: 'disk-entered'; readonly slot: number; readonly disk: number }
  /** The disk in the slot is no longer used: gone, failed or closed. */
  | { readonly kind: 'disk-left'; readonly slot: number; readonly disk: number }
  /** A read met a shard that is missing or does not verify; the bytes were made up for. */
  | { readonly kind: 'shard-damaged'; readonly disk: number; readonly write: string; readonly shard: number }
  /** A shard is whole again. */
  | { readonly kind: 'shard-repaired'; readonly disk: number; readonly write: string; readonly shard: number }

/** Publishes events of the store from an actor on any thread; false when one was dropped. */
export const storePublisher = (context: Pick<Context<never>, 'ref'>): ((event: StoreEvent) => boolean) =>
  publisher<StoreEvent>(context)
