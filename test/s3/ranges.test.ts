import fc from 'fast-check'
import { contentRange, parseCopyRange, parseRange } from '../../src/s3/ranges.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('ranges')

test('a range is the bytes that RFC 9110 says it is', () => {
  const bound = fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined })
  fc.assert(
    fc.property(bound, bound, fc.integer({ min: 0, max: 10 }), (first, last, size) => {
      const all = Array.from({ length: size }, (_, i) => i)
      const isSuffix = first === undefined
      const isRange = isSuffix ? last !== undefined : last === undefined || first <= last
      const wanted = isSuffix
        ? all.slice(Math.max(0, size - (last ?? 0)))
        : all.filter((i) => i >= first && i <= (last ?? size))
      let got: number[] | 'whole' | 'none'
      try {
        const range = parseRange(`bytes=${first ?? ''}-${last ?? ''}`, size)
        got = range === undefined ? 'whole' : all.slice(range.start, range.start + range.length)
      } catch (error) {
        assert.is((error as { code: string }).code, 'InvalidRange')
        got = 'none'
      }
      assert.equal(got, !isRange ? 'whole' : wanted.length === 0 ? 'none' : wanted)
    }),
    { numRuns: 2_000 },
  )
})

test('what is no single range of bytes is the whole', () => {
  for (const value of [
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'bytes=1-2,4-5',
    'bytes=--1',
    'items=0-1',
    'bytes=1.0-2',
  ]) {
    assert.is(parseRange(value, 10), undefined, value)
  }
  assert.is(parseRange(`bytes=${'0'.repeat(100)}-`, 10), undefined)
  assert.is(parseRange(`bytes=0-0${',0-0'.repeat(100_000)}`, 10), undefined)
  assert.is(parseRange(undefined, 10), undefined)
})

test('a range to copy has both ends, inside', async () => {
  assert.equal(parseCopyRange('bytes=0-9', 10), { start: 0, length: 10 })
  for (const value of ['bytes=0-', 'bytes=-5', 'bytes=5-4', '0-9', 'bytes=0-9,1-2', 'bytes= 0-9']) {
    await rejectsWith('InvalidArgument', () => parseCopyRange(value, 10))
  }
  await rejectsWith('InvalidRange', () => parseCopyRange('bytes=0-10', 10))
  await rejectsWith('InvalidRange', () => parseCopyRange('bytes=0-99999999999999999999', 10))
})

test('a range is written with its last byte', () => {
  assert.is(contentRange({ start: 2, length: 3 }, 10), 'bytes 2-4/10')
})

test.run()
