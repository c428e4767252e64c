import { Buffer } from 'node:buffer'
import { createServer as createNodeServer } from 'node:http'
import { connect } from 'node:net'
import { systemClock } from '../../src/base/clock.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Random } from '../../src/base/prng.ts'
import type { Exchange } from '../../src/http/exchange.ts'
import { createHttpServer } from '../../src/http/server.ts'
import { closeAll, echo, LIMITS, open, type Served, statuses, talk } from '../support/http-server.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('connection')
test.after.each(closeAll)

const PIPELINE =
  'PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello' +
  'GET /2 HTTP/1.1\r\nHost: a\r\n\r\n' +
  'PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nt: u\r\n\r\n' +
  '\r\nHEAD /4 HTTP/1.1\r\nHost: a\r\n\r\n'
const PIPELINED = ['PUT /1 hello', 'GET /2 ', 'PUT /3 abcde', 'HEAD /4 ']

test(
  'requests that come together are answered one after another, wherever the pieces are cut',
  deadline(30_000, async () => {
    for (let cut = 1; cut < PIPELINE.length; cut += 7) {
      const { port, seen } = await echo()
      const answer = await talk(port, [PIPELINE.slice(0, cut), PIPELINE.slice(cut)], { waitMs: 2 })
      assert.equal(seen, PIPELINED, `cut at ${cut}`)
      assert.equal(statuses(answer), [200, 200, 200, 200])
      await open.pop()!.close()
    }
    const { port, seen } = await echo()
    await talk(port, [...PIPELINE])
    assert.equal(seen, PIPELINED)
  }),
)

test(
  'a line that ends with LF alone is refused at once: the end of such a head would never come',
  deadline(10_000, async () => {
    const whole = 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n'
    for (const text of [
      'GET /1 HTTP/1.1\nHost: a\n\n',
      'GET /1 HTTP/1.1\r\nHost: a\n',
      '\nGET /1 HTTP/1.1\r\n',
      `${whole}\r\n\n`,
      `${whole}GET /2 HTTP/1.1\n`,
    ]) {
      // Nothing that waits for a client in this server ends by itself within the time of this test.
      const { port } = await echo({ headersTimeoutMs: 60_000, keepAliveMs: 60_000 })
      const answer = await talk(port, [text], { end: false })
      assert.is(statuses(answer).at(-1), 400, JSON.stringify(text))
    }
  }),
)

test(
  'a client that has said all it wanted to say gets every answer',
  deadline(5000, async () => {
    const { port, seen } = await echo({}, (exchange) => {
      setTimeout(() => exchange.send(200, ['Content-Length', '0'], new Uint8Array(0)), 20)
    })
    const answer = await talk(port, [PIPELINE])
    assert.equal(statuses(answer), [200, 200, 200, 200])
    assert.equal(seen, PIPELINED)
  }),
)

test(
  'what waits behind an answer is bounded: the socket is not read',
  deadline(10_000, async () => {
    let first: Exchange | undefined
    const { port, seen } = await echo({}, (exchange) => {
      first = exchange
    })
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
    while (!first) await new Promise((resolve) => setTimeout(resolve, 5))
    const before = process.memoryUsage().arrayBuffers
    let isFull = false
    for (let i = 0; i < 400 && !isFull; i++) {
      isFull = !socket.write(Buffer.alloc(64 * 1024, 'GET /2 HTTP/1.1\r\nHost: a\r\n\r\n'))
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    assert.ok(isFull, 'a client could send without end')
    assert.ok(process.memoryUsage().arrayBuffers - before < 40e6)
    assert.is(seen.length, 1)
    socket.destroy()
  }),
)

test(
  'a body that nobody reads is passed over, or lingered for behind a last answer',
  deadline(10_000, async () => {
    const seen: string[] = []
    const server = createHttpServer({
      clock: systemClock,
      log: silentLog,
      limits: LIMITS,
      onExchange: (exchange) => {
        seen.push(exchange.request.target)
        if (exchange.request.target === '/last') exchange.isLast = true
        exchange.send(412, ['Content-Length', '0'], new Uint8Array(0))
      },
      onUnreadable: () => assert.unreachable(),
    })
    open.push(server)
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 })
    const put = (target: string) => `PUT ${target} HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n`
    const body = Buffer.alloc(50_000)
    const answer = await talk(port, [put('/a'), body, put('/b'), body, put('/last'), body], {
      end: false,
      waitMs: 5,
    })
    assert.equal(statuses(answer), [412, 412, 412])
    assert.equal(seen, ['/a', '/b', '/last'])
  }),
)

