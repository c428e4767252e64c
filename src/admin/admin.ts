// The administration paths, `/-/…`: health for load balancers, redundancy and actors for the operator, all in JSON.
// Liveness and readiness answer without credentials and say no more than a load balancer needs; everything that shows what is inside needs the root
// identity, and a stranger does not even learn which pages there are. The gateway has checked the signature, and keeps
// `/-/` of a bucket's virtual host for the bucket; no bucket can be named `-`, so nothing is hidden.
import type { AddAnswer } from '../actors/adding.ts'
import type { DrainAnswer, DrainTarget } from '../actors/draining.ts'
import type { Redundancy } from '../actors/inspector.ts'
import type { Demand } from '../actors/scrub-tour.ts'
import type { ScrubStatus } from '../actors/scrubber.ts'
import { asMoraineError, refusal } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import type { S3Request, S3Response } from '../s3/exchange.ts'

export interface AdminDependencies {
  /** Why no client should be sent here now, in a few words for anyone; undefined when every request can be served. */
  whyNotReady(): string | undefined
  redundancy(): Promise<Redundancy>
  /** Path, thread, state, mailbox and restarts of each actor; any JSON value. */
  actors(): Promise<unknown>
  readonly scrub: ScrubControl
  readonly disks: DiskControl
}

/** See actors/draining.ts and actors/adding.ts. */
export interface DiskControl {
  drain(target: DrainTarget): Promise<DrainAnswer>
  add(directories: readonly string[]): Promise<AddAnswer>
}

/** See actors/scrubber.ts; each resolves when a restart will know it. */
export interface ScrubControl {
  status(): Promise<ScrubStatus>
  pause(): Promise<void>
  resume(): Promise<void>
  begin(): Promise<void>
  /** Resolves to the number under which `status` shows it. */
  demand(demand: Demand): Promise<number>
}

/** `request.key` is what follows `/-/`. Rejects with a refusal, or with what a dependency rejects with. */
export type AdminHandler = (request: S3Request) => Promise<S3Response>

interface Page {
  /** Answers anyone. */
  readonly isOpen?: boolean
  /** Changes something: asked for by POST, all others by GET. */
  readonly isAction?: boolean
  answer(request: S3Request): Promise<S3Response> | S3Response
}

export const createAdmin = ({
  whyNotReady,
  redundancy,
  actors,
  scrub,
  disks,
}: AdminDependencies): AdminHandler => {
  const pages = new Map<string, Page>([
    ['health/live', { isOpen: true, answer: () => formatJson(200, { status: 'live' }) }],
    ['health/ready', { isOpen: true, answer: () => formatReadiness(whyNotReady()) }],
    ['health/redundancy', { answer: async () => formatJson(200, await redundancy()) }],
    ['actors', { answer: async () => formatJson(200, await actors()) }],
    ...scrubPages(scrub),
    ...diskPages(disks),
  ])
  return async (request) => {
    const page = pages.get(request.key)
    if (!page?.isOpen && request.identity.kind !== 'root') throw refusal('AccessDenied', 'Access Denied')
    if (!page) return formatJson(404, { error: 'there is no such page' })
    const allowed = page.isAction ? ['POST'] : ['GET', 'HEAD']
    if (!allowed.includes(request.method)) {
      const allow = allowed.join(', ')
      throw refusal('MethodNotAllowed', 'The specified method is not allowed against this resource.', {
        allow,
      })
    }
    return page.answer(request)
  }
}

/** What an operator may do with the disks of the store. */
const diskPages = ({ drain, add }: DiskControl): [string, Page][] => [
  [
    'disks/drain',
    {
      isAction: true,
      async answer({ query }) {
        const target = parseTarget(new Map(query))
        return target
          ? formatChange(() => drain(target))
          : formatJson(400, { error: 'ask with ?disk=NUMBER or with ?directory=DIRECTORY' })
      },
    },
  ],
  [
    'disks/add',
    {
      isAction: true,
      async answer({ query }) {
        const directories = query.flatMap(([name, value]) => (name === 'directory' ? [value] : []))
        const isGiven = directories.length > 0 && !directories.includes('')
        return isGiven
          ? formatChange(() => add(directories))
          : formatJson(400, { error: 'ask with ?directory=DIRECTORY, once for each' })
      },
    },
  ],
]

const formatChange = async (change: () => Promise<DrainAnswer | AddAnswer>): Promise<S3Response> => {
  let answer: DrainAnswer | AddAnswer
  try {
    answer = await change()
  } catch (error) {
    const { kind, message } = asMoraineError(error)
    // Disks or partitions that a change of the table takes are away: who asks is the operator, and is told which.
    if (kind !== 'unavailable') throw error
    return formatJson(503, { error: message })
  }
  return answer.kind === 'refused' ? formatJson(409, { error: answer.message }) : formatJson(202, answer)
}

const parseTarget = (query: ReadonlyMap<string, string>): DrainTarget | undefined => {
  const disk = query.get('disk') ?? ''
  const directory = query.get('directory') ?? ''
  if ((disk === '') === (directory === '')) return undefined
  if (directory !== '') return { directory }
  return /^\d{1,9}$/.test(disk) ? { disk: Number(disk) as DiskNumber } : undefined
}

/** What an operator may do with the scrub. */
const scrubPages = (scrub: ScrubControl): [string, Page][] => {
  const shown = async (done?: Promise<void>): Promise<S3Response> => {
    await done
    return formatJson(200, await scrub.status())
  }
  return [
    ['scrub', { answer: () => shown() }],
    ['scrub/pause', { isAction: true, answer: () => shown(scrub.pause()) }],
    ['scrub/resume', { isAction: true, answer: () => shown(scrub.resume()) }],
    ['scrub/begin', { isAction: true, answer: () => shown(scrub.begin()) }],
    [
      'scrub/demand',
      {
        isAction: true,
        async answer({ query }) {
          const demand = parseDemand(new Map(query))
          if (!demand) {
            const error = 'ask with ?bucket=BUCKET, with ?bucket=BUCKET&key=KEY or with ?disk=NUMBER'
            return formatJson(400, { error })
          }
          return formatJson(202, { number: await scrub.demand(demand) })
        },
      },
    ],
  ]
}

const DEMAND_MEMBERS = ['bucket', 'disk', 'key']

/** Undefined for what nothing can be looked for by. Members of the signature are not ours to judge. */
const parseDemand = (query: ReadonlyMap<string, string>): Demand | undefined => {
  const given = DEMAND_MEMBERS.filter((name) => query.get(name)).join()
  const [bucket = '', key = '', disk = ''] = ['bucket', 'key', 'disk'].map((name) => query.get(name))
  if (given === 'bucket,key') return { kind: 'object', bucket, key }
  if (given === 'bucket') return { kind: 'bucket', bucket }
  if (given === 'disk' && /^\d{1,9}$/.test(disk)) return { kind: 'disk', disk: Number(disk) as DiskNumber }
  return undefined
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
