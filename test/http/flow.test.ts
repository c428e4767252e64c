// What a client can make the server hold or do by sending at odd times: behind an answer, in place of reading it, in very
// small pieces, or no more at all.
import { Buffer } from 'node:buffer'
import { connect, type Socket } from 'node:net'
import type { Exchange } from '../../src/http/exchange.ts'
import { IncomingBody } from '../../src/http/incoming-body.ts'
import { closeAll, echo, open, statuses, talk } from '../support/http-server.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('flow')
test.after.each(closeAll)

const NOTHING = new Uint8Array(0)
const GET = 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n'
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const client = (port: number): Socket => {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('error', () => undefined)
  open.push({ close: () => socket.destroy() })
  return socket
}
const ok = (exchange: Exchange): void => exchange.send(200, ['Content-Length', '0'], NOTHING)

test(
  'what waits behind answers stays bounded while they are given, one after another',
  deadline(30_000, async () => {
    let answered = 0
    const { port } = await echo({}, (exchange) => {
      setImmediate(() => {
        answered++
        ok(exchange)
      })
    })
    const socket = client(port)
    socket.resume()
    const before = process.memoryUsage().arrayBuffers
    const block = Buffer.alloc(GET.length * 2000, GET)
    while (answered < 1200) {
      if (socket.writableLength < 1e6) socket.write(block)
      await sleep(1)
    }
    assert.ok(process.memoryUsage().arrayBuffers - before < 30e6)
  }),
)

test(
  'many small requests in one piece leave turns to everybody else',
  deadline(10_000, async () => {
    let turn = 0
    const turns = new Set<number>()
    const { port, seen } = await echo({}, (exchange) => {
      turns.add(turn)
      ok(exchange)
    })
    const count = (): void => {
      turn++
      if (seen.length < 500) setImmediate(count)
    }
    count()
    const answer = await talk(port, [GET.repeat(500)])
    assert.is(statuses(answer).length, 500)
    assert.ok(turns.size > 400, `${turns.size} turns`)
  }),
)

test(
  'a body that waited behind an answer and will never be whole breaks off when its turn comes',
  deadline(5000, async () => {
    const { port, seen } = await echo({}, (exchange) => {
      setTimeout(ok, 50, exchange)
    })
    const answer = await talk(port, [`${GET}PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhe`])
    assert.equal(seen, ['GET /1 '])
    assert.equal(statuses(answer), [200])
  }),
)

test(
  'an upload that begins behind a full line of requests goes on to its end',
  deadline(20_000, async () => {
    const { port, seen } = await echo({}, (exchange) => {
      setImmediate(ok, exchange)
    })
    const length = 3_000_000
    const text = `${GET.repeat(4000)}PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`
    const answer = await talk(port, [text, Buffer.alloc(length), GET])
    assert.is(statuses(answer).length, 4002)
    assert.is(seen[4000]?.length, 'PUT /2 '.length + length)
  }),
)

test(
  'empty lines between two requests begin no head and do not shorten the rest',
  deadline(5000, async () => {
    const { port } = await echo({ headersTimeoutMs: 100 })
    const answer = await talk(port, [GET, '\r\n\r\n', `\r\n${GET}`], { waitMs: 400 })
    assert.equal(statuses(answer), [200, 200])
  }),
)

for (const [what, head] of [
  ['requests', GET],
  ['a body that nobody reads', 'PUT /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n'],
] as const) {
  test(
    `a reader that takes nothing is cut though it sends ${what}`,
    deadline(10_000, async () => {
      let closed = false
      const bytes = Buffer.alloc(50_000_000)
      const { port } = await echo({ writeStallMs: 400 }, undefined, (exchange) => {
        exchange.onSettled = () => {
          closed = true
        }
        exchange.body?.drop()
        exchange.isLast = exchange.body !== undefined
        exchange.send(200, ['Content-Length', String(bytes.length)], bytes)
      })
      const socket = client(port)
      socket.pause()
      socket.write(head)
      while (!closed) {
        await sleep(20)
        socket.write('G')
      }
    }),
  )
}

test('what a body holds before it is read is bounded in pieces, too', () => {
  let paused = 0
  let resumed = 0
  const body = new IncomingBody(100_000, { pause: () => paused++, resume: () => resumed++ })
  let pieces = 0
  while (paused === 0 && pieces < 100_000) {
    body.take(Buffer.alloc(1))
    pieces++
  }
  assert.ok(pieces < 1000, `${pieces} pieces wait`)
  let read = 0
  body.read({ onPiece: () => read++, onEnd: () => undefined, onBroken: () => undefined })
  assert.is(read, pieces)
  assert.is(resumed, 1)
})

test.run()
