// The fast CRCs against the scalar specification, and that against the definition.
import { createPrng } from '../../src/base/prng.ts'
import { type CrcName, type CrcValue, createScalarCrc, encodeCrc } from '../../src/codec/crc.ts'
import { type CrcEngine, createCrcEngine, scalarCrcEngine } from '../../src/codec/crc-wasm.ts'
import { assert, seeded, suite } from '../support/uvu.ts'

const test = suite('crc')

/** Bit by bit, as in the definition. */
const POLYNOMIALS: Readonly<Record<CrcName, readonly [bits: bigint, polynomial: bigint]>> = {
  crc32: [32n, 0xedb88320n],
  crc32c: [32n, 0x82f63b78n],
  crc64nvme: [64n, 0x9a6c9329ac4bc9b5n],
}
const crcSlowly = (name: CrcName, bytes: Uint8Array): bigint => {
  const [bits, polynomial] = POLYNOMIALS[name]
  const ones = (1n << bits) - 1n
  let crc = ones
  for (const byte of bytes) {
    crc ^= BigInt(byte)
    for (let i = 0; i < 8; i++) crc = crc & 1n ? (crc >> 1n) ^ polynomial : crc >> 1n
  }
  return crc ^ ones
}
const asBigint = ({ high, low }: CrcValue): bigint => (BigInt(high) << 32n) | BigInt(low)

test('the scalar CRCs are those of the definition', () => {
  for (const name of ['crc32', 'crc32c', 'crc64nvme'] as const) {
    for (let length = 0; length < 40; length++) {
      const bytes = createPrng(length).bytes(length)
      const crc = createScalarCrc(name)
      crc.update(bytes)
      assert.is(asBigint(crc.value()), crcSlowly(name, bytes), `${name} of ${length} bytes`)
    }
  }
})

test('a value can be asked for in between', () => {
  for (const engine of [scalarCrcEngine, createCrcEngine()]) {
    const crc = engine.createCrc('crc64nvme')
    crc.update(Buffer.from('1234'))
    crc.value()
    crc.update(Buffer.from('56789'))
    assert.is(Buffer.from(encodeCrc('crc64nvme', crc.value())).toString('hex'), 'ae8b14860a799888')
  }
})

const compare = (engine: CrcEngine, bytes: Uint8Array): void => {
  for (const name of ['crc32c', 'crc64nvme'] as const) {
    const fast = engine.createCrc(name)
    const plain = createScalarCrc(name)
    fast.update(bytes)
    plain.update(bytes)
    assert.equal(fast.value(), plain.value(), `${name} of ${bytes.length} bytes`)
  }
}

test(
  'the WASM CRCs equal the scalar ones at every short length and around every stage',
  seeded(20_000, (random) => {
    const engine = createCrcEngine()
    assert.is(engine.name, 'wasm')
    const bytes = random.bytes(150_000)
    for (let length = 0; length < 300; length++) compare(engine, bytes.subarray(length, length * 2))
    for (let n = 512; n <= 131_072; n *= 2) {
      for (const length of [n - 1, n, n + 1, n + 17]) compare(engine, bytes.subarray(1, 1 + length))
    }
  }),
)

test.run()
