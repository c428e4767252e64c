// Four MD5s side by side, one in each lane of a vector. One alone leaves most of the processor idle, because each of its steps
// waits for the one before it; four take little longer than one. Eight in one pass are hardly faster: engines spill.
//
// The work area, from `base` on (src/codec/md5.ts has the same numbers):
//
//    0   64   the words: all four a, then all four b, c and d
//   64   16   addresses of the next block, by lane
//  128  256   the blocks in work, turned: word i of each lane in vector i
const WORDS: usize = 0
const ADDRESSES: usize = 64
const MESSAGE: usize = 128

function rotate(value: v128, shift: i32): v128 {
  return v128.or(i32x4.shl(value, shift), i32x4.shr_u(value, 32 - shift))
}

/** What does not depend on the newest word, b, in an order that lets it be added up beforehand. */
function sum(a: v128, message: v128, constant: i32): v128 {
  return i32x4.add(i32x4.add(message, i32x4.splat(constant)), a)
}

function first(a: v128, b: v128, c: v128, d: v128, message: v128, constant: i32, shift: i32): v128 {
  const mixed = v128.xor(d, v128.and(b, v128.xor(c, d)))
  return i32x4.add(rotate(i32x4.add(sum(a, message, constant), mixed), shift), b)
}

function second(a: v128, b: v128, c: v128, d: v128, message: v128, constant: i32, shift: i32): v128 {
  const early = i32x4.add(sum(a, message, constant), v128.andnot(c, d))
  return i32x4.add(rotate(i32x4.add(early, v128.and(b, d)), shift), b)
}

function third(a: v128, b: v128, c: v128, d: v128, message: v128, constant: i32, shift: i32): v128 {
  const mixed = v128.xor(b, v128.xor(c, d))
  return i32x4.add(rotate(i32x4.add(sum(a, message, constant), mixed), shift), b)
}

function fourth(a: v128, b: v128, c: v128, d: v128, message: v128, constant: i32, shift: i32): v128 {
  const mixed = v128.xor(c, v128.or(b, v128.not(d)))
  return i32x4.add(rotate(i32x4.add(sum(a, message, constant), mixed), shift), b)
}

/** Four words of each lane, `offset` bytes past its address, to four vectors. */
function turn(base: usize, offset: usize, target: usize): void {
  const lane0 = v128.load(<usize>load<u32>(base, ADDRESSES) + offset)
  const lane1 = v128.load(<usize>load<u32>(base, ADDRESSES + 4) + offset)
  const lane2 = v128.load(<usize>load<u32>(base, ADDRESSES + 8) + offset)
  const lane3 = v128.load(<usize>load<u32>(base, ADDRESSES + 12) + offset)
  const low01 = v128.shuffle<i32>(lane0, lane1, 0, 4, 1, 5)
  const low23 = v128.shuffle<i32>(lane2, lane3, 0, 4, 1, 5)
  const high01 = v128.shuffle<i32>(lane0, lane1, 2, 6, 3, 7)
  const high23 = v128.shuffle<i32>(lane2, lane3, 2, 6, 3, 7)
  v128.store(target, v128.shuffle<i64>(low01, low23, 0, 2))
  v128.store(target, v128.shuffle<i64>(low01, low23, 1, 3), 16)
  v128.store(target, v128.shuffle<i64>(high01, high23, 0, 2), 32)
  v128.store(target, v128.shuffle<i64>(high01, high23, 1, 3), 48)
}

