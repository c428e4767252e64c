import fc from 'fast-check'
import {
  BUG_CODES,
  type ErrorCode,
  type ErrorKind,
  FAULT_CODES,
  MoraineError,
  REFUSAL_CODES,
  UNAVAILABLE_CODES,
} from '../../src/base/errors.ts'
import { MiB } from '../../src/base/units.ts'
import { createArena } from '../../src/runtime/arena.ts'
import { WireReader } from '../../src/runtime/wire-reader.ts'
import { WireWriter } from '../../src/runtime/wire-writer.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('wire')
const arena = createArena({ bytes: 8 * MiB })

/** Both ends of a wire, with nothing between them. */
const open = () => {
  const writer = new WireWriter()
  const beside: (readonly Uint8Array[])[] = []
  const transit = new Int32Array(arena.createTransit())
  const context = {
    ref: (path: string) => ({ path }),
    slab: (handle: number) => arena.takeHold(handle, transit),
    attached: () => beside.shift()!,
  }
  const reader = new WireReader(context, writer.bytes)
  let taken = 0
  const send = (value: unknown): void => {
    writer.begin()
    try {
      writer.value(value)
    } catch (error) {
      writer.abandon()
      throw error
    }
    writer.finish()
    for (const slab of writer.slabs) arena.sendHold(slab.handle, transit)
    if (writer.attached.length > 0) beside.push([...writer.attached])
  }
  const take = (): unknown => {
    reader.use(writer.bytes)
    reader.position = taken
    taken += new DataView(writer.bytes.buffer).getUint32(taken, true)
    reader.begin()
    return reader.value()
  }
  const cross = (value: unknown): unknown => {
    send(value)
    return take()
  }
  return { writer, send, take, cross }
}

const scalar = fc.oneof(
  fc.constantFrom(null, undefined, true, false),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double(),
  fc.bigInt(),
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme', minLength: 40, maxLength: 200 }),
  fc.uint8Array(),
)
const tree = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    scalar,
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('value'), { maxKeys: 5, noNullPrototype: true }),
    fc.array(fc.tuple(fc.string(), tie('value')), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(fc.integer(), { maxLength: 4 }).map((items) => new Set(items)),
  ),
})).value

/** Equal as data: NaN equals itself, -0 is not 0. */
const same = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false
  if (a instanceof Map || a instanceof Set) return same([...a], [...(b as Iterable<unknown>)])
  const keys = Object.keys(a)
  if (keys.length !== Object.keys(b).length) return false
  return keys.every(
    (key) =>
      Object.hasOwn(b, key) && same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]),
  )
}

test('decode(encode(value)) is value, record after record on one wire', () => {
  fc.assert(
    fc.property(fc.array(tree, { minLength: 1, maxLength: 8 }), (values) => {
      const { send, take } = open()
      for (const value of values) send(value)
      for (const value of values) if (!same(take(), value)) throw new Error(`differs: ${fc.stringify(value)}`)
    }),
    { numRuns: 300 },
  )
})

test('the edges: numbers, lone surrogates, an own __proto__, bytes of every size', () => {
  const { cross } = open()
  const edges = [
    0,
    -0,
    1,
    -1,
    127,
    128,
    2 ** 31,
    2 ** 32,
    2 ** 53 - 1,
    2 ** 53,
    Number.NaN,
    1e-320,
    -Infinity,
  ]
  for (const value of edges) assert.ok(same(cross(value), value), String(value))
  for (const value of ['', 'é', '\ufeff', '\ud800', 'x'.repeat(48), 'x'.repeat(49), '😀'.repeat(50), '\0']) {
    assert.is(cross(value), value)
  }
  const own = JSON.parse('{"__proto__":{"a":1},"b":2}') as object
  assert.ok(same(cross(own), own))
  for (const length of [0, 1, 32_768, 32_769, 1_000_000]) {
    const bytes = new Uint8Array(length).fill(length & 255)
    assert.ok(same(cross({ bytes }), { bytes: bytes.slice() }))
  }
  // A view of something larger is copied: what lies around it stays here.
  const view = new Uint8Array(100_000).subarray(10, 50_010)
  assert.is((cross(view) as Uint8Array).length, 50_000)
})

test('more shapes than are remembered still cross', () => {
  const { cross } = open()
  for (let i = 0; i < 3000; i++)
    assert.equal(cross({ [`key${i}`]: i, always: true }), { [`key${i}`]: i, always: true })
  const wide = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, i]))
  assert.equal(cross(wide), wide)
})

test('every error crosses with its kind, code, detail, stack and causes', () => {
  const { cross } = open()
  const kinds: [ErrorKind, readonly ErrorCode[]][] = [
    ['refusal', REFUSAL_CODES],
    ['unavailable', UNAVAILABLE_CODES],
    ['fault', FAULT_CODES],
    ['bug', BUG_CODES],
  ]
  for (const [kind, codes] of kinds) {
    for (const code of codes) {
      const deepest = Object.assign(new Error('no such device'), { code: 'EIO' })
      const cause = new MoraineError('fault', 'DISK_IO', 'disk 3 failed', {}, deepest)
      const sent = new MoraineError(
        kind,
        code,
        `message of ${code}`,
        { disk: 3, path: null, isOut: true },
        cause,
      )
      const got = cross(sent) as MoraineError & { cause: MoraineError & { cause: { code: string } } }
      assert.ok(got instanceof MoraineError)
      assert.equal([got.kind, got.code, got.message, got.stack], [kind, code, sent.message, sent.stack])
      assert.equal(got.detail, sent.detail)
      assert.equal([got.cause.code, got.cause.cause.code], ['DISK_IO', 'EIO'])
    }
  }
  const foreign = cross(new RangeError('out of range')) as MoraineError
  assert.equal([foreign.kind, foreign.code, foreign.message], ['bug', 'UNEXPECTED', 'out of range'])
})

test('what cannot cross is a bug, and leaves the wire as it was', async () => {
  const { writer, send, take } = open()
  send({ a: 1 })
  const { length } = writer
  const loop: { self?: unknown } = {}
  loop.self = loop
  for (const bad of [() => 1, Symbol('s'), new Date(0), new Float64Array(1), Promise.resolve(), loop]) {
    await rejectsWith('ASSERTION', () => send({ fresh: 1, shape: { deep: 2 }, bad }))
    assert.is(writer.length, length)
  }
  send({ fresh: 1, shape: { deep: 2 } })
  assert.equal(take(), { a: 1 })
  assert.equal(take(), { fresh: 1, shape: { deep: 2 } })
})

test('a slab crosses as its handle', () => {
  const { cross } = open()
  const [slab] = arena.tryAcquire({ class: 'large', count: 1 })!
  const got = cross({ slab }) as { slab: typeof slab }
  assert.is(got.slab!.offset, slab!.offset)
  slab!.release()
  assert.is(arena.inUse().large, 1)
  got.slab!.release()
  assert.is(arena.inUse().large, 0)
})

test.run()
