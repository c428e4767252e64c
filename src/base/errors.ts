// The four kinds of error. The kind says who must act, the code what happened, the message is for people.
//
//   refusal      the client must change its request          travels to the asker
//   unavailable  the client may try again later              travels to the asker
//   fault        the supervisor or the operator must act     travels to the asker and the supervisor
//   bug          a programmer must act                       crashes into the supervisor
//
// Match `error.code`, never the class and never the message: classes do not survive the way between threads.

/** Codes a client gets to see are spelled as AWS spells them. */
export const REFUSAL_CODES = [
  'AccessDenied',
  'AuthorizationHeaderMalformed',
  'AuthorizationQueryParametersError',
  'BadDigest',
  'BadRequest',
  'BucketAlreadyExists',
  'BucketAlreadyOwnedByYou',
  'BucketNotEmpty',
  'ConditionalRequestConflict',
  'CrossLocationLoggingProhibited',
  'EntityTooLarge',
  'EntityTooSmall',
  'ExpiredToken',
  'IllegalLocationConstraintException',
  'IncompleteBody',
  'InvalidAccessKeyId',
  'InvalidArgument',
  'InvalidBucketName',
  'InvalidDigest',
  'InvalidLocationConstraint',
  'InvalidPart',
  'InvalidPartNumber',
  'InvalidPartOrder',
  'InvalidRange',
  'InvalidRequest',
  'InvalidStorageClass',
  'InvalidToken',
  'InvalidURI',
  'KeyTooLongError',
  'MalformedTrailerError',
  'MalformedXML',
  'MaxMessageLengthExceeded',
  'MetadataTooLarge',
  'MethodNotAllowed',
  'MissingContentLength',
  'MissingRequestBodyError',
  'MissingSecurityHeader',
  'NoSuchBucket',
  'NoSuchKey',
  'NoSuchUpload',
  'NoSuchVersion',
  'NotImplemented',
  'NotModified',
  'PreconditionFailed',
  'RequestHeaderSectionTooLarge',
  'RequestTimeTooSkewed',
  'RequestTimeout',
  'SignatureDoesNotMatch',
  'TooManyBuckets',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
] as const

/** Answered 503 (`SlowDown` for the first two, else `ServiceUnavailable`), always with Retry-After. */
export const UNAVAILABLE_CODES = [
  'MAILBOX_FULL',
  'ARENA_FULL',
  'ASK_TIMEOUT',
  'ACTOR_STOPPED',
  'THREAD_EXITED',
  'TOO_FEW_DISKS',
  'QUORUM_READ',
  'DRAINING',
  'COMMIT_EXPIRED',
  'JOURNAL_UNAVAILABLE',
  'PARTITION_RECOVERING',
  'PARTITION_SHUT',
] as const

export const FAULT_CODES = [
  'DISK_IO',
  'DISK_FULL',
  'DISK_READ_ONLY',
  'DISK_FORMAT',
  'DISK_GONE',
  'OBJECT_LOST',
  'METADATA_CORRUPT',
  'RECORD_VERSION',
  'CODEC_LOAD',
  'STORE_IN_USE',
  'CONFIG_INVALID',
  'PORT_IN_USE',
  'TOO_FEW_FILES',
] as const

/** A failed assertion or anything thrown that is none of ours. */
export const BUG_CODES = ['ASSERTION', 'UNEXPECTED'] as const

export type RefusalCode = (typeof REFUSAL_CODES)[number]
export type UnavailableCode = (typeof UNAVAILABLE_CODES)[number]
export type FaultCode = (typeof FAULT_CODES)[number]
export type BugCode = (typeof BUG_CODES)[number]
export type ErrorCode = RefusalCode | UnavailableCode | FaultCode | BugCode
export type ErrorKind = 'refusal' | 'unavailable' | 'fault' | 'bug'

/** Facts that belong to the error and may cross threads: plain JSON values only. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean | null>>

export class MoraineError extends Error {
  override readonly name = 'MoraineError'
  readonly kind: ErrorKind
  readonly code: ErrorCode
  readonly detail: ErrorDetail
  constructor(kind: ErrorKind, code: ErrorCode, message: string, detail: ErrorDetail = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.kind = kind
    this.code = code
    this.detail = detail
  }
}

/** The client must change its request. The message reaches the client: nothing from inside belongs in it. */
export const refusal = (
  code: RefusalCode,
  message: string,
  detail?: ErrorDetail,
  cause?: unknown,
): MoraineError => new MoraineError('refusal', code, message, detail, cause)

/** The client may try the same request again later. */
export const unavailable = (
  code: UnavailableCode,
  message: string,
  detail?: ErrorDetail,
  cause?: unknown,
): MoraineError => new MoraineError('unavailable', code, message, detail, cause)

/** Something of ours is broken; the supervisor or the operator decides. */
export const fault = (
  code: FaultCode,
  message: string,
  detail?: ErrorDetail,
  cause?: unknown,
): MoraineError => new MoraineError('fault', code, message, detail, cause)

/** Total: an object may have no way to become a string. */
const messageOf = (error: unknown): string => {
  if (error instanceof Error) return error.message
  return typeof error === 'object' ? 'an object that is no error was thrown' : String(error)
}

/** Anything caught, as one of the four kinds: ours stay as they are, all else is a bug. */
export const asMoraineError = (error: unknown): MoraineError => {
  if (error instanceof MoraineError) return error
  return new MoraineError('bug', 'UNEXPECTED', messageOf(error), {}, error)
}

/** The code of anything caught; `UNEXPECTED` for what is not ours. */
export const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : 'UNEXPECTED'
}

/** States what must be true here. A failure is a bug of ours, in production too. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new MoraineError('bug', 'ASSERTION', message)
}
