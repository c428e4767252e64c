// ListParts and ListMultipartUploads: what is uploaded and not yet an object.
import type { Identity } from '../../auth/identity.ts'
import type { PartRecord, UploadRecord } from '../../metadata/records.ts'
import { checksumElement } from '../checksums.ts'
import { type Handler, queryOf, wholeNumberOf } from '../handler.ts'
import { document, element, isoTime, optionalElement, XML_TYPE } from '../xml-write.ts'
import { commonPrefixes, formOf, ownerElement, pageLimit } from './list-objects.ts'
import { uploadAddressOf } from './multipart.ts'

const INTEGER_MAX = 2 ** 31 - 1

const owners = (owner: string, identity: Identity): string =>
  ownerElement('Initiator', owner, identity) + ownerElement('Owner', owner, identity)

const checksumKind = ({ checksumAlgorithm, checksumType }: UploadRecord): string =>
  optionalElement('ChecksumAlgorithm', checksumAlgorithm) + optionalElement('ChecksumType', checksumType)

const partElement = ({ partNumber, modifiedMs, etag, size, checksum }: PartRecord): string =>
  `<Part><PartNumber>${partNumber}</PartNumber><LastModified>${isoTime(modifiedMs)}</LastModified>` +
  `${element('ETag', `"${etag}"`)}<Size>${size}</Size>${checksumElement(checksum)}</Part>`

export const listParts: Handler = async (request, { engine }) => {
  const address = uploadAddressOf(request)
  const limit = pageLimit(request, 'max-parts')
  const after = wholeNumberOf(request, 'part-number-marker', { min: 0, max: INTEGER_MAX }) ?? 0
  const upload = await engine.uploads.get(address)
  const { parts, next } = await engine.uploads.listParts(address, { after, limit })
  const content =
    element('Bucket', address.bucket) +
    element('Key', address.key) +
    element('UploadId', address.upload) +
    owners(upload.owner, request.identity) +
    element('StorageClass', upload.storageClass) +
    `<PartNumberMarker>${after}</PartNumberMarker>` +
    // S3 names the last part of the page even on the last page.
    `<NextPartNumberMarker>${next ?? parts.at(-1)?.partNumber ?? 0}</NextPartNumberMarker>` +
    `<MaxParts>${limit}</MaxParts><IsTruncated>${next !== undefined}</IsTruncated>` +
    checksumKind(upload) +
    parts.map(partElement).join('')
  return { status: 200, headers: [['content-type', XML_TYPE]], body: document('ListPartsResult', content) }
}

const uploadElement = (upload: UploadRecord, form: (text: string) => string, identity: Identity): string =>
  `<Upload>${element('Key', form(upload.key))}${element('UploadId', upload.id)}${owners(upload.owner, identity)}` +
  `<StorageClass>${upload.storageClass}</StorageClass><Initiated>${isoTime(upload.initiatedMs)}</Initiated>` +
  `${checksumKind(upload)}</Upload>`

export const listMultipartUploads: Handler = async (request, { engine }) => {
  const form = formOf(request)
  const prefix = queryOf(request, 'prefix') ?? ''
  const delimiter = queryOf(request, 'delimiter') ?? ''
  const limit = pageLimit(request, 'max-uploads')
  const key = queryOf(request, 'key-marker') ?? ''
  // Without a key the other marker means nothing.
  const upload = key === '' ? '' : (queryOf(request, 'upload-id-marker') ?? '')
  const { bucket, identity } = request
  const page = await engine.uploads.list({ bucket, prefix, delimiter, after: { key, upload }, limit })
  const encoding = queryOf(request, 'encoding-type')
  const content =
    element('Bucket', bucket) +
    element('KeyMarker', form(key)) +
    element('UploadIdMarker', upload) +
    optionalElement('NextKeyMarker', page.next === undefined ? undefined : form(page.next.key)) +
    optionalElement('NextUploadIdMarker', page.next?.upload) +
    element('Prefix', form(prefix)) +
    optionalElement('Delimiter', delimiter === '' ? undefined : form(delimiter)) +
    optionalElement('EncodingType', encoding === '' ? undefined : encoding) +
    `<MaxUploads>${limit}</MaxUploads><IsTruncated>${page.next !== undefined}</IsTruncated>` +
    page.uploads.map((found) => uploadElement(found, form, identity)).join('') +
    commonPrefixes(page.prefixes, form)
  return {
    status: 200,
    headers: [['content-type', XML_TYPE]],
    body: document('ListMultipartUploadsResult', content),
  }
}
