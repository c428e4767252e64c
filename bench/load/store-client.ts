// The bench's own hands on the store: fills it with bodies that all differ, and compares what it gives back. Plain
// node:http over pre-signed URLs, so that checking costs next to nothing beside the load.
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import type { Signer } from './presign.ts'

export interface StoreClient {
  send(method: string, url: string, body?: Uint8Array): Promise<{ status: number; body: Buffer }>
  /** PUTs one object for each path, each with its own body; throws when one is refused. */
  fill(paths: readonly string[], bodyOf: (index: number) => Uint8Array): Promise<void>
  close(): void
}

const LANES = 16

/** `connections`: at most, and kept. */
export const createStoreClient = (endpoint: string, signer: Signer, connections = LANES): StoreClient => {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const { hostname, port } = new URL(endpoint)
  const send: StoreClient['send'] = (method, path, body) =>
    new Promise((resolve, reject) => {
      const headers = body ? { 'Content-Length': body.length } : {}
      const outgoing = request({ hostname, port, path, method, agent, headers }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  return {
    send,
    async fill(paths, bodyOf) {
      let next = 0
      const lane = async (): Promise<void> => {
        for (let index = next++; index < paths.length; index = next++) {
          const path = paths[index] ?? ''
          const { status, body } = await send('PUT', signer.presign('PUT', path), bodyOf(index))
          if (status !== 200) throw new Error(`filling ${path} was answered ${status}: ${body}`)
        }
      }
      await Promise.all(Array.from({ length: LANES }, lane))
    },
    close: () => agent.destroy(),
  }
}

/** Bodies of `size` bytes that share their random content but for the index at both ends. */
export const createBodies = (size: number): ((index: number) => Uint8Array) => {
  const shared = randomBytes(size)
  return (index) => {
    const body = Buffer.from(shared)
    body.writeUInt32LE(index, 0)
    body.writeUInt32LE(index, size - 4)
    return body
  }
}