test(
  'a head that is not whole in time is told so; a connection that rests is closed without a word',
  deadline(10_000, async () => {
    const { port } = await echo({ headersTimeoutMs: 200, keepAliveMs: 300 })
    assert.equal(statuses(await talk(port, ['GET / HT'], { end: false })), [408])
    assert.is(await talk(port, [], { end: false }), '')
    const rested = await talk(port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n'], { end: false })
    assert.equal(statuses(rested), [200])
    // The clock of a second head runs from its own first byte.
    const slow = await talk(port, ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'GET / HT'], {
      end: false,
      waitMs: 100,
    })
    assert.equal(statuses(slow), [200, 408])
  }),
)

test(
  'a coding that breaks off ends the body and the connection, with or without somebody who reads it',
  deadline(5000, async () => {
    const { port, seen } = await echo()
    const text = 'PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX'
    const broken = talk(port, [text, PIPELINE], { end: false, waitMs: 5 })
    await new Promise((resolve) => setTimeout(resolve, 100))
    assert.equal(seen, [])
    for (const server of open.splice(0)) await server.close()
    assert.equal(statuses(await broken), [])
  }),
)

/** What node's own parser makes of the same bytes. */
const nodeServer = (): Promise<Served> =>
  new Promise((resolve) => {
    const seen: string[] = []
    const server = createNodeServer(
      { requireHostHeader: false, maxHeaderSize: 16_384 },
      (message, response) => {
        let text = ''
        message.on('data', (data: Buffer) => {
          text += data.toString('latin1')
        })
        message.on('end', () => {
          seen.push(`${message.method} ${message.url} ${text}`)
          response.end()
        })
      },
    )
    open.push({ close: () => new Promise((closed) => server.close(closed).closeAllConnections()) })
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as { port: number }).port, seen }))
  })

// No tab: around a value the RFC allows it, and node's parser takes it behind some.
const PIECES = ['\r\n', '\n', '\r', ' ', ':', '0', '5', 'a', ';', ',', 'chunked', 'Content-Length: 3\r\n']
PIECES.push(
  'Transfer-Encoding: chunked\r\n',
  'HTTP/1.0',
  'GET / HTTP/1.1\r\n\r\n',
  '\0',
  '\xff',
  'Host: b\r\n',
  '3\r\nabc\r\n',
)

const mutate = (text: string, random: Random): string => {
  let changed = text
  for (let i = random.below(3); i >= 0; i--) {
    const at = random.below(changed.length)
    const cut = random.below(3) === 0 ? random.below(12) : random.below(2)
    const put = random.below(3) === 0 ? '' : PIECES[random.below(PIECES.length)]!
    changed = changed.slice(0, at) + put + changed.slice(at + cut)
  }
  return changed
}

test(
  'no bytes make more or other requests here than for another strict reader: none is smuggled',
  seeded(60_000, async (random) => {
    const ours = await echo()
    const node = await nodeServer()
    for (let round = 0; round < 1500; round++) {
      const text = mutate(PIPELINE, random)
      ours.seen.length = 0
      node.seen.length = 0
      await Promise.all([talk(ours.port, [text]), talk(node.port, [text])])
      const prefix = node.seen.slice(0, ours.seen.length)
      assert.equal(ours.seen, prefix, JSON.stringify(text))
    }
  }),
)

test.run()
