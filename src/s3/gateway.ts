// The gateway: an HTTP server that turns requests into S3Requests, asks whoever it was given for an answer and writes it.
// What it promises: no handler sees a request whose signature was not checked; every connection,
// request and wait has a bound, and beyond it the answer is 503 or the connection ends; a broken request never leaves a
// connection behind that could be read in two ways.
import { createAuthenticator } from '../auth/authenticate.ts'
import { authorize } from '../auth/authorize.ts'
import type { FindCredential } from '../auth/identity.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import type { Random } from '../base/prng.ts'
import { KiB, MiB, SECOND } from '../base/units.ts'
import { createHttpServer, type HttpAddress, type HttpLimits } from '../http/server.ts'
import { errorResponse } from './errors.ts'
import type { S3Request, S3Response } from './exchange.ts'
import { createExchanges, type ExchangeLimits } from './gateway-exchange.ts'
import { createTraffic, type TrafficLimits } from './gateway-traffic.ts'

export interface GatewayLimits extends ExchangeLimits, TrafficLimits, HttpLimits {}

export const GATEWAY_LIMITS: GatewayLimits = {
  headerBytesMax: 16 * KiB,
  headersTimeoutMs: 30 * SECOND,
  // Load balancers keep theirs for 60: the server must not be the one that closes first.
  keepAliveMs: 75 * SECOND,
  bodyBytesPerSecondMin: KiB,
  bodyWindowMs: 30 * SECOND,
  writeStallMs: 60 * SECOND,
  requestsMax: 1024,
  connectionsMax: 10_000,
  lingerBytesMax: MiB,
  lingerMs: 2 * SECOND,
}

export interface GatewayOptions {
  /** Everything below HTTP. What it rejects with becomes an S3 error. */
  readonly dispatch: (request: S3Request) => Promise<S3Response>
  /** How an error is answered; the default is S3's way. */
  readonly errorResponse?: typeof errorResponse
  readonly findCredential: FindCredential
  readonly region: string
  /** `bucket.domain` is a virtual host; without it there are only paths. */
  readonly domain?: string
  /**
   * Before any of the body is read: throws unless the identity may do this. Without it: root everything, anyone else
   * nothing.
   */
  readonly authorize?: (request: S3Request) => void
  /** Answers `/-/…`: `key` is what follows. It sees who asks and decides itself; it is asked while draining, too. */
  readonly adminHandler?: (request: S3Request) => Promise<S3Response>
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits?: Partial<GatewayLimits>
}

export interface Gateway {
  /** Resolves when connections are taken. `PORT_IN_USE`. `reusePort` needs Node 22.12. */
  listen(at: { host: string; port: number; reusePort?: boolean }): Promise<HttpAddress>
  readonly address: HttpAddress | undefined
  /** Requests that have not been answered whole. */
  inFlight(): number
  /**
   * New requests get 503 at once; those under way have `drainMs` to finish, then their connections are cut. Resolves
   * when no socket is left. Calling it again shortens the wait, never lengthens it.
   */
  close(options: { drainMs: number }): Promise<void>
}

const defaultAuthorize = (request: S3Request): void =>
  authorize({ identity: request.identity, action: '', bucket: request.bucket, key: request.key })

export const createGateway = (options: GatewayOptions): Gateway => {
  const { clock, log } = options
  const limits = { ...GATEWAY_LIMITS, ...options.limits }
  let address: HttpAddress | undefined
  const traffic = createTraffic(clock, limits)
  const exchanges = createExchanges({
    ...options,
    adminHandler: options.adminHandler,
    domain: options.domain,
    authorize: options.authorize ?? defaultAuthorize,
    errorResponse: options.errorResponse ?? errorResponse,
    authenticator: createAuthenticator({ ...options, port: () => address?.port ?? 0 }),
    limits,
    traffic,
  })
  const server = createHttpServer({ clock, log, limits, ...exchanges })

  return {
    get address() {
      return address
    },
    inFlight: traffic.inFlight,
    async listen(at) {
      address = await server.listen(at)
      return address
    },
    close: ({ drainMs }) => traffic.drain(drainMs).then(server.close),
  }
}
