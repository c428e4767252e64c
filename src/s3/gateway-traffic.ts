// Who is connected and what is under way: the gateway's bounds are kept here. Connections and requests beyond them are
// refused with 503, slow bodies are looked after, and a connection whose next bytes cannot be trusted has its last answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { refusal, unavailable } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import type { SocketSource } from './bodies-socket.ts'

export interface TrafficLimits {
  readonly requestsMax: number
  readonly connectionsMax: number
  readonly bodyWindowMs: number
}

export interface Traffic {
  connected(socket: Socket): void
  /** Counts the request until its answer is through or its connection gone. */
  enter(message: IncomingMessage, response: ServerResponse, source: SocketSource | undefined): void
  /** Throws `DRAINING` or `MAILBOX_FULL` when there is no room for one more, `BadRequest` behind a last answer. */
  admit(socket: Socket): void
  /** The answer under way is the last of its connection: what comes behind its request is not looked at. */
  endWith(socket: Socket): void
  isLast(socket: Socket): boolean
  /** Something unreadable came. True when an answer is under way: it becomes the last, and its body ends here. */
  breakOff(socket: Socket): boolean
  inFlight(): number
  /** From now on nothing is admitted. Resolves when nothing is under way, or after `limitMs`. */
  drain(limitMs: number): Promise<void>
}

/** What is remembered of a connection. */
interface Connection {
  /** Answers under way. */
  readonly busy: Set<ServerResponse>
  /** Beyond the bound: it hears so. */
  isSurplus: boolean
  /** The answer under way is its last. */
  isLast: boolean
  /** The body it brought last: the one that a parse error cuts short. */
  body: SocketSource | undefined
}

/**
 * An answer that waits behind another of its connection never gets the socket when that closes, and node tells it nothing:
 * it would count as under way, and hold what it was about to send, for ever.
 */
const forsake = (response: ServerResponse): void => {
  if (response.socket) return
  response.destroy()
  response.emit('close')
}

export const createTraffic = (clock: Clock, limits: TrafficLimits): Traffic => {
  const bodies = new Set<SocketSource>()
  const known = new WeakMap<Socket, Connection>()
  const waiters = new Set<() => void>()
  let connections = 0
  let inFlight = 0
  let isDraining = false

  // Runs only while bodies are being received.
  const watchEveryMs = Math.min(SECOND, limits.bodyWindowMs / 4)
  let isWatching = false
  const watch = (): void => {
    isWatching = bodies.size > 0
    if (!isWatching) return
    const nowMs = clock.monotonicMs()
    for (const body of bodies) body.check(nowMs)
    clock.setTimer(watchEveryMs, watch)
  }

  const connectionOf = (socket: Socket): Connection => {
    const found = known.get(socket)
    if (found) return found
    const made = { busy: new Set<ServerResponse>(), isSurplus: false, isLast: false, body: undefined }
    known.set(socket, made)
    return made
  }

  return {
    connected(socket) {
      connections++
      const connection = connectionOf(socket)
      if (connections > limits.connectionsMax) connection.isSurplus = true
      socket.once('close', () => {
        connections--
        for (const response of connection.busy) forsake(response)
      })
    },
    enter({ socket }, response, source) {
      const connection = connectionOf(socket)
      inFlight++
      connection.busy.add(response)
      response.once('close', () => {
        inFlight--
        connection.busy.delete(response)
        if (source) bodies.delete(source)
        if (connection.isLast) socket.destroySoon()
        if (inFlight === 0) for (const wake of waiters) wake()
      })
      if (!source) return
      connection.body = source
      bodies.add(source)
      if (isWatching) return
      isWatching = true
      clock.setTimer(watchEveryMs, watch)
    },
    admit(socket) {
      const { isLast, isSurplus } = connectionOf(socket)
      if (isLast) throw refusal('BadRequest', 'The request before this one ended the connection.')
      if (isDraining) throw unavailable('DRAINING', 'The server is going down.')
      if (isSurplus || inFlight > limits.requestsMax) {
        throw unavailable('MAILBOX_FULL', 'Please reduce your request rate.')
      }
    },
    endWith(socket) {
      connectionOf(socket).isLast = true
    },
    isLast(socket) {
      const { isLast, isSurplus } = connectionOf(socket)
      return isDraining || isLast || isSurplus
    },
    breakOff(socket) {
      const connection = connectionOf(socket)
      if (connection.busy.size === 0) return false
      connection.isLast = true
      const { body } = connection
      if (body && !body.isComplete()) body.abandon()
      return true
    },
    inFlight: () => inFlight,
    drain(limitMs) {
      isDraining = true
      if (inFlight === 0) return Promise.resolve()
      return new Promise((resolve) => {
        const wake = (): void => {
          timer.cancel()
          waiters.delete(wake)
          resolve()
        }
        const timer = clock.setTimer(limitMs, wake, true)
        waiters.add(wake)
      })
    },
  }
}
