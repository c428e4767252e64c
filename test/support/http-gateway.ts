// A gateway in front of a Map, and a client that puts bytes on a socket as they are: what the tests of the protocol's
// edge need, and nothing below it.
import { Buffer } from 'node:buffer'
import { connect, type Socket } from 'node:net'
import { systemClock } from '../../src/base/clock.ts'
import { type Log, silentLog } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/prng.ts'
import type { S3Request, S3Response } from '../../src/s3/exchange.ts'
import { createGateway, type Gateway, type GatewayLimits, type GatewayOptions } from '../../src/s3/gateway.ts'
import { KEY, REGION, SECRET, type Signed, type SignInput, signHeader } from './http-signing.ts'

export interface TestGateway {
  readonly gateway: Gateway
  readonly host: string
  readonly port: number
  /** What PUT has stored, by `bucket/key`. */
  readonly stored: Map<string, Buffer>
  readonly seen: S3Request[]
  close(): Promise<void>
}

export interface TestOptions {
  readonly dispatch?: (request: S3Request) => Promise<S3Response>
  readonly limits?: Partial<GatewayLimits>
  readonly log?: Log
  readonly options?: Partial<GatewayOptions>
}

const ROOT = {
  kind: 'root',
  canonicalId: 'c0ffee00'.repeat(8),
  displayName: 'root',
  accessKeyId: KEY,
} as const

/** PUT stores, GET and HEAD answer what is stored, DELETE removes, POST echoes. */
export const mapDispatch =
  (stored: Map<string, Buffer>) =>
  async (request: S3Request): Promise<S3Response> => {
    const name = `${request.bucket}/${request.key}`
    if (request.method === 'PUT' || request.method === 'POST') {
      const parts: Buffer[] = []
      for await (const chunk of request.body.chunks) parts.push(Buffer.from(chunk))
      const whole = Buffer.concat(parts)
      stored.set(name, whole)
      return { status: 200, headers: [['ETag', '"x"']], body: request.method === 'POST' ? whole : '' }
    }
    if (request.method === 'DELETE') {
      stored.delete(name)
      return { status: 204, headers: [] }
    }
    const found = stored.get(name)
    if (!found) return { status: 404, headers: [], body: '<Error><Code>NoSuchKey</Code></Error>' }
    return { status: 200, headers: [['Content-Type', 'binary/octet-stream']], body: found }
  }

export const startGateway = async ({
  dispatch,
  limits,
  log,
  options,
}: TestOptions = {}): Promise<TestGateway> => {
  const stored = new Map<string, Buffer>()
  const seen: S3Request[] = []
  const answer = dispatch ?? mapDispatch(stored)
  const gateway = createGateway({
    dispatch: (request) => {
      seen.push(request)
      return answer(request)
    },
    findCredential: (accessKeyId) =>
      accessKeyId === KEY ? { accessKeyId: KEY, secretAccessKey: SECRET, identity: ROOT } : undefined,
    region: REGION,
    clock: systemClock,
    random: systemRandom,
    log: log ?? silentLog,
    ...(limits ? { limits } : {}),
    ...options,
  })
  const { port } = await gateway.listen({ host: '127.0.0.1', port: 0 })
  const close = (): Promise<void> => gateway.close({ drainMs: 0 })
  return { gateway, host: `127.0.0.1:${port}`, port, stored, seen, close }
}

export interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: Buffer
  /** The whole conversation as it came, informational answers included. */
  readonly raw: Buffer
  /** True when the server has ended the connection. */
  readonly closed: boolean
}

