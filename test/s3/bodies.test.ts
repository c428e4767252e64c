import { Buffer } from 'node:buffer'
import { ANONYMOUS, type Authenticated } from '../../src/auth/authenticate.ts'
import type { Payload } from '../../src/auth/payload.ts'
import { type BodySource, createBody } from '../../src/s3/bodies.ts'
import { EMPTY_SHA256, sha256, unsignedChunks } from '../support/http-signing.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('bodies')

const sourceOf = (...pieces: string[]): BodySource => ({
  next: () => {
    const piece = pieces.shift()
    return Promise.resolve(piece === undefined ? undefined : Buffer.from(piece, 'latin1'))
  },
})
const authenticated = (payload: Payload): Authenticated => ({
  identity: ANONYMOUS,
  presigned: false,
  payload,
})
const plain = (source: BodySource, headers: Record<string, string>, digest?: string) =>
  createBody(source, {
    method: 'PUT',
    headers: new Map(Object.entries(headers)),
    authenticated: authenticated(
      digest === undefined ? { kind: 'plain' } : { kind: 'plain', sha256: digest },
    ),
  })
const chunked = (source: BodySource, headers: Record<string, string>) =>
  createBody(source, {
    method: 'PUT',
    headers: new Map(Object.entries(headers)),
    authenticated: authenticated({ kind: 'chunked', signed: false, trailer: true }),
  })

test(
  'a body has exactly the bytes it declares, or it is an IncompleteBody',
  deadline(1000, async () => {
    const body = plain(sourceOf('hel', 'lo'), { 'content-length': '5' })
    assert.is(body.size, 5)
    assert.is(Buffer.from(await body.whole(5)).toString(), 'hello')
    for (const length of ['4', '6']) {
      await rejectsWith('IncompleteBody', () =>
        plain(sourceOf('hello'), { 'content-length': length }).whole(100),
      )
    }
  }),
)

test(
  'without a length there is no size',
  deadline(1000, async () => {
    const body = plain(sourceOf(), {})
    assert.is(body.size, undefined)
    assert.is((await body.whole(10)).length, 0)
    assert.is(plain(sourceOf(), { 'content-length': '0' }).size, 0)
  }),
)

test(
  'whole is bounded by what is declared before a byte is read, and by what comes',
  deadline(1000, async () => {
    let asked = 0
    const source: BodySource = {
      next: () => {
        asked++
        return Promise.resolve(Buffer.from('x'))
      },
    }
    await rejectsWith('MaxMessageLengthExceeded', () => plain(source, { 'content-length': '11' }).whole(10))
    assert.is(asked, 0)
    await rejectsWith('MaxMessageLengthExceeded', () => plain(source, {}).whole(10))
    assert.is(asked, 11)
  }),
)

test(
  'the signed hash is checked with the last byte',
  deadline(1000, async () => {
    const headers = { 'content-length': '5' }
    assert.is((await plain(sourceOf('hello'), headers, sha256('hello')).whole(5)).length, 5)
    const error = await rejectsWith('XAmzContentSHA256Mismatch', () =>
      plain(sourceOf('hellO'), headers, sha256('hello')).whole(5),
    )
    const detail = (error as unknown as { detail: Record<string, string> }).detail
    assert.is(detail['ClientComputedContentSHA256'], sha256('hello'))
    assert.is(detail['S3ComputedContentSHA256'], sha256('hellO'))
    await rejectsWith('XAmzContentSHA256Mismatch', () => plain(sourceOf(), {}, sha256('hello')))
    plain(sourceOf(), {}, EMPTY_SHA256)
  }),
)

test(
  'trailers are there after the last chunk, not before',
  deadline(1000, async () => {
    const text = unsignedChunks(Buffer.from('hello'), [2, 3], { 'x-amz-checksum-crc32': 'AAAAAA==' })
    const headers = { 'x-amz-decoded-content-length': '5', 'x-amz-trailer': ' X-Amz-Checksum-CRC32 ' }
    const body = chunked(sourceOf(text.toString('latin1')), headers)
    assert.is(body.size, 5)
    assert.equal(body.trailerNames, ['x-amz-checksum-crc32'])
    const seen: string[] = []
    for await (const chunk of body.chunks) {
      seen.push(Buffer.from(chunk).toString())
      assert.is(body.trailers().size, 0)
    }
    assert.equal(seen, ['he', 'llo'])
    assert.is(body.trailers().get('x-amz-checksum-crc32'), 'AAAAAA==')
  }),
)

test(
  'a body is read once',
  deadline(1000, async () => {
    const body = plain(sourceOf('x'), { 'content-length': '1' })
    await body.whole(1)
    await rejectsWith('ASSERTION', () => body.whole(1))
  }),
)

test(
  'a reader that stops leaves the rest where it is',
  deadline(1000, async () => {
    const source = sourceOf('one', 'two', 'three')
    for await (const chunk of plain(source, { 'content-length': '11' }).chunks) {
      assert.is(Buffer.from(chunk).toString(), 'one')
      break
    }
    assert.is(Buffer.from((await source.next()) ?? []).toString(), 'two')
  }),
)

test.run()
