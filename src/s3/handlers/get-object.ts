// GetObject and HeadObject: one look-up, conditions before ranges, and either the whole object, one range of it or one
// part. What HEAD answers is what GET would, without the bytes.
import type { ByteRange, ObjectAddress } from '../../actors/engine.ts'
import { refusal } from '../../base/errors.ts'
import type { Pairs, VersionRecord } from '../../metadata/records.ts'
import { checksumHeaders } from '../checksums.ts'
import { isModified, isRangeWanted } from '../conditions.ts'
import type { S3Request, S3Response } from '../exchange.ts'
import { type Handler, parsePartNumber, queryOf } from '../handler.ts'
import { checkVersionId } from '../names.ts'
import { versionHeaders } from '../object-headers.ts'
import { contentRange, parseRange } from '../ranges.ts'
import { httpTime } from '../xml-write.ts'

/** The object a request names, with its version. Throws `InvalidArgument` for a version id that there cannot be. */
export const addressOf = (request: S3Request): ObjectAddress => {
  const { bucket, key } = request
  const versionId = queryOf(request, 'versionId')
  checkVersionId(versionId)
  return versionId === undefined ? { bucket, key } : { bucket, key, versionId }
}

/** Where a part lies is known only to an open reading: HEAD opens one too when it is asked for a part. */
type FindPart = (partNumber: number) => Promise<ByteRange | undefined>

const NO_PAIRS: Pairs = []

interface Selection {
  /** Absent: the whole object, answered 200. */
  readonly range?: ByteRange
  readonly headers: Pairs
}

const WHOLE: Selection = { headers: NO_PAIRS }

const selectPart = async (text: string, version: VersionRecord, findPart: FindPart): Promise<Selection> => {
  const partNumber = parsePartNumber(text)
  const part = await findPart(partNumber)
  if (part === undefined) {
    throw refusal('InvalidPartNumber', 'The requested partnumber is not satisfiable', {
      PartNumberRequested: partNumber,
      ActualPartCount: version.partCount ?? 1,
    })
  }
  const headers: [string, string][] =
    version.partCount === undefined ? [] : [['x-amz-mp-parts-count', String(version.partCount)]]
  // A part without bytes has no range that could be written down.
  return part.length === 0 ? { headers } : { headers, range: part }
}

const select = async (request: S3Request, version: VersionRecord, findPart: FindPart): Promise<Selection> => {
  const { headers } = request
  const part = queryOf(request, 'partNumber')
  const wanted = headers.get('range')
  if (part !== undefined && part !== '') {
    if (wanted !== undefined) {
      throw refusal('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
    }
    return selectPart(part, version, findPart)
  }
  const range = isRangeWanted(headers, version) ? parseRange(wanted, version.size) : undefined
  return range === undefined ? WHOLE : { headers: NO_PAIRS, range }
}

const notModified = (version: VersionRecord): S3Response => ({
  status: 304,
  headers: [
    ['etag', `"${version.etag}"`],
    ['last-modified', httpTime(version.modifiedMs)],
  ],
})

/** Status and headers of the answer. A checksum is of the whole object and would be wrong beside a part of it. */
const describe = (
  request: S3Request,
  version: VersionRecord,
  { range, headers }: Selection,
): { status: number; headers: Pairs } => {
  const own = versionHeaders(request, version)
  if (range !== undefined) {
    return {
      status: 206,
      headers: [...own, ...headers, ['content-range', contentRange(range, version.size)]],
    }
  }
  const isAskedFor = request.headers.get('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
  const checksum = isAskedFor ? checksumHeaders(version.checksum) : NO_PAIRS
  const isPlain = headers.length === 0 && checksum.length === 0
  return { status: 200, headers: isPlain ? own : [...own, ...headers, ...checksum] }
}

export const getObject: Handler = async (request, { engine }) => {
  const reading = await engine.objects.open(addressOf(request))
  let isStreaming = false
  try {
    const { version } = reading
    if (!isModified(request.headers, version)) return notModified(version)
    const selection = await select(request, version, (partNumber) => reading.part(partNumber))
    const range = selection.range ?? { start: 0, length: version.size }
    const { status, headers } = describe(request, version, selection)
    const { bytes } = reading
    if (bytes) return { status, headers, body: bytes.subarray(range.start, range.start + range.length) }
    isStreaming = true
    return {
      status,
      headers,
      body: { length: range.length, stream: reading.read(range), close: () => reading.close() },
    }
  } finally {
    if (!isStreaming) reading.close()
  }
}

export const headObject: Handler = async (request, { engine }) => {
  const answer = async (version: VersionRecord, findPart: FindPart): Promise<S3Response> => {
    if (!isModified(request.headers, version)) return notModified(version)
    const selection = await select(request, version, findPart)
    const { status, headers } = describe(request, version, selection)
    const length = String(selection.range?.length ?? version.size)
    return { status, headers: [...headers, ['content-length', length]] }
  }
  const address = addressOf(request)
  const part = queryOf(request, 'partNumber') ?? ''
  if (part === '') return answer(await engine.objects.head(address), async () => undefined)
  const reading = await engine.objects.open(address)
  try {
    return await answer(reading.version, (partNumber) => reading.part(partNumber))
  } finally {
    reading.close()
  }
}
