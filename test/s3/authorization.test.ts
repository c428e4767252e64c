import { authorizeRequest } from '../../src/s3/authorization.ts'
import { requestOf } from '../support/s3-exchange.ts'
import { rejectsWith, suite } from '../support/uvu.ts'

const test = suite('authorization')

test('root may everything, anyone else nothing, and a source counts', async () => {
  const copy = { headers: { 'x-amz-copy-source': 'bucket/source' } }
  for (const [line, sent] of [
    ['GET /bucket/k', {}],
    ['PUT /bucket/k', copy],
    ['GET /', {}],
    ['GET /bucket?policy', {}],
  ] as const) {
    authorizeRequest(requestOf(line, sent))
    await rejectsWith('AccessDenied', () => authorizeRequest(requestOf(line, { ...sent, isAnonymous: true })))
  }
})

test('what can never be served is refused before its body', async () => {
  await rejectsWith('InvalidBucketName', () => authorizeRequest(requestOf('PUT /UPPER/k')))
  await rejectsWith('KeyTooLongError', () => authorizeRequest(requestOf(`PUT /bucket/${'k'.repeat(1025)}`)))
  await rejectsWith('MethodNotAllowed', () => authorizeRequest(requestOf('PATCH /bucket/k')))
  const copy = { headers: { 'x-amz-copy-source': 'bucket' } }
  await rejectsWith('InvalidArgument', () => authorizeRequest(requestOf('PUT /bucket/k', copy)))
})

test.run()
