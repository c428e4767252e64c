// 12: chunks cannot be changed, moved, repeated or left out, and their headers cannot eat memory.
import { Buffer } from 'node:buffer'
import { call, codeIn, send, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { chunkedBody, presign, type Signed, signHeader, unsignedChunks } from '../support/http-signing.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 12')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.before.each(() => at.stored.clear())
test.after(() => at.close())

const DATA = Buffer.alloc(30_000, 'some data ')
const SIZES = [10_000, 10_000, 10_000]
const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD'
const TRAILER = `${SIGNED}-TRAILER`
const UNSIGNED = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER'
const CRC = { 'x-amz-checksum-crc32': 'AAAAAA==' }

interface Extra {
  readonly decoded?: string | null
  readonly announced?: string
  readonly method?: string
}

/** Transfer-Encoding: chunked, so that the body's own length can be anything. */
const sign = (
  payload: string,
  { decoded = String(DATA.length), announced, method = 'PUT' }: Extra = {},
): Signed =>
  signHeader({
    method,
    target: '/b/k',
    headers: {
      host: at.host,
      'transfer-encoding': 'chunked',
      'x-amz-content-sha256': payload,
      ...(decoded === null ? {} : { 'x-amz-decoded-content-length': decoded }),
      ...(announced === undefined ? {} : { 'x-amz-trailer': announced }),
    },
  })

const upload = async (signed: Signed, body: Uint8Array): Promise<string> => {
  const chunk = [Buffer.from(`${body.length.toString(16)}\r\n`), body, Buffer.from('\r\n')]
  const framed = Buffer.concat([...(body.length > 0 ? chunk : []), Buffer.from('0\r\n\r\n')])
  const answer = await send(at, signed, framed)
  return answer.status === 200 ? 'stored' : codeIn(answer)
}

const refused = async (code: string, signed: Signed, body: Uint8Array): Promise<void> => {
  assert.is(await upload(signed, body), code)
  assert.not(at.stored.has('b/k'))
}

test(
  'the three modes store what was sent',
  deadline(5000, async () => {
    const plain = sign(SIGNED)
    const { chunks, end } = chunkedBody(plain, DATA, SIZES)
    assert.is(await upload(plain, Buffer.concat([...chunks, end])), 'stored')
    assert.ok(at.stored.get('b/k')?.equals(DATA))
    const trailed = sign(TRAILER, { announced: 'x-amz-checksum-crc32' })
    const other = chunkedBody(trailed, DATA, SIZES, CRC)
    assert.is(await upload(trailed, Buffer.concat([...other.chunks, other.end])), 'stored')
    assert.is(at.seen.at(-1)?.body.trailers().get('x-amz-checksum-crc32'), 'AAAAAA==')
    const unsigned = sign(UNSIGNED, { announced: 'x-amz-checksum-crc32' })
    assert.is(await upload(unsigned, unsignedChunks(DATA, SIZES, CRC)), 'stored')
    assert.ok(at.stored.get('b/k')?.equals(DATA))
  }),
)

test(
  'chunks that are tampered with, swapped, repeated or missing',
  deadline(5000, async () => {
    const signed = sign(SIGNED)
    const { chunks, end } = chunkedBody(signed, DATA, SIZES)
    const [a, b, c] = chunks as [Buffer, Buffer, Buffer]
    const tampered = Buffer.from(b)
    tampered[5000] = tampered[5000]! ^ 1
    await refused('SignatureDoesNotMatch', signed, Buffer.concat([a, tampered, c, end]))
    await refused('SignatureDoesNotMatch', signed, Buffer.concat([b, a, c, end]))
    await refused('SignatureDoesNotMatch', signed, Buffer.concat([a, a, c, end]))
    await refused('SignatureDoesNotMatch', signed, Buffer.concat([a, c, end]))
    await refused(
      'SignatureDoesNotMatch',
      signed,
      Buffer.concat([a, b, c, Buffer.from(`0;chunk-signature=${'0'.repeat(64)}\r\n\r\n`)]),
    )
    await refused('IncompleteBody', signed, Buffer.concat([a, b, c]))
    await refused('IncompleteBody', signed, Buffer.concat([a, b, c, end.subarray(0, -1)]))
    await refused('IncompleteBody', signed, Buffer.alloc(0))
  }),
)

