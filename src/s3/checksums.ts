// Digests a client names for its body: Content-MD5 and one x-amz-checksum-*, in a header or in a trailer. They are parsed
// before the first byte is read and compared after the last, before anything is committed.
//
// MD5 is always computed, for the ETag; a checksum only when it was asked for.
import { Buffer } from 'node:buffer'
import type { Body, DigestName } from '../actors/engine.ts'
import { type MoraineError, refusal } from '../base/errors.ts'
import { GiB } from '../base/units.ts'
import { digestOf } from '../codec/checksums.ts'
import type { Checksum, ChecksumAlgorithm, ChecksumType, Pairs } from '../metadata/records.ts'
import type { S3Request } from './exchange.ts'
import { element } from './xml-write.ts'

/** Of one PUT or one part. 10,000 such parts are the largest object there is. */
export const BODY_BYTES_MAX = 5 * GiB

interface AlgorithmFacts {
  readonly digest: DigestName
  readonly header: string
  readonly element: string
  readonly bytes: number
}

export const ALGORITHMS: Readonly<Record<ChecksumAlgorithm, AlgorithmFacts>> = {
  CRC32: { digest: 'crc32', header: 'x-amz-checksum-crc32', element: 'ChecksumCRC32', bytes: 4 },
  CRC32C: { digest: 'crc32c', header: 'x-amz-checksum-crc32c', element: 'ChecksumCRC32C', bytes: 4 },
  CRC64NVME: {
    digest: 'crc64nvme',
    header: 'x-amz-checksum-crc64nvme',
    element: 'ChecksumCRC64NVME',
    bytes: 8,
  },
  SHA1: { digest: 'sha1', header: 'x-amz-checksum-sha1', element: 'ChecksumSHA1', bytes: 20 },
  SHA256: { digest: 'sha256', header: 'x-amz-checksum-sha256', element: 'ChecksumSHA256', bytes: 32 },
}

const NAMES = Object.keys(ALGORITHMS) as ChecksumAlgorithm[]

const algorithmOfHeader = (header: string): ChecksumAlgorithm | undefined =>
  NAMES.find((name) => ALGORITHMS[name].header === header)

/** Case is ignored, as S3 does. Throws `InvalidRequest` for one that does not exist or is not built. */
export const parseAlgorithm = (value: string, header: string): ChecksumAlgorithm => {
  const name = NAMES.find((known) => known === value.toUpperCase())
  if (name !== undefined) return name
  throw refusal('InvalidRequest', `Value for ${header} header is invalid.`)
}

/** Bytes of a Base64 text of exactly that many bytes, in its one canonical form; undefined otherwise. */
const decodeBase64 = (text: string, bytes: number): Uint8Array | undefined => {
  if (text.length !== Math.ceil(bytes / 3) * 4) return undefined
  const decoded = Buffer.from(text, 'base64')
  return decoded.length === bytes && decoded.toString('base64') === text ? decoded : undefined
}

const toBase64 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')

export interface NamedChecksum {
  readonly algorithm: ChecksumAlgorithm
  readonly value: string
}

/** The one x-amz-checksum-* header, if any. Throws `InvalidRequest` for several or a malformed one. */
export const checksumHeader = (
  headers: ReadonlyMap<string, string>,
  { isComposite = false } = {},
): NamedChecksum | undefined => {
  let found: NamedChecksum | undefined
  for (const algorithm of NAMES) {
    const { header, bytes } = ALGORITHMS[algorithm]
    const value = headers.get(header)
    if (value === undefined) continue
    if (found !== undefined) {
      throw refusal(
        'InvalidRequest',
        'Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.',
      )
    }
    const digest = isComposite ? value.replace(/-\d{1,5}$/, '') : value
    if (decodeBase64(digest, bytes) === undefined) {
      throw refusal('InvalidRequest', `Value for ${header} header is invalid.`)
    }
    found = { algorithm, value }
  }
  return found
}

