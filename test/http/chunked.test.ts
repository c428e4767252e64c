import { Buffer } from 'node:buffer'
import type { Random } from '../../src/base/prng.ts'
import { ChunkedDecoder } from '../../src/http/chunked.ts'
import { assert, rejectsWith, seeded, suite } from '../support/uvu.ts'

const test = suite('chunked')

/** Decodes `text` in pieces of the lengths given, the last one repeated. */
const decode = (text: string | Buffer, lengths: readonly number[] = [1e6]) => {
  const bytes = Buffer.from(text as string, 'latin1')
  const decoder = new ChunkedDecoder()
  const data: Buffer[] = []
  let at = 0
  for (let i = 0; at < bytes.length && !decoder.isDone; i++) {
    const piece = bytes.subarray(at, at + lengths[Math.min(i, lengths.length - 1)]!)
    at += decoder.push(piece, (view) => data.push(Buffer.from(view)))
  }
  return { data: Buffer.concat(data), isDone: decoder.isDone, taken: at }
}

test('sizes in either case, extensions and trailers are read past, what follows is left', () => {
  const text = '5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nx-a: b\r\n\r\nGET / HTTP/1.1'
  const { data, isDone, taken } = decode(text)
  assert.is(data.toString(), 'hello0123456789')
  assert.ok(isDone)
  assert.is(text.slice(taken), 'GET / HTTP/1.1')
  assert.equal(decode('0\r\n\r\n'), { data: Buffer.alloc(0), isDone: true, taken: 5 })
  assert.not(decode('5\r\nhello\r\n0\r\n').isDone)
})

test('what is not the coding to the letter is refused', async () => {
  const cases = [
    'x',
    '\r\n',
    ' 5\r\n',
    '5\n',
    '5\rx',
    '-5',
    '+5',
    '0x5',
    '5\r\nhellox',
    '5\r\nhello\n',
    '5\r\nhello\rx',
  ]
  cases.push(
    '10000000000000\r\n',
    '5;\x01',
    '5;a=;',
    '5 ',
    '5;',
    '5;a b',
    `5;${'x'.repeat(256)}`,
    `0\r\n${'x'.repeat(257)}`,
    '0\r\nContent-Length: 3',
  )
  cases.push(`0\r\n${`${'x'.repeat(200)}\r\n`.repeat(30)}`)
  for (const text of cases) {
    await rejectsWith('BadRequest', () => decode(`${text}\r\n`))
    await rejectsWith('BadRequest', () => decode(`${text}\r\n`, [1]))
  }
})

test('many small chunks of one piece come out as one', () => {
  const views: Uint8Array[] = []
  const decoder = new ChunkedDecoder()
  decoder.push(Buffer.from('1\r\nx\r\n'.repeat(10_000)), (view) => views.push(view))
  assert.is(views.length, 1)
  assert.is(Buffer.from(views[0]!).toString(), 'x'.repeat(10_000))
})

const encode = (random: Random) => {
  const chunks = Array.from({ length: random.below(8) }, () =>
    Buffer.from(random.bytes(1 + random.below(random.below(3) === 0 ? 3000 : 300))),
  )
  const parts = chunks.flatMap((chunk) => [
    `${chunk.length.toString(16)}${random.below(4) === 0 ? ';ext="v"' : ''}\r\n`,
    chunk.toString('latin1'),
    '\r\n',
  ])
  return {
    body: Buffer.concat(chunks),
    text: `${parts.join('')}0\r\n${random.below(3) === 0 ? 'a: b\r\n' : ''}\r\n`,
  }
}

test(
  'however it is cut, the same bytes come out',
  seeded(20_000, (random) => {
    for (let round = 0; round < 500; round++) {
      const { body, text } = encode(random)
      const lengths = Array.from({ length: 200 }, () => 1 + random.below(random.below(2) === 0 ? 3 : 4000))
      const decoded = decode(`${text}rest`, lengths)
      assert.ok(decoded.isDone)
      assert.is(decoded.taken, text.length)
      assert.ok(decoded.data.equals(body))
    }
  }),
)

test(
  'whatever is changed about it, it is read or refused, and never more comes out than went in',
  seeded(20_000, (random) => {
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(encode(random).text, 'latin1')
      for (let i = random.below(4); i >= 0; i--) bytes[random.below(bytes.length)] = random.below(256)
      try {
        assert.ok(decode(bytes, [1 + random.below(50)]).data.length < bytes.length)
      } catch (error) {
        assert.is((error as { code: string }).code, 'BadRequest', String(error))
      }
    }
  }),
)

test.run()