test(
  'sizes that are none: too long, huge, negative, no digits, more than declared',
  deadline(5000, async () => {
    const signed = sign(UNSIGNED, { decoded: '10' })
    for (const size of [
      'FFFFFFFFFFFFFFFF',
      '00000000000000005',
      '-5',
      '',
      'g',
      '0x5',
      '5 ',
      ' 5',
      '+5',
      'b',
      '7fffffff',
    ]) {
      await refused('IncompleteBody', signed, Buffer.from(`${size}\r\n0123456789\r\n0\r\n\r\n`))
    }
  }),
)

test(
  'an extension of any size, or none where a signature must be',
  deadline(10_000, async () => {
    const unsigned = sign(UNSIGNED, { decoded: '5' })
    await refused('IncompleteBody', unsigned, Buffer.from('5;name=value\r\nhello\r\n0\r\n\r\n'))
    await refused(
      'IncompleteBody',
      unsigned,
      Buffer.from(`5;${'x'.repeat(10_000_000)}\r\nhello\r\n0\r\n\r\n`),
    )
    const signed = sign(SIGNED, { decoded: '5' })
    await refused('IncompleteBody', signed, Buffer.from('5\r\nhello\r\n0\r\n\r\n'))
    await refused('IncompleteBody', signed, Buffer.from('5;chunk-signatur=x\r\nhello\r\n0\r\n\r\n'))
    await refused(
      'SignatureDoesNotMatch',
      signed,
      Buffer.from('5;chunk-signature=\r\nhello\r\n0;chunk-signature=\r\n\r\n'),
    )
  }),
)

test(
  'data that no CRLF ends, or another end of line',
  deadline(5000, async () => {
    const unsigned = sign(UNSIGNED, { decoded: '5' })
    for (const text of [
      '5\r\nhello0\r\n\r\n',
      '5\r\nhello\n0\r\n\r\n',
      '5\r\nhello\r0\r\n\r\n',
      '5\r\nhello\r\r\n0\r\n\r\n',
      '5\nhello\r\n0\r\n\r\n',
      '5\r\nhello\r\n0\r\n',
      '5\r\nhello\r\n0',
    ]) {
      await refused('IncompleteBody', unsigned, Buffer.from(text))
    }
    const signed = sign(SIGNED)
    const { chunks, end } = chunkedBody(signed, DATA, SIZES)
    const [a, b, c] = chunks as [Buffer, Buffer, Buffer]
    await refused('IncompleteBody', signed, Buffer.concat([a, b.subarray(0, -2), c, end]))
  }),
)

test(
  'a decoded length that is absent, bigger, smaller or no number',
  deadline(5000, async () => {
    const body = unsignedChunks(DATA, SIZES)
    await refused('MissingContentLength', sign(UNSIGNED, { decoded: null }), body)
    await refused('IncompleteBody', sign(UNSIGNED, { decoded: String(DATA.length + 1) }), body)
    await refused('IncompleteBody', sign(UNSIGNED, { decoded: String(DATA.length - 1) }), body)
    for (const decoded of ['', 'x', '-1', '1e3', '0x10', '1.0', '9'.repeat(30), '1,1']) {
      await refused('InvalidArgument', sign(UNSIGNED, { decoded }), body)
    }
  }),
)

