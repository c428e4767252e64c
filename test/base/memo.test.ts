import { Buffer } from 'node:buffer'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createMemo } from '../../src/base/memo.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('memo')

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

test('what was computed is remembered, up to a bound; what threw is not', () => {
  let computed = 0
  const memo = createMemo(2, (text: string) => {
    computed++
    if (text === 'bad') throw new TypeError('bad')
    return `${text}!`
  })
  assert.equal([memo('a'), memo('b'), memo('a')], ['a!', 'b!', 'a!'])
  assert.is(computed, 2)
  for (let i = 0; i < 2; i++) assert.throws(() => memo('bad'))
  assert.is(computed, 4)
  assert.equal([memo('c'), memo('a')], ['c!', 'a!'])
  assert.is(computed, 6)
  assert.is(createMemo(2, (text: string) => text)('€\ud800'), '€\ud800')
})

test('a part of a text is kept without the rest of it', () => {
  const memo = createMemo(1000, (text: string) => ({ half: text.slice(0, 20) }))
  collect()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 200; i++) {
    const text = Buffer.alloc(100_000, `${i}.`).toString('latin1')
    memo(text.slice(100, 140 + i))
  }
  collect()
  assert.ok(process.memoryUsage().heapUsed - before < 5e6)
})

test.run()
