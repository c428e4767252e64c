// Which bucket names and keys exist at all. A key is an opaque string of 1 to 1,024 bytes; `..` and `//` mean nothing
// in it. A bucket name is a DNS label and never one that AWS keeps for itself.
import { Buffer } from 'node:buffer'
import { refusal } from '../base/errors.ts'
import { createMemo } from '../base/memo.ts'

const KEY_BYTES_MAX = 1_024

const invalidName = (name: string): Error =>
  refusal('InvalidBucketName', 'The specified bucket is not valid.', { BucketName: name.slice(0, 255) })

const RESERVED_PREFIX = /^(?:xn--|sthree-|amzn-s3-demo-)/
const RESERVED_SUFFIX = /(?:-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/

/** By S3's naming rules for general purpose buckets. */
export const isBucketName = (name: string): boolean =>
  /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) &&
  !name.includes('..') &&
  !/^\d{1,3}(?:\.\d{1,3}){3}$/.test(name) &&
  !RESERVED_PREFIX.test(name) &&
  !RESERVED_SUFFIX.test(name)

/**
 * Whether a bucket of this name may be made. Each label begins and ends with a letter or a digit, which buckets that were made
 * before that was looked at need not.
 */
export const checkNewBucketName = (name: string): void => {
  if (/\.-|-\./.test(name)) throw invalidName(name)
}

/** The names that requests repeat. */
const isKnownName = createMemo(1024, isBucketName)

/** Throws `InvalidBucketName`. */
export const checkBucketName = (name: string): void => {
  if (isKnownName(name)) return
  throw invalidName(name)
}

/** Throws `KeyTooLongError`, or `InvalidURI` for what has no form in UTF-8. */
export const checkKey = (key: string): void => {
  if (/\p{Surrogate}/u.test(key)) throw refusal('InvalidURI', "Couldn't parse the specified URI.")
  // No character takes more than three bytes per UTF-16 unit: most keys need no count.
  if (key.length * 3 <= KEY_BYTES_MAX) return
  const size = Buffer.byteLength(key)
  if (size > KEY_BYTES_MAX) {
    throw refusal('KeyTooLongError', 'Your key is too long', { Size: size, MaxSizeAllowed: KEY_BYTES_MAX })
  }
}

/**
 * Throws `InvalidArgument` for what names no version anybody was given. As long as versioning is not built that is any id but
 * `null`.
 */
export const checkVersionId = (versionId: string | undefined): void => {
  if (versionId === undefined || versionId === 'null') return
  const message = versionId === '' ? 'Version id cannot be the empty string' : 'Invalid version id specified'
  throw refusal('InvalidArgument', message, {
    ArgumentName: 'versionId',
    ArgumentValue: versionId.slice(0, 1_024),
  })
}
