// Reads a stretch of an object from its shards: k data units where they are whole, and what redundancy can give where
// they are not. Only bytes that a disk has verified leave this file. One step is one unit or a part of one; the next
// is read while the last one is on its way to the client, and no more than that.
//
//   object bytes:  | stripe 0: unit 0 | unit 1 | … | unit k−1 | stripe 1: unit 0 | …
import { type Clock, sleep } from '../base/clock.ts'
import { fault, unavailable } from '../base/errors.ts'
import { MiB, SECOND } from '../base/units.ts'
import type { Data } from '../metadata/records.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { Arena } from '../runtime/arena.ts'
import { payloadBytesOf, planStripes, type StripePlan } from '../storage/stripes.ts'
import { BLOCK_BYTES, PAGE_BYTES, PAYLOAD_BYTES_MAX } from '../storage/unit.ts'
import type { StripeCoder } from './coder.ts'
import { type DiskProtocol, packedPlace, type UnitOutcome } from './disk-protocol.ts'
import type { ByteRange, Chunk } from './engine.ts'
import { acquireStripe, offsetOf, type SlabRange, type StripeBuffer, viewOf } from './stripe-buffer.ts'

/** A disk that takes longer is treated as if the unit were missing. */
const UNIT_LIMIT = { withinMs: 10 * SECOND }
/** How long a reader waits for a slab before the answer is 503 SlowDown. */
const SLAB_WAIT_MS = 10 * SECOND
/** Rounds of asking the disks that did not answer, and the pause before each: a disk actor starts anew within it. */
const ATTEMPTS_MAX = 3
const RETRY_AFTER_MS = 1 * SECOND
/** Below this share of free large slabs a reader takes a block at a time: one that stops reading holds little. */
const FREE_SHARE_MIN = 0.5

export type ShardsData = Extract<Data, { kind: 'shards' }>

export interface ReadDependencies {
  readonly arena: Arena
  readonly clock: Clock
  readonly coder: StripeCoder
  /** The disk's actor; undefined when the disk is out or no longer of this store. */
  disk(number: ShardsData['places'][number]['disk']): ActorRef<DiskProtocol> | undefined
  /** Whether the disk lags so far behind its peers that a parity shard is sooner there. */
  isSlow(number: ShardsData['places'][number]['disk']): boolean
  /** Shard `shard` could not be had although its disk answered: its repair is wanted. */
  damaged(data: ShardsData, shard: number, how: 'missing' | 'corrupt'): void
}

/** Blocks of a unit of one stripe, and the bytes of them that are wanted. */
interface Step {
  readonly stripe: number
  readonly payloadBytes: number
  readonly shard: number
  readonly firstBlock: number
  readonly blockCount: number
  /** Bytes of those blocks. */
  readonly length: number
  /** From the first of those bytes on. */
  readonly skip: number
  readonly take: number
}

const planStep = (plan: StripePlan, position: number, end: number, bytesMax: number): Step => {
  const stripeBytes = plan.k * PAYLOAD_BYTES_MAX
  const stripe = Math.floor(position / stripeBytes)
  const payloadBytes = payloadBytesOf(plan, stripe)
  const shard = Math.floor((position - stripe * stripeBytes) / payloadBytes)
  const offset = position - stripe * stripeBytes - shard * payloadBytes
  const firstBlock = Math.floor(offset / BLOCK_BYTES)
  const skip = offset - firstBlock * BLOCK_BYTES
  const take = Math.min(end - position, payloadBytes - offset, bytesMax - skip)
  const blockCount = Math.ceil((skip + take) / BLOCK_BYTES)
  const length = Math.min(blockCount * BLOCK_BYTES, payloadBytes - firstBlock * BLOCK_BYTES)
  return { stripe, payloadBytes, shard, firstBlock, blockCount, length, skip, take }
}

/** The bytes of `range`, verified, in order. Throws `QUORUM_READ` or `OBJECT_LOST`; what came before was right. */
export async function* readShards(
  data: ShardsData,
  range: ByteRange,
  dependencies: ReadDependencies,
): AsyncGenerator<Chunk> {
  const plan = planStripes(data.size, data.k)
  const end = range.start + range.length
  let position = range.start
  let ahead: Promise<Chunk> | undefined
  const start = (): Promise<Chunk> | undefined => {
    if (position >= end) return undefined
    const isScarce = dependencies.arena.pressure('large') < FREE_SHARE_MIN
    const step = planStep(plan, position, end, isScarce ? BLOCK_BYTES : PAYLOAD_BYTES_MAX)
    position += step.take
    const chunk = readStep(data, step, dependencies)
    // It may fail while nobody waits for it yet; who does hears of it.
    chunk.catch(() => undefined)
    return chunk
  }
  try {
    ahead = start()
    while (ahead) {
      const chunk = await ahead
      ahead = start()
      yield chunk
    }
  } finally {
    if (ahead)
      void ahead.then(
        (chunk) => chunk.release(),
        () => undefined,
      )
  }
}

const readStep = async (data: ShardsData, step: Step, dependencies: ReadDependencies): Promise<Chunk> => {
  const { disk } = data.places[step.shard]!
  const ref = data.m > 0 && dependencies.isSlow(disk) ? undefined : dependencies.disk(disk)
  if (ref) {
    const buffer = await acquireStripe(dependencies.arena, {
      units: 1,
      payloadBytes: step.length,
      isUrgent: data.size <= MiB,
      withinMs: SLAB_WAIT_MS,
    })
    const outcome = await readUnit(data, step, step.shard, ref, buffer.units[0]!)
    if (outcome === 'ok') return chunkOf(buffer, 0, step)
    buffer.release()
    if (outcome !== 'unanswered') dependencies.damaged(data, step.shard, outcome)
  }
  return rebuildStep(data, step, dependencies)
}

