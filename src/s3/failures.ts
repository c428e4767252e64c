// What the operator is told of requests that failed: faults and bugs with everything known of them, the unavailable in
// one line. Refusals are the client's own affair.
import { asMoraineError } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { S3Request } from './exchange.ts'

/** For `createDispatch`: the request id in a line is the one the client was given. */
export const createFailureLog =
  (log: Log) =>
  (caught: unknown, { id, method, bucket }: S3Request): void => {
    const error = asMoraineError(caught)
    const { kind, code, message } = error
    if (kind === 'refusal') return
    if (kind === 'unavailable') log.debug('request-unavailable', { id, method, bucket, code, message })
    else {
      const { detail, stack, cause } = error
      const because = cause instanceof Error ? cause.message : undefined
      log.error('request-failed', { id, method, bucket, kind, code, message, detail, cause: because, stack })
    }
  }
