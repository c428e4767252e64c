// ListObjects and ListObjectsV2: one page of the engine's, written down. The engine passes over everything below a common
// prefix, so a page costs what is on it.
import type { ListPage, ListRequest } from '../../actors/engine.ts'
import type { Identity } from '../../auth/identity.ts'
import type { ListedVersion } from '../../metadata/records.ts'
import { decodeToken, encodeToken } from '../continuation.ts'
import type { S3Request } from '../exchange.ts'
import { type Handler, invalidArgument, queryOf, wholeNumberOf } from '../handler.ts'
import { notImplemented } from '../unsupported.ts'
import { document, element, escapeXml, isoTime, listedForm, optionalElement, XML_TYPE } from '../xml-write.ts'

const PAGE_MAX = 1_000
const INTEGER_MAX = 2 ** 31 - 1

type Form = (text: string) => string

/** How keys are written in this answer. Throws `InvalidArgument` for an encoding nobody knows. */
export const formOf = (request: S3Request): Form => {
  const encoding = queryOf(request, 'encoding-type')
  if (encoding !== undefined && encoding !== '' && encoding !== 'url') {
    throw invalidArgument('encoding-type', encoding, 'Invalid Encoding Method specified in Request')
  }
  return listedForm(encoding)
}

/** A page size as the client names it, capped. */
export const pageLimit = (request: S3Request, name: string): number =>
  Math.min(wholeNumberOf(request, name, { min: 0, max: INTEGER_MAX }) ?? PAGE_MAX, PAGE_MAX)

export const ownerElement = (name: string, owner: string, identity: Identity): string => {
  const displayName = owner === identity.canonicalId ? identity.displayName : undefined
  return `<${name}>${element('ID', owner)}${optionalElement('DisplayName', displayName)}</${name}>`
}

export const commonPrefixes = (prefixes: readonly string[], form: Form): string =>
  prefixes.map((prefix) => `<CommonPrefixes>${element('Prefix', form(prefix))}</CommonPrefixes>`).join('')

const contents = (
  { key, modifiedMs, etag, size, checksum, owner, storageClass }: ListedVersion,
  form: Form,
  identity: Identity | undefined,
): string =>
  `<Contents><Key>${escapeXml(form(key))}</Key><LastModified>${isoTime(modifiedMs)}</LastModified>` +
  `<ETag>&quot;${escapeXml(etag)}&quot;</ETag>` +
  (checksum === undefined
    ? ''
    : `<ChecksumAlgorithm>${checksum.algorithm}</ChecksumAlgorithm><ChecksumType>${checksum.type}</ChecksumType>`) +
  `<Size>${size}</Size>${identity === undefined ? '' : ownerElement('Owner', owner, identity)}` +
  `<StorageClass>${storageClass}</StorageClass></Contents>`

interface Listing {
  readonly request: ListRequest
  readonly page: ListPage
  readonly form: Form
  readonly region: string
  readonly withOwner: boolean
}

/** The page a request asks for, and the parts of the answer both versions share. */
const answer = (
  request: S3Request,
  { request: { bucket, prefix, delimiter, limit }, page, form, region, withOwner }: Listing,
  own: string,
): { status: number; headers: [string, string][]; body: string } => {
  const encoding = queryOf(request, 'encoding-type')
  const identity = withOwner ? request.identity : undefined
  const head =
    `${element('Name', bucket)}${element('Prefix', form(prefix))}${own}<MaxKeys>${limit}</MaxKeys>` +
    optionalElement('Delimiter', delimiter === '' ? undefined : form(delimiter)) +
    optionalElement('EncodingType', encoding === '' ? undefined : encoding) +
    `<IsTruncated>${page.next !== undefined}</IsTruncated>`
  let list = ''
  for (const version of page.versions) list += contents(version, form, identity)
  return {
    status: 200,
    headers: [
      ['content-type', XML_TYPE],
      ['x-amz-bucket-region', region],
    ],
    body: document('ListBucketResult', head + list + commonPrefixes(page.prefixes, form)),
  }
}

/** RestoreStatus is of archived objects, and nothing here is archived. */
const checkAttributes = ({ headers }: S3Request): void => {
  const names = headers.get('x-amz-optional-object-attributes')?.split(',') ?? []
  for (const name of names) {
    if (name.trim() !== '' && name.trim() !== 'RestoreStatus') {
      throw notImplemented('Header', 'x-amz-optional-object-attributes')
    }
  }
}

const listRequest = (request: S3Request, after: string): ListRequest => {
  checkAttributes(request)
  return {
    bucket: request.bucket,
    prefix: queryOf(request, 'prefix') ?? '',
    delimiter: queryOf(request, 'delimiter') ?? '',
    after,
    limit: pageLimit(request, 'max-keys'),
  }
}

export const listObjects: Handler = async (request, { engine, region }) => {
  const form = formOf(request)
  const marker = queryOf(request, 'marker') ?? ''
  const wanted = listRequest(request, marker)
  const page = await engine.objects.list(wanted)
  // S3 names the next marker only where the last key of the page would not do.
  const next = wanted.delimiter === '' || page.next === undefined ? undefined : form(page.next)
  const own = element('Marker', form(marker)) + optionalElement('NextMarker', next)
  return answer(request, { request: wanted, page, form, region, withOwner: true }, own)
}

export const listObjectsV2: Handler = async (request, { engine, region }) => {
  const form = formOf(request)
  const token = queryOf(request, 'continuation-token')
  const startAfter = queryOf(request, 'start-after')
  const wanted = listRequest(request, token === undefined ? (startAfter ?? '') : decodeToken(token))
  const page = await engine.objects.list(wanted)
  const own =
    optionalElement('ContinuationToken', token) +
    optionalElement('NextContinuationToken', page.next === undefined ? undefined : encodeToken(page.next)) +
    optionalElement('StartAfter', startAfter === undefined ? undefined : form(startAfter)) +
    `<KeyCount>${page.versions.length + page.prefixes.length}</KeyCount>`
  const withOwner = queryOf(request, 'fetch-owner')?.toLowerCase() === 'true'
  return answer(request, { request: wanted, page, form, region, withOwner }, own)
}
