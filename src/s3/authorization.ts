// The right to do what a request asks, decided on its head alone: before a byte of the body is read or asked for.
import { authorize } from '../auth/authorize.ts'
import type { S3Request } from './exchange.ts'
import { neededAccess, route } from './router.ts'

/** Throws `AccessDenied` unless the identity may do everything the request needs, and what `route` throws. */
export const authorizeRequest = (request: S3Request): void => {
  const { identity } = request
  for (const access of neededAccess(route(request), request)) authorize({ identity, ...access })
}