/** Reads answers off a socket one by one. */
export class Wire {
  readonly socket: Socket
  buffer = Buffer.alloc(0)
  closed = false
  private wake: () => void = () => undefined
  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
    this.socket.on('data', (data: Buffer) => {
      this.buffer = Buffer.concat([this.buffer, data])
      this.wake()
    })
    const end = (): void => {
      this.closed = true
      this.wake()
    }
    this.socket.on('end', end)
    this.socket.on('close', end)
    this.socket.on('error', end)
  }
  send(data: string | Uint8Array): void {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
  }
  private async until(ready: () => boolean): Promise<void> {
    while (!ready() && !this.closed) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    }
  }
  /** Resolves when the server has closed the connection. */
  async end(): Promise<void> {
    await this.until(() => false)
  }
  /** The body behind a head that said it comes in chunks; waits for the last of them. */
  async chunked(): Promise<string> {
    let text = ''
    for (;;) {
      await this.until(() => this.buffer.includes('\r\n'))
      const split = this.buffer.indexOf('\r\n')
      const size = Number.parseInt(this.buffer.subarray(0, split).toString('latin1'), 16)
      const end = split + 2 + size + 2
      await this.until(() => this.buffer.length >= end)
      text += this.buffer.subarray(split + 2, end - 2).toString()
      this.buffer = this.buffer.subarray(end)
      if (!(size > 0)) return text
    }
  }
  /** The next final answer; waits for it to be whole or for the connection to end. */
  async answer(method = 'GET'): Promise<Answer> {
    await this.until(() => this.buffer.includes('\r\n\r\n'))
    const split = this.buffer.indexOf('\r\n\r\n')
    if (split < 0)
      return { status: 0, headers: new Map(), body: this.buffer, raw: this.buffer, closed: this.closed }
    const head = this.buffer.subarray(0, split).toString('latin1')
    const status = Number(head.slice(9, 12))
    if (status < 200) {
      this.buffer = this.buffer.subarray(split + 4)
      const final = await this.answer(method)
      return { ...final, raw: Buffer.concat([Buffer.from(`${head}\r\n\r\n`), final.raw]) }
    }
    const headers = new Map<string, string>()
    for (const line of head.split('\r\n').slice(1)) {
      const colon = line.indexOf(':')
      headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
    }
    const length = method === 'HEAD' ? 0 : Number(headers.get('content-length') ?? 0)
    const end = split + 4 + length
    await this.until(() => this.buffer.length >= end)
    const raw = this.buffer.subarray(0, end)
    this.buffer = this.buffer.subarray(end)
    if (headers.get('connection') === 'close') await this.until(() => false)
    return { status, headers, body: raw.subarray(split + 4), raw, closed: this.closed }
  }
  close(): void {
    this.socket.destroy()
  }
}

export const headText = (signed: Pick<Signed, 'method' | 'target' | 'headers'>): string =>
  `${signed.method} ${signed.target} HTTP/1.1\r\n${Object.entries(signed.headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`

/** One request on a connection of its own. */
export const send = async (
  at: { port: number },
  signed: Pick<Signed, 'method' | 'target' | 'headers'>,
  body: string | Uint8Array = '',
): Promise<Answer> => {
  const wire = new Wire(at.port)
  try {
    wire.send(headText(signed))
    if (body.length > 0) wire.send(body)
    return await wire.answer(signed.method)
  } finally {
    wire.close()
  }
}

/** Signs and sends; `host` and, with a body, `content-length` are filled in. */
export const call = (
  at: { port: number; host: string },
  method: string,
  target: string,
  extra: Partial<SignInput> & { body?: string | Uint8Array } = {},
): Promise<Answer> => {
  const { body = '', headers = {}, ...rest } = extra
  const length: Record<string, string> = body.length > 0 ? { 'content-length': String(body.length) } : {}
  return send(
    at,
    signHeader({ ...rest, method, target, headers: { host: at.host, ...length, ...headers } }),
    body,
  )
}

export const codeIn = (answer: Answer): string =>
  /<Code>([^<]*)<\/Code>/.exec(answer.body.toString())?.[1] ?? ''

/** The error document as text, its entities taken apart. */
export const textIn = (answer: Answer): string =>
  answer.body
    .toString()
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)))
    .replace(/&#x([0-9a-f]+);/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll('&apos;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
