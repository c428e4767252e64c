// The administration paths, `/-/…`: health for load balancers, redundancy and actors for the operator, all in JSON.
// Liveness and readiness answer without credentials and say no more than a load balancer needs; everything that shows what is inside needs the root
// identity, and a stranger does not even learn which pages there are. The gateway has checked the signature, and keeps
// `/-/` of a bucket's virtual host for the bucket; no bucket can be named `-`, so nothing is hidden.
import type { Redundancy } from '../actors/inspector.ts'
import { refusal } from '../base/errors.ts'
import type { S3Request, S3Response } from '../s3/exchange.ts'

export interface AdminDependencies {
  /** Why no client should be sent here now, in a few words for anyone; undefined when every request can be served. */
  whyNotReady(): string | undefined
  redundancy(): Promise<Redundancy>
  /** Path, thread, state, mailbox and restarts of each actor; any JSON value. */
  actors(): Promise<unknown>
}

/** `request.key` is what follows `/-/`. Rejects with a refusal, or with what a dependency rejects with. */
export type AdminHandler = (request: S3Request) => Promise<S3Response>

interface Page {
  /** Answers anyone. */
  readonly isOpen: boolean
  answer(): Promise<S3Response> | S3Response
}

export const createAdmin = ({ whyNotReady, redundancy, actors }: AdminDependencies): AdminHandler => {
  const pages = new Map<string, Page>([
    ['health/live', { isOpen: true, answer: () => formatJson(200, { status: 'live' }) }],
    ['health/ready', { isOpen: true, answer: () => formatReadiness(whyNotReady()) }],
    ['health/redundancy', { isOpen: false, answer: async () => formatJson(200, await redundancy()) }],
    ['actors', { isOpen: false, answer: async () => formatJson(200, await actors()) }],
  ])
  return async ({ key, method, identity }) => {
    const page = pages.get(key)
    if (!page?.isOpen && identity.kind !== 'root') throw refusal('AccessDenied', 'Access Denied')
    if (!page) return formatJson(404, { error: 'there is no such page' })
    if (method !== 'GET' && method !== 'HEAD') {
      throw refusal('MethodNotAllowed', 'The specified method is not allowed against this resource.')
    }
    return page.answer()
  }
}

const formatReadiness = (reason: string | undefined): S3Response => {
  if (reason === undefined) return formatJson(200, { status: 'ready' })
  const answer = formatJson(503, { status: 'not ready', reason })
  return { ...answer, headers: [...answer.headers, ['Retry-After', '1']] }
}

const formatJson = (status: number, value: unknown): S3Response => ({
  status,
  headers: [
    ['Content-Type', 'application/json'],
    ['Cache-Control', 'no-store'],
  ],
  body: `${JSON.stringify(value)}\n`,
})
