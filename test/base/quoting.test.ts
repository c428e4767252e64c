import { quoteName } from '../../src/base/quoting.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('quoting')

test('a plain name stands as it is, any other in quotes, on one line and unlike any other', () => {
  for (const plain of ['a/b', 'bucket/größe-1_2.txt', 'a=b&c', '../x']) assert.is(quoteName(plain), plain)
  assert.is(quoteName(''), '""')
  assert.is(quoteName('a b'), '"a b"')
  assert.is(quoteName('a\nversion null: LOST'), '"a\\nversion null: LOST"')
  assert.is(quoteName('"a"'), '"\\"a\\""')
  assert.is(quoteName('a\\n'), '"a\\\\n"')
  assert.is(quoteName('\u001b[2J\u009b2J\u007f'), '"\\u001b[2J\\u009b2J\\u007f"')
  assert.is(quoteName('a\u202eb\u2028c\u200b\ufeff\u00a0'), '"a\\u202eb\\u2028c\\u200b\\ufeff\\u00a0"')
})

test.run()
