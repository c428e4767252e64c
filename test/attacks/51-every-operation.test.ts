// 51, in every handler that there is: whatever the store below throws, wherever it throws it, is an answer of S3 that tells
// nothing of it, and nothing stays open.
import type { Engine } from '../../src/actors/engine.ts'
import { createDispatch } from '../../src/s3/dispatch.ts'
import { OPERATIONS } from '../../src/s3/operations.ts'
import { createReferenceStore } from '../model/reference-store.ts'
import { OWNER, readAnswer, requestOf } from '../support/s3-exchange.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 51: every operation')

const THROWN: readonly unknown[] = [
  new Error('secret /data/disk1'),
  new TypeError('secret is not a function'),
  'secret',
  undefined,
  null,
  42,
  Object.create(null),
  { code: 'NoSuchKey', message: 'secret' },
]

type Methods = Record<string, (...args: unknown[]) => unknown>

/** An engine whose nth call throws, at once or later; the others do what they should. */
const brokenAt = (
  engine: Engine,
  call: number,
  fail: () => unknown,
): { engine: Engine; hasFailed(): boolean } => {
  let calls = 0
  const broken = (methods: object): Methods =>
    Object.fromEntries(
      Object.entries(methods as Methods).map(([name, method]) => [
        name,
        (...args: unknown[]) => (calls++ === call ? fail() : method.apply(methods, args)),
      ]),
    )
  const { buckets, objects, uploads } = engine
  return {
    engine: {
      buckets: broken(buckets),
      objects: broken(objects),
      uploads: broken(uploads),
    } as unknown as Engine,
    hasFailed: () => calls > call,
  }
}

const BODIES: Readonly<Record<string, string>> = {
  CompleteMultipartUpload:
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>',
}

const EXPECTED_OWNER = { 'x-amz-expected-bucket-owner': OWNER }

for (const { name, method, scope, query, also, handler } of OPERATIONS) {
  if (handler === undefined) continue
  test(
    name,
    deadline(20_000, async () => {
      const path = scope === 'service' ? '/' : scope === 'bucket' ? '/bucket' : '/bucket/k'
      let failures = 0
      for (const thrown of THROWN) {
        const ways = [
          (): never => {
            throw thrown
          },
          () => Promise.reject(thrown),
        ]
        for (const fail of ways) {
          for (let call = 0; call < 4; call++) {
            const store = createReferenceStore()
            await store.buckets.create('bucket', { owner: OWNER, region: 'us-east-1' })
            const put = createDispatch({ engine: store, region: 'us-east-1' })
            await put(requestOf('PUT /bucket/k', { body: 'x' }))
            await put(requestOf('PUT /bucket/source', { body: 'x' }))
            const { text } = await readAnswer(await put(requestOf('POST /bucket/k?uploads')))
            const id = /<UploadId>([^<]+)</.exec(text)?.[1] ?? ''
            const parameters = [query, also?.startsWith('?') ? also.slice(1) : '']
              .filter((parameter) => parameter !== '')
              .map((parameter) => (parameter === 'uploadId' ? `uploadId=${id}` : parameter))
              .map((parameter) => (parameter === 'partNumber' ? 'partNumber=1' : parameter))
            const headers = also === 'x-amz-copy-source' ? { [also]: 'bucket/source' } : {}
            const { engine, hasFailed } = brokenAt(store, call, fail)
            const dispatch = createDispatch({ engine, region: 'us-east-1' })
            const line = `${method} ${path}?${parameters.join('&')}`
            const body = BODIES[name] ?? (method === 'PUT' && scope === 'object' ? 'x' : '')
            const request = requestOf(line, { headers: { ...headers, ...EXPECTED_OWNER }, body })
            const answer = await readAnswer(await dispatch(request))
            if (!hasFailed()) continue
            failures++
            assert.is(answer.status, 500, `${line}: ${answer.text}`)
            assert.not.match(answer.text, 'secret')
            assert.is(store.leases(), 0, line)
          }
        }
      }
      assert.ok(failures > 0, 'the store was asked')
    }),
  )
}

test.run()
