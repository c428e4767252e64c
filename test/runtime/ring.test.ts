import { createRing, Ring } from '../../src/runtime/ring.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('ring')
const open = (bytes: number) => {
  const shared = createRing(bytes)
  return { writer: new Ring(shared), reader: new Ring(shared) }
}

test('a full ring takes no more, and loses nothing', () => {
  const { writer, reader } = open(64)
  const words = Int32Array.from({ length: 40 }, (_, i) => i)
  assert.is(writer.push(words, 0, 40), 16)
  assert.is(writer.push(words, 16, 40), 0)
  const out = new Int32Array(40)
  assert.is(reader.pull(out, 0, 10), 10)
  assert.is(writer.push(words, 16, 40), 10)
  assert.is(reader.pull(out, 10, 30), 16)
  assert.equal(out.subarray(0, 26), words.subarray(0, 26))
})

test(
  'any split of a stream arrives in order',
  seeded(5000, (random) => {
    for (let round = 0; round < 20; round++) {
      const { writer, reader } = open(4 * (1 + random.below(100)))
      const sent = Int32Array.from({ length: 1 + random.below(2000) }, () => random.below(2 ** 32) | 0)
      const got = new Int32Array(sent.length)
      let written = 0
      let read = 0
      while (read < sent.length) {
        written += writer.push(sent, written, Math.min(sent.length, written + random.below(80)))
        read += reader.pull(got, read, Math.min(got.length - read, random.below(80)))
      }
      assert.equal(got, sent)
    }
  }),
)

test('a sleeper is woken once, and nobody sleeps over something that has come', () => {
  const { writer, reader } = open(64)
  assert.is(writer.wakesReader(), false)
  assert.is(reader.trySleep(), true)
  writer.push(new Int32Array(3), 0, 3)
  assert.is(writer.wakesReader(), true)
  assert.is(writer.wakesReader(), false)
  assert.is(reader.trySleep(), false)
  assert.is(writer.wakesReader(), false)
})

test('a writer that waits is woken once, and nobody waits for room that is there', () => {
  const { writer, reader } = open(64)
  assert.is(writer.tryWait(), false)
  writer.push(new Int32Array(16), 0, 16)
  assert.is(writer.tryWait(), true)
  reader.pull(new Int32Array(16), 0, 1)
  assert.is(reader.wakesWriter(), true)
  assert.is(reader.wakesWriter(), false)
  assert.is(writer.tryWait(), false)
})

test.run()
