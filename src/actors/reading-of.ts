// A looked-up version as a Reading: where its bytes are decides how they are read, and the lease from the look-up
// keeps them from being reclaimed until the reading is closed.
import { fault } from '../base/errors.ts'
import { SECOND } from '../base/units.ts'
import type { PartRecord, VersionRecord } from '../metadata/records.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { BucketProtocol, Opened } from './bucket-protocol.ts'
import type { ByteRange, Chunk, Reading } from './engine.ts'
import { type ReadDependencies, readShards } from './reading.ts'
import type { ReadingLeases } from './reading-leases.ts'

const LOOKUP_LIMIT = { withinMs: 30 * SECOND }
/** Parts of a completed upload fetched at a time: a range in the middle reads one page, not ten thousand records. */
const PARTS_PAGE = 256

/** The reading of what the bucket actor opened. */
export const readingOf = (
  opened: Opened,
  bucket: ActorRef<BucketProtocol>,
  leases: Pick<ReadingLeases, 'end'>,
  dependencies: ReadDependencies,
): Reading => {
  const { version, lease, body } = opened
  let isOpen = true
  return {
    version,
    ...(body && { bytes: body }),
    read: (range) => readVersion(version, body, range, bucket, dependencies),
    part: (partNumber) => bucket.ask('partRange', { version, partNumber }, LOOKUP_LIMIT),
    close() {
      if (isOpen && lease !== undefined) leases.end(bucket, lease)
      isOpen = false
    },
  }
}

async function* readVersion(
  version: VersionRecord,
  body: Uint8Array | undefined,
  range: ByteRange,
  bucket: ActorRef<BucketProtocol>,
  dependencies: ReadDependencies,
): AsyncIterable<Chunk> {
  if (range.length === 0) return
  if (body) {
    yield { bytes: body.subarray(range.start, range.start + range.length), release: () => undefined }
  } else if (version.data.kind === 'parts') {
    yield* readParts(version, range, bucket, dependencies)
  } else if (version.data.kind === 'shards') {
    yield* readShards(version.data, range, dependencies)
  } else {
    throw fault('METADATA_CORRUPT', 'an inline version was opened without its body')
  }
}

async function* readParts(
  version: VersionRecord,
  range: ByteRange,
  bucket: ActorRef<BucketProtocol>,
  dependencies: ReadDependencies,
): AsyncIterable<Chunk> {
  const end = range.start + range.length
  let position = range.start
  while (position < end) {
    const page = await bucket.ask('partsAt', { version, offset: position, limit: PARTS_PAGE }, LOOKUP_LIMIT)
    if (page.length === 0) throw fault('METADATA_CORRUPT', 'a completed upload lacks some of its parts')
    for (const { start, part } of page) {
      if (position >= end) return
      const to = Math.min(end, start + part.size)
      yield* readPart(part, { start: position - start, length: to - position }, bucket, dependencies)
      position = to
    }
  }
}

async function* readPart(
  part: PartRecord,
  range: ByteRange,
  bucket: ActorRef<BucketProtocol>,
  dependencies: ReadDependencies,
): AsyncIterable<Chunk> {
  if (part.data.kind === 'shards') {
    yield* readShards(part.data, range, dependencies)
  } else if (part.data.kind === 'inline') {
    const body = await bucket.ask('readInline', { data: part.data }, LOOKUP_LIMIT)
    yield { bytes: body.subarray(range.start, range.start + range.length), release: () => undefined }
  }
}