/** Takes `blocks` blocks of 64 bytes from each lane's address on into its four words. */
export function md5Lanes(base: usize, blocks: usize): void {
  let a = v128.load(base, WORDS)
  let b = v128.load(base, WORDS + 16)
  let c = v128.load(base, WORDS + 32)
  let d = v128.load(base, WORDS + 48)
  for (let offset: usize = 0; blocks > 0; blocks--, offset += 64) {
    turn(base, offset, base + MESSAGE)
    turn(base, offset + 16, base + MESSAGE + 64)
    turn(base, offset + 32, base + MESSAGE + 128)
    turn(base, offset + 48, base + MESSAGE + 192)
    const a0 = a
    const b0 = b
    const c0 = c
    const d0 = d

    a = first(a, b, c, d, v128.load(base, MESSAGE + 0), 0xd76aa478, 7)
    d = first(d, a, b, c, v128.load(base, MESSAGE + 16), 0xe8c7b756, 12)
    c = first(c, d, a, b, v128.load(base, MESSAGE + 32), 0x242070db, 17)
    b = first(b, c, d, a, v128.load(base, MESSAGE + 48), 0xc1bdceee, 22)
    a = first(a, b, c, d, v128.load(base, MESSAGE + 64), 0xf57c0faf, 7)
    d = first(d, a, b, c, v128.load(base, MESSAGE + 80), 0x4787c62a, 12)
    c = first(c, d, a, b, v128.load(base, MESSAGE + 96), 0xa8304613, 17)
    b = first(b, c, d, a, v128.load(base, MESSAGE + 112), 0xfd469501, 22)
    a = first(a, b, c, d, v128.load(base, MESSAGE + 128), 0x698098d8, 7)
    d = first(d, a, b, c, v128.load(base, MESSAGE + 144), 0x8b44f7af, 12)
    c = first(c, d, a, b, v128.load(base, MESSAGE + 160), 0xffff5bb1, 17)
    b = first(b, c, d, a, v128.load(base, MESSAGE + 176), 0x895cd7be, 22)
    a = first(a, b, c, d, v128.load(base, MESSAGE + 192), 0x6b901122, 7)
    d = first(d, a, b, c, v128.load(base, MESSAGE + 208), 0xfd987193, 12)
    c = first(c, d, a, b, v128.load(base, MESSAGE + 224), 0xa679438e, 17)
    b = first(b, c, d, a, v128.load(base, MESSAGE + 240), 0x49b40821, 22)

    a = second(a, b, c, d, v128.load(base, MESSAGE + 16), 0xf61e2562, 5)
    d = second(d, a, b, c, v128.load(base, MESSAGE + 96), 0xc040b340, 9)
    c = second(c, d, a, b, v128.load(base, MESSAGE + 176), 0x265e5a51, 14)
    b = second(b, c, d, a, v128.load(base, MESSAGE + 0), 0xe9b6c7aa, 20)
    a = second(a, b, c, d, v128.load(base, MESSAGE + 80), 0xd62f105d, 5)
    d = second(d, a, b, c, v128.load(base, MESSAGE + 160), 0x02441453, 9)
    c = second(c, d, a, b, v128.load(base, MESSAGE + 240), 0xd8a1e681, 14)
    b = second(b, c, d, a, v128.load(base, MESSAGE + 64), 0xe7d3fbc8, 20)
    a = second(a, b, c, d, v128.load(base, MESSAGE + 144), 0x21e1cde6, 5)
    d = second(d, a, b, c, v128.load(base, MESSAGE + 224), 0xc33707d6, 9)
    c = second(c, d, a, b, v128.load(base, MESSAGE + 48), 0xf4d50d87, 14)
    b = second(b, c, d, a, v128.load(base, MESSAGE + 128), 0x455a14ed, 20)
    a = second(a, b, c, d, v128.load(base, MESSAGE + 208), 0xa9e3e905, 5)
    d = second(d, a, b, c, v128.load(base, MESSAGE + 32), 0xfcefa3f8, 9)
    c = second(c, d, a, b, v128.load(base, MESSAGE + 112), 0x676f02d9, 14)
    b = second(b, c, d, a, v128.load(base, MESSAGE + 192), 0x8d2a4c8a, 20)

    a = third(a, b, c, d, v128.load(base, MESSAGE + 80), 0xfffa3942, 4)
    d = third(d, a, b, c, v128.load(base, MESSAGE + 128), 0x8771f681, 11)
    c = third(c, d, a, b, v128.load(base, MESSAGE + 176), 0x6d9d6122, 16)
    b = third(b, c, d, a, v128.load(base, MESSAGE + 224), 0xfde5380c, 23)
    a = third(a, b, c, d, v128.load(base, MESSAGE + 16), 0xa4beea44, 4)
    d = third(d, a, b, c, v128.load(base, MESSAGE + 64), 0x4bdecfa9, 11)
    c = third(c, d, a, b, v128.load(base, MESSAGE + 112), 0xf6bb4b60, 16)
    b = third(b, c, d, a, v128.load(base, MESSAGE + 160), 0xbebfbc70, 23)
    a = third(a, b, c, d, v128.load(base, MESSAGE + 208), 0x289b7ec6, 4)
    d = third(d, a, b, c, v128.load(base, MESSAGE + 0), 0xeaa127fa, 11)
    c = third(c, d, a, b, v128.load(base, MESSAGE + 48), 0xd4ef3085, 16)
    b = third(b, c, d, a, v128.load(base, MESSAGE + 96), 0x04881d05, 23)
    a = third(a, b, c, d, v128.load(base, MESSAGE + 144), 0xd9d4d039, 4)
    d = third(d, a, b, c, v128.load(base, MESSAGE + 192), 0xe6db99e5, 11)
    c = third(c, d, a, b, v128.load(base, MESSAGE + 240), 0x1fa27cf8, 16)
    b = third(b, c, d, a, v128.load(base, MESSAGE + 32), 0xc4ac5665, 23)

    a = fourth(a, b, c, d, v128.load(base, MESSAGE + 0), 0xf4292244, 6)
    d = fourth(d, a, b, c, v128.load(base, MESSAGE + 112), 0x432aff97, 10)
    c = fourth(c, d, a, b, v128.load(base, MESSAGE + 224), 0xab9423a7, 15)
    b = fourth(b, c, d, a, v128.load(base, MESSAGE + 80), 0xfc93a039, 21)
    a = fourth(a, b, c, d, v128.load(base, MESSAGE + 192), 0x655b59c3, 6)
    d = fourth(d, a, b, c, v128.load(base, MESSAGE + 48), 0x8f0ccc92, 10)
    c = fourth(c, d, a, b, v128.load(base, MESSAGE + 160), 0xffeff47d, 15)
    b = fourth(b, c, d, a, v128.load(base, MESSAGE + 16), 0x85845dd1, 21)
    a = fourth(a, b, c, d, v128.load(base, MESSAGE + 128), 0x6fa87e4f, 6)
    d = fourth(d, a, b, c, v128.load(base, MESSAGE + 240), 0xfe2ce6e0, 10)
    c = fourth(c, d, a, b, v128.load(base, MESSAGE + 96), 0xa3014314, 15)
    b = fourth(b, c, d, a, v128.load(base, MESSAGE + 208), 0x4e0811a1, 21)
    a = fourth(a, b, c, d, v128.load(base, MESSAGE + 64), 0xf7537e82, 6)
    d = fourth(d, a, b, c, v128.load(base, MESSAGE + 176), 0xbd3af235, 10)
    c = fourth(c, d, a, b, v128.load(base, MESSAGE + 32), 0x2ad7d2bb, 15)
    b = fourth(b, c, d, a, v128.load(base, MESSAGE + 144), 0xeb86d391, 21)

    a = i32x4.add(a, a0)
    b = i32x4.add(b, b0)
    c = i32x4.add(c, c0)
    d = i32x4.add(d, d0)
  }
  v128.store(base, a, WORDS)
  v128.store(base, b, WORDS + 16)
  v128.store(base, c, WORDS + 32)
  v128.store(base, d, WORDS + 48)
}
