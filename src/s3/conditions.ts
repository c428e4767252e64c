// Conditions of RFC 9110, section 13, as S3 applies them: to the version a read found, to the source of a copy, and, as
// data for the engine, to a write.
import type { WriteConditions } from '../actors/engine.ts'
import { refusal } from '../base/errors.ts'
import type { VersionRecord } from '../metadata/records.ts'

/** Tags without quotes and without `W/`, as the record has them; S3 takes a tag without quotes too. */
export const parseEtags = (value: string): readonly string[] =>
  value
    .split(',')
    .map((tag) =>
      tag
        .trim()
        .replace(/^W\//, '')
        .replace(/^"(.*)"$/, '$1'),
    )
    .filter((tag) => tag !== '')

const matchesEtag = (value: string, etag: string): boolean => {
  const tags = parseEtags(value)
  return tags.includes('*') || tags.includes(etag)
}

/** Seconds since 1970, in which HTTP counts; undefined for what is no date, which is then no condition. */
const parseSeconds = (value: string | undefined): number | undefined => {
  if (value === undefined) return undefined
  const timeMs = Date.parse(value)
  return Number.isNaN(timeMs) ? undefined : Math.floor(timeMs / 1000)
}

type Verdict = 'proceed' | 'not-modified' | 'failed'

const conditionNames = (prefix: string) => ({
  ifMatch: `${prefix}if-match`,
  ifNoneMatch: `${prefix}if-none-match`,
  ifModifiedSince: `${prefix}if-modified-since`,
  ifUnmodifiedSince: `${prefix}if-unmodified-since`,
})

/** The request's own conditions, and those on the source of a copy. */
const OWN = conditionNames('')
const SOURCE = conditionNames('x-amz-copy-source-')

const evaluate = (
  headers: ReadonlyMap<string, string>,
  names: typeof OWN,
  { etag, modifiedMs }: VersionRecord,
): Verdict => {
  const modified = Math.floor(modifiedMs / 1000)
  const ifMatch = headers.get(names.ifMatch)
  if (ifMatch !== undefined) {
    if (!matchesEtag(ifMatch, etag)) return 'failed'
  } else {
    const unmodifiedSince = parseSeconds(headers.get(names.ifUnmodifiedSince))
    if (unmodifiedSince !== undefined && modified > unmodifiedSince) return 'failed'
  }
  const ifNoneMatch = headers.get(names.ifNoneMatch)
  if (ifNoneMatch !== undefined) return matchesEtag(ifNoneMatch, etag) ? 'not-modified' : 'proceed'
  const modifiedSince = parseSeconds(headers.get(names.ifModifiedSince))
  return modifiedSince !== undefined && modified <= modifiedSince ? 'not-modified' : 'proceed'
}

const failed = (condition: string) =>
  refusal('PreconditionFailed', 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  })

const firstOf = (headers: ReadonlyMap<string, string>, names: readonly string[]): string =>
  names.find((name) => headers.has(name)) ?? ''

/** Whether a read goes on, or the client has it already. Throws `PreconditionFailed`. */
export const isModified = (headers: ReadonlyMap<string, string>, version: VersionRecord): boolean => {
  const verdict = evaluate(headers, OWN, version)
  if (verdict !== 'failed') return verdict === 'proceed'
  throw failed(headers.has('if-match') ? 'If-Match' : 'If-Unmodified-Since')
}

/** Throws `PreconditionFailed` when the source is not what the client wants to copy. */
export const checkCopySource = (headers: ReadonlyMap<string, string>, version: VersionRecord): void => {
  if (evaluate(headers, SOURCE, version) === 'proceed') return
  const { ifMatch, ifNoneMatch, ifUnmodifiedSince, ifModifiedSince } = SOURCE
  throw failed(firstOf(headers, [ifMatch, ifNoneMatch, ifUnmodifiedSince, ifModifiedSince]))
}

/** RFC 9110, 13.1.5: a range of another version than the client thinks is of no use to it. */
export const isRangeWanted = (headers: ReadonlyMap<string, string>, version: VersionRecord): boolean => {
  const ifRange = headers.get('if-range')
  if (ifRange === undefined) return true
  if (ifRange.startsWith('W/')) return false
  if (ifRange.startsWith('"')) return matchesEtag(ifRange, version.etag)
  return parseSeconds(ifRange) === Math.floor(version.modifiedMs / 1000)
}

/** For PutObject, CopyObject and CompleteMultipartUpload. `If-None-Match` with a tag is NotImplemented, as in S3. */
export const writeConditions = (headers: ReadonlyMap<string, string>): { conditions?: WriteConditions } => {
  const ifMatch = headers.get('if-match')
  const ifNoneMatch = headers.get('if-none-match')
  if (ifMatch === undefined && ifNoneMatch === undefined) return {}
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*') {
    throw refusal(
      'NotImplemented',
      'A header you provided implies functionality that is not implemented: If-None-Match with another value than *.',
      { Header: 'If-None-Match' },
    )
  }
  return {
    conditions: {
      ...(ifMatch !== undefined && { ifMatch: parseEtags(ifMatch) }),
      ...(ifNoneMatch !== undefined && { ifNoneMatch: ['*'] }),
    },
  }
}
