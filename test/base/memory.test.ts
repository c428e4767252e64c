import { copyBytes, discardBytes } from '../../src/base/memory.ts'
import { assert, suite } from '../support/uvu.ts'

const test = suite('memory')

test('a copy is the same at every length and place, into memory of either kind', () => {
  const source = Uint8Array.from({ length: 300 }, (_, i) => (i * 7) & 255)
  for (const memory of [new ArrayBuffer(512), new SharedArrayBuffer(512)]) {
    for (let length = 0; length <= 200; length++) {
      const bytes = source.subarray(length % 9, (length % 9) + length)
      const into = new Uint8Array(memory).fill(1)
      const at = 3 + (length % 17)
      copyBytes(into, at, bytes)
      const wanted = new Uint8Array(512).fill(1)
      wanted.set(bytes, at)
      assert.equal(into, wanted)
    }
  }
})

test('bytes that do not fit are refused and change nothing beside', () => {
  for (const length of [8, 100]) {
    const memory = new Uint8Array(200).fill(1)
    assert.throws(() => copyBytes(memory.subarray(0, 100), 100 - length + 1, new Uint8Array(length)))
    assert.equal(memory, new Uint8Array(200).fill(1))
  }
})

test('discarded memory is gone at once, and a part of some memory is left alone', () => {
  const whole = new Uint8Array(64 * 1024)
  discardBytes(whole)
  assert.is(whole.length, 0)

  const memory = new ArrayBuffer(64 * 1024)
  discardBytes(new Uint8Array(memory, 0, 32 * 1024))
  discardBytes(new Uint8Array(new SharedArrayBuffer(64 * 1024)))
  assert.is(memory.byteLength, 64 * 1024)
})

test.run()