const readUnit = async (
  data: ShardsData,
  step: Step,
  shard: number,
  ref: ActorRef<DiskProtocol>,
  into: SlabRange,
): Promise<UnitOutcome | 'unanswered'> => {
  const { write, k, m, places } = data
  try {
    return await ref.ask(
      'readUnit',
      {
        unit: { write, index: shard, k, m, stripe: step.stripe, payloadBytes: step.payloadBytes },
        ...packedPlace(places[shard]!),
        firstBlock: step.firstBlock,
        blockCount: step.blockCount,
        into,
      },
      UNIT_LIMIT,
    )
  } catch {
    // The disk's own supervisor has heard of it; here it is one more unit that redundancy must stand in for.
    return 'unanswered'
  }
}

const chunkOf = (buffer: StripeBuffer, unit: number, step: Step): Chunk => ({
  bytes: viewOf(buffer.units[unit]!).subarray(PAGE_BYTES + step.skip, PAGE_BYTES + step.skip + step.take),
  release: () => buffer.release(),
})

/** The same blocks of any k units of the stripe, and from them the wanted one. */
const rebuildStep = async (data: ShardsData, step: Step, dependencies: ReadDependencies): Promise<Chunk> => {
  const { k, m, write } = data
  const buffer = await acquireStripe(dependencies.arena, {
    units: k + 1,
    payloadBytes: step.length,
    isUrgent: data.size <= MiB,
    withinMs: SLAB_WAIT_MS,
  })
  const spare: StripeBuffer[] = []
  try {
    const [target, ...free] = buffer.units as [SlabRange, ...SlabRange[]]
    const shards = await gatherBlocks(data, step, { free, spare, dependencies })
    const present = shards.map((range) => range !== undefined)
    const found = shards[step.shard]
    if (found) viewOf(target).set(viewOf(found))
    else {
      shards[step.shard] = target
      // The codec thinks of whole units; ours begin with the first block that was read.
      const before = step.firstBlock * BLOCK_BYTES
      const slabs = shards.map((range) => (range ? offsetOf(range) - before : 0))
      const { stripe, payloadBytes, firstBlock, blockCount } = step
      const wanted = [step.shard]
      const job = { write, k, m, stripe, payloadBytes, slabs, present, wanted, firstBlock, blockCount }
      await dependencies.coder.restore(job)
    }
    return chunkOf(buffer, 0, step)
  } catch (error) {
    buffer.release()
    throw error
  } finally {
    for (const { release } of spare) release()
  }
}

interface Gathering {
  /** Room for the blocks of k units. */
  readonly free: SlabRange[]
  /** Room taken in addition, for the caller to give back. */
  readonly spare: StripeBuffer[]
  readonly dependencies: ReadDependencies
}

/** Blocks of k units, by shard. A disk that did not answer is asked again a little later: it may be starting anew. */
const gatherBlocks = async (
  data: ShardsData,
  step: Step,
  { free, spare, dependencies }: Gathering,
): Promise<(SlabRange | undefined)[]> => {
  const { k, places } = data
  const shards: (SlabRange | undefined)[] = places.map(() => undefined)
  const isSlow = (shard: number): number => Number(dependencies.isSlow(places[shard]!.disk))
  let waiting = places
    .map((_, shard) => shard)
    .filter((shard) => shard !== step.shard)
    .sort((a, b) => isSlow(a) - isSlow(b))
  let unanswered: number[] = [step.shard]
  const read = async (shard: number): Promise<boolean> => {
    const ref = dependencies.disk(places[shard]!.disk)
    const into = ref && free.pop()
    const outcome = into ? await readUnit(data, step, shard, ref, into) : 'unanswered'
    if (outcome === 'ok') shards[shard] = into
    else if (outcome === 'unanswered') unanswered.push(shard)
    else dependencies.damaged(data, shard, outcome)
    // Who did not answer may still write there: that room is not used again before its slab is free.
    if (into && outcome === 'unanswered') free.push(await spareRoom(step, spare, dependencies))
    else if (into && outcome !== 'ok') free.push(into)
    return outcome === 'ok'
  }
  for (let count = 0, attempt = 1; ; ) {
    const outcomes = await Promise.all(waiting.splice(0, k - count).map(read))
    count += outcomes.filter((isRead) => isRead).length
    if (count === k) return shards
    if (waiting.length > 0) continue
    const isLost = k - count > unanswered.length
    if (isLost) throw fault('OBJECT_LOST', 'too few shards of this object are whole')
    if (attempt++ === ATTEMPTS_MAX)
      throw unavailable('QUORUM_READ', 'too few disks answer to read this object')
    await sleep(dependencies.clock, RETRY_AFTER_MS)
    waiting = unanswered
    unanswered = []
  }
}

const spareRoom = async (
  step: Step,
  spare: StripeBuffer[],
  { arena }: ReadDependencies,
): Promise<SlabRange> => {
  const request = { units: 1, payloadBytes: step.length, isUrgent: true, withinMs: SLAB_WAIT_MS }
  const buffer = await acquireStripe(arena, request)
  spare.push(buffer)
  return buffer.units[0]!
}
