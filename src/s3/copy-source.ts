// x-amz-copy-source, read in one place: whoever checks the right to read and whoever reads see the same bucket, key and
// version, however the header was encoded.
import type { ObjectAddress } from '../actors/engine.ts'
import { decodeUtf8, percentDecode } from '../auth/encoding.ts'
import { refusal } from '../base/errors.ts'
import { checkBucketName, checkKey } from './names.ts'

const VERSION = '?versionId='

const invalid = (value: string) =>
  refusal('InvalidArgument', 'Copy Source must mention the source bucket and key: sourcebucket/sourcekey', {
    ArgumentName: 'x-amz-copy-source',
    ArgumentValue: value.slice(0, 1_024),
  })

const undecodable = (value: string, cause?: unknown) =>
  refusal(
    'InvalidArgument',
    'The copy source is not percent-encoded UTF-8.',
    { ArgumentName: 'x-amz-copy-source', ArgumentValue: value.slice(0, 1_024) },
    cause,
  )

/** A header comes as one character per byte: what was not encoded is UTF-8 too, and not the text those bytes look like. */
const decode = (text: string, value: string): string => {
  const bytes = percentDecode(text, false)
  if (bytes === undefined) throw undecodable(value)
  try {
    return decodeUtf8(bytes)
  } catch (error) {
    throw undecodable(value, error)
  }
}

/**
 * `[/]bucket/key[?versionId=id]`, percent-encoded; decoded once, after it was taken apart. Throws `InvalidArgument`,
 * `InvalidBucketName`, `KeyTooLongError`.
 */
export const parseCopySource = (value: string): ObjectAddress => {
  const versionAt = value.lastIndexOf(VERSION)
  const path = versionAt < 0 ? value : value.slice(0, versionAt)
  const versionId = versionAt < 0 ? undefined : decode(value.slice(versionAt + VERSION.length), value)
  const relative = path.startsWith('/') ? path.slice(1) : path
  // SDKs encode the slash after the bucket too when the whole value is encoded at once.
  const slash = /\/|%2f/i.exec(relative)
  if (slash === null) throw invalid(value)
  const bucket = decode(relative.slice(0, slash.index), value)
  const key = decode(relative.slice(slash.index + slash[0].length), value)
  if (bucket === '' || key === '') throw invalid(value)
  checkBucketName(bucket)
  checkKey(key)
  return { bucket, key, ...(versionId !== undefined && { versionId }) }
}
