// The three CRCs of S3 as arithmetic: parameters, the scalar implementation that is the specification of the fast ones,
// and the combination of the CRCs of two parts into that of the whole.
//
// A CRC is the remainder of a polynomial over GF(2). All three are reflected: the highest bit is the coefficient of x^0,
// and one step to the right multiplies by x. All start from ones and end inverted. Values are pairs of 32-bit
// halves, because numbers have no 64-bit operations and bigints are a hundred times slower; in a CRC of 32 bits
// `high` is 0 throughout.

export type CrcName = 'crc32' | 'crc32c' | 'crc64nvme'

export interface CrcValue {
  readonly high: number
  readonly low: number
}

interface CrcParameters {
  readonly bits: 32 | 64
  /** Reflected, without the highest power. */
  readonly polynomial: CrcValue
}

const PARAMETERS: Readonly<Record<CrcName, CrcParameters>> = {
  /** ISO 3309, as in zlib. */
  crc32: { bits: 32, polynomial: { high: 0, low: 0xedb88320 } },
  /** Castagnoli, as in iSCSI (RFC 3720). */
  crc32c: { bits: 32, polynomial: { high: 0, low: 0x82f63b78 } },
  /** NVM Express, CRC-64 of the NVM command set. */
  crc64nvme: { bits: 64, polynomial: { high: 0x9a6c9329, low: 0xac4bc9b5 } },
}

export const crcBytes = (name: CrcName): number => PARAMETERS[name].bits / 8

/** The value as S3 writes it: big-endian, 4 or 8 bytes. */
export const encodeCrc = (name: CrcName, { high, low }: CrcValue): Uint8Array => {
  const bytes = new Uint8Array(crcBytes(name))
  const view = new DataView(bytes.buffer)
  view.setUint32(bytes.length - 4, low)
  if (bytes.length === 8) view.setUint32(0, high)
  return bytes
}

const decodeCrc = (bytes: Uint8Array): CrcValue => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return { high: bytes.length === 8 ? view.getUint32(0) : 0, low: view.getUint32(bytes.length - 4) }
}

/** a × b modulo the polynomial. */
const multiplyModulo = ({ bits, polynomial }: CrcParameters, a: CrcValue, b: CrcValue): CrcValue => {
  let high = 0
  let low = 0
  let { high: powerHigh, low: powerLow } = b
  for (let bit = bits - 1; bit >= 0; bit--) {
    const isSet = bit >= 32 ? (a.high >>> (bit - 32)) & 1 : (a.low >>> bit) & 1
    if (isSet) {
      high ^= powerHigh
      low ^= powerLow
    }
    const isReduced = powerLow & 1
    powerLow = (powerLow >>> 1) | (powerHigh << 31)
    powerHigh >>>= 1
    if (isReduced) {
      powerHigh ^= polynomial.high
      powerLow ^= polynomial.low
    }
  }
  return { high: high >>> 0, low: low >>> 0 }
}

const powerOfX = (bits: 32 | 64, exponent: number): CrcValue =>
  bits === 64
    ? { high: (1 << (31 - exponent)) >>> 0, low: 0 }
    : { high: 0, low: (1 << (31 - exponent)) >>> 0 }

/** Entry i moves a CRC over 2^i zero bytes: x^(8 × 2^i). 53 entries reach every length that a number can count. */
const createShifts = (parameters: CrcParameters): CrcValue[] => {
  const shifts = [powerOfX(parameters.bits, 8)]
  for (let i = 1; i < 53; i++) {
    const last = shifts[i - 1]!
    shifts.push(multiplyModulo(parameters, last, last))
  }
  return shifts
}

const SHIFTS: Readonly<Record<CrcName, readonly CrcValue[]>> = {
  crc32: createShifts(PARAMETERS.crc32),
  crc32c: createShifts(PARAMETERS.crc32c),
  crc64nvme: createShifts(PARAMETERS.crc64nvme),
}

/**
 * The CRC of A followed by B, from the CRC of each (as `Digest.digest` gives them) and the length of B in bytes.
 * Costs at most 53 multiplications: microseconds, whatever the length.
 */
export const combineCrc = (
  name: CrcName,
  crcA: Uint8Array,
  crcB: Uint8Array,
  lengthB: number,
): Uint8Array => {
  const parameters = PARAMETERS[name]
  let moved = decodeCrc(crcA)
  for (let rest = lengthB, i = 0; rest > 0; rest = Math.floor(rest / 2), i++) {
    if (rest % 2 === 1) moved = multiplyModulo(parameters, moved, SHIFTS[name][i]!)
  }
  const b = decodeCrc(crcB)
  return encodeCrc(name, { high: (moved.high ^ b.high) >>> 0, low: (moved.low ^ b.low) >>> 0 })
}

/** The remainders of the 256 bytes, halves apart. */
const createTables = (name: CrcName): { high: Uint32Array; low: Uint32Array } => {
  const { bits, polynomial } = PARAMETERS[name]
  const tables = { high: new Uint32Array(256), low: new Uint32Array(256) }
  for (let byte = 0; byte < 256; byte++) {
    let high = 0
    let low = byte
    for (let step = 0; step < 8; step++) {
      const isReduced = low & 1
      low = (low >>> 1) | (high << 31)
      high >>>= 1
      if (isReduced) {
        high ^= polynomial.high
        low ^= polynomial.low
      }
    }
    tables.high[byte] = bits === 64 ? high : 0
    tables.low[byte] = low
  }
  return tables
}

/** A CRC that grows with the bytes it is given. */
export interface CrcAccumulator {
  update(bytes: Uint8Array): void
  /** Of all bytes so far. */
  value(): CrcValue
}

/** One byte after another through one table: the specification of every faster implementation. */
export const createScalarCrc = (name: CrcName): CrcAccumulator => {
  const tables = createTables(name)
  const highOnes = PARAMETERS[name].bits === 64 ? 0xffffffff : 0
  let high = highOnes
  let low = 0xffffffff
  return {
    update(bytes) {
      for (let i = 0; i < bytes.length; i++) {
        const index = (low ^ bytes[i]!) & 0xff
        low = ((low >>> 8) | (high << 24)) ^ tables.low[index]!
        high = (high >>> 8) ^ tables.high[index]!
      }
    },
    value: () => ({ high: (high ^ highOnes) >>> 0, low: ~low >>> 0 }),
  }
}
