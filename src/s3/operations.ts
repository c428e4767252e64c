// Every operation of S3 in one table: how a request names it, what a policy calls it, and who serves it. What has no
// handler is recognised all the same and answers NotImplemented by name, instead of being taken for something else.
import type { Handler } from './handler.ts'
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './handlers/buckets.ts'
import { copyObject, uploadPartCopy } from './handlers/copy-object.ts'
import { deleteObject, deleteObjects } from './handlers/delete-object.ts'
import { getObject, headObject } from './handlers/get-object.ts'
import { listObjects, listObjectsV2 } from './handlers/list-objects.ts'
import { listMultipartUploads, listParts } from './handlers/list-uploads.ts'
import {
  abortMultipartUpload,
  completeMultipartUpload,
  createMultipartUpload,
  uploadPart,
} from './handlers/multipart.ts'
import { getObjectTagging } from './handlers/object-tagging.ts'
import { putObject } from './handlers/put-object.ts'
import { patiently } from './patience.ts'

export type Scope = 'service' | 'bucket' | 'object'

export interface Operation {
  /** As the AWS reference and its SDKs name it. */
  readonly name: string
  readonly method: string
  readonly scope: Scope
  /** The query parameter that asks for it; empty for none. */
  readonly query: string
  /** What else must be there, to tell it from its neighbours: `?name` a parameter, `?name=value`, otherwise a header. */
  readonly also?: string
  /** What a policy calls it. */
  readonly action: string
  /** Absent: NotImplemented. */
  readonly handler?: Handler
}

type Row = readonly [
  name: string,
  method: string,
  query: string,
  action: string,
  handler?: Handler | undefined,
  also?: string,
]

const rows = (scope: Scope, table: readonly Row[]): readonly Operation[] =>
  table.map(([name, method, query, action, handler, also]) => ({
    name,
    method,
    scope,
    query,
    action: `s3:${action}`,
    ...(handler && { handler }),
    ...(also !== undefined && { also }),
  }))

// Where two rows could match, the one with `also` comes first.
const SERVICE = rows('service', [
  ['ListDirectoryBuckets', 'GET', '', 'ListAllMyDirectoryBuckets', undefined, '?x-id=ListDirectoryBuckets'],
  ['ListBuckets', 'GET', '', 'ListAllMyBuckets', listBuckets],
])

