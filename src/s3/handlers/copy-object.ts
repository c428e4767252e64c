// CopyObject and UploadPartCopy: a verified read of the source feeding a write, so that a copy is checked, coded and
// synced like any other body. The source stays readable to the end, even when the copy overwrites it.
import type { Body, ByteRange, Chunk, Objects, PutRequest, Reading } from '../../actors/engine.ts'
import { codeOf, refusal } from '../../base/errors.ts'
import type { ChecksumAlgorithm, VersionRecord } from '../../metadata/records.ts'
import { checkConditions } from '../../metadata/versions.ts'
import { BODY_BYTES_MAX, checksumElement, createSeal, parseAlgorithm } from '../checksums.ts'
import { checkCopySource, writeConditions } from '../conditions.ts'
import { parseCopySource } from '../copy-source.ts'
import type { S3Request } from '../exchange.ts'
import { type Handler, type HandlerContext, invalidArgument, parsePartNumber, queryOf } from '../handler.ts'
import { checkVersionId } from '../names.ts'
import { type ObjectHeaders, objectHeadersOf } from '../object-headers.ts'
import { checkBucketOwner } from '../owner.ts'
import { parseCopyRange } from '../ranges.ts'
import { document, element, isoTime, XML_TYPE } from '../xml-write.ts'
import { uploadAddressOf } from './multipart.ts'

/** Bytes of the chunks, each given back when the next is asked for. */
async function* released(chunks: AsyncIterable<Chunk>): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    try {
      yield chunk.bytes
    } finally {
      chunk.release()
    }
  }
}

const bodyOf = (reading: Reading, range: ByteRange, algorithm: ChecksumAlgorithm | undefined): Body => {
  if (range.length > BODY_BYTES_MAX) {
    throw refusal(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${BODY_BYTES_MAX}`,
    )
  }
  return { size: range.length, chunks: released(reading.read(range)), ...createSeal(algorithm) }
}

/** Opens the source, checks the client's conditions on it, and closes it when `use` is done. */
const withSource = async <T>(
  { headers }: S3Request,
  { engine }: HandlerContext,
  use: (reading: Reading) => Promise<T>,
): Promise<T> => {
  const source = parseCopySource(headers.get('x-amz-copy-source') ?? '')
  checkVersionId(source.versionId)
  const owner = headers.get('x-amz-source-expected-bucket-owner')
  if (owner !== undefined) await checkBucketOwner(engine, source.bucket, owner)
  const reading = await engine.objects.open(source)
  try {
    checkCopySource(headers, reading.version)
    return await use(reading)
  } finally {
    reading.close()
  }
}

/** COPY, or REPLACE; the default is COPY. Throws `InvalidArgument`. */
const isReplaced = (headers: ReadonlyMap<string, string>, name: string): boolean => {
  const value = headers.get(name)
  if (value === undefined || value === 'COPY') return false
  if (value === 'REPLACE') return true
  throw invalidArgument(name, value, `Unknown value of ${name}.`)
}

const checkChangesSomething = (request: S3Request, { key }: VersionRecord, hasChange: boolean): void => {
  const source = parseCopySource(request.headers.get('x-amz-copy-source') ?? '')
  if (
    hasChange ||
    source.bucket !== request.bucket ||
    key !== request.key ||
    source.versionId !== undefined
  ) {
    return
  }
  throw refusal(
    'InvalidRequest',
    "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
  )
}

/** Gigabytes are not read and written for a copy that what is there refuses already. The commit decides all the same. */
const checkTarget = async (objects: Objects, { bucket, key, conditions }: PutRequest): Promise<void> => {
  if (!conditions) return
  const current = await objects.head({ bucket, key }).catch((error: unknown) => {
    if (codeOf(error) === 'NoSuchKey') return undefined
    throw error
  })
  checkConditions(conditions, current, key)
}

const result = (
  root: string,
  { etag, modifiedMs, checksum }: Pick<VersionRecord, 'etag' | 'modifiedMs' | 'checksum'>,
  { withType }: { withType: boolean },
) => ({
  status: 200,
  headers: [['content-type', XML_TYPE]] as const,
  body: document(
    root,
    `<LastModified>${isoTime(modifiedMs)}</LastModified>${element('ETag', `"${etag}"`)}` +
      checksumElement(checksum, { withType }),
  ),
})

export const copyObject: Handler = async (request, context) => {
  const { bucket, key, identity, headers } = request
  const replaces = isReplaced(headers, 'x-amz-metadata-directive')
  // There are no tags to copy or to replace; the directive must be one all the same.
  isReplaced(headers, 'x-amz-tagging-directive')
  const named = headers.get('x-amz-checksum-algorithm')
  const wanted = named === undefined ? undefined : parseAlgorithm(named, 'x-amz-checksum-algorithm')
  const replaced = objectHeadersOf(request)
  const conditions = writeConditions(headers)
  return withSource(request, context, async (reading) => {
    const source = reading.version
    checkChangesSomething(request, source, replaces || wanted !== undefined)
    const kept: ObjectHeaders = replaces ? replaced : { headers: source.headers, metadata: source.metadata }
    const target = { bucket, key, owner: identity.canonicalId, ...kept, ...conditions }
    await checkTarget(context.engine.objects, target)
    const body = bodyOf(reading, { start: 0, length: source.size }, wanted ?? source.checksum?.algorithm)
    const version = await context.engine.objects.put(target, body)
    return result('CopyObjectResult', version, { withType: true })
  })
}

export const uploadPartCopy: Handler = async (request, context) => {
  const address = uploadAddressOf(request)
  const partNumber = parsePartNumber(queryOf(request, 'partNumber') ?? '')
  const { uploads } = context.engine
  const { checksumAlgorithm } = await uploads.get(address)
  return withSource(request, context, async (reading) => {
    const { size } = reading.version
    const wanted = request.headers.get('x-amz-copy-source-range')
    const range = wanted === undefined ? { start: 0, length: size } : parseCopyRange(wanted, size)
    const part = await uploads.putPart(address, partNumber, bodyOf(reading, range, checksumAlgorithm))
    return result('CopyPartResult', part, { withType: false })
  })
}
