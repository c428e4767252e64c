import fc from 'fast-check'
import type { WriteId } from '../../src/base/ids.ts'
import { createPrng } from '../../src/base/prng.ts'
import { createSharedMemory } from '../../src/base/wasm.ts'
import {
  BLOCK_BYTES,
  blockChecksum,
  blockSeed,
  type CrcName,
  combineCrc,
  createDigest,
  type DigestName,
} from '../../src/codec/checksums.ts'
import { createCrcEngine } from '../../src/codec/crc-wasm.ts'
import { assert, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('checksums')

const CRCS: readonly CrcName[] = ['crc32', 'crc32c', 'crc64nvme']
const hexOf = (name: DigestName, ...pieces: readonly Uint8Array[]): string => {
  const digest = createDigest(name)
  for (const piece of pieces) digest.update(piece)
  return Buffer.from(digest.digest()).toString('hex')
}
const digestOf = (name: DigestName, bytes: Uint8Array): Uint8Array => {
  const digest = createDigest(name)
  digest.update(bytes)
  return digest.digest()
}

test('every digest has its published check value, big-endian', () => {
  const check = (name: DigestName, input: string, expected: string): void =>
    assert.is(hexOf(name, Buffer.from(input)), expected, `${name} of '${input}'`)
  check('md5', '', 'd41d8cd98f00b204e9800998ecf8427e')
  check('md5', '123456789', '25f9e794323b453885f5181f1b624d0b')
  check('sha1', 'abc', 'a9993e364706816aba3e25717850c26c9cd0d89d')
  check('sha256', 'abc', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
  check('crc32', '', '00000000')
  check('crc32', '123456789', 'cbf43926')
  check('crc32c', '', '00000000')
  check('crc32c', '123456789', 'e3069283')
  check('crc64nvme', '', '0000000000000000')
  check('crc64nvme', '123456789', 'ae8b14860a799888')
})

test('CRC-32C has the values of RFC 3720', () => {
  assert.is(hexOf('crc32c', new Uint8Array(32)), '8a9136aa')
  assert.is(hexOf('crc32c', new Uint8Array(32).fill(0xff)), '62a8ab43')
  assert.is(
    hexOf(
      'crc32c',
      Uint8Array.from({ length: 32 }, (_, i) => i),
    ),
    '46dd794e',
  )
})

test('CRC-64/NVME has the values of the NVM command set specification', () => {
  assert.is(hexOf('crc64nvme', new Uint8Array(4_096)), '6482d367eb22b64e')
  assert.is(hexOf('crc64nvme', new Uint8Array(4_096).fill(0xff)), 'c0ddba7302eca3ac')
})

test('a digest does not depend on how its bytes are split', () => {
  const bytes = createPrng(1).bytes(200_000)
  fc.assert(
    fc.property(
      fc.constantFrom<DigestName>('md5', 'sha1', 'sha256', ...CRCS),
      fc.array(fc.nat(bytes.length), { maxLength: 8 }),
      (name, cuts) => {
        const bounds = [0, ...cuts.sort((a, b) => a - b), bytes.length]
        const pieces = bounds.slice(1).map((end, i) => bytes.subarray(bounds[i], end))
        return hexOf(name, ...pieces) === hexOf(name, bytes)
      },
    ),
    { numRuns: 60 },
  )
})

test('digests in work at once do not disturb each other', () => {
  const names: readonly DigestName[] = ['crc32c', 'crc64nvme', 'crc32c', 'crc64nvme', 'md5']
  const inputs = names.map((_, i) => createPrng(i).bytes(50_000))
  const digests = names.map((name) => createDigest(name))
  for (let start = 0; start < 50_000; start += 7_000) {
    for (const [i, digest] of digests.entries()) digest.update(inputs[i]!.subarray(start, start + 7_000))
  }
  for (const [i, digest] of digests.entries()) assert.equal(digest.digest(), digestOf(names[i]!, inputs[i]!))
})

test('views of shared memory are digested like any others', () => {
  const shared = new Uint8Array(createSharedMemory(1, 1).buffer, 77, 30_001)
  const bytes = createPrng(2).bytes(shared.length)
  shared.set(bytes)
  for (const name of ['md5', 'sha1', 'sha256', ...CRCS] as const)
    assert.is(hexOf(name, shared), hexOf(name, bytes))
  assert.is(blockChecksum(shared, 5), blockChecksum(bytes, 5))
})

test('the CRC of two parts combined is that of the whole', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...CRCS),
      fc.uint8Array({ maxLength: 3_000 }),
      fc.uint8Array({ maxLength: 3_000 }),
      (name, a, b) => {
        const combined = combineCrc(name, digestOf(name, a), digestOf(name, b), b.length)
        return Buffer.compare(combined, digestOf(name, Buffer.concat([a, b]))) === 0
      },
    ),
    { numRuns: 200 },
  )
})

