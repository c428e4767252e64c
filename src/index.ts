// The library: a store inside somebody else's process. It is silent unless given a `log`, installs no global handler,
// never ends the process, and `close` leaves nothing of it. `createStore({ disks: 'memory' })` runs the same actors, codec,
// storage and S3 code as the server, on one thread and a file system in memory.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Observable } from 'rxjs'
import type { StoreEvent } from './actors/store-events.ts'
import { fault } from './base/errors.ts'
import { type Log, silentLog } from './base/log.ts'
import { MiB, SECOND } from './base/units.ts'
import { type Server, startServer } from './server.ts'
import { createMemoryFiles } from './storage/files-memory.ts'

export type { StoreEvent } from './actors/store-events.ts'
export { MoraineError } from './base/errors.ts'
export type { Log, LogFields } from './base/log.ts'

export interface StoreOptions {
  /**
   * `'memory'`: six disks in memory, gone with the store. `'temporary'`: six directories in a new temporary one, removed
   * by `close`. Otherwise one directory for each disk; they are made when they are missing.
   */
  readonly disks: 'memory' | 'temporary' | readonly string[]
  /** Default 0: any free one. */
  readonly port?: number
  /** Default 127.0.0.1. */
  readonly host?: string
  /** Default us-east-1. */
  readonly region?: string
  /** Buckets are also served as `BUCKET.domain`. */
  readonly domain?: string
  /** Shards that may be lost; default by the number of disks. Fixed when the store is made. */
  readonly parity?: number
  /** Memory for bodies in flight, in bytes; default 256 MiB, in memory 64 MiB. */
  readonly arenaBytes?: number
  /** Root's keys; without them a random pair is made and kept with the store. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** Default: nothing is said. */
  readonly log?: Log
}

export interface Store extends AsyncDisposable {
  /** `http://HOST:PORT`: what an S3 client is given. */
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** What happens in the store, as it happens: disks that come and go, damage and repair. Completes when it has ended. */
  readonly events: Observable<StoreEvent>
  /** Resolves after `close`; rejects when the root supervisor gave up and the store has ended by itself. */
  readonly closed: Promise<void>
  /** Ends the store: requests in flight are cut, what was acknowledged is durable. Idempotent and bounded. */
  close(): Promise<void>
}

const DISKS = 6
const DRAIN_MS = 30 * SECOND

interface Place {
  readonly roots: readonly string[]
  /** Removes what was made for this store alone. */
  remove(): Promise<void>
}

const slotsIn = (directory: string): string[] =>
  Array.from({ length: DISKS }, (_, slot) => join(directory, `d${slot + 1}`))

const placeOf = async (disks: StoreOptions['disks']): Promise<Place> => {
  const nothing = async (): Promise<void> => undefined
  if (disks === 'memory') return { roots: slotsIn('/memory'), remove: nothing }
  if (disks === 'temporary') {
    const directory = await mkdtemp(join(tmpdir(), 'moraine-'))
    return { roots: slotsIn(directory), remove: () => rm(directory, { recursive: true, force: true }) }
  }
  if (disks.length === 0) throw fault('CONFIG_INVALID', 'a store needs at least one disk directory')
  return { roots: disks.map((disk) => resolve(disk)), remove: nothing }
}

/**
 * Starts a store; when it resolves, S3 clients can use `endpoint`. Rejects with a MoraineError whose message is one
 * sentence: CONFIG_INVALID, PORT_IN_USE, STORE_IN_USE, DISK_FORMAT, DISK_READ_ONLY, RECORD_VERSION, TOO_FEW_DISKS.
 */
export const createStore = async (options: StoreOptions): Promise<Store> => {
  const { disks, port = 0, host = '127.0.0.1', region = 'us-east-1', log = silentLog } = options
  const isMemory = disks === 'memory'
  const place = await placeOf(disks)
  let server: Server
  try {
    const config = {
      ...{ host, port, disks: place.roots, region, drainTimeoutMs: DRAIN_MS, logLevel: 'silent' as const },
      arenaBytes: options.arenaBytes ?? (isMemory ? 64 : 256) * MiB,
      ...(options.parity !== undefined && { parity: options.parity }),
      ...(options.domain !== undefined && { domain: options.domain }),
      ...(options.credentials && { rootCredentials: options.credentials }),
    }
    server = await startServer(config, { log, ...(isMemory && { memory: createMemoryFiles() }) })
  } catch (error) {
    await place.remove()
    throw error
  }
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    closing ??= server.close().then(() => place.remove())
    return closing
  }
  const { endpoint, credentials, closed, events } = server
  const { accessKeyId, secretAccessKey } = credentials
  return {
    ...{ endpoint, region, events, closed, close },
    credentials: { accessKeyId, secretAccessKey },
    [Symbol.asyncDispose]: close,
  }
}
