// Which bucket and key a request names: by its virtual host (`bucket.s3.example.com`) where a domain is set, else by the
// first segment of its path. The rest of the path is the key, decoded once and taken literally: `.`, `..` and `//` are
// names, never places.
import { decodeUtf8, percentDecode } from '../auth/encoding.ts'
import { refusal } from '../base/errors.ts'

export interface Target {
  /** Empty when the request names none. */
  readonly bucket: string
  /** Empty when the request names none. */
  readonly key: string
  /** True when the bucket came from the host; then the whole path is the key's. */
  readonly virtualHost: boolean
}

/** The host without its port, in lower case. */
const hostName = (host: string): string => {
  const bracket = host.indexOf(']')
  const colon = host.indexOf(':', Math.max(bracket, 0))
  return (colon < 0 ? host : host.slice(0, colon)).toLowerCase()
}

/** The bucket a Host header names under `domain`; empty for none. */
export const bucketOfHost = (host: string, domain: string | undefined): string => {
  if (domain === undefined || domain === '') return ''
  const name = hostName(host)
  const suffix = `.${domain.toLowerCase()}`
  return name.length > suffix.length && name.endsWith(suffix) ? name.slice(0, -suffix.length) : ''
}

const invalidUri = (): never => {
  throw refusal('InvalidURI', "Couldn't parse the specified URI.")
}

const decode = (raw: string): string => decodeUtf8(percentDecode(raw, false) ?? invalidUri())

/** Throws `InvalidURI` for a path that does not begin with '/', that cannot be decoded, or that has a key and no bucket. */
export const targetOf = (path: string, host: string, domain: string | undefined): Target => {
  if (path[0] !== '/') return invalidUri()
  const hostBucket = bucketOfHost(host, domain)
  if (hostBucket !== '') return { bucket: hostBucket, key: decode(path.slice(1)), virtualHost: true }
  const slash = path.indexOf('/', 1)
  const bucket = decode(slash < 0 ? path.slice(1) : path.slice(1, slash))
  const key = slash < 0 ? '' : decode(path.slice(slash + 1))
  // `//key` names no bucket, and must not pass for a request about all of them.
  if (bucket === '' && path !== '/') return invalidUri()
  return { bucket, key, virtualHost: false }
}
