// Whether the shards of one write are where they should be and what they should be, block by block, and whether what is left of
// them is enough.
import type { DiskNumber } from '../base/ids.ts'
import type { ShardsData } from '../metadata/stored.ts'
import type { Disk } from '../storage/disk.ts'
import type { ReadRequest } from '../storage/shard-reader.ts'
import { payloadBytesOf, planStripes, type StripePlan, unitPosition } from '../storage/stripes.ts'
import { blocksOf, PAGE_BYTES } from '../storage/unit.ts'

/** Of one stripe of a shard. */
export interface DamagedUnit {
  readonly stripe: number
  /** Where in its file the unit begins. */
  readonly offset: number
  readonly reason: string
  readonly blocks: readonly number[]
}

export interface CheckedShard {
  readonly index: number
  readonly disk: DiskNumber
  /** In the disk's directory. */
  readonly file: string
  /** Of a packed shard: where it begins in its volume. */
  readonly offset?: number
  /** What it takes on its disk. */
  readonly bytes: number
  readonly state: 'ok' | 'missing' | 'corrupt' | 'disk missing'
  /** Of a corrupt one. */
  readonly damage: readonly DamagedUnit[]
}

/** `whole`: every shard is ok. `reduced`: what is left is enough. `lost`: it is not. */
export type Redundancy = 'whole' | 'reduced' | 'lost'

export interface CheckedShards {
  readonly shards: readonly CheckedShard[]
  readonly redundancy: Redundancy
}

export type DisksByNumber = ReadonlyMap<DiskNumber, Disk>

/** The file of a shard, in its disk's directory. */
export const shardFileOf = ({ write, places }: ShardsData, index: number): string => {
  const volume = places[index]?.volume
  return volume === undefined ? `shards/${write.slice(0, 2)}/${write}` : `volumes/${volume}.vol`
}

/** Undefined when the shard is not there at all. */
const findDamage = async (
  disk: Disk,
  data: ShardsData,
  index: number,
  plan: StripePlan,
): Promise<DamagedUnit[] | undefined> => {
  const { write, k, m } = data
  const { volume, offset } = data.places[index]!
  const place = volume === undefined ? {} : { place: { volume, offset: offset ?? 0 } }
  const slab = new Uint8Array(PAGE_BYTES + payloadBytesOf(plan, 0))
  const damage: DamagedUnit[] = []
  for (let stripe = 0; stripe < plan.stripes; stripe++) {
    const payloadBytes = payloadBytesOf(plan, stripe)
    const all = blocksOf(payloadBytes)
    const read = (firstBlock: number, blockCount: number) => {
      const request: ReadRequest = {
        write,
        index,
        k,
        m,
        stripe,
        payloadBytes,
        slab,
        firstBlock,
        blockCount,
        ...place,
      }
      return disk.readBlocks(request)
    }
    const whole = await read(0, all)
    if (whole.status === 'missing') return undefined
    if (whole.status === 'ok') continue
    const blocks: number[] = []
    for (let block = 0; block < all; block++) if ((await read(block, 1)).status !== 'ok') blocks.push(block)
    damage.push({ stripe, offset: offset ?? unitPosition(stripe), reason: whole.reason, blocks })
  }
  return damage
}

const checkShard = async (
  disks: DisksByNumber,
  data: ShardsData,
  index: number,
  plan: StripePlan,
): Promise<CheckedShard> => {
  const { disk: number, offset } = data.places[index]!
  const where = {
    ...{ index, disk: number, file: shardFileOf(data, index), bytes: plan.diskBytes },
    ...(offset !== undefined && { offset }),
  }
  const disk = disks.get(number)
  if (!disk) return { ...where, state: 'disk missing', damage: [] }
  const damage = await findDamage(disk, data, index, plan)
  if (!damage) return { ...where, state: 'missing', damage: [] }
  return { ...where, state: damage.length === 0 ? 'ok' : 'corrupt', damage }
}

/** A block is lost when fewer than k of its k + m are left; it is another m that may be missing elsewhere. */
const redundancyOf = (shards: readonly CheckedShard[], m: number): Redundancy => {
  if (shards.every(({ state }) => state === 'ok')) return 'whole'
  const absent = shards.filter(({ state }) => state === 'missing' || state === 'disk missing').length
  const damaged = new Map<string, number>()
  for (const { stripe, blocks } of shards.flatMap(({ damage }) => damage)) {
    for (const block of blocks) {
      const name = `${stripe}/${block}`
      damaged.set(name, (damaged.get(name) ?? 0) + 1)
    }
  }
  return absent + Math.max(0, ...damaged.values()) > m ? 'lost' : 'reduced'
}

/** Reads every block of every shard that is on a disk of `disks`. */
export const checkShards = async (disks: DisksByNumber, data: ShardsData): Promise<CheckedShards> => {
  const plan = planStripes(data.size, data.k)
  const shards = await Promise.all(data.places.map((_, index) => checkShard(disks, data, index, plan)))
  return { shards, redundancy: redundancyOf(shards, data.m) }
}
