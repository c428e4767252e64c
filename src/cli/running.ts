// Asks the server of these directories for what only a running store can do: a request to its administration paths, signed by the
// root identity, whose keys are read from beside the store unless the environment has them.
import { canonicalQuery, canonicalRequest, stringToSign } from '../auth/canonical.ts'
import type { KeyPair } from '../auth/root.ts'
import { deriveSigningKey, signatureOf } from '../auth/signing-keys.ts'
import { formatTimestamp } from '../auth/timestamps.ts'
import type { Clock } from '../base/clock.ts'
import { unavailable } from '../base/errors.ts'
import { MINUTE } from '../base/units.ts'
import type { Config } from '../config.ts'
import { readRootKeys } from '../offline/root-keys.ts'

/** A change of the table of disks takes as long as a commit, and may wait for another. */
const LIMIT_MS = 3 * MINUTE
const PAYLOAD = 'UNSIGNED-PAYLOAD'

export interface AdminAnswer {
  readonly status: number
  /** The JSON that came. */
  readonly content: unknown
}

interface Signing {
  readonly path: string
  readonly query: string
  readonly host: string
  readonly region: string
  readonly keys: KeyPair
  readonly nowMs: number
}

const signed = ({ path, query, host, region, keys, nowMs }: Signing): Record<string, string> => {
  const timestamp = formatTimestamp(nowMs)
  const scope = `${timestamp.slice(0, 8)}/${region}/s3/aws4_request`
  const signedHeaders = 'host;x-amz-content-sha256;x-amz-date'
  const headers = `host:${host}\nx-amz-content-sha256:${PAYLOAD}\nx-amz-date:${timestamp}\n`
  const canonical = canonicalRequest({
    ...{ method: 'POST', path, query, headers, signedHeaders, payload: PAYLOAD },
  })
  const key = deriveSigningKey(keys.secretAccessKey, timestamp.slice(0, 8), region)
  const signature = signatureOf(key, stringToSign(timestamp, scope, canonical)).toString('hex')
  const credential = `Credential=${keys.accessKeyId}/${scope}`
  return {
    'x-amz-content-sha256': PAYLOAD,
    'x-amz-date': timestamp,
    authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
  }
}

/** 0.0.0.0 and :: are addresses to listen on. */
const addressOf = ({ host, port }: Config): string => {
  const to = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `${to.includes(':') ? `[${to}]` : to}:${port}`
}

/** POSTs to `/-/path` of the server at --host and --port. Rejects with one sentence when nobody answers there as a Moraine does. */
export const askRunning = async (
  config: Config,
  page: string,
  parameters: readonly (readonly [name: string, value: string])[],
  clock: Clock,
): Promise<AdminAnswer> => {
  const keys = config.rootCredentials ?? (await readRootKeys(config.disks))
  const host = addressOf(config)
  const path = `/-/${page}`
  const query = canonicalQuery(
    parameters.map(([name, value]) => ({
      name,
      value: Buffer.from(value).toString('latin1'),
    })),
  )
  const headers = signed({ path, query, host, region: config.region, keys, nowMs: clock.nowMs() })
  const stop = new AbortController()
  const limit = clock.setTimer(LIMIT_MS, () => stop.abort(), true)
  try {
    const response = await fetch(`http://${host}${path}?${query}`, {
      ...{ method: 'POST', headers, signal: stop.signal },
    })
    const text = await response.text()
    if (!(response.headers.get('content-type') ?? '').startsWith('application/json')) {
      const isStranger = response.status === 403
      throw new Error(isStranger ? 'it does not know these root keys' : `it answers ${response.status}`)
    }
    return { status: response.status, content: JSON.parse(text) }
  } catch (error) {
    const { message, cause } = error as Error
    const why = (cause as { code?: string } | undefined)?.code ?? message
    const text = `the store is in use, but its server cannot be asked at ${host} (${why}): give the --host and --port, and the root keys if any, that it was started with`
    throw unavailable('TOO_FEW_DISKS', text, {}, error)
  } finally {
    limit.cancel()
  }
}
