// CRC-32C and CRC-64/NVME, 16 bytes per step ("slicing-by-16", after Kounavis and Berry): table j says what a byte
// becomes once j more bytes have passed. The module has a small memory of its own:
//
//        0   32,768   16 tables of CRC-64
//   32,768   16,384   16 tables of CRC-32C
//   65,536   65,536   bytes to be summed, put here by the caller
//
// `setup` is called once. State goes in and out inverted, as the loops use it.
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

function entry64(table: usize, word: u64, shift: u64): u64 {
  return load<u64>(TABLES_64 + (table << 11) + ((<usize>(word >> shift) & 255) << 3))
}

/** Eight bytes of which the first is to be followed by `behind` + 7 more. */
function word64(word: u64, behind: usize): u64 {
  const first = entry64(behind + 7, word, 0) ^ entry64(behind + 6, word, 8)
  const second = entry64(behind + 5, word, 16) ^ entry64(behind + 4, word, 24)
  const third = entry64(behind + 3, word, 32) ^ entry64(behind + 2, word, 40)
  const fourth = entry64(behind + 1, word, 48) ^ entry64(behind, word, 56)
  return first ^ second ^ (third ^ fourth)
}

export function crc64(crc: u64, length: usize): u64 {
  let from = STAGE
  const end = STAGE + length
  for (; from + 16 <= end; from += 16) crc = word64(crc ^ load<u64>(from), 8) ^ word64(load<u64>(from, 8), 0)
  for (; from < end; from++) crc = (crc >> 8) ^ entry64(0, crc ^ <u64>load<u8>(from), 0)
  return crc
}

function entry32(table: usize, word: u64, shift: u64): u32 {
  return load<u32>(TABLES_32 + (table << 10) + ((<usize>(word >> shift) & 255) << 2))
}

function word32(word: u64, behind: usize): u32 {
  const first = entry32(behind + 7, word, 0) ^ entry32(behind + 6, word, 8)
  const second = entry32(behind + 5, word, 16) ^ entry32(behind + 4, word, 24)
  const third = entry32(behind + 3, word, 32) ^ entry32(behind + 2, word, 40)
  const fourth = entry32(behind + 1, word, 48) ^ entry32(behind, word, 56)
  return first ^ second ^ (third ^ fourth)
}

export function crc32c(crc: u32, length: usize): u32 {
  let from = STAGE
  const end = STAGE + length
  for (; from + 16 <= end; from += 16) {
    crc = word32(<u64>crc ^ load<u64>(from), 8) ^ word32(load<u64>(from, 8), 0)
  }
  for (; from < end; from++) crc = (crc >> 8) ^ entry32(0, <u64>(crc ^ <u32>load<u8>(from)), 0)
  return crc
}