test('combining is associative at lengths far past 32 bits', () => {
  const length = fc.integer({ min: 0, max: 5 * 1024 ** 4 })
  fc.assert(
    fc.property(fc.constantFrom(...CRCS), fc.integer(), length, length, (name, seed, lengthB, lengthC) => {
      const [a, b, c] = [1, 2, 3].map((i) => digestOf(name, createPrng(seed + i).bytes(8))) as [
        Uint8Array,
        Uint8Array,
        Uint8Array,
      ]
      const left = combineCrc(name, combineCrc(name, a, b, lengthB), c, lengthC)
      const right = combineCrc(name, a, combineCrc(name, b, c, lengthC), lengthB + lengthC)
      return Buffer.compare(left, right) === 0
    }),
    { numRuns: 100 },
  )
})

const write = 'a1b2c3d4e5f60718293a4b5c6d7e8f90' as WriteId

test('the seed and the checksum of a block on disk stay what they are', () => {
  assert.is(blockSeed(write, 3, 70_000), 0x55b988d5)
  assert.is(blockChecksum(Buffer.from('123456789'), 0x55b988d5), 0xfc143008)
  assert.is(blockChecksum(Buffer.from('123456789'), 0), 0xcbf43926)
})

test('no two blocks of a write share a seed', () => {
  const seeds = new Set<number>()
  for (let shard = 0; shard < 32; shard++) {
    for (let block = 0; block < 500; block++) seeds.add(blockSeed(write, shard, block))
    for (let bit = 9; bit < 27; bit++) seeds.add(blockSeed(write, shard, 2 ** bit))
  }
  assert.is(seeds.size, 32 * 518)
})

test('a block of another place, or of another write, does not pass', () => {
  const other = `${write.slice(0, 31)}1` as WriteId
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(31), fc.nat(1_000_000), (bytes, shard, block) => {
      const checksum = blockChecksum(bytes, blockSeed(write, shard, block))
      return (
        checksum !== blockChecksum(bytes, blockSeed(write, shard, block + 1)) &&
        checksum !== blockChecksum(bytes, blockSeed(write, shard ^ 1, block)) &&
        checksum !== blockChecksum(bytes, blockSeed(other, shard, block))
      )
    }),
    { numRuns: 300 },
  )
})

test('a block that cannot be is a bug', async () => {
  await rejectsWith('ASSERTION', () => blockSeed('short' as WriteId, 0, 0))
  await rejectsWith('ASSERTION', () => blockSeed(write, 32, 0))
  await rejectsWith('ASSERTION', () => blockSeed(write, 0, 2 ** 27))
  await rejectsWith('ASSERTION', () => blockChecksum(new Uint8Array(BLOCK_BYTES + 1), 0))
})

test('a checksum module that is missing or torn is a fault', async () => {
  await rejectsWith('CODEC_LOAD', () => createCrcEngine(() => Uint8Array.of(0, 0x61, 0x73, 0x6d)))
  await rejectsWith('CODEC_LOAD', () =>
    createCrcEngine(() => {
      throw new Error('no such file')
    }),
  )
})

test.run()
