// The real store in a process of its own whose threads are killed on order, and what is seen of it from outside: whether it
// serves, which actors are up, what descriptors it holds.
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { createSigner, type Signer } from '../../bench/load/presign.ts'
import { createStoreClient, type StoreClient } from '../../bench/load/store-client.ts'
import type { ActorsView } from '../../src/actors/inspector.ts'
import { KiB } from '../../src/base/units.ts'
import type { ActorView } from '../../src/runtime/system.ts'
import { type Order, SABOTEUR_CORES, SABOTEUR_SOCKET, type Told } from './saboteur-orders.ts'
import { PROGRAM, REPOSITORY, type ServerProcess, startProcess } from './server-process.ts'
import { assert } from './uvu.ts'

const SUPPORT = new URL('./', import.meta.url)
const programOf = (name: string): string => new URL(name, SUPPORT).pathname
const RETRY_MS = 20
/** A store that does not serve again by then does not. */
const SERVICE_LIMIT_MS = 30_000
const ARENA_LIMIT_MS = 60_000
const ARENA_RETRY_MS = 200

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs))

export interface StormedServer extends ServerProcess {
  readonly signer: Signer
  /** For the test itself: the load has connections of its own. */
  readonly client: StoreClient
  order<K extends Order['kind']>(order: Extract<Order, { kind: K }>): Promise<Extract<Told, { answers: K }>>
  /** Every actor of the tree, as the operator sees it. */
  actors(): Promise<readonly ActorView[]>
  /** Resolves when every actor is up, those of `places` anew since `before`, and a PUT is answered 200. */
  untilServes(places: readonly string[], before: readonly ActorView[]): Promise<void>
  /** Every actor, when none has anything to do; or as they are when that does not come. */
  untilIdle(): Promise<readonly ActorView[]>
  /** Resolves when nobody holds a slab of the arena; what is under way for nobody, such as a repair, takes a moment to end. */
  untilArenaIsWhole(): Promise<void>
  close(): Promise<void>
}

/** Supervisors that put up with whatever the test does, or the program as it is. */
export type Temper = 'patient' | 'as it is'

/**
 * Whose threads die every second spends a fifth of each restart on what V8 optimizes of a thread that is gone before it is
 * used, and as much on threads that wait for garbage to collect; so it does neither.
 */
const FLAGS: Readonly<Record<Temper, readonly string[]>> = {
  patient: ['--no-opt', '--single-threaded-gc'],
  'as it is': [],
}
const commandOf = (temper: Temper): string[] =>
  temper === 'patient' ? [programOf('patient-server.js')] : [PROGRAM, 'serve']

/**
 * The program with a saboteur in each of its threads, laid out as on a machine with `cores` cores; 0: with as many as there
 * are.
 */
export const startStormed = async (cores: number, temper: Temper = 'patient'): Promise<StormedServer> => {
  const path = join(tmpdir(), `moraine-saboteur-${randomBytes(6).toString('hex')}`)
  const server = await startProcess({
    command: [
      process.execPath,
      ...FLAGS[temper],
      ...['--import', programOf('saboteur.js')],
      ...commandOf(temper),
    ],
    environment: {
      [SABOTEUR_SOCKET]: path,
      [SABOTEUR_CORES]: String(cores),
      // As bin/moraine.cjs sets it, which is not run here.
      UV_THREADPOOL_SIZE: '64',
      // A thread that hoards memory is to be out of it soon; far above what any of ours needs.
      ...(temper === 'patient' && { NODE_OPTIONS: '--max-old-space-size=192' }),
    },
  })
  const line = connectOrders(path, () => server.stderr().slice(-2000))
  const signer = createSigner({ ...server, nowMs: Date.now() })
  const client = createStoreClient(server.endpoint, signer)
  const answer = (
    method: string,
    target: string,
    body?: Uint8Array,
  ): Promise<{ status: number; body: Buffer }> =>
    client
      .send(method, signer.presign(method, target), body)
      .catch(() => ({ status: 0, body: Buffer.alloc(0) }))
  const actors = async (): Promise<readonly ActorView[]> => {
    for (;;) {
      const { status, body } = await answer('GET', '/-/actors')
      if (status !== 200) {
        await pause(RETRY_MS)
        continue
      }
      const { actors } = JSON.parse(String(body)) as ActorsView
      return actors.filter((node) => node.kind === 'actor')
    }
  }
  const serves = async (): Promise<boolean> =>
    (await answer('PUT', '/service/probe', Buffer.alloc(300 * KiB))).status === 200
  await answer('PUT', '/service')
  return {
    ...server,
    ...{ signer, client, actors },
    order: line.order,
    async untilServes(places, before) {
      const endMs = performance.now() + SERVICE_LIMIT_MS
      const isBack = async (): Promise<boolean> => isUpAgain(places, before, await actors()) && serves()
      while (!(await isBack())) {
        if (performance.now() > endMs)
          throw new Error(`no service after a kill of ${places}: ${server.stderr().slice(-3000)}`)
        await pause(RETRY_MS)
      }
    },
    async untilIdle() {
      const endMs = performance.now() + ARENA_LIMIT_MS
      for (;;) {
        const all = await actors()
        const isIdle = all.every(({ isTemporary, mailbox }) => isTemporary || mailbox.messages === 0)
        if (isIdle || performance.now() > endMs) return all
        await pause(ARENA_RETRY_MS)
      }
    },
    async untilArenaIsWhole() {
      const endMs = performance.now() + ARENA_LIMIT_MS
      let held = await line.order({ kind: 'arena' })
      while (performance.now() < endMs && held.small + held.large > 0) {
        await pause(ARENA_RETRY_MS)
        held = await line.order({ kind: 'arena' })
      }
      assert.equal(held, { answers: 'arena', small: 0, large: 0 })
    },
    async close() {
      client.close()
      line.close()
      await server.stop()
    },
  }
}

