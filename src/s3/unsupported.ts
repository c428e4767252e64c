// What the store does not do yet, and says so. A request that asks for it by a header or a query parameter that the AWS
// types of its operation name is answered NotImplemented with that name: never accepted and then not done. A value that
// asks for what happens anyway is fine; what no AWS type names for the operation is ignored, as S3 does.
import { type MoraineError, refusal } from '../base/errors.ts'
import type { S3Request } from './exchange.ts'
import type { Operation } from './operations.ts'

/** NotImplemented for a header, query parameter or XML element, by name. */
export const notImplemented = (kind: 'Header' | 'Query' | 'Element', name: string): MoraineError => {
  const what = { Header: 'A header', Query: 'A query parameter', Element: 'An XML element' }[kind]
  return refusal(
    'NotImplemented',
    `${what} you provided implies functionality that is not implemented: ${name}`,
    {
      [kind]: name,
    },
  )
}

/** NotImplemented for a whole operation, by name. */
export const operationNotImplemented = ({ name }: Operation): MoraineError =>
  refusal('NotImplemented', `The operation ${name} is not implemented.`, { Operation: name })

const nothing = (): boolean => false
const only =
  (...values: readonly string[]) =>
  (value: string): boolean =>
    values.includes(value)

/** Header to whether a value asks for nothing beyond the default. */
type Group = ReadonlyMap<string, (value: string) => boolean>

const group = (headers: Readonly<Record<string, (value: string) => boolean>>): Group =>
  new Map(Object.entries(headers))

// The owner of a bucket owns what is in it: both grant what the owner has already.
const ACL = group({ 'x-amz-acl': only('private', 'bucket-owner-full-control') })
const GRANTS = group({
  'x-amz-grant-full-control': nothing,
  'x-amz-grant-read': nothing,
  'x-amz-grant-read-acp': nothing,
  'x-amz-grant-write': nothing,
  'x-amz-grant-write-acp': nothing,
})
const ENCRYPTION = group({
  'x-amz-server-side-encryption': nothing,
  'x-amz-server-side-encryption-aws-kms-key-id': nothing,
  'x-amz-server-side-encryption-context': nothing,
  'x-amz-server-side-encryption-bucket-key-enabled': only('false'),
})
const CUSTOMER_KEY = group({
  'x-amz-server-side-encryption-customer-algorithm': nothing,
  'x-amz-server-side-encryption-customer-key': nothing,
  'x-amz-server-side-encryption-customer-key-md5': nothing,
})
const SOURCE_CUSTOMER_KEY = group({
  'x-amz-copy-source-server-side-encryption-customer-algorithm': nothing,
  'x-amz-copy-source-server-side-encryption-customer-key': nothing,
  'x-amz-copy-source-server-side-encryption-customer-key-md5': nothing,
})
const LOCK = group({
  'x-amz-object-lock-mode': nothing,
  'x-amz-object-lock-retain-until-date': nothing,
  'x-amz-object-lock-legal-hold': only('OFF'),
  'x-amz-object-lock-event-hold': only('OFF'),
  'x-amz-object-lock-event-hold-duration-days': nothing,
  'x-amz-object-lock-event-hold-duration-years': nothing,
})
const NEW_OBJECT = group({
  'x-amz-storage-class': only('STANDARD'),
  'x-amz-tagging': only(''),
  'x-amz-website-redirect-location': nothing,
})
const PAYER = group({ 'x-amz-request-payer': nothing })
const OTHER_CHECKSUMS = group({
  'x-amz-checksum-md5': nothing,
  'x-amz-checksum-sha512': nothing,
  'x-amz-checksum-xxhash3': nothing,
  'x-amz-checksum-xxhash64': nothing,
  'x-amz-checksum-xxhash128': nothing,
})
const isBuiltAlgorithm = (value: string): boolean => !/^(md5|sha512|xxhash\d+)$/i.test(value)
const SDK_ALGORITHM = group({ 'x-amz-sdk-checksum-algorithm': isBuiltAlgorithm })
const OBJECT_ALGORITHM = group({ 'x-amz-checksum-algorithm': isBuiltAlgorithm })
const GUARDED_DELETE = group({
  'x-amz-mfa': nothing,
  'x-amz-bypass-governance-retention': only('false'),
})

