// An actor's wish to go on later: one timer, of all wishes the earliest counts. It ends with the actor.
import type { Context } from '../runtime/actor.ts'

export interface Alarm {
  /** `ring` is called after at least `delayMs`, once, however often it is wished for until then. */
  set(delayMs: number): void
}

export const createAlarm = (context: Pick<Context<never>, 'clock' | 'defer'>, ring: () => void): Alarm => {
  const { clock } = context
  let due: { readonly atMs: number; cancel(): void } | undefined
  context.defer(() => due?.cancel())
  return {
    set(delayMs) {
      const atMs = clock.monotonicMs() + delayMs
      if (due && due.atMs <= atMs) return
      due?.cancel()
      const timer = clock.setTimer(delayMs, () => {
        due = undefined
        ring()
      })
      due = { atMs, cancel: () => timer.cancel() }
    },
  }
}
