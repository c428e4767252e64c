// DeleteObject and DeleteObjects. Deleting what is not there is done already; in a list every key succeeds or fails by
// itself and the answer says which.
import type { ObjectAddress, Objects, WriteConditions } from '../../actors/engine.ts'
import { refusal } from '../../base/errors.ts'
import { verifyWhole } from '../checksums.ts'
import { parseEtags } from '../conditions.ts'
import { toS3Error } from '../errors.ts'
import type { Handler, HandlerContext } from '../handler.ts'
import { checkKey } from '../names.ts'
import { notImplemented } from '../unsupported.ts'
import { childrenOf, childText, malformedXml, type XmlElement } from '../xml.ts'
import { DELETE_BYTES_MAX, readXml } from '../xml-body.ts'
import { document, element, optionalElement, XML_TYPE } from '../xml-write.ts'
import { addressOf } from './get-object.ts'

const matching = (etag: string | undefined): WriteConditions | undefined =>
  etag === undefined ? undefined : { ifMatch: parseEtags(etag) }

export const deleteObject: Handler = async (request, { engine }) => {
  await engine.objects.delete(addressOf(request), matching(request.headers.get('if-match')))
  return { status: 204, headers: [] }
}

const KEYS_MAX = 1_000

/** Deletes of one request under way at once: they share the commits of their bucket. */
const DELETES_AT_ONCE = 64

interface Deletion {
  readonly address: ObjectAddress
  readonly conditions?: WriteConditions
}

const toDeletion = (bucket: string, object: XmlElement): Deletion => {
  const key = childText(object, 'Key')
  if (key === undefined || key === '') throw malformedXml()
  for (const name of ['LastModifiedTime', 'Size']) {
    if (childText(object, name) !== undefined) throw notImplemented('Element', name)
  }
  const versionId = childText(object, 'VersionId')?.trim() ?? ''
  const conditions = matching(childText(object, 'ETag'))
  return {
    address: versionId === '' ? { bucket, key } : { bucket, key, versionId },
    ...(conditions && { conditions }),
  }
}

const parseBoolean = (text: string | undefined): boolean => {
  const value = text?.trim().toLowerCase() ?? 'false'
  if (value !== 'true' && value !== 'false') throw malformedXml()
  return value === 'true'
}

/** The element of the answer for one key; nothing for a success nobody wants to hear of. */
const deleteOne = async (
  objects: Objects,
  { address, conditions }: Deletion,
  { isQuiet, onError }: { isQuiet: boolean; onError: (error: unknown) => void },
): Promise<string> => {
  const names = element('Key', address.key) + optionalElement('VersionId', address.versionId)
  try {
    checkKey(address.key)
    await objects.delete(address, conditions)
    return isQuiet ? '' : `<Deleted>${names}</Deleted>`
  } catch (error) {
    onError(error)
    const { code, message } = toS3Error(error)
    return `<Error>${names}${element('Code', code)}${element('Message', message)}</Error>`
  }
}

const deleteAll = async (
  { engine, onError }: HandlerContext,
  deletions: readonly Deletion[],
  isQuiet: boolean,
): Promise<string[]> => {
  const results = new Array<string>(deletions.length)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let at = next++; at < deletions.length; at = next++) {
      results[at] = await deleteOne(engine.objects, deletions[at]!, { isQuiet, onError })
    }
  }
  await Promise.all(Array.from({ length: Math.min(DELETES_AT_ONCE, deletions.length) }, worker))
  return results
}

export const deleteObjects: Handler = async (request, context) => {
  if (request.body.size === 0) throw refusal('MissingRequestBodyError', 'Request Body is empty')
  const { bytes, element: root } = await readXml(request.body, { root: 'Delete', bytesMax: DELETE_BYTES_MAX })
  verifyWhole(request, bytes, { isRequired: true })
  const objects = childrenOf(root, 'Object')
  if (objects.length === 0 || objects.length > KEYS_MAX) throw malformedXml()
  const deletions = objects.map((object) => toDeletion(request.bucket, object))
  const isQuiet = parseBoolean(childText(root, 'Quiet'))
  await context.engine.buckets.get(request.bucket)
  const results = await deleteAll(context, deletions, isQuiet)
  return {
    status: 200,
    headers: [['content-type', XML_TYPE]],
    body: document('DeleteResult', results.join('')),
  }
}
