// One exchange from end to end: route, refuse what is not built, hand it to its handler, and turn whatever goes wrong
// into S3's answer. It never rejects.
import type { Engine } from '../actors/engine.ts'
import { errorResponse } from './errors.ts'
import type { S3Request, S3Response } from './exchange.ts'
import type { HandlerContext, Patience } from './handler.ts'
import { checkBucketOwner } from './owner.ts'
import { route } from './router.ts'
import { operationNotImplemented, refuseUnsupported } from './unsupported.ts'

export interface DispatchOptions {
  readonly engine: Engine
  readonly region: string
  /** Told of every error, before its answer; what it throws is not caught. */
  readonly onError?: (error: unknown, request: S3Request) => void
  readonly patience?: Patience
}

/** The answer to one request. Its body, if it is a stream, is closed by whoever writes it. */
export type Dispatch = (request: S3Request) => Promise<S3Response>

/** Throws what can be said at once, and rejects with the rest. */
const serve = (request: S3Request, context: HandlerContext): Promise<S3Response> => {
  const operation = route(request)
  const { handler } = operation
  if (handler === undefined) throw operationNotImplemented(operation)
  refuseUnsupported(operation, request)
  // CreateBucket has no owner to expect, and its AWS type no such member; ListBuckets has no bucket.
  const owner = request.headers.get('x-amz-expected-bucket-owner')
  if (owner !== undefined && operation.name !== 'CreateBucket' && request.bucket !== '') {
    return checkBucketOwner(context.engine, request.bucket, owner).then(() => handler(request, context))
  }
  return handler(request, context)
}

const resourceOf = ({ bucket, key }: S3Request): string =>
  bucket === '' ? '/' : `/${bucket}${key === '' ? '' : `/${key}`}`

export const createDispatch = ({ engine, region, onError, patience }: DispatchOptions): Dispatch => {
  return async (request) => {
    const tell = (error: unknown): void => onError?.(error, request)
    try {
      return await serve(request, { engine, region, onError: tell, patience })
    } catch (error) {
      tell(error)
      const { id, hostId, method } = request
      return errorResponse(error, { requestId: id, hostId, method, resource: resourceOf(request) })
    }
  }
}
