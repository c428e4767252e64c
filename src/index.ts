/// <reference lib="esnext.disposable" preserve="true" />
// The library: a store inside somebody else's process. It is silent unless given a `log`, installs no global handler,
// never ends the process, and `close` leaves nothing of it. `createStore({ disks: 'memory' })` runs the same actors, codec,
// storage and S3 code as the server, on one thread and a file system in memory.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Observable } from 'rxjs'
import type { StoreEvent } from './actors/store-events.ts'
import { silentLog } from './base/log.ts'
import { checkDisks, configOf, type StoreOptions } from './options.ts'
import { type Server, startServer } from './server.ts'
import { createMemoryFiles } from './storage/files-memory.ts'

export type { StoreEvent } from './actors/store-events.ts'
export { MoraineError } from './base/errors.ts'
export type { Log, LogFields } from './base/log.ts'
export type { StoreOptions } from './options.ts'

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

interface Place {
  readonly roots: readonly string[]
  /** Removes what was made for this store alone. */
  remove(): Promise<void>
}

const slotsIn = (directory: string): string[] =>
  Array.from({ length: DISKS }, (_, slot) => join(directory, `d${slot + 1}`))

const placeOf = async (given: StoreOptions['disks']): Promise<Place> => {
  const disks = checkDisks(given)
  const nothing = async (): Promise<void> => undefined
  if (disks === 'memory') return { roots: slotsIn('/memory'), remove: nothing }
  if (disks === 'temporary') {
    const directory = await mkdtemp(join(tmpdir(), 'moraine-'))
    return { roots: slotsIn(directory), remove: () => rm(directory, { recursive: true, force: true }) }
  }
  return { roots: disks, remove: nothing }
}

/**
 * Starts a store; when it resolves, S3 clients can use `endpoint`. Rejects with a MoraineError whose message is one
 * sentence: CONFIG_INVALID, PORT_IN_USE, STORE_IN_USE, DISK_FORMAT, DISK_READ_ONLY, RECORD_VERSION, TOO_FEW_DISKS.
 */
export const createStore = async (options: StoreOptions): Promise<Store> => {
  const place = await placeOf(options?.disks)
  const isMemory = options.disks === 'memory'
  let server: Server
  try {
    const config = configOf(options, place.roots)
    const log = options.log ?? silentLog
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
  const { endpoint, region, credentials, closed, events } = server
  const { accessKeyId, secretAccessKey } = credentials
  return {
    ...{ endpoint, region, events, closed, close },
    credentials: { accessKeyId, secretAccessKey },
    [Symbol.asyncDispose]: close,
  }
}
