// The administration paths, `/-/…`: health for load balancers, redundancy and actors for the operator, all in JSON.
// Liveness and readiness answer without credentials and say one word; everything that shows what is inside needs the root
// identity. A bucket's virtual host keeps `/-/` for its objects, and no bucket can be named `-`, so nothing is hidden.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../auth/identity.ts'
import { asMoraineError, codeOf, refusal } from '../base/errors.ts'
import { type Log, silentLog } from '../base/log.ts'

export interface AdminDependencies {
  /** Whether requests are served: not while starting, draining or without enough disks. */
  isReady(): boolean
  /** What waits for repair and the state of each disk; any JSON value. */
  redundancy(): Promise<unknown>
  /** Path, thread, state, mailbox and restarts of each actor; any JSON value. */
  actors(): unknown
  /** Checks the signature of the request. Throws a refusal when it does not hold. */
  authenticate(request: IncomingMessage): Promise<Identity> | Identity
  /** Whether the Host header is a bucket's virtual host, where `/-/` is the bucket's. */
  isVirtualHost(host: string): boolean
  readonly log?: Log
}

/** Answers the request and returns true when it is one for `/-/`; otherwise touches nothing and returns false. */
export type AdminHandler = (request: IncomingMessage, response: ServerResponse) => boolean

interface Page {
  readonly isOpen: boolean
  answer(): Promise<Answer> | Answer
}
interface Answer {
  readonly status: number
  readonly body: unknown
}

export const createAdmin = (dependencies: AdminDependencies): AdminHandler => {
  const log = dependencies.log ?? silentLog
  const pages = createPages(dependencies)
  return (request, response) => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    if (!path.startsWith('/-/') || dependencies.isVirtualHost(request.headers.host ?? '')) return false
    void answer(request, path, pages, dependencies)
      .catch((error: unknown): Answer => {
        const { kind, code, message } = asMoraineError(error)
        const status = statusOf(kind)
        if (status === 500)
          log.error('an administration request failed', { path, code: codeOf(error), error })
        // What is wrong inside is for the log; a refusal was written for the client.
        return { status, body: { error: { code, message: kind === 'refusal' ? message : 'see the log' } } }
      })
      .then((result) => send(request, response, result))
    return true
  }
}

const createPages = ({ isReady, redundancy, actors }: AdminDependencies): ReadonlyMap<string, Page> =>
  new Map<string, Page>([
    ['/-/health/live', { isOpen: true, answer: () => ({ status: 200, body: { status: 'live' } }) }],
    [
      '/-/health/ready',
      {
        isOpen: true,
        answer: () =>
          isReady()
            ? { status: 200, body: { status: 'ready' } }
            : { status: 503, body: { status: 'not ready' } },
      },
    ],
    [
      '/-/health/redundancy',
      { isOpen: false, answer: async () => ({ status: 200, body: await redundancy() }) },
    ],
    ['/-/actors', { isOpen: false, answer: () => ({ status: 200, body: actors() }) }],
  ])

const answer = async (
  request: IncomingMessage,
  path: string,
  pages: ReadonlyMap<string, Page>,
  { authenticate }: AdminDependencies,
): Promise<Answer> => {
  const page = pages.get(path)
  if (!page?.isOpen) {
    // Before anything else, so that a stranger does not even learn which pages there are.
    const identity = await authenticate(request)
    if (identity.kind !== 'root') throw refusal('AccessDenied', 'Access Denied')
  }
  if (!page) return { status: 404, body: { error: { code: 'NotFound', message: 'There is no such page.' } } }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { status: 405, body: { error: { code: 'MethodNotAllowed', message: 'Only GET and HEAD.' } } }
  }
  return page.answer()
}

const statusOf = (kind: 'refusal' | 'unavailable' | 'fault' | 'bug'): number =>
  kind === 'refusal' ? 403 : kind === 'unavailable' ? 503 : 500

const send = (request: IncomingMessage, response: ServerResponse, { status, body }: Answer): void => {
  const text = Buffer.from(`${JSON.stringify(body)}\n`)
  const allow = status === 405 ? { Allow: 'GET, HEAD' } : {}
  // A body nobody asked for is not read: the connection ends with the answer instead.
  const hasBody = request.headers['content-length'] !== undefined || request.headers['transfer-encoding']
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': text.length,
    'Cache-Control': 'no-store',
    ...allow,
    ...(status === 503 ? { 'Retry-After': '1' } : {}),
    ...(hasBody ? { Connection: 'close' } : {}),
  })
  response.end(request.method === 'HEAD' ? undefined : text)
}