const isUpAgain = (
  places: readonly string[],
  before: readonly ActorView[],
  now: readonly ActorView[],
): boolean => {
  const restartsOf = (place: string, actors: readonly ActorView[]): number =>
    actors
      .filter(({ path }) => path.startsWith(`root/${place}/`))
      .reduce((sum, { restarts }) => sum + restarts, 0)
  // The codec's threads are no actors: those who ask them are none the wiser.
  const isAnew = places.every(
    (place) => place === 'codec' || restartsOf(place, now) > restartsOf(place, before),
  )
  return isAnew && now.every(({ isTemporary, state }) => isTemporary || state === 'up')
}

/** The way to the saboteurs: one order at a time. */
const connectOrders = (
  path: string,
  lastWords: () => string,
): Pick<StormedServer, 'order'> & { close(): void } => {
  const socket = connect(path)
  let resolveLine: ((line: string) => void) | undefined
  let isClosed = false
  createInterface({ input: socket }).on('line', (line) => resolveLine?.(line))
  socket.on('error', () => undefined)
  socket.on('close', () => {
    isClosed = true
    resolveLine?.('')
  })
  return {
    order: (what) =>
      new Promise((resolve, reject) => {
        resolveLine = (line) => {
          if (line === '') reject(new Error(`the server is gone: ${lastWords()}`))
          else resolve(JSON.parse(line))
        }
        if (isClosed) resolveLine('')
        else socket.write(`${JSON.stringify(what)}\n`)
      }),
    close: () => void socket.destroy(),
  }
}

/** What a process holds. */
export interface Descriptors {
  /** How many of each kind there are that a store at rest always has as many of. */
  readonly fixed: Readonly<Record<string, number>>
  /**
   * Files that nothing has a use for: removed ones, modules, directories, and files of a disk that are open more often than
   * by one who writes, one who reads through the disk's actor and one who reads past it.
   */
  readonly stray: readonly string[]
}

const USES = 3
const isFile = (path: string): boolean => /\.\w+$|\/(LOCK|LOG|MANIFEST-\d+)$|\/[0-9a-f]{32}$/.test(path)

export const descriptorsOf = (pid: number, data: string): Descriptors => {
  const open = new Map<string, number>()
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$/, '')
      open.set(target, (open.get(target) ?? 0) + 1)
    } catch {
      // Closed since it was listed.
    }
  }
  const fixed: Record<string, number> = {}
  const stray: string[] = []
  for (const [target, count] of open) {
    const ofDisk = /\/d\d(\/(?!lock).*|)$/.exec(target.replace(data, ''))?.[1]
    const lose = (times: number): void =>
      void stray.push(...new Array<string>(Math.max(0, times)).fill(target))
    if (target.endsWith(' (deleted)') || target.startsWith(REPOSITORY)) lose(count)
    // A directory is open while it is synced, and not at rest.
    else if (ofDisk !== undefined) lose(count - (isFile(ofDisk) ? USES : 0))
    else {
      const kind = target.replace(data, '').replace(/\d+/g, 'N')
      fixed[kind] = (fixed[kind] ?? 0) + count
    }
  }
  return { fixed: Object.fromEntries(Object.entries(fixed).sort()), stray }
}

/** A client that holds one connection and asks for the same small object over it. */
export interface Holder {
  /** 0: the connection broke. */
  ask(): Promise<number>
  /** The port of this side: another one is another connection. */
  readonly localPort: number
  close(): void
}

export const createHolder = (endpoint: string, path: string): Holder => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const { hostname, port } = new URL(endpoint)
  let localPort = 0
  return {
    get localPort() {
      return localPort
    },
    ask: () =>
      new Promise((resolve) => {
        const outgoing = request({ hostname, port, path, agent }, (response) => {
          localPort = response.socket.localPort ?? 0
          response.on('error', () => resolve(0))
          response.on('end', () => resolve(response.statusCode ?? 0))
          response.resume()
        })
        outgoing.on('error', () => resolve(0))
        outgoing.end()
      }),
    close: () => agent.destroy(),
  }
}
