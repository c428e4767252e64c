// CRC-32C and CRC-64/NVME, 16 bytes per step ("slicing-by-16", after Kounavis and Berry): table j says what a byte becomes
// once j more bytes have passed. Words of 32 bits are taken apart with fewer instructions than those of 64. What bounds
// it is the number of look-ups, not their latency: two chains side by side were no faster.
//
// The module has a small memory of its own; `setup` fills the tables and is called once. State goes in and out
// inverted, as the loops use it. (Functions that must be inlined are decorated, which makes this file no TypeScript.)
//
//        0   32,768   16 tables of CRC-64
//   32,768   16,384   16 tables of CRC-32C
//   65,536   65,536   the stage: bytes to be summed, put here by the caller
const TABLES_64: usize = 0
const TABLES_32: usize = 32768
const STAGE: usize = 65536

const POLYNOMIAL_64: u64 = 0x9a6c9329ac4bc9b5
const POLYNOMIAL_32: u32 = 0x82f63b78

export function setup(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let long: u64 = byte
    let short = byte
    for (let i = 0; i < 8; i++) {
      long = (long >> 1) ^ (POLYNOMIAL_64 & (0 - (long & 1)))
      short = (short >> 1) ^ (POLYNOMIAL_32 & (0 - (short & 1)))
    }
    store<u64>(TABLES_64 + (byte << 3), long)
    store<u32>(TABLES_32 + (byte << 2), short)
  }
  for (let i: usize = 256; i < 4096; i++) {
    const long = load<u64>(TABLES_64 + ((i - 256) << 3))
    store<u64>(TABLES_64 + (i << 3), (long >> 8) ^ load<u64>(TABLES_64 + ((<usize>long & 255) << 3)))
    const short = load<u32>(TABLES_32 + ((i - 256) << 2))
    store<u32>(TABLES_32 + (i << 2), (short >> 8) ^ load<u32>(TABLES_32 + ((short & 255) << 2)))
  }
}

/** Entry of `table` for byte 0 … 3 of `word`. The byte goes straight to eight times its place, the size of an entry. */
@inline
function entry64(table: usize, word: u32, byte: u32): u64 {
  const place = byte === 0 ? <usize>(word << 3) & 0x7f8 : <usize>(word >> (byte * 8 - 3)) & 0x7f8
  return load<u64>(TABLES_64 + (table << 11) + place)
}

/** Four bytes, with `behind` more to follow in the same step. */
@inline
function word64(word: u32, behind: usize): u64 {
  const first = entry64(behind + 3, word, 0) ^ entry64(behind + 2, word, 1)
  return first ^ (entry64(behind + 1, word, 2) ^ entry64(behind, word, 3))
}

@inline
function step64(crc: u64, from: usize): u64 {
  const second = word64(load<u32>(from, 8), 4) ^ word64(load<u32>(from, 12), 0)
  crc ^= load<u64>(from)
  return word64(<u32>crc, 12) ^ word64(<u32>(crc >> 32), 8) ^ second
}

/** Sums the first `length` bytes of the stage. */
export function crc64(crc: u64, length: usize): u64 {
  const end = STAGE + length
  let from = STAGE
  for (; from + 16 <= end; from += 16) crc = step64(crc, from)
  for (; from < end; from++) crc = (crc >> 8) ^ entry64(0, <u32>crc ^ load<u8>(from), 0)
  return crc
}

@inline
function entry32(table: usize, word: u32, byte: u32): u32 {
  const place = byte === 0 ? <usize>(word << 2) & 0x3fc : <usize>(word >> (byte * 8 - 2)) & 0x3fc
  return load<u32>(TABLES_32 + (table << 10) + place)
}

@inline
function word32(word: u32, behind: usize): u32 {
  const first = entry32(behind + 3, word, 0) ^ entry32(behind + 2, word, 1)
  return first ^ (entry32(behind + 1, word, 2) ^ entry32(behind, word, 3))
}

@inline
function step32(crc: u32, from: usize): u32 {
  const second = word32(load<u32>(from, 8), 4) ^ word32(load<u32>(from, 12), 0)
  return word32(crc ^ load<u32>(from), 12) ^ word32(load<u32>(from, 4), 8) ^ second
}

/** Sums the first `length` bytes of the stage. */
export function crc32c(crc: u32, length: usize): u32 {
  const end = STAGE + length
  let from = STAGE
  for (; from + 16 <= end; from += 16) crc = step32(crc, from)
  for (; from < end; from++) crc = (crc >> 8) ^ entry32(0, crc ^ load<u8>(from), 0)
  return crc
}
