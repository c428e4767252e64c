// Who asks. Identities are found by access key; the secret never leaves auth/, and is never logged.

/** Someone with credentials, or anyone at all. */
export interface Identity {
  readonly kind: 'root' | 'anonymous'
  /** Canonical id, 64 hex digits: what S3 shows as owner. */
  readonly canonicalId: string
  readonly displayName: string
  /** Empty for anonymous. */
  readonly accessKeyId: string
}

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly identity: Identity
}

/** Finds a credential by access key; undefined when there is none. */
export type FindCredential = (accessKeyId: string) => Credential | undefined
