// Pre-signed URLs (SigV4 in the query, UNSIGNED-PAYLOAD), made in advance: the load generator then spends nothing on
// signing, while the server checks one HMAC a request as it would for any client.
import { createHash, createHmac } from 'node:crypto'

export interface Signer {
  /** Path and query to request: `/bucket/key?X-Amz-…`. `path` is encoded already. */
  presign(method: string, path: string, query?: readonly (readonly [string, string])[]): string
}

export interface SignerOptions {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  readonly nowMs: number
}

const WEEK_SECONDS = 604_800

export const createSigner = ({ endpoint, region, credentials, nowMs }: SignerOptions): Signer => {
  const { host } = new URL(endpoint)
  const time = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${time.slice(0, 8)}/${region}/s3/aws4_request`
  const signingKey = scope
    .split('/')
    .reduce<Buffer>((key, part) => hmac(key, part), Buffer.from(`AWS4${credentials.secretAccessKey}`))
  const common: [string, string][] = [
    ['X-Amz-Algorithm', 'AWS4-HMAC-SHA256'],
    ['X-Amz-Credential', `${credentials.accessKeyId}/${scope}`],
    ['X-Amz-Date', time],
    ['X-Amz-Expires', String(WEEK_SECONDS)],
    ['X-Amz-SignedHeaders', 'host'],
  ]
  return {
    presign(method, path, query = []) {
      const encoded = [...common, ...query]
        .map(([name, value]) => `${encode(name)}=${encode(value)}`)
        .sort()
        .join('&')
      const canonical = `${method}\n${path}\n${encoded}\nhost:${host}\n\nhost\nUNSIGNED-PAYLOAD`
      const digest = createHash('sha256').update(canonical).digest('hex')
      const signature = hmac(signingKey, `AWS4-HMAC-SHA256\n${time}\n${scope}\n${digest}`).toString('hex')
      return `${path}?${encoded}&X-Amz-Signature=${signature}`
    },
  }
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()

/** Everything but A-Z a-z 0-9 - _ . ~ as %XX: stricter than encodeURIComponent. */
const encode = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
