// 10: a query is sorted by bytes, keeps its duplicates, and `a` is `a=`.
import { call, codeIn, startGateway, type TestGateway } from '../support/http-gateway.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 10')
let at: TestGateway
test.before(async () => {
  at = await startGateway()
})
test.after(() => at.close())

const queryOf = async (query: string, signedQuery: string) => {
  const answer = await call(at, 'DELETE', `/b/k?${query}`, { signedQuery })
  return answer.status === 204 ? at.seen.pop()?.query : codeIn(answer)
}

test(
  'order, duplicates, empty values and missing equals signs',
  deadline(5000, async () => {
    const cases = [
      [
        'b=2&a=1',
        'a=1&b=2',
        [
          ['b', '2'],
          ['a', '1'],
        ],
      ],
      [
        'a=2&a=1&a=',
        'a=&a=1&a=2',
        [
          ['a', '2'],
          ['a', '1'],
          ['a', ''],
        ],
      ],
      [
        'a-b=1&a=2',
        'a=2&a-b=1',
        [
          ['a-b', '1'],
          ['a', '2'],
        ],
      ],
      ['uploads', 'uploads=', [['uploads', '']]],
      ['uploads=', 'uploads=', [['uploads', '']]],
      [
        'a&&b',
        'a=&b=',
        [
          ['a', ''],
          ['b', ''],
        ],
      ],
      ['a=b=c', 'a=b%3Dc', [['a', 'b=c']]],
      ['prefix=a/b', 'prefix=a%2Fb', [['prefix', 'a/b']]],
      ['prefix=a+b', 'prefix=a%20b', [['prefix', 'a b']]],
      ['prefix=a%2bb', 'prefix=a%2Bb', [['prefix', 'a+b']]],
      ['prefix=%C3%BC', 'prefix=%C3%BC', [['prefix', 'ü']]],
      [
        'A=1&a=2&Z=3',
        'A=1&Z=3&a=2',
        [
          ['A', '1'],
          ['a', '2'],
          ['Z', '3'],
        ],
      ],
      [
        '__proto__=x&constructor',
        '__proto__=x&constructor=',
        [
          ['__proto__', 'x'],
          ['constructor', ''],
        ],
      ],
    ] as const
    for (const [sent, signed, expected] of cases) {
      const found = await queryOf(sent, signed)
      assert.equal(
        found,
        expected.map((pair) => [...pair]),
        sent,
      )
    }
  }),
)

test(
  'another value, order or number of duplicates does not match',
  deadline(5000, async () => {
    for (const [sent, signed] of [
      ['a=1', 'a=2'],
      ['a=1&a=1', 'a=1'],
      ['a=1', 'a=1&a=1'],
      ['a=1&b=2', 'b=2&a=1'],
      ['', 'versionId=x'],
      ['versionId=x', ''],
    ] as const) {
      assert.is(await queryOf(sent, signed), 'SignatureDoesNotMatch', sent)
    }
  }),
)

test(
  'a query that cannot be decoded is 400',
  deadline(5000, async () => {
    for (const query of ['a=%', 'a=%G0', '%=1', 'a=%FF'])
      assert.is(await queryOf(query, query), 'InvalidURI', query)
  }),
)

test.run()
