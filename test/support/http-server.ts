// Servers of src/http alone, each request of which is answered by a function, and a client that cuts its bytes as it is told.
import { Buffer } from 'node:buffer'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Exchange } from '../../src/http/exchange.ts'
import { createHttpServer, type HttpLimits, type HttpServer } from '../../src/http/server.ts'

export const LIMITS: HttpLimits = {
  headerBytesMax: 16_384,
  headersTimeoutMs: 5000,
  keepAliveMs: 5000,
  writeStallMs: 5000,
  lingerBytesMax: 100_000,
  lingerMs: 1000,
  connectionsMax: 100,
}
export interface Served {
  readonly port: number
  /** Each request: its line, a space, and its body. */
  readonly seen: string[]
}
/** To be closed after each test. */
export const open: { close(): unknown }[] = []
export const closeAll = async (): Promise<void> => {
  for (const server of open.splice(0)) await server.close()
}

const wholeBody = ({ body }: Exchange): Promise<string | undefined> =>
  new Promise((resolve) => {
    let text = ''
    if (!body) return resolve('')
    body.read({
      onPiece: (piece) => {
        text += Buffer.from(piece).toString('latin1')
      },
      onEnd: () => resolve(text),
      onBroken: () => resolve(undefined),
    })
  })

/**
 * A server that answers each request with its body, or whose request, read to its end, is given to `answer`; or, not read,
 * to `take`.
 */
export const echo = async (
  limits: Partial<HttpLimits> = {},
  answer?: (exchange: Exchange) => void,
  take?: (exchange: Exchange) => void,
): Promise<Served> => {
  const seen: string[] = []
  const onExchange = async (exchange: Exchange): Promise<void> => {
    if (take) return take(exchange)
    const { method, target } = exchange.request
    const text = await wholeBody(exchange)
    if (text === undefined) return exchange.cut()
    seen.push(`${method} ${target} ${text}`)
    if (answer) return answer(exchange)
    exchange.send(200, ['Content-Length', String(text.length)], Buffer.from(text, 'latin1'))
  }
  const server: HttpServer = createHttpServer({
    clock: systemClock,
    log: silentLog,
    limits: { ...LIMITS, ...limits },
    onExchange: (exchange) => void onExchange(exchange),
    onUnreadable: (error, exchange) =>
      exchange.send(error.code === 'RequestTimeout' ? 408 : 400, ['Content-Length', '0'], new Uint8Array(0)),
  })
  open.push(server)
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
  return { port, seen }
}

/** Sends the pieces, each in its own time, and resolves to everything that comes back. */
export const talk = (
  port: number,
  pieces: readonly (string | Buffer)[],
  { end = true, waitMs = 0 } = {},
): Promise<string> =>
  new Promise((resolve) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    let answer = ''
    socket.on('data', (data: Buffer) => {
      answer += data.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('end', () => socket.end())
    socket.on('close', () => resolve(answer))
    socket.on('connect', async () => {
      for (const piece of pieces) {
        socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
        await new Promise((sent) => setTimeout(sent, waitMs))
      }
      if (end) socket.end()
    })
  })

export const statuses = (answer: string): number[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, n]) => Number(n))
