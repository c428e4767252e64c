import { isZero } from '../../src/base/zeros.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('zeros')

test('nothing, and any number of zeros, are zeros', () => {
  for (const length of [0, 1, 7, 4095, 4096, 4097, 8192, 10_000])
    assert.ok(isZero(new Uint8Array(length)), `${length}`)
})

test('one other byte anywhere is found', () => {
  for (const length of [1, 4096, 4097, 10_000]) {
    for (const at of [0, length >> 1, length - 1]) {
      const bytes = new Uint8Array(length)
      bytes[at] = 0x80
      assert.not(isZero(bytes), `${at} of ${length}`)
    }
  }
})

test.run()
