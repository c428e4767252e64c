// A probe: an actor that keeps what it is told, for a test to look at and to wait for; and one that does on request what
// a test wants to see handled: throw, hang, take its time.

import { type ErrorCode, type ErrorKind, MoraineError } from '../../src/base/errors.ts'
import { MiB } from '../../src/base/units.ts'
import { behavior, deferReply } from '../../src/runtime/actor.ts'

export interface ProbeProtocol {
  /** Keeps `note` and answers how many it has. */
  note(message: { note: string }): number
  /** All notes so far, in order. */
  notes(message: Record<string, never>): string[]
  echo(message: { value: unknown }): unknown
  /** Throws; `kind` decides who must act. */
  fail(message: { kind: ErrorKind; code: ErrorCode }): void
  /** Answers after `delayMs`, and nothing else is handled meanwhile. */
  work(message: { delayMs: number }): Promise<void>
  /** As `work`, overlapping with itself. */
  query(message: { delayMs: number }): Promise<void>
  /** Takes the next message at once, and answers after `delayMs`. */
  commit(message: { delayMs: number }): Promise<string>
}

export interface ProbeArgs {
  readonly watches?: readonly string[]
}

export const probe = behavior<ProbeProtocol, ProbeArgs>(import.meta.url, 'probe', {
  mailbox: { messagesMax: 64, bytesMax: 8 * MiB },
  interleave: { query: 4 },
  setup(context, { watches = [] }) {
    const notes: string[] = []
    const sleep = (delayMs: number) =>
      new Promise<void>((resolve) => void context.clock.setTimer(delayMs, resolve, true))
    for (const path of watches) context.watch({ path }, 'note', { note: `${path} ended` })
    return {
      note: ({ note }) => notes.push(note),
      notes: () => [...notes],
      echo: ({ value }) => value,
      fail: ({ kind, code }) => {
        throw new MoraineError(kind, code, `asked to fail with ${code}`)
      },
      work: ({ delayMs }) => sleep(delayMs),
      query: ({ delayMs }) => sleep(delayMs),
      commit: ({ delayMs }) => deferReply(sleep(delayMs).then(() => 'synced')),
    }
  },
})
