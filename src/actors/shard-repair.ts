// The repair of one shard: its units are verified where it lies, rebuilt from k others where they are not whole, and the
// shard is written again. One actor for one shard, so that a disk that was being written to takes an unfinished
// copy back when this actor ends. Memory: the k + 1 units of one stripe.
//
//   large    a new file that takes the name of the damaged one when it is whole and synced; or the file on another disk
//   packed   a new entry of a volume; the old one is garbage
//
// What was whole of the damaged shard stays readable until then: with others it may be what a stripe is made of.
import { fault, unavailable } from '../base/errors.ts'
import type { DiskNumber } from '../base/ids.ts'
import { MINUTE, SECOND } from '../base/units.ts'
import type { ShardPlace } from '../metadata/records.ts'
import type { ShardsData } from '../metadata/stored.ts'
import type { ActorRef, Behavior, Context } from '../runtime/actor.ts'
import { payloadBytesOf, planStripes } from '../storage/stripes.ts'
import { blocksOf, sealUnit } from '../storage/unit.ts'
import type { StripeCoder } from './coder.ts'
import { type DiskProtocol, packedPlace, type UnitOutcome, unitOf } from './disk-protocol.ts'
import { acquireStripe, offsetOf, type SlabRange, type StripeBuffer, viewOf } from './stripe-buffer.ts'

export interface ShardRepairArgs {
  readonly data: ShardsData
  readonly shard: number
  readonly coder: StripeCoder
  disk(number: DiskNumber): ActorRef<DiskProtocol> | undefined
  /** Where it is to be written. */
  readonly target: DiskNumber
}

export interface ShardRepairProtocol {
  /** Whether every unit of the shard is whole where the record says it lies, on the medium. */
  verify(m: Record<string, never>): Promise<boolean>
  /**
   * Rebuilds and writes the shard; durable when it resolves, and read back from the medium. QUORUM_READ or OBJECT_LOST when there
   * is too little left, DISK_IO when what was written is not what can be read.
   */
  rebuild(m: Record<string, never>): Promise<ShardPlace>
}

/** Repair waits for memory as long as it takes others to be served. */
const SLAB_WAIT_MS = 2 * MINUTE
const UNIT_LIMIT = { withinMs: 30 * SECOND }

type Outcome = UnitOutcome | 'unanswered'

export const shardRepair: Behavior<ShardRepairProtocol, ShardRepairArgs> = {
  mailbox: { messagesMax: 4, bytesMax: 4096 },
  // The repairer says what became of the shard.
  answers: ['DISK_FULL', 'DISK_IO', 'OBJECT_LOST'],
  setup(context, args) {
    const { data, shard, target } = args
    const plan = planStripes(data.size, data.k)
    const withBuffer = async <T>(
      stripe: number,
      units: number,
      use: (buffer: StripeBuffer, payloadBytes: number) => Promise<T>,
    ): Promise<T> => {
      const payloadBytes = payloadBytesOf(plan, stripe)
      const request = { units, payloadBytes, isUrgent: false, withinMs: SLAB_WAIT_MS }
      const buffer = await acquireStripe(context.arena, request)
      try {
        return await use(buffer, payloadBytes)
      } finally {
        buffer.release()
      }
    }
    return {
      async verify() {
        const place = data.places[shard]!
        const ref = args.disk(place.disk)
        if (!ref) throw unavailable('QUORUM_READ', 'the disk of the shard is out')
        return isWhole(args, ref, place)
      },
      async rebuild() {
        const ref = args.disk(target)
        if (!ref) throw unavailable('TOO_FEW_DISKS', 'the disk that was to take the shard is out')
        let place: ShardPlace = { disk: target }
        for (let stripe = 0; stripe < plan.stripes; stripe++) {
          await withBuffer(stripe, data.k + 1, async (buffer, payloadBytes) => {
            const unit = buffer.units[0]!
            await restoreUnit(args, stripe, payloadBytes, buffer)
            place = await writeUnit(context, args, ref, payloadBytes, unit)
          })
        }
        if (!plan.isPacked) await ref.ask('sealShard', { write: data.write }, UNIT_LIMIT)
        if (!(await isWhole(args, ref, place))) {
          throw fault('DISK_IO', 'what a repair wrote cannot be read back', {
            disk: target,
            write: data.write,
            shard,
          })
        }
        return place
      },
    }
  },
}

