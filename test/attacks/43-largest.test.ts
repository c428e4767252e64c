// 43: the largest object there can be: 10,000 parts of 5 GiB, which is what 50 TB come to. There is no eleventh thousand of parts
// (42) and no larger part, so that nothing adds up to more; what it adds up to is exact, to the last byte.
import { Buffer } from 'node:buffer'
import { GiB } from '../../src/base/units.ts'
import { combineCrc } from '../../src/codec/checksums.ts'
import { type Entry, putEntry } from '../../src/metadata/entry.ts'
import { partKey } from '../../src/metadata/keys.ts'
import { contentRange, parseRange } from '../../src/s3/ranges.ts'
import { addToIndexes, createIndexStore, factsOf, openPartition, shardsData } from '../support/partitions.ts'
import { createSegmentDisks } from '../support/segment-disks.ts'
import { assert, deadline, rejectsWith, suite } from '../support/uvu.ts'

const test = suite('attack 43: the largest object')
const PARTS_MAX = 10_000
const PART_BYTES_MAX = 5 * GiB
const LARGEST = PARTS_MAX * PART_BYTES_MAX

test(
  'it is completed, and found to its last byte',
  deadline(60_000, async () => {
    const files = { disks: createSegmentDisks(6), indexes: [createIndexStore(), createIndexStore()] }
    const first = await openPartition(files)
    await first.createBucket('bucket', { owner: 'me', region: 'us-east-1' })
    const { size: _size, etag: _etag, ...headers } = factsOf(0)
    const facts = { ...headers, checksumAlgorithm: 'CRC64NVME', checksumType: 'FULL_OBJECT' } as const
    const { id: upload } = await first.createUpload({ bucket: 'bucket', key: 'k', facts })
    await first.close()
    const etag = 'ab'.repeat(16)
    const value = 'AQIDBAUGBwg='
    const entryOf = (partNumber: number): Entry =>
      putEntry(partKey(upload, partNumber), {
        ...{ partNumber, size: PART_BYTES_MAX, etag, modifiedMs: 0 },
        checksum: { algorithm: 'CRC64NVME', type: 'FULL_OBJECT', value },
        data: shardsData(partNumber.toString(16), PART_BYTES_MAX, [1, 2, 3], 2),
      })
    const numbers = Array.from({ length: PARTS_MAX }, (_, index) => index + 1)
    await addToIndexes(files.indexes, numbers.map(entryOf))
    const partition = await openPartition(files)
    const address = { bucket: 'bucket', key: 'k', upload }
    const parts = numbers.map((partNumber) => ({ partNumber, etag }))
    await rejectsWith('InvalidRequest', () =>
      partition.completeUpload({ ...address, parts, size: LARGEST - 1 }),
    )
    const version = await partition.completeUpload({ ...address, parts, size: LARGEST })
    assert.is(version.size, LARGEST)
    assert.is(version.partCount, PARTS_MAX)
    assert.is(partition.bucketCounters({ bucket: 'bucket' }).bytes, LARGEST)

    const crc = Buffer.from(value, 'base64')
    const whole = numbers
      .slice(1)
      .reduce<Uint8Array>((sum) => combineCrc('crc64nvme', sum, crc, PART_BYTES_MAX), crc)
    assert.is(version.checksum?.value, Buffer.from(whole).toString('base64'))

    const last = { start: LARGEST - PART_BYTES_MAX, length: PART_BYTES_MAX }
    assert.equal(partition.partRange(version, PARTS_MAX), last)
    assert.is(partition.partRange(version, PARTS_MAX + 1), undefined)
    const placed = partition.partsAt(version, LARGEST - 1, 10)
    assert.equal(
      placed.map(({ start, part }) => [start, part.partNumber]),
      [[last.start, PARTS_MAX]],
    )
    assert.equal(partition.partsAt(version, LARGEST, 10), [])

    const range = parseRange('bytes=-1', LARGEST)!
    assert.equal(range, { start: LARGEST - 1, length: 1 })
    assert.is(contentRange(range, LARGEST), 'bytes 53687091199999-53687091199999/53687091200000')
    assert.equal(parseRange(`bytes=${LARGEST - 1}-`, LARGEST), range)
    await rejectsWith('InvalidRange', () => parseRange(`bytes=${LARGEST}-`, LARGEST))
    await partition.close()
  }),
)

test.run()
