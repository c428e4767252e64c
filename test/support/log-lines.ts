// What a store has said to its operator, kept for a test to look at.
import type { Log, LogFields } from '../../src/base/log.ts'

export interface LogLine {
  readonly level: keyof Log
  readonly event: string
  readonly fields: LogFields
}

export interface LogLines {
  readonly log: Log
  /** In the order they were said. */
  readonly lines: LogLine[]
  /** Lines with this event. */
  of(event: string): LogLine[]
  /** Level and event of what an operator sees by default: all but `debug`. */
  told(): string[]
}

export const createLogLines = (): LogLines => {
  const lines: LogLine[] = []
  const keep =
    (level: keyof Log) =>
    (event: string, fields: LogFields = {}): void =>
      void lines.push({ level, event, fields })
  return {
    log: { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') },
    lines,
    of: (event) => lines.filter((line) => line.event === event),
    told: () => lines.filter(({ level }) => level !== 'debug').map(({ level, event }) => `${level} ${event}`),
  }
}
