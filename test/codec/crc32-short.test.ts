import { crc32 } from 'node:zlib'
import { crc32Short } from '../../src/codec/crc32-short.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('crc32-short')

test(
  "is zlib's, in pieces too",
  seeded(200, (random) => {
    const bytes = random.bytes(random.below(200))
    const split = random.below(bytes.length + 1)
    const first = crc32Short(bytes, 0, split, 0)
    assert.is(first, crc32(bytes.subarray(0, split)))
    assert.is(crc32Short(bytes, split, bytes.length, first), crc32(bytes))
  }),
)

test.run()