const NEW_OBJECT_GROUPS = [ACL, GRANTS, ENCRYPTION, CUSTOMER_KEY, LOCK, NEW_OBJECT, PAYER]

const HEADERS: ReadonlyMap<string, readonly Group[]> = new Map([
  [
    'CreateBucket',
    [
      ACL,
      GRANTS,
      group({
        'x-amz-bucket-object-lock-enabled': only('false', 'False'),
        'x-amz-object-ownership': only('BucketOwnerEnforced'),
        'x-amz-bucket-namespace': only('global'),
      }),
    ],
  ],
  [
    'PutObject',
    [...NEW_OBJECT_GROUPS, OTHER_CHECKSUMS, SDK_ALGORITHM, group({ 'x-amz-write-offset-bytes': nothing })],
  ],
  [
    'CopyObject',
    [
      ...NEW_OBJECT_GROUPS,
      SOURCE_CUSTOMER_KEY,
      OBJECT_ALGORITHM,
      group({ 'x-amz-object-annotation-directive': only('COPY', 'EXCLUDE') }),
    ],
  ],
  ['CreateMultipartUpload', [...NEW_OBJECT_GROUPS, OBJECT_ALGORITHM]],
  ['GetObject', [CUSTOMER_KEY, PAYER]],
  ['HeadObject', [CUSTOMER_KEY, PAYER]],
  ['GetObjectTagging', [PAYER]],
  [
    'DeleteObject',
    [
      PAYER,
      GUARDED_DELETE,
      group({ 'x-amz-if-match-last-modified-time': nothing, 'x-amz-if-match-size': nothing }),
    ],
  ],
  ['DeleteObjects', [PAYER, GUARDED_DELETE, OTHER_CHECKSUMS, SDK_ALGORITHM]],
  ['ListObjects', [PAYER]],
  ['ListObjectsV2', [PAYER]],
  ['UploadPart', [CUSTOMER_KEY, PAYER, OTHER_CHECKSUMS, SDK_ALGORITHM]],
  ['UploadPartCopy', [CUSTOMER_KEY, SOURCE_CUSTOMER_KEY, PAYER]],
  ['CompleteMultipartUpload', [CUSTOMER_KEY, PAYER, OTHER_CHECKSUMS]],
  ['AbortMultipartUpload', [PAYER, group({ 'x-amz-if-match-initiated-time': nothing })]],
  ['ListParts', [CUSTOMER_KEY, PAYER]],
  ['ListMultipartUploads', [PAYER]],
])

/** S3's own; any other word is a mistake of the client's. */
const STORAGE_CLASSES = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'GLACIER_IR',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'SNOW',
  'EXPRESS_ONEZONE',
  'FSX_OPENZFS',
  'FSX_ONTAP',
])

/** The groups of an operation as one table, so that a request is looked over once. */
const TABLES: ReadonlyMap<string, Group> = new Map(
  [...HEADERS].map(([name, groups]) => [name, new Map(groups.flatMap((headers) => [...headers]))]),
)

/** Throws `NotImplemented` for the first header that asks for what is not built; `InvalidStorageClass` for no class at all. */
export const refuseUnsupported = (operation: Operation, { headers, body }: S3Request): void => {
  const table = TABLES.get(operation.name)
  if (table === undefined) return
  for (const [name, value] of headers) {
    if (!name.startsWith('x-amz-')) continue
    if (table.get(name)?.(value) !== false) continue
    if (name === 'x-amz-storage-class' && !STORAGE_CLASSES.has(value)) {
      throw refusal('InvalidStorageClass', 'The storage class you specified is not valid')
    }
    throw notImplemented('Header', name)
  }
  // A checksum announced for the trailer asks for the same as one in a header.
  for (const name of body.trailerNames) {
    if (OTHER_CHECKSUMS.has(name) && table.has(name)) throw notImplemented('Header', name)
  }
}
