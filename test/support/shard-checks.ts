// Whether the shards of an object are whole: all that are there, not only as many as a read would need. What was found out
// about a shard in a file of certain bytes holds wherever these bytes are met again.
import type { DiskNumber } from '../../src/base/ids.ts'
import type { Partition } from '../../src/metadata/partition.ts'
import type { Data, ShardPlace, VersionRecord } from '../../src/metadata/records.ts'
import type { Disk } from '../../src/storage/disk.ts'
import { shardPath, volumePath } from '../../src/storage/layout.ts'
import type { StartedStore } from '../../src/storage/start.ts'
import { payloadBytesOf, planStripes } from '../../src/storage/stripes.ts'
import { blocksOf, PAGE_BYTES, PAYLOAD_BYTES_MAX } from '../../src/storage/unit.ts'
import type { PackedPlace } from '../../src/storage/volumes.ts'
import type { Content } from './contents.ts'
import type { ImageFiles } from './image-files.ts'
import { openDisk } from './quick-store.ts'
import { createSlabs } from './stripes.ts'

export type Shards = Extract<Data, { kind: 'shards' }>

/** Of a shard in a file of these very bytes: what is wrong with it, undefined for nothing. */
const known = new WeakMap<Content, Map<string, string | undefined>>()
const slab = createSlabs(1).slab(0)

const packedPlace = ({ volume, offset }: ShardPlace): PackedPlace | undefined =>
  volume === undefined ? undefined : { volume, offset: offset! }

/** Reads all units of a shard; its data is compared with the body, its parity goes by its checksums. */
const readShard = async (
  disk: Disk,
  data: Shards,
  index: number,
  body: Uint8Array,
): Promise<string | undefined> => {
  const { write, k, m, size } = data
  const plan = planStripes(size, k)
  const place = packedPlace(data.places[index]!)
  for (let stripe = 0; stripe < plan.stripes; stripe++) {
    const payloadBytes = payloadBytesOf(plan, stripe)
    const blocks = { firstBlock: 0, blockCount: blocksOf(payloadBytes) }
    const unit = { write, k, m, index, stripe, payloadBytes, ...(place && { place }) }
    const { status } = await disk.readBlocks({ ...unit, ...blocks, slab })
    if (status !== 'ok') return status
    if (index >= k) continue
    const start = Math.min(size, stripe * k * PAYLOAD_BYTES_MAX + index * payloadBytes)
    const wanted = body.subarray(start, Math.min(size, start + payloadBytes))
    const found = slab.subarray(PAGE_BYTES, PAGE_BYTES + wanted.length)
    if (Buffer.compare(found, wanted) !== 0) return 'of other bytes'
  }
  return undefined
}

export interface ShardCheck {
  /** Of those whose disk is there. */
  readonly whole: number
  /** What is the matter with the first that is not. */
  readonly wrong: string | undefined
}

/** Shards on the disks that a start found, in one state. */
export const createShardChecks = (started: StartedStore, files: ImageFiles) => {
  const disks = new Map<DiskNumber, Disk>()
  const diskOf = async (number: DiskNumber): Promise<Disk> => {
    const disk = disks.get(number) ?? (await openDisk(started, number, files))
    disks.set(number, disk)
    return disk
  }
  const checkOne = async (
    number: DiskNumber,
    root: string,
    { data, index, body }: { data: Shards; index: number; body: Uint8Array },
  ): Promise<string | undefined> => {
    const place = packedPlace(data.places[index]!)
    const content = files.contentAt(place ? volumePath(root, place.volume) : shardPath(root, data.write))
    if (!content) return 'missing'
    const found = known.get(content) ?? new Map<string, string | undefined>()
    known.set(content, found)
    const name = `${data.write} ${index} ${place?.offset}`
    if (!found.has(name)) found.set(name, await readShard(await diskOf(number), data, index, body))
    return found.get(name)
  }
  return {
    async check(data: Shards, body: Uint8Array): Promise<ShardCheck> {
      let [whole, wrong]: [number, string | undefined] = [0, undefined]
      for (const [index, { disk: number }] of data.places.entries()) {
        const root = started.disks.find(({ identity }) => identity.number === number)?.root
        if (root === undefined) continue
        const state = await checkOne(number, root, { data, index, body })
        if (state === undefined) whole++
        else wrong ??= `shard ${index} on ${root} is ${state}`
      }
      return { whole, wrong }
    },
    async close() {
      for (const disk of disks.values()) await disk.close()
    },
  }
}

/** The data of a version with where each begins in it: one, or one for each part. */
export const dataOf = (
  partition: Partition,
  version: VersionRecord,
): { readonly data: Data; readonly start: number; readonly size: number }[] => {
  if (version.data.kind !== 'parts') return [{ data: version.data, start: 0, size: version.size }]
  const parts = partition.partsAt(version, 0, version.partCount ?? 0)
  return parts.map(({ start, part }) => ({ start, data: part.data, size: part.size }))
}
