// Who sent a request: the claim is read, its signature computed anew and compared. Nothing of the request is believed
// before. A wrong secret and an unknown access key take the same way through this file, so that neither its time nor its
// shape says which keys exist.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
import { Buffer } from 'node:buffer'
import type { Clock } from '../base/clock.ts'
import { type MoraineError, refusal } from '../base/errors.ts'
import type { Random } from '../base/prng.ts'
import {
  type CanonicalParts,
  canonicalHeaders,
  canonicalPath,
  canonicalRequest,
  stringToSign,
  type WireRequest,
} from './canonical.ts'
import type { Claim } from './claim.ts'
import { createClaimReader } from './claim-reader.ts'
import { diagnose } from './diagnosis.ts'
import { type QueryParameter, spacedHex } from './encoding.ts'
import type { Credential, FindCredential, Identity } from './identity.ts'
import { type Payload, parsePayload } from './payload.ts'
import { createSigningKeys, isSignature } from './signing-keys.ts'

export const ANONYMOUS: Identity = {
  kind: 'anonymous',
  canonicalId: '0'.repeat(64),
  displayName: 'anonymous',
  accessKeyId: '',
}

/** Where a chain of chunk signatures begins. */
export interface ChunkSeed {
  readonly key: Buffer
  readonly timestamp: string
  readonly scope: string
  /** Of the request, in lower case hex. */
  readonly signature: string
}

export interface Authenticated {
  readonly identity: Identity
  readonly presigned: boolean
  readonly payload: Payload
  /** There when the chunks of the body are signed. */
  readonly seed?: ChunkSeed
}

export interface AuthenticatorOptions {
  readonly region: string
  readonly findCredential: FindCredential
  readonly clock: Clock
  readonly random: Random
  /** The port we listen on, for diagnoses. */
  readonly port?: () => number
}

export interface Authenticator {
  /** Throws AWS's refusal unless the request is signed as it should be, or not signed at all. */
  authenticate(request: WireRequest, parameters: readonly QueryParameter[]): Authenticated
}

/** What an error shows of a canonical request; the longest a client sends by intent are far shorter. */
const SHOWN_MAX = 4096
/** Diagnoses a second: each costs some thirty HMACs, and whoever needs one reads it at human speed. */
const DIAGNOSES_PER_SECOND = 50

const MISMATCH =
  'The request signature we calculated does not match the signature you provided. Check your key and signing method.'

const mismatchError = (
  claim: Claim,
  canonical: string,
  text: string,
  cause: string | undefined,
): MoraineError =>
  refusal('SignatureDoesNotMatch', cause === undefined ? MISMATCH : `${MISMATCH} Probable cause: ${cause}.`, {
    AWSAccessKeyId: claim.accessKeyId.slice(0, 256),
    StringToSign: text,
    SignatureProvided: claim.signature.slice(0, 256),
    StringToSignBytes: spacedHex(text, SHOWN_MAX),
    CanonicalRequest: canonical.slice(0, SHOWN_MAX),
    CanonicalRequestBytes: spacedHex(canonical, SHOWN_MAX),
    ...(cause === undefined ? {} : { Diagnosis: cause }),
  })

export const createAuthenticator = (options: AuthenticatorOptions): Authenticator => {
  const { region, clock } = options
  const keys = createSigningKeys()
  const readClaim = createClaimReader(region)
  // Stands in for the secret of an access key nobody has.
  const nobody = Buffer.from(options.random.bytes(32)).toString('hex')
  let budgetFrom = clock.monotonicMs()
  let budget = DIAGNOSES_PER_SECOND

  const mayDiagnose = (): boolean => {
    const now = clock.monotonicMs()
    if (now - budgetFrom >= 1000) {
      budgetFrom = now
      budget = DIAGNOSES_PER_SECOND
    }
    return budget-- > 0
  }

  const verify = (request: WireRequest, claim: Claim): Credential => {
    const credential = options.findCredential(claim.accessKeyId)
    const secret = credential?.secretAccessKey ?? nobody
    const key = keys.get(secret, claim.day, region)
    const parts: CanonicalParts = {
      method: request.method,
      path: canonicalPath(request.path),
      query: claim.query,
      headers: canonicalHeaders(claim.signedHeaders, request.headers),
      signedHeaders: claim.signedHeaderList,
      payload: claim.payload,
    }
    const canonical = canonicalRequest(parts)
    const text = stringToSign(claim.timestamp, claim.scope, canonical)
    let verified = isSignature(key, text, claim.signature)
    if (!verified && parts.path !== request.path) {
      // Some clients sign the path exactly as they send it; it names the same key either way.
      const verbatim = canonicalRequest({ ...parts, path: request.path })
      verified = isSignature(key, stringToSign(claim.timestamp, claim.scope, verbatim), claim.signature)
    }
    // A header that was signed and is not there: whatever was computed, it is not what was signed.
    verified = claim.signedHeaders.every((name) => request.headers.has(name)) && verified
    if (verified && credential !== undefined) return credential
    const keyFor = (other: string): Buffer => keys.get(secret, claim.day, other)
    const cause = mayDiagnose()
      ? diagnose({ request, claim, parts, region, keyFor, port: options.port?.() ?? 0 })
      : undefined
    const error = mismatchError(claim, canonical, text, cause)
    if (credential !== undefined) throw error
    throw refusal('InvalidAccessKeyId', 'The AWS Access Key Id you provided does not exist in our records.', {
      AWSAccessKeyId: claim.accessKeyId.slice(0, 256),
    })
  }

  return {
    authenticate(request, parameters) {
      const claim = readClaim(request, parameters, clock.nowMs())
      if (claim === undefined) {
        const sent = request.headers.get('x-amz-content-sha256')
        const payload: Payload = sent === undefined ? { kind: 'plain' } : parsePayload(sent, request.method)
        // Nobody signed, so there is nothing signed chunks could follow from.
        if (payload.kind === 'chunked' && payload.signed) throw refusal('AccessDenied', 'Access Denied')
        return { identity: ANONYMOUS, presigned: false, payload }
      }
      const credential = verify(request, claim)
      if (claim.hasToken || request.headers.has('x-amz-security-token')) {
        throw refusal('InvalidToken', 'The provided token is malformed or otherwise invalid.')
      }
      const payload = parsePayload(claim.payload, request.method)
      const authenticated = { identity: credential.identity, presigned: claim.presigned, payload }
      if (payload.kind !== 'chunked' || !payload.signed) return authenticated
      const key = keys.get(credential.secretAccessKey, claim.day, region)
      const { timestamp, scope } = claim
      return { ...authenticated, seed: { key, timestamp, scope, signature: claim.signature.toLowerCase() } }
    },
  }
}
