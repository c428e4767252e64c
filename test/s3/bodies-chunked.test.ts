import { Buffer } from 'node:buffer'
import fc from 'fast-check'
import { createChunkVerifier } from '../../src/auth/chunk-signatures.ts'
import { createChunkedDecoder } from '../../src/s3/bodies-chunked.ts'
import { chunkedBody, type Signed, signingKey, unsignedChunks } from '../support/http-signing.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('bodies-chunked')

// The worked example of AWS's documentation: 65 KiB of 'a' in chunks of 64 KiB and 1 KiB.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
const SIGNED: Signed = {
  method: 'PUT',
  target: '/examplebucket/chunkObject.txt',
  headers: {},
  signature: '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
  scope: '20130524/us-east-1/s3/aws4_request',
  timestamp: '20130524T000000Z',
  key: signingKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', '20130524', 'us-east-1'),
}

const decode = (
  pieces: Iterable<Uint8Array>,
  decodedLength: number,
  { signed = true, trailerNames }: { signed?: boolean; trailerNames?: string[] } = {},
) => {
  const decoder = createChunkedDecoder({
    decodedLength,
    verifier: signed ? createChunkVerifier(SIGNED) : undefined,
    trailer: trailerNames !== undefined,
    trailerNames: trailerNames ?? [],
  })
  const data: Buffer[] = []
  for (const piece of pieces) decoder.push(piece, (bytes) => data.push(Buffer.from(bytes)))
  decoder.end()
  return { data: Buffer.concat(data), trailers: decoder.trailers }
}

const body = (data: Uint8Array, sizes: readonly number[], trailers?: Record<string, string>): Buffer => {
  const { chunks, end } = chunkedBody(SIGNED, data, sizes, trailers)
  return Buffer.concat([...chunks, end])
}

test("AWS's example, signature by signature", () => {
  const data = Buffer.alloc(66_560, 'a')
  const [a, b, c] = [
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ]
  const text = Buffer.concat([
    Buffer.from(`10000;chunk-signature=${a}\r\n`),
    data.subarray(0, 65_536),
    Buffer.from(`\r\n400;chunk-signature=${b}\r\n`),
    data.subarray(65_536),
    Buffer.from(`\r\n0;chunk-signature=${c}\r\n\r\n`),
  ])
  assert.is(text.length, 66_824)
  assert.ok(decode([text], 66_560).data.equals(data))
})

test("AWS's example with a trailer", () => {
  const seed = { ...SIGNED, signature: '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e' }
  const verifier = createChunkVerifier(seed)
  verifier.update(Buffer.alloc(65_536, 'a'))
  verifier.endChunk('b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2')
  verifier.update(Buffer.alloc(1024, 'a'))
  verifier.endChunk('1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7')
  verifier.endChunk('2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992')
  verifier.endTrailer(
    'x-amz-checksum-crc32c:sOO8/Q==\n',
    'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
  )
})

const splitsOf = (whole: Buffer, cuts: readonly number[]): Buffer[] => {
  const at = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((x, y) => x - y)
  return [0, ...at].map((from, i) => whole.subarray(from, at[i] ?? whole.length))
}

test('any split of any chunking decodes to the same bytes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 400 }), { maxLength: 6 }),
      fc.array(fc.nat({ max: 4000 }), { maxLength: 30 }),
      fc.boolean(),
      fc.boolean(),
      (given, cuts, signed, trailer) => {
        const sizes = given.filter((size) => size > 0)
        const total = sizes.reduce((sum, size) => sum + size, 0)
        const data = Buffer.from(Uint8Array.from({ length: total }, (_, i) => (i * 31) & 0xff))
        const trailers = trailer ? { 'x-amz-checksum-crc32': 'AAAAAA==' } : undefined
        const whole = signed ? body(data, sizes, trailers) : unsignedChunks(data, sizes, trailers)
        const options = trailer ? { signed, trailerNames: ['x-amz-checksum-crc32'] } : { signed }
        const done = decode(splitsOf(whole, cuts), total, options)
        assert.ok(done.data.equals(data))
        assert.is(done.trailers.get('x-amz-checksum-crc32'), trailer ? 'AAAAAA==' : undefined)
      },
    ),
    { numRuns: 200 },
  )
})

