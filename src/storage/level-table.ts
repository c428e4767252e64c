// A table of LevelDB, and whether it is what was written. LevelDB verifies no checksum when it reads a block here, and asserts what
// it takes for granted of keys: one flipped bit ends the process, at a look-up, a listing or a merge, and ends it again after each
// start. So the checksums of all blocks are looked at before LevelDB is.
//
//   data blocks · filter · metaindex · index · footer of 48 bytes
//   a block: bytes · u8 0 plain or 1 Snappy · u32 CRC-32C of both, masked
//   an entry of the index and the metaindex: varints of the bytes shared with the key before, of the others, of the value; key; value,
//     which is the place of a block: varint offset · varint length
//   the footer: places of the metaindex and of the index · zeros · u64 magic number
import { digestOf } from '../codec/checksums.ts'

const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
const MASK_DELTA = 0xa282ead8

interface Place {
  readonly offset: number
  readonly length: number
}

/** Reads on in bytes that verified; throws a RangeError behind their end. */
export class LevelCursor {
  readonly #bytes: Buffer
  at: number

  constructor(bytes: Buffer, at = 0) {
    this.#bytes = bytes
    this.at = at
  }

  varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.at++)
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }

  skip(length: number): void {
    this.at += length
  }

  place(): Place {
    return { offset: this.varint(), length: this.varint() }
  }
}

/** How LevelDB writes a CRC-32C. */
export const levelMaskOf = (crc: number): number => (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
export const levelChecksumOf = (bytes: Uint8Array): number =>
  levelMaskOf(Buffer.from(digestOf('crc32c', bytes)).readUInt32BE())

/** What Snappy made small: a varint of the length, then literals and copies of what came before. */
const unpackSnappy = (packed: Buffer): Buffer => {
  const cursor = new LevelCursor(packed)
  const bytes = Buffer.alloc(cursor.varint())
  let [at, to] = [cursor.at, 0]
  while (at < packed.length) {
    const tag = packed.readUInt8(at++)
    const kind = tag & 3
    if (kind === 0) {
      let length = tag >>> 2
      if (length >= 60) {
        const width = length - 59
        length = packed.readUIntLE(at, width)
        at += width
      }
      to += packed.copy(bytes, to, at, at + length + 1)
      at += length + 1
      continue
    }
    const length = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const width = kind === 1 ? 1 : kind === 2 ? 2 : 4
    const distance = packed.readUIntLE(at, width) + (kind === 1 ? (tag >>> 5) * 256 : 0)
    at += width
    // Byte by byte: a copy may reach into what it makes.
    for (let i = 0; i < length; i++, to++) bytes[to] = bytes.readUInt8(to - distance)
  }
  return bytes
}

const placesIn = (block: Buffer): Place[] => {
  const end = block.length - 4 - 4 * block.readUInt32LE(block.length - 4)
  const cursor = new LevelCursor(block)
  const places: Place[] = []
  while (cursor.at < end) {
    cursor.varint()
    const [keyLength, valueLength] = [cursor.varint(), cursor.varint()]
    const valueAt = cursor.at + keyLength
    places.push(new LevelCursor(block, valueAt).place())
    cursor.at = valueAt + valueLength
  }
  return places
}

/** Where the first block begins that is not what was written; undefined when all are. */
export const checkLevelTable = (table: Buffer): number | undefined => {
  const footerAt = table.length - FOOTER_BYTES
  if (footerAt < 0 || !table.subarray(-MAGIC.length).equals(MAGIC)) return Math.max(0, footerAt)
  const isWhole = ({ offset, length }: Place): boolean => {
    const end = offset + length + 1
    if (end + 4 > footerAt) return false
    return levelChecksumOf(table.subarray(offset, end)) === table.readUInt32LE(end)
  }
  const open = ({ offset, length }: Place): Buffer => {
    const bytes = table.subarray(offset, offset + length)
    return table[offset + length] === 0 ? bytes : unpackSnappy(bytes)
  }
  try {
    const footer = new LevelCursor(table, footerAt)
    const roots = [footer.place(), footer.place()]
    // What is not a place in this file, or another one than was written, has no checksum that fits.
    const damaged = roots.find((root) => !isWhole(root))
    if (damaged) return Math.min(damaged.offset, footerAt)
    const places = roots.flatMap((root) => placesIn(open(root)))
    return places.find((place) => !isWhole(place))?.offset
  } catch (error) {
    if (error instanceof RangeError) return footerAt
    throw error
  }
}
