// What a client sees of an error: S3's code, status and message for every code the store knows. The table is complete by
// type: a new code does not compile until it has a line here.
//
// Refusals carry their own message and those details whose names are written like XML elements (`BucketName`) or have one
// in S3 (`key`). Of everything else only the line of this table reaches a client; the request id links it to the log.
import {
  asMoraineError,
  type ErrorCode,
  type ErrorDetail,
  type FaultCode,
  type RefusalCode,
  type UnavailableCode,
} from '../base/errors.ts'
import type { S3Response } from './exchange.ts'
import { element, XML_DECLARATION, XML_TYPE } from './xml-write.ts'

export interface S3Error {
  readonly status: number
  /** As AWS spells it. */
  readonly code: string
  readonly message: string
  /** Elements of the error document. */
  readonly detail: ErrorDetail
  readonly retryAfterSeconds?: number
  /** Of a 405: the methods that there are. */
  readonly allow?: string
}

const REFUSALS: Readonly<Record<RefusalCode, number>> = {
  AccessDenied: 403,
  AuthorizationHeaderMalformed: 400,
  AuthorizationQueryParametersError: 400,
  BadDigest: 400,
  BadRequest: 400,
  BucketAlreadyExists: 409,
  BucketAlreadyOwnedByYou: 409,
  BucketNotEmpty: 409,
  ConditionalRequestConflict: 409,
  CrossLocationLoggingProhibited: 403,
  EntityTooLarge: 400,
  EntityTooSmall: 400,
  ExpiredToken: 400,
  IllegalLocationConstraintException: 400,
  IncompleteBody: 400,
  InvalidAccessKeyId: 403,
  InvalidArgument: 400,
  InvalidBucketName: 400,
  InvalidDigest: 400,
  InvalidLocationConstraint: 400,
  InvalidPart: 400,
  InvalidPartNumber: 416,
  InvalidPartOrder: 400,
  InvalidRange: 416,
  InvalidRequest: 400,
  InvalidStorageClass: 400,
  InvalidToken: 400,
  InvalidURI: 400,
  KeyTooLongError: 400,
  MalformedTrailerError: 400,
  MalformedXML: 400,
  MaxMessageLengthExceeded: 400,
  MetadataTooLarge: 400,
  MethodNotAllowed: 405,
  MissingContentLength: 411,
  MissingRequestBodyError: 400,
  MissingSecurityHeader: 400,
  NoSuchBucket: 404,
  NoSuchKey: 404,
  NoSuchUpload: 404,
  NoSuchVersion: 404,
  NotImplemented: 501,
  NotModified: 304,
  PreconditionFailed: 412,
  RequestHeaderSectionTooLarge: 400,
  RequestTimeTooSkewed: 403,
  RequestTimeout: 400,
  SignatureDoesNotMatch: 403,
  TooManyBuckets: 400,
  XAmzContentChecksumMismatch: 400,
  XAmzContentSHA256Mismatch: 400,
}

const SLOW_DOWN: S3Error = {
  status: 503,
  code: 'SlowDown',
  message: 'Please reduce your request rate.',
  detail: {},
  retryAfterSeconds: 1,
}
const SERVICE_UNAVAILABLE: S3Error = {
  status: 503,
  code: 'ServiceUnavailable',
  message: 'Service is unable to handle request.',
  detail: {},
  retryAfterSeconds: 1,
}
const INTERNAL_ERROR: S3Error = {
  status: 500,
  code: 'InternalError',
  message: 'We encountered an internal error. Please try again.',
  detail: {},
}
const STORAGE_FULL: S3Error = {
  status: 507,
  code: 'StorageFull',
  message: 'The store has no room for this request.',
  detail: {},
}

