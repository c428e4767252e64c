// A region that only the signing key knows: no client of ours can be made to send it, so it is built by hand.
import { canonicalRequest, stringToSign } from '../../src/auth/canonical.ts'
import type { Claim } from '../../src/auth/claim.ts'
import { diagnose } from '../../src/auth/diagnosis.ts'
import { deriveSigningKey, signatureOf } from '../../src/auth/signing-keys.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('diagnosis')
const REQUEST = { method: 'GET', path: '/b/k', query: '', headers: new Map([['host', 'h']]) }
const PARTS = {
  method: 'GET',
  path: '/b/k',
  query: '',
  headers: 'host:h\n',
  signedHeaders: 'host',
  payload: 'UNSIGNED-PAYLOAD',
}
const keyFor = (region: string) => deriveSigningKey('secret', '20260101', region)
const claimOf = (signature: string): Claim => ({
  presigned: false,
  accessKeyId: 'key',
  scope: '20260101/us-east-1/s3/aws4_request',
  day: '20260101',
  timestamp: '20260101T000000Z',
  signedHeaders: ['host'],
  signedHeaderList: 'host',
  signature,
  query: '',
  payload: 'UNSIGNED-PAYLOAD',
  hasToken: false,
})
const causeOf = (signature: string) =>
  diagnose({
    request: REQUEST,
    claim: claimOf(signature),
    parts: PARTS,
    region: 'us-east-1',
    keyFor,
    port: 9000,
  })

test('another region is named, with its own scope or with ours', () => {
  for (const scope of ['20260101/eu-west-1/s3/aws4_request', '20260101/us-east-1/s3/aws4_request']) {
    const text = stringToSign('20260101T000000Z', scope, canonicalRequest(PARTS))
    assert.match(causeOf(signatureOf(keyFor('eu-west-1'), text).toString('hex')) ?? '', "region 'eu-west-1'")
  }
})

test('what none of the causes explains stays without one', () => {
  assert.is(causeOf('0'.repeat(64)), undefined)
  assert.is(causeOf(''), undefined)
})

test.run()
