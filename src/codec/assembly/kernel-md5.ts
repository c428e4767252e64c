// MD5 (RFC 1321), as fast as one stream can be: each step needs the result of the one before it, so what counts is how many
// instructions lie between the newest word, b, and the next one. Everything else, the message and the constant first, is
// added up beforehand: in the order a + message + constant the same sum is an eighth slower on V8.
//
// All 64 steps are written out, because the words change places with each: a copy of them per step would cost as much as
// a step. Nothing is allocated and there is no static data: all addresses come from the caller.

function first(a: u32, b: u32, c: u32, d: u32, message: u32, constant: u32, shift: u32): u32 {
  return rotl<u32>(message + constant + a + (d ^ (b & (c ^ d))), shift) + b
}

/** Of (b & d) | (c & ~d) no bit is set on both sides, so the halves may be added: the one without b beforehand. */
function second(a: u32, b: u32, c: u32, d: u32, message: u32, constant: u32, shift: u32): u32 {
  return rotl<u32>(message + constant + a + (c & ~d) + (b & d), shift) + b
}

function third(a: u32, b: u32, c: u32, d: u32, message: u32, constant: u32, shift: u32): u32 {
  return rotl<u32>(message + constant + a + (b ^ (c ^ d)), shift) + b
}

function fourth(a: u32, b: u32, c: u32, d: u32, message: u32, constant: u32, shift: u32): u32 {
  return rotl<u32>(message + constant + a + (c ^ (b | ~d)), shift) + b
}

