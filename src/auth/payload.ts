// What x-amz-content-sha256 says about the body: its hash, nothing, or that it comes in signed or unsigned chunks.
import { refusal } from '../base/errors.ts'
import { hexValue } from './encoding.ts'

export type Payload =
  /** As it is; `sha256`, 64 lower case hex digits, is verified while reading when it is there. */
  | { readonly kind: 'plain'; readonly sha256?: string }
  /** aws-chunked: chunks with or without signatures, trailing headers after the last one or none. */
  | { readonly kind: 'chunked'; readonly signed: boolean; readonly trailer: boolean }

export const UNSIGNED_PAYLOAD = 'UNSIGNED-PAYLOAD'

const MODES: ReadonlyMap<string, Payload> = new Map<string, Payload>([
  [UNSIGNED_PAYLOAD, { kind: 'plain' }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { kind: 'chunked', signed: false, trailer: true }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { kind: 'chunked', signed: true, trailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { kind: 'chunked', signed: true, trailer: true }],
])

const NOT_BUILT = new Set([
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
  'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
])

const isSha256 = (value: string): boolean => {
  if (value.length !== 64) return false
  for (let i = 0; i < 64; i++) if (hexValue(value.charCodeAt(i)) > 15) return false
  return true
}

/** Throws `InvalidArgument` for a value S3 does not know, `NotImplemented` for the ECDSA modes. */
export const parsePayload = (value: string, method: string): Payload => {
  const mode = MODES.get(value)
  if (mode) {
    if (mode.kind === 'chunked' && method !== 'PUT') {
      throw refusal('InvalidRequest', `x-amz-content-sha256: ${value} is for uploads by PUT only.`)
    }
    return mode
  }
  if (isSha256(value)) return { kind: 'plain', sha256: value.toLowerCase() }
  if (NOT_BUILT.has(value)) {
    throw refusal('NotImplemented', `x-amz-content-sha256: ${value} is not implemented.`, {
      Header: 'x-amz-content-sha256',
    })
  }
  throw refusal(
    'InvalidArgument',
    'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.',
    { ArgumentName: 'x-amz-content-sha256', ArgumentValue: value.slice(0, 256) },
  )
}
