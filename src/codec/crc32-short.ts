// CRC-32 (ISO 3309, as zlib's) of a few bytes, in JavaScript: below a hundred or so, a call into native code and the view it
// is handed cost more than the bytes.

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})

/** Of bytes [from, to), continued from `crc`, which is that of what comes before them: 0 for nothing. */
export const crc32Short = (bytes: Uint8Array, from: number, to: number, crc: number): number => {
  let state = ~crc
  for (let i = from; i < to; i++) state = TABLE[(state ^ bytes[i]!) & 0xff]! ^ (state >>> 8)
  return ~state >>> 0
}
