// The bytes of a simulated file are checked: whatever is done to them, they are what a plain array of bytes is.
import { Buffer } from 'node:buffer'
import type { Test } from 'uvu'
import { KiB } from '../../../src/base/units.ts'
import { assert, seeded } from '../../support/uvu.ts'
import { SparseBytes } from './sparse-bytes.ts'

const BYTES_MAX = 100 * KiB
const CHANGES = 400
const LIMIT_MS = 30_000

export const sparseTests = (test: Test): void => {
  test(
    'files: pages are what one array of bytes would be',
    seeded(LIMIT_MS, (random) => {
      const plain = Buffer.alloc(2 * BYTES_MAX)
      let sparse = new SparseBytes()
      let size = 0
      for (let i = 0; i < CHANGES; i++) {
        const position = random.below(random.below(2) === 0 ? BYTES_MAX : Math.min(size, BYTES_MAX) + 1)
        const what = random.below(8)
        if (what < 4) {
          const length = random.below(random.below(2) === 0 ? 100 : BYTES_MAX)
          const bytes = what === 0 ? Buffer.alloc(length) : Buffer.from(random.bytes(length))
          sparse.write(position, bytes)
          plain.set(bytes, position)
          size = Math.max(size, position + length)
        } else if (what < 6) {
          sparse.resize(position)
          plain.fill(0, position)
          size = position
        } else if (what === 6 && position < size) {
          sparse.flip(position, i % 8)
          plain[position]! ^= 1 << (i % 8)
        } else {
          const before = sparse
          sparse = sparse.copy()
          before.write(0, Buffer.alloc(size, 0xff))
        }
        assert.is(sparse.size, size)
        const from = random.below(size + 1)
        const end = from + random.below(size - from + 1)
        assert.is(Buffer.compare(sparse.slice(from, end), plain.subarray(from, end)), 0, `change ${i}`)
        const into = Buffer.alloc(50, 7)
        const count = Math.min(50, size - from)
        assert.is(sparse.read(into, from), count)
        assert.ok(
          into.equals(Buffer.concat([plain.subarray(from, from + count), Buffer.alloc(50 - count, 7)])),
        )
      }
    }),
  )
}