const writeUnit = async (
  context: Context<ShardRepairProtocol>,
  { data, target }: ShardRepairArgs,
  ref: ActorRef<DiskProtocol>,
  payloadBytes: number,
  unit: SlabRange,
): Promise<ShardPlace> => {
  const { isPacked, diskBytes } = planStripes(data.size, data.k)
  if (isPacked) {
    return { disk: target, ...(await ref.ask('packShard', { payloadBytes, unit }, UNIT_LIMIT)) }
  }
  const request = { writer: context.self, write: data.write, diskBytes, unit, isRepair: true }
  await ref.ask('writeUnit', request, UNIT_LIMIT)
  return { disk: target }
}

const UNITS_PER_CHECK = 16

/** Whether every unit of the shard can be read at `place`: from the medium, for what lies in memory says nothing about that. */
const isWhole = async (
  { data, shard }: ShardRepairArgs,
  ref: ActorRef<DiskProtocol>,
  place: ShardPlace,
): Promise<boolean> => {
  const { stripes } = planStripes(data.size, data.k)
  for (let first = 0; first < stripes; first += UNITS_PER_CHECK) {
    const count = Math.min(UNITS_PER_CHECK, stripes - first)
    const units = Array.from({ length: count }, (_, i) => unitOf(data, shard, first + i, place))
    const outcomes = await ref.ask('verifyUnits', { units }, UNIT_LIMIT)
    if (outcomes.some((outcome) => outcome !== 'ok')) return false
  }
  return true
}

const readUnit = async (
  { data, disk }: ShardRepairArgs,
  shard: number,
  stripe: number,
  payloadBytes: number,
  into: SlabRange,
): Promise<Outcome> => {
  const { write, k, m, places } = data
  const place = places[shard]!
  const ref = disk(place.disk)
  if (!ref) return 'unanswered'
  const unit = { write, index: shard, k, m, stripe, payloadBytes }
  const request = { unit, ...packedPlace(place), firstBlock: 0, blockCount: blocksOf(payloadBytes), into }
  try {
    return await ref.ask('readUnit', request, UNIT_LIMIT)
  } catch {
    // Its own supervisor has heard of it; another unit stands in for this one.
    return 'unanswered'
  }
}

/** The unit of the wanted shard, sealed, in the first room of the buffer: its own if that is whole, else made from k others. */
const restoreUnit = async (
  args: ShardRepairArgs,
  stripe: number,
  payloadBytes: number,
  { units }: StripeBuffer,
): Promise<void> => {
  const { data, shard, coder } = args
  const { write, k, m, places } = data
  const own = units[0]!
  const address = { write, index: shard, k, m, stripe, payloadBytes }
  if ((await readUnit(args, shard, stripe, payloadBytes, own)) !== 'ok') {
    const ranges: (SlabRange | undefined)[] = places.map(() => undefined)
    const free = units.slice(1)
    let unanswered = 0
    for (const other of places.keys()) {
      if (other === shard || free.length === 0) continue
      const outcome = await readUnit(args, other, stripe, payloadBytes, free[0]!)
      if (outcome === 'ok') ranges[other] = free.shift()
      else if (outcome === 'unanswered') unanswered++
    }
    if (free.length > 0) {
      throw unanswered > 0
        ? unavailable('QUORUM_READ', 'too few disks answer to repair a shard now')
        : fault('OBJECT_LOST', 'too few shards are whole to repair another', { write, shard })
    }
    const present = ranges.map((range) => range !== undefined)
    ranges[shard] = own
    const slabs = ranges.map((range) => (range ? offsetOf(range) : 0))
    const blocks = { firstBlock: 0, blockCount: blocksOf(payloadBytes) }
    await coder.restore({ write, k, m, stripe, payloadBytes, slabs, present, wanted: [shard], ...blocks })
  }
  sealUnit(viewOf(own), address)
}