test('byte by byte is a split like any other', () => {
  const whole = body(Buffer.from('hello world'), [5, 6])
  assert.is(
    decode(
      Array.from(whole, (byte) => Buffer.of(byte)),
      11,
    ).data.toString(),
    'hello world',
  )
})

test('a signed body with any one byte changed is refused, wherever the byte stands', async () => {
  const data = Buffer.from('some bytes that were signed')
  const whole = body(data, [10, data.length - 10], { 'x-amz-checksum-crc32': 'AAAAAA==' })
  for (let at = 0; at < whole.length; at++) {
    const changed = Buffer.from(whole)
    changed[at] = changed[at]! ^ 0x01
    let code = ''
    try {
      const done = decode([changed], data.length, { trailerNames: ['x-amz-checksum-crc32'] })
      // Only the case of a hex digit or of the trailer's name may differ without meaning anything else.
      assert.ok(done.data.equals(data))
      code = 'same'
    } catch (error) {
      code = (error as { code: string }).code
    }
    assert.ok(
      ['IncompleteBody', 'SignatureDoesNotMatch', 'MalformedTrailerError'].includes(code),
      `${at}: ${code}`,
    )
  }
})

test('random bytes never decode, throw only refusals, and never hand on more than was declared', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat({ max: 100 }), (bytes, declared) => {
      let handedOn = 0
      const decoder = createChunkedDecoder({
        decodedLength: declared,
        verifier: undefined,
        trailer: true,
        trailerNames: [],
      })
      try {
        decoder.push(bytes, (data) => {
          handedOn += data.length
        })
        decoder.end()
      } catch (error) {
        assert.is((error as { kind: string }).kind, 'refusal')
      }
      assert.ok(handedOn <= declared)
    }),
    { numRuns: 500 },
  )
})

test('a line that never ends is refused at its bound, not gathered', async () => {
  for (const start of ['', '5;chunk-signature=', '0'.repeat(16)]) {
    await rejectsWith('IncompleteBody', () => decode([Buffer.from(start + 'a'.repeat(200))], 5))
  }
  const text = `0\r\nx-amz-checksum-crc32:${'a'.repeat(2000)}`
  await rejectsWith('MalformedTrailerError', () =>
    decode([Buffer.from(text)], 0, { signed: false, trailerNames: ['x-amz-checksum-crc32'] }),
  )
})

test('lines end in CRLF, both of them', async () => {
  for (const text of [
    '5\nhello\r\n0\r\n\r\n',
    '5\r\nhello\n0\r\n\r\n',
    '5\rxhello',
    '5\r\nhello\r\n0\r\n\n',
  ]) {
    await rejectsWith('IncompleteBody', () => decode([Buffer.from(text)], 5, { signed: false }))
  }
})

test('trailers that minio-go wrote, each ended by LF and all by CRLF, signed or not', () => {
  const crc = { 'x-amz-checksum-crc32': 'AAAAAA==' }
  const options = { trailerNames: ['x-amz-checksum-crc32'] }
  for (const signed of [true, false]) {
    const whole = signed
      ? body(Buffer.from('hello'), [5], crc)
      : unsignedChunks(Buffer.from('hello'), [5], crc)
    const text = whole.toString('latin1').replace('AAAAAA==\r\n', 'AAAAAA==\n\r\n')
    const done = decode(
      Array.from(Buffer.from(text, 'latin1'), (byte) => Buffer.of(byte)),
      5,
      { ...options, signed },
    )
    assert.is(done.trailers.get('x-amz-checksum-crc32'), 'AAAAAA==')
  }
})

test('LF within trailers makes no end and no header of nothing', async () => {
  const options = { signed: false, trailerNames: ['x-amz-checksum-crc32'] }
  for (const end of ['\n\r\n', 'x-amz-checksum-crc32:a\n\n\r\n\r\n', '\nx-amz-checksum-crc32:a\r\n\r\n']) {
    await rejectsWith('MalformedTrailerError', () => decode([Buffer.from(`0\r\n${end}`)], 0, options))
  }
})

test('nothing follows the end', async () => {
  const whole = unsignedChunks(Buffer.from('hello'), [5])
  await rejectsWith('IncompleteBody', () =>
    decode([whole, Buffer.from('0\r\n\r\n')], 5, { signed: false, trailerNames: [] }),
  )
})

test.run()