const BUCKET = rows('bucket', [
  ['CreateBucket', 'PUT', '', 'CreateBucket', createBucket],
  ['HeadBucket', 'HEAD', '', 'ListBucket', headBucket],
  ['DeleteBucket', 'DELETE', '', 'DeleteBucket', deleteBucket],
  ['GetBucketLocation', 'GET', 'location', 'GetBucketLocation', getBucketLocation],
  ['ListObjectsV2', 'GET', 'list-type', 'ListBucket', listObjectsV2, '?list-type=2'],
  ['ListObjects', 'GET', '', 'ListBucket', listObjects],
  ['ListMultipartUploads', 'GET', 'uploads', 'ListBucketMultipartUploads', listMultipartUploads],
  ['DeleteObjects', 'POST', 'delete', 'DeleteObject', deleteObjects],
  ['ListObjectVersions', 'GET', 'versions', 'ListBucketVersions'],
  ['PostObject', 'POST', '', 'PutObject'],
  ['PreflightBucket', 'OPTIONS', '', 'ListBucket'],
  ['CreateSession', 'GET', 'session', 'CreateSession'],
  ['GetBucketAbac', 'GET', 'abac', 'GetBucketAbac'],
  ['PutBucketAbac', 'PUT', 'abac', 'PutBucketAbac'],
  ['GetBucketAccelerateConfiguration', 'GET', 'accelerate', 'GetAccelerateConfiguration'],
  ['PutBucketAccelerateConfiguration', 'PUT', 'accelerate', 'PutAccelerateConfiguration'],
  ['GetBucketAcl', 'GET', 'acl', 'GetBucketAcl'],
  ['PutBucketAcl', 'PUT', 'acl', 'PutBucketAcl'],
  ['GetBucketAnalyticsConfiguration', 'GET', 'analytics', 'GetAnalyticsConfiguration', undefined, '?id'],
  ['ListBucketAnalyticsConfigurations', 'GET', 'analytics', 'GetAnalyticsConfiguration'],
  ['PutBucketAnalyticsConfiguration', 'PUT', 'analytics', 'PutAnalyticsConfiguration'],
  ['DeleteBucketAnalyticsConfiguration', 'DELETE', 'analytics', 'PutAnalyticsConfiguration'],
  ['GetBucketCors', 'GET', 'cors', 'GetBucketCORS'],
  ['PutBucketCors', 'PUT', 'cors', 'PutBucketCORS'],
  ['DeleteBucketCors', 'DELETE', 'cors', 'PutBucketCORS'],
  ['GetBucketEncryption', 'GET', 'encryption', 'GetEncryptionConfiguration'],
  ['PutBucketEncryption', 'PUT', 'encryption', 'PutEncryptionConfiguration'],
  ['DeleteBucketEncryption', 'DELETE', 'encryption', 'PutEncryptionConfiguration'],
  [
    'GetBucketIntelligentTieringConfiguration',
    'GET',
    'intelligent-tiering',
    'GetIntelligentTieringConfiguration',
    undefined,
    '?id',
  ],
  [
    'ListBucketIntelligentTieringConfigurations',
    'GET',
    'intelligent-tiering',
    'GetIntelligentTieringConfiguration',
  ],
  [
    'PutBucketIntelligentTieringConfiguration',
    'PUT',
    'intelligent-tiering',
    'PutIntelligentTieringConfiguration',
  ],
  [
    'DeleteBucketIntelligentTieringConfiguration',
    'DELETE',
    'intelligent-tiering',
    'PutIntelligentTieringConfiguration',
  ],
  ['GetBucketInventoryConfiguration', 'GET', 'inventory', 'GetInventoryConfiguration', undefined, '?id'],
  ['ListBucketInventoryConfigurations', 'GET', 'inventory', 'GetInventoryConfiguration'],
  ['PutBucketInventoryConfiguration', 'PUT', 'inventory', 'PutInventoryConfiguration'],
  ['DeleteBucketInventoryConfiguration', 'DELETE', 'inventory', 'PutInventoryConfiguration'],
  ['GetBucketLifecycleConfiguration', 'GET', 'lifecycle', 'GetLifecycleConfiguration'],
  ['PutBucketLifecycleConfiguration', 'PUT', 'lifecycle', 'PutLifecycleConfiguration'],
  ['DeleteBucketLifecycle', 'DELETE', 'lifecycle', 'PutLifecycleConfiguration'],
  ['GetBucketLogging', 'GET', 'logging', 'GetBucketLogging'],
  ['PutBucketLogging', 'PUT', 'logging', 'PutBucketLogging'],
  [
    'CreateBucketMetadataConfiguration',
    'POST',
    'metadataConfiguration',
    'CreateBucketMetadataTableConfiguration',
  ],
  ['GetBucketMetadataConfiguration', 'GET', 'metadataConfiguration', 'GetBucketMetadataTableConfiguration'],
  [
    'DeleteBucketMetadataConfiguration',
    'DELETE',
    'metadataConfiguration',
    'DeleteBucketMetadataTableConfiguration',
  ],
  [
    'CreateBucketMetadataTableConfiguration',
    'POST',
    'metadataTable',
    'CreateBucketMetadataTableConfiguration',
  ],
  ['GetBucketMetadataTableConfiguration', 'GET', 'metadataTable', 'GetBucketMetadataTableConfiguration'],
  [
    'DeleteBucketMetadataTableConfiguration',
    'DELETE',
    'metadataTable',
    'DeleteBucketMetadataTableConfiguration',
  ],
  [
    'UpdateBucketMetadataAnnotationTableConfiguration',
    'PUT',
    'metadataAnnotationTable',
    'UpdateBucketMetadataAnnotationTableConfiguration',
  ],
  [
    'UpdateBucketMetadataInventoryTableConfiguration',
    'PUT',
    'metadataInventoryTable',
    'UpdateBucketMetadataInventoryTableConfiguration',
  ],
  [
    'UpdateBucketMetadataJournalTableConfiguration',
    'PUT',
    'metadataJournalTable',
    'UpdateBucketMetadataJournalTableConfiguration',
  ],
  ['GetBucketMetricsConfiguration', 'GET', 'metrics', 'GetMetricsConfiguration', undefined, '?id'],
  ['ListBucketMetricsConfigurations', 'GET', 'metrics', 'GetMetricsConfiguration'],
  ['PutBucketMetricsConfiguration', 'PUT', 'metrics', 'PutMetricsConfiguration'],
  ['DeleteBucketMetricsConfiguration', 'DELETE', 'metrics', 'PutMetricsConfiguration'],
  ['GetBucketNotificationConfiguration', 'GET', 'notification', 'GetBucketNotification'],
  ['PutBucketNotificationConfiguration', 'PUT', 'notification', 'PutBucketNotification'],
  ['GetObjectLockConfiguration', 'GET', 'object-lock', 'GetBucketObjectLockConfiguration'],
  ['PutObjectLockConfiguration', 'PUT', 'object-lock', 'PutBucketObjectLockConfiguration'],
  ['GetBucketOwnershipControls', 'GET', 'ownershipControls', 'GetBucketOwnershipControls'],
  ['PutBucketOwnershipControls', 'PUT', 'ownershipControls', 'PutBucketOwnershipControls'],
  ['DeleteBucketOwnershipControls', 'DELETE', 'ownershipControls', 'PutBucketOwnershipControls'],
  ['GetBucketPolicy', 'GET', 'policy', 'GetBucketPolicy'],
  ['PutBucketPolicy', 'PUT', 'policy', 'PutBucketPolicy'],
  ['DeleteBucketPolicy', 'DELETE', 'policy', 'DeleteBucketPolicy'],
  ['GetBucketPolicyStatus', 'GET', 'policyStatus', 'GetBucketPolicyStatus'],
  ['GetPublicAccessBlock', 'GET', 'publicAccessBlock', 'GetBucketPublicAccessBlock'],
  ['PutPublicAccessBlock', 'PUT', 'publicAccessBlock', 'PutBucketPublicAccessBlock'],
  ['DeletePublicAccessBlock', 'DELETE', 'publicAccessBlock', 'PutBucketPublicAccessBlock'],
  ['GetBucketReplication', 'GET', 'replication', 'GetReplicationConfiguration'],
  ['PutBucketReplication', 'PUT', 'replication', 'PutReplicationConfiguration'],
  ['DeleteBucketReplication', 'DELETE', 'replication', 'PutReplicationConfiguration'],
  ['GetBucketRequestPayment', 'GET', 'requestPayment', 'GetBucketRequestPayment'],
  ['PutBucketRequestPayment', 'PUT', 'requestPayment', 'PutBucketRequestPayment'],
  ['GetBucketTagging', 'GET', 'tagging', 'GetBucketTagging'],
  ['PutBucketTagging', 'PUT', 'tagging', 'PutBucketTagging'],
  ['DeleteBucketTagging', 'DELETE', 'tagging', 'PutBucketTagging'],
  ['GetBucketVersioning', 'GET', 'versioning', 'GetBucketVersioning'],
  ['PutBucketVersioning', 'PUT', 'versioning', 'PutBucketVersioning'],
  ['GetBucketWebsite', 'GET', 'website', 'GetBucketWebsite'],
  ['PutBucketWebsite', 'PUT', 'website', 'PutBucketWebsite'],
  ['DeleteBucketWebsite', 'DELETE', 'website', 'DeleteBucketWebsite'],
])

