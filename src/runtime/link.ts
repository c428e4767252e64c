// The way to one other thread.
import type { LocalAsk } from './hub.ts'

export interface Link {
  send(
    path: string,
    type: string,
    message: unknown,
    bytes: number,
    ask: LocalAsk | undefined,
    withinMs: number,
  ): void
  watch(path: string): void
}
