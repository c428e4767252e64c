// The engine as a gateway's thread has it: metadata by asking the bucket actors, bytes by way of the arena and the disk
// actors. Every method is a few asks; what is decided is decided by the bucket actor, what is durable by the disks.

import { codeOf, MoraineError } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import type { VersionFacts } from '../metadata/records.ts'
import type { CommitTerms } from './bucket-protocol.ts'
import type { Buckets, Engine, Objects, Uploads } from './engine.ts'
import type { GatewayParts } from './gateway-parts.ts'
import type { ReadDependencies } from './reading.ts'
import { readingOf } from './reading-of.ts'
import { type StoredBody, storeBody } from './store-body.ts'

const LOOKUP_LIMIT = { withinMs: 30 * SECOND }
/** A commit that was not numbered by then is refused by the bucket actor … */
export const COMMIT_WITHIN_MS = 10 * SECOND
/** … and the answer of one that was may take until its frame is synced on the disks that are left. */
export const COMMIT_LIMIT = { withinMs: 60 * SECOND }
/** Complete reads the records of up to 10,000 parts. */
const COMPLETE_LIMIT = { withinMs: 120 * SECOND }

/**
 * Whether a commit that failed may still take effect: nobody answered, or a copy of its frame may lie on a disk, from where a start
 * would show it. All that a decision can say is certain.
 */
export const isUndecided = (error: unknown): boolean => {
  const code = codeOf(error)
  return (
    (error instanceof MoraineError && error.detail['isInDoubt'] === true) ||
    code === 'ASK_TIMEOUT' ||
    code === 'THREAD_EXITED' ||
    code === 'ACTOR_STOPPED' ||
    code === 'JOURNAL_UNAVAILABLE'
  )
}

/** Commits what was stored, then lets its shards go or keeps them, as the commit came out. */
const commit = async <T>(stored: StoredBody, ask: () => Promise<T>): Promise<T> => {
  try {
    const committed = await ask()
    stored.settle('committed')
    return committed
  } catch (error) {
    stored.settle(isUndecided(error) ? 'unknown' : 'refused')
    throw error
  }
}

/** The engine over `parts`. */
export const createEngine = (parts: GatewayParts, reading: ReadDependencies): Engine => {
  const terms = (stored?: StoredBody): CommitTerms => ({
    deadlineMs: parts.clock.monotonicMs() + COMMIT_WITHIN_MS,
    ...(stored && { sessions: stored.sessions }),
  })
  return {
    buckets: createBuckets(parts, terms),
    objects: createObjects(parts, terms, reading),
    uploads: createUploads(parts, terms),
  }
}

type Terms = (stored?: StoredBody) => CommitTerms

const createBuckets = (parts: GatewayParts, terms: Terms): Buckets => ({
  create: (name, { owner, region }) =>
    parts.bucket(name).ask('createBucket', { name, owner, region, ...terms() }, COMMIT_LIMIT),
  get: (name) => parts.bucket(name).ask('getBucket', { name }, LOOKUP_LIMIT),
  async list(request) {
    const pages = await Promise.all(parts.buckets.map((ref) => ref.ask('listBuckets', request, LOOKUP_LIMIT)))
    const all = pages.flatMap(({ buckets }) => buckets).sort((a, b) => (a.name < b.name ? -1 : 1))
    const buckets = all.slice(0, request.limit)
    const hasMore = all.length > buckets.length || pages.some(({ next }) => next !== undefined)
    const last = buckets.at(-1)
    return hasMore && last ? { buckets, next: last.name } : { buckets }
  },
  delete: (name) => parts.bucket(name).ask('deleteBucket', { name, ...terms() }, COMMIT_LIMIT),
})

const createObjects = (parts: GatewayParts, terms: Terms, reading: ReadDependencies): Objects => {
  return {
    async put({ bucket: name, key, owner, headers, metadata, conditions }, body) {
      const bucket = parts.bucket(name)
      const { id: incarnation } = await bucket.ask('getBucket', { name }, LOOKUP_LIMIT)
      const stored = await storeBody(body, parts)
      const { seal, data, sessions } = stored
      const { etag, checksum } = seal
      // Field by field, here and where it is committed: a spread costs microseconds, and every small write pays for it.
      const plain = { etag, size: body.size, headers, metadata, owner, storageClass: 'STANDARD' } as const
      const facts: VersionFacts = checksum ? { ...plain, checksum } : plain
      return commit(stored, () => {
        const { deadlineMs } = terms()
        const put = { bucket: name, incarnation, key, facts, data, deadlineMs, sessions }
        return bucket.ask('put', conditions ? { ...put, conditions } : put, COMMIT_LIMIT)
      })
    },
    open(address) {
      const bucket = parts.bucket(address.bucket)
      return parts.leases
        .open(bucket, address)
        .then((opened) => readingOf(opened, bucket, parts.leases, reading))
    },
    head: (address) => parts.bucket(address.bucket).ask('head', address, LOOKUP_LIMIT),
    delete: (address, conditions) =>
      parts
        .bucket(address.bucket)
        .ask('delete', { address, ...(conditions && { conditions }), ...terms() }, COMMIT_LIMIT),
    list: (request) => parts.bucket(request.bucket).ask('list', request, LOOKUP_LIMIT),
  }
}

const createUploads = (parts: GatewayParts, terms: Terms): Uploads => ({
  create: (request) =>
    parts.bucket(request.bucket).ask('createUpload', { request, ...terms() }, COMMIT_LIMIT),
  get: (address) => parts.bucket(address.bucket).ask('getUpload', address, LOOKUP_LIMIT),
  async putPart(address, partNumber, body) {
    const bucket = parts.bucket(address.bucket)
    await bucket.ask('getUpload', address, LOOKUP_LIMIT)
    const stored = await storeBody(body, parts)
    const facts = { ...stored.seal, size: body.size }
    const part = { address, partNumber, facts, data: stored.data }
    return commit(stored, () => bucket.ask('putPart', { ...part, ...terms(stored) }, COMMIT_LIMIT))
  },
  complete: (request) =>
    parts.bucket(request.bucket).ask('completeUpload', { request, ...terms() }, COMPLETE_LIMIT),
  abort: (address) => parts.bucket(address.bucket).ask('abortUpload', { address, ...terms() }, COMMIT_LIMIT),
  listParts: (address, page) =>
    parts.bucket(address.bucket).ask('listParts', { address, page }, LOOKUP_LIMIT),
  list: (request) => parts.bucket(request.bucket).ask('listUploads', request, LOOKUP_LIMIT),
})