/** Takes `blocks` blocks of 64 bytes, one behind the other from `from` on, into the four words at `state`. */
export function md5(state: usize, from: usize, blocks: usize): void {
  let a = load<u32>(state)
  let b = load<u32>(state, 4)
  let c = load<u32>(state, 8)
  let d = load<u32>(state, 12)
  for (; blocks > 0; blocks--, from += 64) {
    const a0 = a
    const b0 = b
    const c0 = c
    const d0 = d

    a = first(a, b, c, d, load<u32>(from, 0), 0xd76aa478, 7)
    d = first(d, a, b, c, load<u32>(from, 4), 0xe8c7b756, 12)
    c = first(c, d, a, b, load<u32>(from, 8), 0x242070db, 17)
    b = first(b, c, d, a, load<u32>(from, 12), 0xc1bdceee, 22)
    a = first(a, b, c, d, load<u32>(from, 16), 0xf57c0faf, 7)
    d = first(d, a, b, c, load<u32>(from, 20), 0x4787c62a, 12)
    c = first(c, d, a, b, load<u32>(from, 24), 0xa8304613, 17)
    b = first(b, c, d, a, load<u32>(from, 28), 0xfd469501, 22)
    a = first(a, b, c, d, load<u32>(from, 32), 0x698098d8, 7)
    d = first(d, a, b, c, load<u32>(from, 36), 0x8b44f7af, 12)
    c = first(c, d, a, b, load<u32>(from, 40), 0xffff5bb1, 17)
    b = first(b, c, d, a, load<u32>(from, 44), 0x895cd7be, 22)
    a = first(a, b, c, d, load<u32>(from, 48), 0x6b901122, 7)
    d = first(d, a, b, c, load<u32>(from, 52), 0xfd987193, 12)
    c = first(c, d, a, b, load<u32>(from, 56), 0xa679438e, 17)
    b = first(b, c, d, a, load<u32>(from, 60), 0x49b40821, 22)

    a = second(a, b, c, d, load<u32>(from, 4), 0xf61e2562, 5)
    d = second(d, a, b, c, load<u32>(from, 24), 0xc040b340, 9)
    c = second(c, d, a, b, load<u32>(from, 44), 0x265e5a51, 14)
    b = second(b, c, d, a, load<u32>(from, 0), 0xe9b6c7aa, 20)
    a = second(a, b, c, d, load<u32>(from, 20), 0xd62f105d, 5)
    d = second(d, a, b, c, load<u32>(from, 40), 0x02441453, 9)
    c = second(c, d, a, b, load<u32>(from, 60), 0xd8a1e681, 14)
    b = second(b, c, d, a, load<u32>(from, 16), 0xe7d3fbc8, 20)
    a = second(a, b, c, d, load<u32>(from, 36), 0x21e1cde6, 5)
    d = second(d, a, b, c, load<u32>(from, 56), 0xc33707d6, 9)
    c = second(c, d, a, b, load<u32>(from, 12), 0xf4d50d87, 14)
    b = second(b, c, d, a, load<u32>(from, 32), 0x455a14ed, 20)
    a = second(a, b, c, d, load<u32>(from, 52), 0xa9e3e905, 5)
    d = second(d, a, b, c, load<u32>(from, 8), 0xfcefa3f8, 9)
    c = second(c, d, a, b, load<u32>(from, 28), 0x676f02d9, 14)
    b = second(b, c, d, a, load<u32>(from, 48), 0x8d2a4c8a, 20)

    a = third(a, b, c, d, load<u32>(from, 20), 0xfffa3942, 4)
    d = third(d, a, b, c, load<u32>(from, 32), 0x8771f681, 11)
    c = third(c, d, a, b, load<u32>(from, 44), 0x6d9d6122, 16)
    b = third(b, c, d, a, load<u32>(from, 56), 0xfde5380c, 23)
    a = third(a, b, c, d, load<u32>(from, 4), 0xa4beea44, 4)
    d = third(d, a, b, c, load<u32>(from, 16), 0x4bdecfa9, 11)
    c = third(c, d, a, b, load<u32>(from, 28), 0xf6bb4b60, 16)
    b = third(b, c, d, a, load<u32>(from, 40), 0xbebfbc70, 23)
    a = third(a, b, c, d, load<u32>(from, 52), 0x289b7ec6, 4)
    d = third(d, a, b, c, load<u32>(from, 0), 0xeaa127fa, 11)
    c = third(c, d, a, b, load<u32>(from, 12), 0xd4ef3085, 16)
    b = third(b, c, d, a, load<u32>(from, 24), 0x04881d05, 23)
    a = third(a, b, c, d, load<u32>(from, 36), 0xd9d4d039, 4)
    d = third(d, a, b, c, load<u32>(from, 48), 0xe6db99e5, 11)
    c = third(c, d, a, b, load<u32>(from, 60), 0x1fa27cf8, 16)
    b = third(b, c, d, a, load<u32>(from, 8), 0xc4ac5665, 23)

    a = fourth(a, b, c, d, load<u32>(from, 0), 0xf4292244, 6)
    d = fourth(d, a, b, c, load<u32>(from, 28), 0x432aff97, 10)
    c = fourth(c, d, a, b, load<u32>(from, 56), 0xab9423a7, 15)
    b = fourth(b, c, d, a, load<u32>(from, 20), 0xfc93a039, 21)
    a = fourth(a, b, c, d, load<u32>(from, 48), 0x655b59c3, 6)
    d = fourth(d, a, b, c, load<u32>(from, 12), 0x8f0ccc92, 10)
    c = fourth(c, d, a, b, load<u32>(from, 40), 0xffeff47d, 15)
    b = fourth(b, c, d, a, load<u32>(from, 4), 0x85845dd1, 21)
    a = fourth(a, b, c, d, load<u32>(from, 32), 0x6fa87e4f, 6)
    d = fourth(d, a, b, c, load<u32>(from, 60), 0xfe2ce6e0, 10)
    c = fourth(c, d, a, b, load<u32>(from, 24), 0xa3014314, 15)
    b = fourth(b, c, d, a, load<u32>(from, 52), 0x4e0811a1, 21)
    a = fourth(a, b, c, d, load<u32>(from, 16), 0xf7537e82, 6)
    d = fourth(d, a, b, c, load<u32>(from, 44), 0xbd3af235, 10)
    c = fourth(c, d, a, b, load<u32>(from, 8), 0x2ad7d2bb, 15)
    b = fourth(b, c, d, a, load<u32>(from, 36), 0xeb86d391, 21)

    a += a0
    b += b0
    c += c0
    d += d0
  }
  store<u32>(state, a)
  store<u32>(state, b, 4)
  store<u32>(state, c, 8)
  store<u32>(state, d, 12)
}
