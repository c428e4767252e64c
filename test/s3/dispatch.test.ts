import { createHash } from 'node:crypto'
import { fault, MoraineError, unavailable } from '../../src/base/errors.ts'
import type { Random } from '../../src/base/prng.ts'
import { createDispatch } from '../../src/s3/dispatch.ts'
import { sdkOperations } from '../support/aws-schemas.ts'
import { createExchange, readAnswer, requestOf, type Sent } from '../support/s3-exchange.ts'
import { assert, deadline, seeded, suite } from '../support/uvu.ts'

const test = suite('dispatch')

test(
  'whatever the engine throws is answered and told of',
  deadline(3_000, async () => {
    const { store } = await createExchange()
    for (const [error, status, code] of [
      [unavailable('MAILBOX_FULL', 'inside'), 503, 'SlowDown'],
      [unavailable('TOO_FEW_DISKS', 'inside'), 503, 'ServiceUnavailable'],
      [fault('OBJECT_LOST', 'inside'), 500, 'InternalError'],
      [fault('DISK_FULL', 'inside'), 507, 'StorageFull'],
      [new MoraineError('bug', 'ASSERTION', 'inside'), 500, 'InternalError'],
      [new TypeError('inside'), 500, 'InternalError'],
      ['inside', 500, 'InternalError'],
    ] as const) {
      const told: unknown[] = []
      const fail = (): never => {
        throw error
      }
      const engine = {
        ...store,
        objects: { ...store.objects, head: fail, open: async () => fail(), put: fail },
      }
      const onError = (seen: unknown): void => void told.push(seen)
      const dispatch = createDispatch({ engine, region: 'us-east-1', onError })
      for (const line of ['GET /bucket/k', 'PUT /bucket/k']) {
        const answer = await readAnswer(await dispatch(requestOf(line, { body: 'x' })))
        assert.equal([answer.status, answer.code], [status, code])
        assert.not.match(answer.text, 'inside')
      }
      assert.is((await dispatch(requestOf('HEAD /bucket/k'))).status, status)
      assert.equal(told, [error, error, error])
    }
  }),
)

test(
  'a key in a list that fails is told of, too',
  deadline(3_000, async () => {
    const { store } = await createExchange()
    const told: unknown[] = []
    const broken = async (): Promise<never> => {
      throw fault('DISK_IO', 'inside')
    }
    const dispatch = createDispatch({
      engine: { ...store, objects: { ...store.objects, delete: broken } },
      region: 'us-east-1',
      onError: (error) => void told.push(error),
    })
    const body = '<Delete><Object><Key>k</Key></Object></Delete>'
    const headers = { 'x-amz-checksum-crc32': 'AAAAAA==' }
    assert.is(
      (await readAnswer(await dispatch(requestOf('POST /bucket?delete', { body, headers })))).code,
      'BadDigest',
    )
    const md5 = {
      'content-md5': createHash('md5').update(body).digest('base64'),
    }
    const answer = await readAnswer(await dispatch(requestOf('POST /bucket?delete', { body, headers: md5 })))
    assert.is(answer.status, 200)
    assert.match(answer.text, '<Error><Key>k</Key><Code>InternalError</Code>')
    assert.is(told.length, 2)
  }),
)

const HEADERS = [
  ...new Set(
    sdkOperations().flatMap(({ members }) =>
      members.filter((m) => m.place === 'header').map((m) => m.wireName),
    ),
  ),
]
const QUERIES = [
  ...new Set(
    sdkOperations().flatMap(({ query, members }) => [
      ...query.map(([name]) => name),
      ...members.filter((m) => m.place === 'query').map((m) => m.wireName),
    ]),
  ),
]
const VALUES = [
  '',
  '0',
  '1',
  '-1',
  '2',
  'x',
  '*',
  'url',
  'COPY',
  'REPLACE',
  'CRC32',
  'SHA256',
  'COMPOSITE',
  'bytes=0-',
  'bytes=-1',
  'bucket/k',
  '/',
  'null',
  '""',
  'true',
  '99999999999999999999',
  '\u0080',
  '%',
  'ENABLED',
  'requester',
  'AAAAAA==',
  'Fri, 02 Jan 2026 03:04:05 GMT',
]
const BODIES = [
  '',
  'hello',
  '<Delete/>',
  '<Delete><Object><Key>k</Key></Object></Delete>',
  '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>',
  '<CreateBucketConfiguration/>',
  '<a',
]

const randomRequest = (random: Random): [string, Sent] => {
  const pick = <T>(items: readonly T[]): T => items[random.below(items.length)]!
  const pairs = (names: readonly string[], max: number): [string, string][] =>
    Array.from({ length: random.below(max + 1) }, () => [pick(names), pick(VALUES)])
  const query = pairs(QUERIES, 3).map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
  const path = pick(['/', '/bucket', '/bucket/k', '/bucket/k', '/none', '/none/k', '/UP/k', '/another'])
  const method = pick(['GET', 'HEAD', 'PUT', 'POST', 'DELETE', 'OPTIONS', 'PATCH'])
  const headers = Object.fromEntries(pairs(HEADERS, 4))
  const trailers = random.below(10) === 0 ? { trailers: { [pick(HEADERS)]: pick(VALUES) } } : {}
  return [`${method} ${path}?${query.join('&')}`, { headers, body: pick(BODIES), ...trailers }]
}

test(
  'no request whatever is answered 500, and none leaves anything open',
  seeded(30_000, async (random) => {
    const { send, store, errors } = await createExchange()
    for (let i = 0; i < 10_000; i++) {
      const [line, sent] = randomRequest(random)
      const { status, headers, text } = await send(line, sent)
      const said = `${line} ${JSON.stringify(sent)}: ${status} ${text} ${String((errors.at(-1) as Error)?.stack)}`
      assert.ok(status >= 200 && status !== 500 && status < 508, said)
      assert.is(store.leases(), 0, said)
      for (const [name, value] of headers)
        assert.ok(/^[a-z0-9-]+$/.test(name) && /^[\t\x20-\xff]*$/.test(value), said)
      if (line.startsWith('HEAD') || status === 204 || status === 304) assert.is(text, '', said)
      if (i % 50 === 0) await send('PUT /bucket', {}).then(() => send('PUT /bucket/k', { body: 'hello' }))
    }
  }),
)

test.run()
