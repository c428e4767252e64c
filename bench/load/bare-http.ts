// The floor below any S3 answer: node:http alone, one thread, 4 KiB from memory. Prints its port.
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const body = randomBytes(4096)
const server = createServer((_request, response) => {
  response.writeHead(200, { 'Content-Length': body.length, 'Content-Type': 'application/octet-stream' })
  response.end(body)
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