/** Throws `InvalidDigest` unless it is the Base64 of 16 bytes. */
const contentMd5 = (headers: ReadonlyMap<string, string>): string | undefined => {
  const value = headers.get('content-md5')
  if (value === undefined) return undefined
  if (decodeBase64(value, 16) !== undefined) return value
  throw refusal('InvalidDigest', 'The Content-MD5 you specified was invalid.', {
    'Content-MD5': value.slice(0, 64),
  })
}

/** The one checksum announced in x-amz-trailer. Throws `InvalidRequest` for anything else announced there. */
const trailerAlgorithm = (names: readonly string[]): ChecksumAlgorithm | undefined => {
  if (names.length === 0) return undefined
  const algorithm = names.length === 1 ? algorithmOfHeader(names[0]!) : undefined
  if (algorithm !== undefined) return algorithm
  throw refusal('InvalidRequest', 'The value specified in the x-amz-trailer header is not supported')
}

/** What a client says of its body's digests, checked for form. */
interface Claim {
  readonly md5: string | undefined
  readonly header: NamedChecksum | undefined
  readonly trailer: ChecksumAlgorithm | undefined
}

const parseClaim = ({ headers, body }: S3Request): Claim => {
  const md5 = contentMd5(headers)
  const header = checksumHeader(headers)
  const trailer = trailerAlgorithm(body.trailerNames)
  if (header !== undefined && trailer !== undefined) {
    throw refusal('InvalidRequest', 'Expecting a single x-amz-checksum- header')
  }
  const announced = headers.get('x-amz-sdk-checksum-algorithm')
  if (announced !== undefined) {
    const algorithm = parseAlgorithm(announced, 'x-amz-sdk-checksum-algorithm')
    const actual = header?.algorithm ?? trailer
    if (actual === undefined) {
      throw refusal(
        'InvalidRequest',
        'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.',
      )
    }
    if (actual !== algorithm) {
      throw refusal('InvalidRequest', 'Value for x-amz-sdk-checksum-algorithm header is invalid.')
    }
  }
  return { md5, header, trailer }
}

const badDigest = (name: string, expected: string, calculated: string): MoraineError =>
  refusal('BadDigest', `The ${name} you specified did not match what we received.`, {
    ExpectedDigest: expected,
    CalculatedDigest: calculated,
  })

const trailerValue = (request: S3Request, algorithm: ChecksumAlgorithm): string => {
  const { header, bytes } = ALGORITHMS[algorithm]
  const value = request.body.trailers().get(header)
  if (value === undefined) {
    throw refusal(
      'MalformedTrailerError',
      `The request announced the trailer ${header} and did not carry it.`,
    )
  }
  if (decodeBase64(value, bytes) !== undefined) return value
  throw refusal('InvalidRequest', `Value for ${header} trailing header is invalid.`)
}

/** What the engine computes, and what it makes of it: the ETag, and the checksum when there is an algorithm. */
export const createSeal = (algorithm: ChecksumAlgorithm | undefined): Pick<Body, 'digests' | 'seal'> => ({
  digests: algorithm === undefined ? ['md5'] : ['md5', ALGORITHMS[algorithm].digest],
  seal(digests) {
    const md5 = digests.get('md5')!
    const etag = Buffer.from(md5.buffer, md5.byteOffset, md5.length).toString('hex')
    if (algorithm === undefined) return { etag }
    const value = toBase64(digests.get(ALGORITHMS[algorithm].digest)!)
    return { etag, checksum: { algorithm, type: 'FULL_OBJECT', value } }
  },
})

