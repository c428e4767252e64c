import fc from 'fast-check'
import { decodeToken, encodeToken } from '../../src/s3/continuation.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('continuation')

test('a token is the place it was made of, and safe in a URL', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (place) => {
      const token = encodeToken(place)
      assert.is(decodeToken(token), place)
      assert.is(encodeURIComponent(token), token)
    }),
  )
  assert.is(decodeToken(undefined), '')
})

test('what was not handed out is refused', async () => {
  const good = encodeToken('some/key')
  for (const token of [
    '',
    '1',
    '2',
    'x',
    `${good}=`,
    `${good} `,
    good.slice(1),
    `2${good.slice(1)}`,
    '1!!!',
    '1gA',
  ]) {
    await rejectsWith('InvalidArgument', () => decodeToken(token))
  }
})

test.run()