const OBJECT = rows('object', [
  ['GetObject', 'GET', '', 'GetObject', getObject],
  ['HeadObject', 'HEAD', '', 'GetObject', headObject],
  ['CopyObject', 'PUT', '', 'PutObject', patiently(copyObject), 'x-amz-copy-source'],
  ['PutObject', 'PUT', '', 'PutObject', putObject],
  ['DeleteObject', 'DELETE', '', 'DeleteObject', deleteObject],
  ['CreateMultipartUpload', 'POST', 'uploads', 'PutObject', createMultipartUpload],
  ['UploadPartCopy', 'PUT', 'uploadId', 'PutObject', patiently(uploadPartCopy), 'x-amz-copy-source'],
  ['UploadPart', 'PUT', 'uploadId', 'PutObject', uploadPart],
  ['CompleteMultipartUpload', 'POST', 'uploadId', 'PutObject', patiently(completeMultipartUpload)],
  ['AbortMultipartUpload', 'DELETE', 'uploadId', 'AbortMultipartUpload', abortMultipartUpload],
  ['ListParts', 'GET', 'uploadId', 'ListMultipartUploadParts', listParts],
  ['PreflightObject', 'OPTIONS', '', 'GetObject'],
  ['GetObjectAcl', 'GET', 'acl', 'GetObjectAcl'],
  ['PutObjectAcl', 'PUT', 'acl', 'PutObjectAcl'],
  ['GetObjectAnnotation', 'GET', 'annotation', 'GetObjectAnnotation', undefined, '?annotationName'],
  ['ListObjectAnnotations', 'GET', 'annotation', 'ListObjectAnnotations'],
  ['PutObjectAnnotation', 'PUT', 'annotation', 'PutObjectAnnotation'],
  ['DeleteObjectAnnotation', 'DELETE', 'annotation', 'DeleteObjectAnnotation'],
  ['GetObjectAttributes', 'GET', 'attributes', 'GetObjectAttributes'],
  ['UpdateObjectEncryption', 'PUT', 'encryption', 'UpdateObjectEncryption'],
  ['GetObjectLegalHold', 'GET', 'legal-hold', 'GetObjectLegalHold'],
  ['PutObjectLegalHold', 'PUT', 'legal-hold', 'PutObjectLegalHold'],
  ['RenameObject', 'PUT', 'renameObject', 'CreateSession'],
  ['RestoreObject', 'POST', 'restore', 'RestoreObject'],
  ['GetObjectRetention', 'GET', 'retention', 'GetObjectRetention'],
  ['PutObjectRetention', 'PUT', 'retention', 'PutObjectRetention'],
  ['SelectObjectContent', 'POST', 'select', 'GetObject'],
  ['GetObjectTagging', 'GET', 'tagging', 'GetObjectTagging', getObjectTagging],
  ['PutObjectTagging', 'PUT', 'tagging', 'PutObjectTagging'],
  ['DeleteObjectTagging', 'DELETE', 'tagging', 'DeleteObjectTagging'],
  ['GetObjectTorrent', 'GET', 'torrent', 'GetObjectTorrent'],
])

/** Its address is a path and not a bucket: no bucket is named in capitals. */
export const WRITE_GET_OBJECT_RESPONSE: Operation = {
  name: 'WriteGetObjectResponse',
  method: 'POST',
  scope: 'service',
  query: '',
  action: 's3-object-lambda:WriteGetObjectResponse',
}

export const OPERATIONS: readonly Operation[] = [...SERVICE, ...BUCKET, ...OBJECT, WRITE_GET_OBJECT_RESPONSE]
