// PutObject: headers are judged before the first byte of the body is asked for, digests after the last, and the engine
// answers when the version is durable.
import { checksumHeaders, createUploadBody } from '../checksums.ts'
import { writeConditions } from '../conditions.ts'
import { type Handler, invalidArgument, queryOf } from '../handler.ts'
import { objectHeadersOf } from '../object-headers.ts'

export const putObject: Handler = async (request, { engine }) => {
  const partNumber = queryOf(request, 'partNumber')
  if (partNumber !== undefined) {
    // Half of an UploadPart must not overwrite the object.
    throw invalidArgument(
      'partNumber',
      partNumber,
      'This operation does not accept partNumber without uploadId',
    )
  }
  const { bucket, key, identity } = request
  const { headers, metadata } = objectHeadersOf(request)
  const target = { bucket, key, owner: identity.canonicalId, headers, metadata }
  const body = createUploadBody(request)
  const { conditions } = writeConditions(request.headers)
  const version = await engine.objects.put(conditions ? { ...target, conditions } : target, body)
  return {
    status: 200,
    headers: [['etag', `"${version.etag}"`], ...checksumHeaders(version.checksum)],
  }
}
