// Filling a store by S3 alone until nothing more goes in, and emptying it again.

import { Agent, request } from 'node:http'
import { DeleteObjectsCommand, type S3Client } from '@aws-sdk/client-s3'
import { createSigner } from '../../bench/load/presign.ts'
import { KiB, MiB } from '../../src/base/units.ts'
import { bodyOf, createS3Client, type Target } from './s3-client.ts'

/** In the journal, packed into volumes, shard files of their own. */
export const KINDS = { inline: 15 * KiB, packed: 500 * KiB, large: 4 * MiB } as const
export type Kind = keyof typeof KINDS

export interface SendOptions {
  readonly body?: Uint8Array
  readonly query?: readonly (readonly [string, string])[]
}

export interface Answer {
  readonly status: number
  readonly body: Buffer
}

export interface Filler {
  readonly sdk: S3Client
  send(method: string, path: string, options?: SendOptions): Promise<Answer>
  /** PUTs objects of the kind until the store has said nothing but 507 for `fullMs`. Resolves to how many it took. */
  fill(kind: Kind, prefix: string, fullMs: number): Promise<number>
  /** Resolves when an object of the kind, which is deleted again, was taken; rejects when none was for so long. */
  untilTaken(kind: Kind, limitMs: number): Promise<void>
  /** Rejects with the first of `count` objects that does not read as it was written. */
  readBack(kind: Kind, prefix: string, count: number): Promise<void>
  /** DeleteObjects, a thousand at a time. */
  empty(prefix: string, count: number): Promise<void>
  close(): void
}

const BUCKET = 'filling'
const LANES = 4
const RETRY_MS = 500
const DELETE_MAX = 1000

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

export const createFiller = async (target: Target): Promise<Filler> => {
  const sdk = createS3Client(target)
  const signer = createSigner({ ...target, nowMs: Date.now() })
  const agent = new Agent({ keepAlive: true, maxSockets: LANES })
  const { hostname, port } = new URL(target.endpoint)
  /** Asks before it sends a body, as SDKs do with large ones: a refusal that comes early is not lost in what is still sent. */
  const send: Filler['send'] = (method, path, { body, query = [] } = {}) =>
    new Promise((resolve, reject) => {
      const url = signer.presign(method, `/${BUCKET}${path}`, query)
      const headers = body ? { 'Content-Length': body.length, Expect: '100-continue' } : {}
      const outgoing = request({ hostname, port, path: url, method, agent, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
      })
      outgoing.on('error', reject)
      if (!body) outgoing.end()
      else {
        outgoing.on('continue', () => outgoing.end(body))
        outgoing.flushHeaders()
      }
    })
  const bodyAt = (kind: Kind, index: number): Uint8Array => bodyOf(index, KINDS[kind])
  const made = await send('PUT', '')
  if (made.status !== 200 && made.status !== 409) throw new Error(`no bucket: ${made.status}`)

  /** When the last one went in, in whichever lane. */
  let takenMs = 0
  /** Resolves false when the store is full. */
  const putOne = async (kind: Kind, prefix: string, index: number, fullMs: number): Promise<boolean> => {
    const body = bodyAt(kind, index)
    const startedMs = performance.now()
    for (;;) {
      const answer = await send('PUT', `/${prefix}/${index}`, { body })
      if (answer.status === 200) {
        takenMs = performance.now()
        return true
      }
      if (answer.status !== 507) throw new Error(`PUT ${prefix}/${index}: ${answer.status} ${answer.body}`)
      // While others go in there is still room to be had, or being given back.
      if (performance.now() - Math.max(startedMs, takenMs) > fullMs) return false
      await pause(RETRY_MS)
    }
  }

  return {
    sdk,
    send,
    async fill(kind, prefix, fullMs) {
      let next = 0
      let refused = Number.POSITIVE_INFINITY
      const lane = async (): Promise<void> => {
        for (let index = next++; index < refused; index = next++) {
          if (!(await putOne(kind, prefix, index, fullMs))) refused = Math.min(refused, index)
        }
      }
      await Promise.all(Array.from({ length: LANES }, lane))
      return refused
    },
    async untilTaken(kind, limitMs) {
      if (!(await putOne(kind, 'probe', 0, limitMs))) throw new Error(`nothing was taken for ${limitMs} ms`)
      await send('DELETE', '/probe/0')
    },
    async readBack(kind, prefix, count) {
      let next = 0
      const lane = async (): Promise<void> => {
        for (let index = next++; index < count; index = next++) {
          const { status, body } = await send('GET', `/${prefix}/${index}`)
          if (status !== 200 || !body.equals(bodyAt(kind, index)))
            throw new Error(`GET ${prefix}/${index}: ${status}`)
        }
      }
      await Promise.all(Array.from({ length: LANES }, lane))
    },
    async empty(prefix, count) {
      const keys = Array.from({ length: count }, (_, index) => ({ Key: `${prefix}/${index}` }))
      for (let at = 0; at < keys.length; at += DELETE_MAX) {
        const Delete = { Objects: keys.slice(at, at + DELETE_MAX), Quiet: true }
        const { Errors = [] } = await sdk.send(new DeleteObjectsCommand({ Bucket: BUCKET, Delete }))
        if (Errors.length > 0)
          throw new Error(`${Errors.length} of ${prefix} were not deleted: ${Errors[0]?.Code}`)
      }
    },
    close() {
      sdk.destroy()
      agent.destroy()
    },
  }
}
