// CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload. The engine decides what a list of
// parts is worth; here it is only read and the answer written.
import type { CompletePart, UploadAddress } from '../../actors/engine.ts'
import { refusal } from '../../base/errors.ts'
import type { UploadId } from '../../base/ids.ts'
import type { ChecksumAlgorithm, ChecksumType } from '../../metadata/records.ts'
import {
  ALGORITHMS,
  type ChecksumKind,
  checksumElement,
  checksumHeader,
  checksumHeaders,
  createUploadBody,
  defaultChecksumType,
  parseAlgorithm,
} from '../checksums.ts'
import { parseEtags, writeConditions } from '../conditions.ts'
import type { S3Request } from '../exchange.ts'
import { type Handler, parsePartNumber, queryOf } from '../handler.ts'
import { objectHeadersOf } from '../object-headers.ts'
import { notImplemented } from '../unsupported.ts'
import { childrenOf, childText, malformedXml, type XmlElement } from '../xml.ts'
import { COMPLETE_BYTES_MAX, readXml } from '../xml-body.ts'
import { document, element, XML_TYPE } from '../xml-write.ts'

/** The upload a request names. Ids are opaque: one nobody was given is NoSuchUpload, whatever it looks like. */
export const uploadAddressOf = (request: S3Request): UploadAddress => ({
  bucket: request.bucket,
  key: request.key,
  upload: (queryOf(request, 'uploadId') ?? '') as UploadId,
})

const parseChecksumType = (value: string | undefined): ChecksumType | undefined => {
  const type = value?.toUpperCase()
  if (type === undefined || type === 'FULL_OBJECT' || type === 'COMPOSITE') return type
  throw refusal('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.')
}

/** SHA digests of parts cannot be put together; that is all a composite CRC64NVME would be for. */
const parseChecksumKind = (headers: ReadonlyMap<string, string>): ChecksumKind => {
  const name = headers.get('x-amz-checksum-algorithm')
  const type = parseChecksumType(headers.get('x-amz-checksum-type'))
  if (name === undefined) {
    if (type === undefined) return {}
    throw refusal(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    )
  }
  const checksumAlgorithm = parseAlgorithm(name, 'x-amz-checksum-algorithm')
  const checksumType = type ?? defaultChecksumType(checksumAlgorithm)
  const impossible = checksumAlgorithm.startsWith('SHA')
    ? 'FULL_OBJECT'
    : checksumAlgorithm === 'CRC64NVME'
      ? 'COMPOSITE'
      : undefined
  if (checksumType === impossible) {
    throw refusal(
      'InvalidRequest',
      `The ${checksumType} checksum type cannot be used with the ${checksumAlgorithm.toLowerCase()} checksum algorithm.`,
    )
  }
  return { checksumAlgorithm, checksumType }
}

export const createMultipartUpload: Handler = async (request, { engine }) => {
  const { bucket, key, identity, headers } = request
  const kind = parseChecksumKind(headers)
  const upload = await engine.uploads.create({
    bucket,
    key,
    owner: identity.canonicalId,
    ...objectHeadersOf(request),
    ...kind,
  })
  const answered: [string, string][] = [['content-type', XML_TYPE]]
  if (kind.checksumAlgorithm) answered.push(['x-amz-checksum-algorithm', kind.checksumAlgorithm])
  if (kind.checksumType) answered.push(['x-amz-checksum-type', kind.checksumType])
  const content = element('Bucket', bucket) + element('Key', key) + element('UploadId', upload.id)
  return { status: 200, headers: answered, body: document('InitiateMultipartUploadResult', content) }
}

export const uploadPart: Handler = async (request, { engine }) => {
  const address = uploadAddressOf(request)
  const partNumber = parsePartNumber(queryOf(request, 'partNumber') ?? '')
  const body = createUploadBody(request, await engine.uploads.get(address))
  const part = await engine.uploads.putPart(address, partNumber, body)
  // A part's checksum is of the part: only the object's has a type.
  const checksum = checksumHeaders(part.checksum).filter(([name]) => name !== 'x-amz-checksum-type')
  return { status: 200, headers: [['etag', `"${part.etag}"`], ...checksum] }
}

export const abortMultipartUpload: Handler = async (request, { engine }) => {
  await engine.uploads.abort(uploadAddressOf(request))
  return { status: 204, headers: [] }
}

const PARTS_MAX = 10_000

const OTHER_CHECKSUMS = [
  'ChecksumMD5',
  'ChecksumSHA512',
  'ChecksumXXHASH3',
  'ChecksumXXHASH64',
  'ChecksumXXHASH128',
]

const ALGORITHM_OF = new Map(
  (Object.keys(ALGORITHMS) as ChecksumAlgorithm[]).map((name) => [ALGORITHMS[name].element, name]),
)

const partChecksum = (part: XmlElement): CompletePart['checksum'] => {
  let found: CompletePart['checksum']
  for (const { name, text } of part.children) {
    if (OTHER_CHECKSUMS.includes(name)) throw notImplemented('Element', name)
    const algorithm = ALGORITHM_OF.get(name)
    if (algorithm === undefined) continue
    if (found !== undefined) throw malformedXml()
    found = { algorithm, value: text.trim() }
  }
  return found
}

const toPart = (part: XmlElement): CompletePart => {
  const number = childText(part, 'PartNumber')?.trim()
  const [etag] = parseEtags(childText(part, 'ETag') ?? '')
  if (number === undefined || etag === undefined) throw malformedXml()
  const checksum = partChecksum(part)
  return { partNumber: parsePartNumber(number), etag, ...(checksum && { checksum }) }
}

const parseSize = (value: string | undefined): { size?: number } => {
  if (value === undefined) return {}
  if (/^\d{1,15}$/.test(value)) return { size: Number(value) }
  throw refusal('InvalidRequest', 'Value for x-amz-mp-object-size header is invalid.')
}

/** Where the object is, for people: the path style, or the virtual host the client came by. */
const locationOf = ({ origin, bucket, key }: S3Request): string => {
  const path = encodeURIComponent(key).replaceAll('%2F', '/')
  return origin.includes(`//${bucket}.`) ? `${origin}/${path}` : `${origin}/${bucket}/${path}`
}

export const completeMultipartUpload: Handler = async (request, { engine }) => {
  const address = uploadAddressOf(request)
  const { headers } = request
  const checksum = checksumHeader(headers, { isComposite: true })
  const checksumType = parseChecksumType(headers.get('x-amz-checksum-type'))
  const { element: root } = await readXml(request.body, {
    root: 'CompleteMultipartUpload',
    bytesMax: COMPLETE_BYTES_MAX,
  })
  const listed = childrenOf(root, 'Part')
  if (listed.length === 0 || listed.length > PARTS_MAX) throw malformedXml()
  const version = await engine.uploads.complete({
    ...address,
    parts: listed.map(toPart),
    ...writeConditions(headers),
    ...(checksum && { checksum }),
    ...(checksumType && { checksumType }),
    ...parseSize(headers.get('x-amz-mp-object-size')),
  })
  const content =
    element('Location', locationOf(request)) +
    element('Bucket', address.bucket) +
    element('Key', address.key) +
    element('ETag', `"${version.etag}"`) +
    checksumElement(version.checksum, { withType: true })
  return {
    status: 200,
    headers: [['content-type', XML_TYPE]],
    body: document('CompleteMultipartUploadResult', content),
  }
}
