// Clients that do not behave: sockets by the thousand, bodies that trickle, readers that stop reading.
import { connect, type Socket } from 'node:net'

export interface RawRequest {
  readonly socket: Socket
  /** The status line's number when there was an answer; the error's code when the connection ended without one. */
  readonly outcome: Promise<number | string>
  /** What has been received so far, up to 64 KiB. */
  received(): string
}

const RECEIVED_MAX = 64 * 1024

/** Sends the head, and the body when there is one, over a connection of its own that ends with the answer. */
export const sendRaw = (
  endpoint: string,
  method: string,
  target: string,
  contentLength: number | undefined,
  body?: Uint8Array,
): RawRequest => {
  const { hostname, port, host } = new URL(endpoint)
  const socket = connect({ host: hostname, port: Number(port) })
  let received = ''
  const outcome = new Promise<number | string>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      if (received.length < RECEIVED_MAX) received += chunk.toString('latin1')
      const status = /^HTTP\/1\.1 (\d{3})/.exec(received)?.[1]
      if (status !== undefined) resolve(Number(status))
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.on('close', () => resolve('closed'))
  })
  const length = contentLength === undefined ? '' : `Content-Length: ${contentLength}\r\n`
  socket.write(`${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${length}\r\n`)
  if (body) socket.write(body)
  return { socket, outcome, received: () => received }
}
