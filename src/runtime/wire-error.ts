// An error as plain data: what survives every way between threads. A class, a name and a code of an Error are lost by the
// engine's own copies, so kind and code travel as fields, with the causes below them.
import { asMoraineError, type ErrorDetail, type ErrorKind, MoraineError } from '../base/errors.ts'

/** A MoraineError as plain data: what survives every way between threads. */
export interface EncodedError {
  readonly kind: ErrorKind
  readonly code: string
  readonly message: string
  readonly detail: ErrorDetail
  readonly stack: string
  readonly cause: EncodedError | undefined
}

/** Causes of causes that are sent along. */
const CAUSES_MAX = 5

export const encodeError = (thrown: unknown, causesMax = CAUSES_MAX): EncodedError => {
  const { kind, code, message, detail, stack = '', cause } = asMoraineError(thrown)
  return {
    kind,
    code,
    message,
    detail,
    stack,
    cause: cause === undefined || causesMax === 0 ? undefined : encodeCause(cause, causesMax - 1),
  }
}

/** A cause may be any error: its own code, say `EIO`, is worth more than our kinds. */
const encodeCause = (cause: unknown, causesMax: number): EncodedError => {
  if (cause instanceof MoraineError || !(cause instanceof Error)) return encodeError(cause, causesMax)
  const { code } = cause as { code?: unknown }
  return {
    kind: 'bug',
    code: typeof code === 'string' ? code : 'UNEXPECTED',
    message: cause.message,
    detail: {},
    stack: cause.stack ?? '',
    cause: cause.cause === undefined || causesMax === 0 ? undefined : encodeCause(cause.cause, causesMax - 1),
  }
}

export const decodeError = (encoded: EncodedError): MoraineError => {
  const { kind, code, message, detail, stack, cause } = encoded
  const decoded = cause === undefined ? undefined : decodeError(cause)
  const error = new MoraineError(kind, code as MoraineError['code'], message, detail, decoded)
  error.stack = stack
  return error
}
