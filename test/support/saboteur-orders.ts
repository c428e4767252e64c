// What a test may ask of the saboteurs in the threads of a server, and what they answer: see saboteur.ts.

/** Where the orders come from, and what the machine is to look like. */
export const SABOTEUR_SOCKET = 'SABOTEUR_SOCKET'
export const SABOTEUR_CORES = 'SABOTEUR_CORES'

/** `terminate`: by the thread that started it; the others by the thread itself. */
export type How = 'throw' | 'exit' | 'memory' | 'terminate'

/** Ends one thread that has the actors of this place (`gateways`, `metadata`, …), or one of the `codec`'s. */
export type Order =
  | { readonly kind: 'end'; readonly place: string; readonly how: How }
  | { readonly kind: 'arena' }

export type Told =
  /** The thread has exited. */
  | { readonly answers: 'end'; readonly thread: number }
  /** Slabs that anybody holds. */
  | { readonly answers: 'arena'; readonly small: number; readonly large: number }
