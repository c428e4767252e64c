// Continuation tokens: where a listing goes on, opaque to the client. A token of ours is a version digit and the place in
// Base64; anything else is refused instead of being read as some place.
import { Buffer } from 'node:buffer'
import { invalidArgument } from './handler.ts'

const VERSION = '1'

/** A place in a listing as the client carries it. */
export const encodeToken = (place: string): string =>
  VERSION + Buffer.from(place, 'utf8').toString('base64url')

/** '' for no token: from the start. Throws `InvalidArgument` for what `encodeToken` did not write. */
export const decodeToken = (token: string | undefined): string => {
  if (token === undefined) return ''
  const place = token.startsWith(VERSION) ? Buffer.from(token.slice(1), 'base64url').toString('utf8') : ''
  if (place !== '' && encodeToken(place) === token) return place
  throw invalidArgument('continuation-token', token, 'The continuation token provided is incorrect')
}
