// CreateBucket, HeadBucket, GetBucketLocation, ListBuckets, DeleteBucket. Every bucket here is of the one region the
// store is configured with.
import type { Uploads } from '../../actors/engine.ts'
import { codeOf, refusal } from '../../base/errors.ts'
import { verifyWhole } from '../checksums.ts'
import { decodeToken, encodeToken } from '../continuation.ts'
import type { S3Request } from '../exchange.ts'
import { type Handler, queryOf, wholeNumberOf } from '../handler.ts'
import { checkNewBucketName } from '../names.ts'
import { notImplemented } from '../unsupported.ts'
import { childOf, childText } from '../xml.ts'
import { readXml, XML_BYTES_MAX } from '../xml-body.ts'
import { document, element, isoTime, optionalElement, XML_TYPE } from '../xml-write.ts'

/** Where a region's name is not written: an empty LocationConstraint means this one, and it must not be named. */
const NAMELESS_REGION = 'us-east-1'

const checkLocation = (constraint: string, region: string): void => {
  if (constraint === region || (constraint === 'EU' && region === 'eu-west-1')) return
  if (/^[a-z]{2}(-[a-z]+){1,3}-\d{1,2}$/.test(constraint)) {
    throw refusal(
      'IllegalLocationConstraintException',
      `The ${constraint} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    )
  }
  throw refusal('InvalidLocationConstraint', 'The specified location-constraint is not valid', {
    LocationConstraint: constraint.slice(0, 64),
  })
}

const readConfiguration = async (request: S3Request, region: string): Promise<void> => {
  if ((request.body.size ?? 0) === 0) return
  const { bytes, element: root } = await readXml(request.body, {
    root: 'CreateBucketConfiguration',
    bytesMax: XML_BYTES_MAX,
  })
  verifyWhole(request, bytes)
  // Both name a directory bucket; tags are kept nowhere yet.
  for (const name of ['Location', 'Bucket']) {
    if (childOf(root, name) !== undefined) throw notImplemented('Element', name)
  }
  if ((childOf(root, 'Tags')?.children.length ?? 0) > 0) throw notImplemented('Element', 'Tags')
  const constraint = childText(root, 'LocationConstraint')?.trim() ?? ''
  if (constraint !== '') checkLocation(constraint, region)
}

export const createBucket: Handler = async (request, { engine, region }) => {
  await readConfiguration(request, region)
  const { bucket, identity } = request
  checkNewBucketName(bucket)
  try {
    await engine.buckets.create(bucket, { owner: identity.canonicalId, region })
  } catch (error) {
    // There, and only there, S3 answers the owner who asks again as if the bucket were new.
    if (codeOf(error) !== 'BucketAlreadyOwnedByYou' || region !== NAMELESS_REGION) throw error
  }
  return { status: 200, headers: [['location', `/${bucket}`]] }
}

export const headBucket: Handler = async ({ bucket }, { engine }) => {
  const { region } = await engine.buckets.get(bucket)
  return {
    status: 200,
    headers: [
      ['x-amz-bucket-region', region],
      ['x-amz-access-point-alias', 'false'],
      ['content-type', XML_TYPE],
    ],
  }
}

export const getBucketLocation: Handler = async ({ bucket }, { engine }) => {
  const { region } = await engine.buckets.get(bucket)
  const body = document('LocationConstraint', region === NAMELESS_REGION ? '' : region)
  return { status: 200, headers: [['content-type', XML_TYPE]], body }
}

const UPLOADS_AT_ONCE = 64

const abortUploads = async (uploads: Uploads, bucket: string): Promise<void> => {
  const first = { bucket, prefix: '', delimiter: '', after: { key: '', upload: '' }, limit: UPLOADS_AT_ONCE }
  // What was aborted is off the list, so its first page is always the next one.
  for (let page = await uploads.list(first); page.uploads.length > 0; page = await uploads.list(first)) {
    await Promise.all(
      page.uploads.map(({ key, id }) =>
        uploads.abort({ bucket, key, upload: id }).catch((error: unknown) => {
          // Its own client was faster.
          if (codeOf(error) !== 'NoSuchUpload') throw error
        }),
      ),
    )
  }
}

/**
 * S3 deletes a bucket in which uploads were begun and never ended, and whoever empties one with `aws s3 rb --force` counts on
 * it: a bucket without objects gives them up. One that gets an object meanwhile stays, without them.
 */
export const deleteBucket: Handler = async ({ bucket }, { engine }) => {
  try {
    await engine.buckets.delete(bucket)
  } catch (error) {
    if (codeOf(error) !== 'BucketNotEmpty') throw error
    const { versions } = await engine.objects.list({ bucket, prefix: '', delimiter: '', after: '', limit: 1 })
    if (versions.length > 0) throw error
    await abortUploads(engine.uploads, bucket)
    await engine.buckets.delete(bucket)
  }
  return { status: 204, headers: [] }
}

const BUCKETS_MAX = 10_000

export const listBuckets: Handler = async (request, { engine, region }) => {
  const limit = wholeNumberOf(request, 'max-buckets', { min: 1, max: BUCKETS_MAX }) ?? BUCKETS_MAX
  const prefix = queryOf(request, 'prefix') ?? ''
  const wantedRegion = queryOf(request, 'bucket-region') ?? region
  const after = decodeToken(queryOf(request, 'continuation-token'))
  const page = wantedRegion === region ? await engine.buckets.list({ prefix, after, limit }) : { buckets: [] }
  const buckets = page.buckets.map(
    ({ name, createdMs, region: of }) =>
      `<Bucket>${element('Name', name)}<CreationDate>${isoTime(createdMs)}</CreationDate>${element('BucketRegion', of)}</Bucket>`,
  )
  const { canonicalId, displayName } = request.identity
  const body = document(
    'ListAllMyBucketsResult',
    `<Owner>${element('ID', canonicalId)}${element('DisplayName', displayName)}</Owner>` +
      `<Buckets>${buckets.join('')}</Buckets>` +
      optionalElement('ContinuationToken', page.next === undefined ? undefined : encodeToken(page.next)) +
      optionalElement('Prefix', queryOf(request, 'prefix')),
  )
  return { status: 200, headers: [['content-type', XML_TYPE]], body }
}
