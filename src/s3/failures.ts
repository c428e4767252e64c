// What the operator is told of requests that failed: faults and bugs with everything known of them, the unavailable, and
// writes to a full store, in one line. Refusals are the client's own affair.
//
// A store that can serve nobody fails thousands of requests a second for one reason: each reason is told once in a while, with
// how many it was since. `SlowDown` is the ordinary answer of a busy store, and that it goes down the operator knows: these
// are for who looks closely.
import type { Clock } from '../base/clock.ts'
import { asMoraineError, codeOf } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import { SECOND } from '../base/units.ts'
import type { S3Request } from './exchange.ts'

const EXPECTED: ReadonlySet<string> = new Set(['MAILBOX_FULL', 'ARENA_FULL', 'DRAINING'])
const TOLD_EVERY_MS = 10 * SECOND
/** Layers that have each wrapped an error once. */
const CAUSES_MAX = 4

/** What an error came from, the nearest first: `TOO_FEW_DISKS` says what it means, and only its causes which disk failed how. */
const causesOf = (error: Error): string | undefined => {
  const causes: string[] = []
  let { cause } = error
  while (cause instanceof Error && causes.length < CAUSES_MAX) {
    const code = codeOf(cause)
    causes.push(code === 'UNEXPECTED' ? cause.message : `${code}: ${cause.message}`)
    cause = cause.cause
  }
  return causes.length > 0 ? causes.join(' < ') : undefined
}

/** For `createDispatch`: the request id in a line is the one the client was given. */
export const createFailureLog = (log: Log, clock: Clock): ((caught: unknown, request: S3Request) => void) => {
  /** By code: when it was told last, and how many came since. There are a dozen codes. */
  const told = new Map<string, { atMs: number; since: number }>()

  const isNews = (code: string): { since: number } | undefined => {
    const nowMs = clock.monotonicMs()
    const before = told.get(code)
    if (before && nowMs - before.atMs < TOLD_EVERY_MS) {
      before.since++
      return undefined
    }
    told.set(code, { atMs: nowMs, since: 0 })
    return { since: before?.since ?? 0 }
  }

  return (caught, { id, method, bucket }) => {
    const error = asMoraineError(caught)
    const { kind, code, message, detail, stack } = error
    if (kind === 'refusal') return
    const line = { id, method, bucket, code, message, detail, cause: causesOf(error) }
    if (kind !== 'unavailable' && code !== 'DISK_FULL') {
      log.error('request-failed', { ...line, kind, stack })
      return
    }
    // A full store is no broken one: 507 is the answer it is there to give.
    const event = code === 'DISK_FULL' ? 'request-without-room' : 'request-unavailable'
    const news = EXPECTED.has(code) ? undefined : isNews(code)
    if (news) log.warn(event, { ...line, since: news.since })
    else log.debug(event, line)
  }
}