test(
  'trailers: not announced, announced but absent, twice, signed wrongly, not signed, where there are none',
  deadline(5000, async () => {
    const bare = sign(UNSIGNED)
    await refused('MalformedTrailerError', bare, unsignedChunks(DATA, SIZES, CRC))
    const announced = sign(UNSIGNED, { announced: 'x-amz-checksum-crc32' })
    await refused('MalformedTrailerError', announced, unsignedChunks(DATA, SIZES))
    await refused(
      'MalformedTrailerError',
      announced,
      unsignedChunks(DATA, SIZES, { 'x-amz-checksum-sha1': 'x' }),
    )
    const text = unsignedChunks(DATA, SIZES, CRC).toString('latin1')
    const twice = text.replace(/(x-amz-checksum-crc32:AAAAAA==\r\n)/, '$1$1')
    await refused('MalformedTrailerError', announced, Buffer.from(twice, 'latin1'))
    const signed = sign(TRAILER, { announced: 'x-amz-checksum-crc32' })
    const { chunks, end } = chunkedBody(signed, DATA, SIZES, CRC)
    const changed = Buffer.from(end.toString('latin1').replace('AAAAAA==', 'BBBBBB=='), 'latin1')
    await refused('SignatureDoesNotMatch', signed, Buffer.concat([...chunks, changed]))
    const stripped = Buffer.from(
      end.toString('latin1').replace(/x-amz-trailer-signature.*\r\n/, ''),
      'latin1',
    )
    await refused('MalformedTrailerError', signed, Buffer.concat([...chunks, stripped]))
    await refused('InvalidRequest', sign(SIGNED, { announced: 'x-amz-checksum-crc32' }), Buffer.alloc(0))
  }),
)

test(
  'an unsigned-trailer body never stands in for a signature',
  deadline(5000, async () => {
    const signed = sign(UNSIGNED, { announced: 'x-amz-checksum-crc32' })
    const body = unsignedChunks(DATA, SIZES, CRC)
    const forged = signed.headers['authorization']!.replace(/Signature=..../, 'Signature=0000')
    const bad = { ...signed, headers: { ...signed.headers, authorization: forged } }
    await refused('SignatureDoesNotMatch', bad, body)
    const unknown = signed.headers['authorization']!.replace('AKIA', 'AKIB')
    await refused(
      'InvalidAccessKeyId',
      { ...signed, headers: { ...signed.headers, authorization: unknown } },
      body,
    )
    const { authorization: _, ...anonymous } = signed.headers
    await refused('AccessDenied', { ...signed, headers: anonymous }, body)
    assert.is(at.seen.filter((request) => request.identity.kind === 'anonymous').length, 0)
  }),
)

test(
  'presigned and unsigned-trailer: only as it was signed',
  deadline(5000, async () => {
    const headers = {
      host: at.host,
      'transfer-encoding': 'chunked',
      'x-amz-content-sha256': UNSIGNED,
      'x-amz-decoded-content-length': String(DATA.length),
    }
    const input = { method: 'PUT', target: '/b/k', headers }
    const names = ['host', 'transfer-encoding', 'x-amz-content-sha256', 'x-amz-decoded-content-length']
    const body = unsignedChunks(DATA, SIZES)
    await refused(
      'SignatureDoesNotMatch',
      presign({ ...input, signedNames: names, payload: 'UNSIGNED-PAYLOAD' }),
      body,
    )
    assert.is(await upload(presign({ ...input, signedNames: names, payload: UNSIGNED }), body), 'stored')
  }),
)

test(
  'streaming modes are for PUT, and the ECDSA ones are not implemented, by name',
  deadline(5000, async () => {
    for (const method of ['GET', 'DELETE', 'POST', 'HEAD']) {
      for (const payload of [SIGNED, TRAILER, UNSIGNED]) {
        const answer = await call(at, method, '/b/k', { payload })
        assert.is(answer.status, 400, method)
      }
    }
    for (const payload of [
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD',
      'STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER',
    ]) {
      const answer = await call(at, 'PUT', '/b/k', { payload })
      assert.is(answer.status, 501)
      assert.is(codeIn(answer), 'NotImplemented')
      assert.match(answer.body.toString(), payload)
    }
  }),
)

test(
  'Transfer-Encoding: chunked without aws-chunked is not implemented, as with AWS',
  deadline(5000, async () => {
    const signed = signHeader({
      method: 'PUT',
      target: '/b/k',
      headers: { host: at.host, 'transfer-encoding': 'chunked' },
    })
    await refused('NotImplemented', signed, Buffer.from('hello'))
  }),
)

test.run()