const OTHERS: Readonly<Record<Exclude<ErrorCode, RefusalCode>, S3Error>> = {
  ...({
    MAILBOX_FULL: SLOW_DOWN,
    ARENA_FULL: SLOW_DOWN,
    ASK_TIMEOUT: SERVICE_UNAVAILABLE,
    ACTOR_STOPPED: SERVICE_UNAVAILABLE,
    THREAD_EXITED: SERVICE_UNAVAILABLE,
    TOO_FEW_DISKS: SERVICE_UNAVAILABLE,
    QUORUM_READ: SERVICE_UNAVAILABLE,
    DRAINING: SERVICE_UNAVAILABLE,
    COMMIT_EXPIRED: SERVICE_UNAVAILABLE,
    JOURNAL_UNAVAILABLE: SERVICE_UNAVAILABLE,
    PARTITION_RECOVERING: SERVICE_UNAVAILABLE,
    PARTITION_SHUT: SERVICE_UNAVAILABLE,
  } satisfies Record<UnavailableCode, S3Error>),
  ...({
    DISK_IO: INTERNAL_ERROR,
    DISK_FULL: STORAGE_FULL,
    DISK_READ_ONLY: INTERNAL_ERROR,
    DISK_FORMAT: INTERNAL_ERROR,
    DISK_GONE: INTERNAL_ERROR,
    OBJECT_LOST: INTERNAL_ERROR,
    METADATA_CORRUPT: INTERNAL_ERROR,
    RECORD_VERSION: INTERNAL_ERROR,
    CODEC_LOAD: INTERNAL_ERROR,
    STORE_IN_USE: INTERNAL_ERROR,
    CONFIG_INVALID: INTERNAL_ERROR,
    PORT_IN_USE: INTERNAL_ERROR,
    TOO_FEW_FILES: INTERNAL_ERROR,
  } satisfies Record<FaultCode, S3Error>),
  ASSERTION: INTERNAL_ERROR,
  UNEXPECTED: INTERNAL_ERROR,
}

const isElementName = (name: string): boolean => /^[A-Z][A-Za-z0-9-]{0,63}$/.test(name)

/** What those below call the things a client named, and S3's elements for them. */
const ELEMENTS: ReadonlyMap<string, string> = new Map([
  ['bucket', 'BucketName'],
  ['key', 'Key'],
  ['upload', 'UploadId'],
])

const publicDetail = (detail: ErrorDetail): ErrorDetail =>
  Object.fromEntries(
    Object.entries(detail)
      .map(([name, value]) => [ELEMENTS.get(name) ?? name, value] as const)
      .filter(([name, value]) => isElementName(name) && value !== null),
  )

/** Total: anything caught becomes what the client may see of it. */
export const toS3Error = (error: unknown): S3Error => {
  const known = asMoraineError(error)
  if (known.kind !== 'refusal') {
    const code = known.code as Exclude<ErrorCode, RefusalCode>
    return OTHERS[code] ?? INTERNAL_ERROR
  }
  const status = REFUSALS[known.code as RefusalCode]
  if (status === undefined) return INTERNAL_ERROR
  const { code, message, detail } = known
  const { allow } = detail
  return { status, code, message, detail: publicDetail(detail), ...(typeof allow === 'string' && { allow }) }
}

/** What the error document says of the request; everything the client sent comes back bounded. */
export interface ErrorContext {
  readonly requestId: string
  /** x-amz-id-2 of the answer. */
  readonly hostId: string
  /** HEAD has no body: its errors are their status. */
  readonly method: string
  /** `/bucket/key` as it was asked for. */
  readonly resource: string
}

/** Longer than any legal resource; a longer one is cut in the document, never an amplifier. */
const RESOURCE_CHARS_MAX = 4_096

/** The answer to a request that failed, ready to be written. */
export const errorResponse = (
  error: unknown,
  { requestId, hostId, method, resource }: ErrorContext,
): S3Response => {
  const { status, code, message, detail, retryAfterSeconds, allow } = toS3Error(error)
  const headers: [string, string][] = []
  if (retryAfterSeconds !== undefined) headers.push(['retry-after', String(retryAfterSeconds)])
  if (allow !== undefined) headers.push(['allow', allow])
  const size = detail['ActualObjectSize']
  if (status === 416 && size !== undefined) headers.push(['content-range', `bytes */${size}`])
  // A HEAD has no document to name it in, and SDKs that find it here sign again for the right one.
  const region = detail['Region']
  if (region !== undefined) headers.push(['x-amz-bucket-region', String(region)])
  if (method === 'HEAD' || status === 304) return { status, headers }
  headers.push(['content-type', XML_TYPE])
  const details = Object.entries(detail).map(([name, value]) => element(name, String(value)))
  const body =
    `${XML_DECLARATION}<Error>${element('Code', code)}${element('Message', message)}${details.join('')}` +
    `${element('Resource', resource.slice(0, RESOURCE_CHARS_MAX))}${element('RequestId', requestId)}` +
    `${element('HostId', hostId)}</Error>`
  return { status, headers, body }
}
