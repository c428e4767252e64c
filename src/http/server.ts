// HTTP/1.1 on a listening socket: takes connections, bounds their number, and looks after those that rest. Node's own HTTP
// server costs more than everything else that a small read costs here (docs/adr/0012-http.md).
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { codeOf, fault } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import { Connection, type ConnectionLimits, type ConnectionOptions } from './connection.ts'

export interface HttpLimits extends ConnectionLimits {
  readonly connectionsMax: number
}

export interface HttpOptions extends Omit<ConnectionOptions, 'coarseNowMs'> {
  readonly limits: HttpLimits
}

export interface HttpAddress {
  readonly host: string
  readonly port: number
}

export interface HttpServer {
  /** Resolves when connections are taken. `PORT_IN_USE`. `reusePort` needs Node 22.12. */
  listen(at: { host: string; port: number; reusePort?: boolean }): Promise<HttpAddress>
  /** Takes no more connections and cuts those that are there. Resolves when no socket is left. */
  close(): Promise<void>
}

/** Connections the kernel keeps for us while we are busy; past node's own 511 it would reset some of a burst. */
const BACKLOG = 4096
/** Beyond `connectionsMax` so many more are told so; the ones after them are dropped. */
export const SURPLUS_MAX = 256
const PROBE_AFTER_MS = 30 * SECOND

export const createHttpServer = (options: HttpOptions): HttpServer => {
  const { clock, limits, log } = options
  const connections = new Map<Socket, Connection>()
  const checkEveryMs = Math.min(SECOND, limits.headersTimeoutMs / 4, limits.keepAliveMs / 4)
  let checkedMs = clock.monotonicMs()
  let isChecking = false
  // Never early: what is counted from here was a little later.
  const own: ConnectionOptions = { ...options, coarseNowMs: () => checkedMs + checkEveryMs }

  // Runs only while somebody is connected.
  const check = (): void => {
    checkedMs = clock.monotonicMs()
    for (const connection of connections.values()) connection.check(checkedMs)
    isChecking = connections.size > 0
    if (isChecking) clock.setTimer(checkEveryMs, check)
  }

  const server = createServer({
    // A client that has said all it wanted to say may still listen.
    allowHalfOpen: true,
    // A socket that is paused takes one piece more and stops. With room for many, a client could send a byte now and then
    // for days, and each would pass for its taking something of its answer.
    highWaterMark: 1,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_AFTER_MS,
  })
  server.maxConnections = limits.connectionsMax + SURPLUS_MAX
  server.on('connection', (socket) => {
    if (!isChecking) {
      isChecking = true
      checkedMs = clock.monotonicMs()
      clock.setTimer(checkEveryMs, check)
    }
    connections.set(socket, new Connection(socket, connections.size >= limits.connectionsMax, own))
    socket.once('close', () => connections.delete(socket))
  })

  let closed: Promise<void> | undefined
  return {
    listen: (at) =>
      new Promise((resolve, reject) => {
        server.once('error', (error) => {
          const isTaken = codeOf(error) === 'EADDRINUSE'
          reject(isTaken ? fault('PORT_IN_USE', `${at.host}:${at.port} is in use`, {}, error) : error)
        })
        server.listen({ ...at, backlog: BACKLOG }, () => {
          server.removeAllListeners('error')
          server.on('error', (error) => log.error('listener-failed', { message: error.message }))
          const { address, port } = server.address() as AddressInfo
          resolve({ host: address, port })
        })
      }),
    close() {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of connections.keys()) socket.destroy()
      })
      return closed
    },
  }
}
