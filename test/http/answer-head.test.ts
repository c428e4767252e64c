import { answerHead } from '../../src/http/answer-head.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('answer head')
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)

test('status line, fields in order, date, and what becomes of the connection', () => {
  assert.is(
    answerHead(206, ['ETag', '"x"', 'x-amz-meta-a', '\xc3\xa4'], NOW, 'Connection: close\r\n\r\n'),
    'HTTP/1.1 206 Partial Content\r\nETag: "x"\r\nx-amz-meta-a: \xc3\xa4\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\nConnection: close\r\n\r\n',
  )
  assert.match(answerHead(299, [], NOW, ''), /^HTTP\/1\.1 299 \r\n/)
})

test('nothing that ends a line, or that no byte carries, gets into it', () => {
  for (const value of ['a\rb', 'a\nb', '\0', '\x7f', '☃', 'a\r\nb: c']) {
    assert.throws(() => answerHead(200, ['a', value], NOW, ''), /cannot be the value of a/)
  }
  for (const name of ['', 'a b', 'a:', 'a\r\nb', 'ä', '☃']) {
    assert.throws(() => answerHead(200, [name, 'v'], NOW, ''), /is no header name/)
  }
  for (const status of [0, 100, 199, 600, 200.5, Number.NaN]) {
    assert.throws(() => answerHead(status, [], NOW, ''), /is no status/)
  }
})

test.run()