/** The same, compared with what the client claims; its trailers are there once the last chunk has passed. */
const createCheckedSeal = (
  request: S3Request,
  claim: Claim,
  algorithm: ChecksumAlgorithm | undefined,
): Pick<Body, 'digests' | 'seal'> => {
  const { digests: names, seal } = createSeal(algorithm)
  return {
    digests: names,
    seal(digests) {
      if (claim.md5 !== undefined) {
        const md5 = toBase64(digests.get('md5')!)
        if (claim.md5 !== md5) throw badDigest('Content-MD5', claim.md5, md5)
      }
      const sealed = seal(digests)
      if (algorithm === undefined || sealed.checksum === undefined) return sealed
      const { value } = sealed.checksum
      const claimed = claim.trailer === undefined ? claim.header?.value : trailerValue(request, algorithm)
      if (claimed !== undefined && claimed !== value) throw badDigest(algorithm, claimed, value)
      return sealed
    },
  }
}

/** What an upload in parts was begun with. */
export interface ChecksumKind {
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
}

/**
 * The request's body as the engine takes it. Of a part of an upload that was begun with a checksum: a client that names another
 * one is refused (`InvalidRequest`); one that names none as well, unless the checksum is the object's alone, and then it
 * is computed here. Throws `MissingContentLength`, `EntityTooLarge` and what is wrong with the digests' form, all before a byte is
 * read.
 */
export const createUploadBody = (
  request: S3Request,
  { checksumAlgorithm: algorithm, checksumType }: ChecksumKind = {},
): Body => {
  const { size, chunks } = request.body
  if (size === undefined) {
    throw refusal('MissingContentLength', 'You must provide the Content-Length HTTP header.')
  }
  if (size > BODY_BYTES_MAX) {
    throw refusal('EntityTooLarge', 'Your proposed upload exceeds the maximum allowed size', {
      ProposedSize: size,
      MaxSizeAllowed: BODY_BYTES_MAX,
    })
  }
  const claim = parseClaim(request)
  const claimed = claim.header?.algorithm ?? claim.trailer
  const isMissing = claimed === undefined && checksumType === 'COMPOSITE'
  if (algorithm !== undefined && (isMissing || (claimed ?? algorithm) !== algorithm)) {
    const [expected, actual] = [algorithm.toLowerCase(), claimed?.toLowerCase() ?? 'null']
    throw refusal(
      'InvalidRequest',
      `Checksum Type mismatch occurred, expected checksum Type: ${expected}, actual checksum Type: ${actual}`,
    )
  }
  const { digests, seal } = createCheckedSeal(request, claim, claimed ?? algorithm)
  return { size, chunks, digests, seal }
}

/** Compares a body that was read whole, an XML document, with the digests the client named. Throws as an upload does. */
export const verifyWhole = (request: S3Request, bytes: Uint8Array, { isRequired = false } = {}): void => {
  const claim = parseClaim(request)
  const algorithm = claim.header?.algorithm ?? claim.trailer
  if (isRequired && claim.md5 === undefined && algorithm === undefined) {
    throw refusal(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    )
  }
  const { digests, seal } = createCheckedSeal(request, claim, algorithm)
  seal(new Map(digests.map((name) => [name, digestOf(name, bytes)])))
}

/** Whether the object's checksum is over its bytes or over its parts' checksums, when the client does not say. */
export const defaultChecksumType = (algorithm: ChecksumAlgorithm): ChecksumType =>
  algorithm === 'CRC64NVME' ? 'FULL_OBJECT' : 'COMPOSITE'

/** Checksum response headers; none without a checksum. */
export const checksumHeaders = (checksum: Checksum | undefined): Pairs =>
  checksum === undefined
    ? []
    : [
        [ALGORITHMS[checksum.algorithm].header, checksum.value],
        ['x-amz-checksum-type', checksum.type],
      ]

/** The same as elements of a document; the type only where the checksum is an object's. */
export const checksumElement = (checksum: Checksum | undefined, { withType = false } = {}): string => {
  if (checksum === undefined) return ''
  const { algorithm, type, value } = checksum
  return element(ALGORITHMS[algorithm].element, value) + (withType ? element('ChecksumType', type) : '')
}
