// Reads a stretch of an object from its shards: k data units where they are whole, and what redundancy can give where
// they are not. Only bytes that a disk has verified leave this file. One step is one unit or a part of one; the next
// is read while the last one is on its way to the client, and no more than that.
//
// A disk that is known to be slow is not asked while k others are quick, and a unit that is late is computed from others
// meanwhile: whichever is there first is used. The one that lost keeps its slabs until its reads have ended.
//
//   object bytes:  | stripe 0: unit 0 | unit 1 | … | unit k−1 | stripe 1: unit 0 | …
import { type Clock, sleep } from '../base/clock.ts'
import { fault, unavailable } from '../base/errors.ts'
import { gather, orLate } from '../base/hedge.ts'
import type { ReadPace } from '../base/read-pace.ts'
import { MiB, SECOND } from '../base/units.ts'
import type { Data } from '../metadata/records.ts'
import type { ActorRef } from '../runtime/actor.ts'
import type { Arena } from '../runtime/arena.ts'
import { payloadBytesOf, planStripes, type StripePlan } from '../storage/stripes.ts'
import { BLOCK_BYTES, PAGE_BYTES, PAYLOAD_BYTES_MAX } from '../storage/unit.ts'
import type { StripeCoder } from './coder.ts'
import { type DiskProtocol, packedPlace, type UnitOutcome } from './disk-protocol.ts'
import type { ByteRange, Chunk } from './engine.ts'
import {
  acquireStripe,
  offsetOf,
  type SlabRange,
  type StripeBuffer,
  tryAcquireStripe,
  viewOf,
} from './stripe-buffer.ts'

/** A disk that takes longer is treated as if the unit were missing. */
const UNIT_LIMIT = { withinMs: 10 * SECOND }
/** How long a reader waits for a slab before the answer is 503 SlowDown. */
const SLAB_WAIT_MS = 10 * SECOND
/** Rounds of asking the disks that did not answer, and the pause before each: a disk actor starts anew within it. */
const ATTEMPTS_MAX = 3
const RETRY_AFTER_MS = 1 * SECOND
/** Below this share of free large slabs a reader takes a block at a time: one that stops reading holds little. */
const FREE_SHARE_MIN = 0.5
/** Nor is anything hedged below this share of free slabs: they are for who waits for nothing else. */
const HEDGE_FREE_SHARE_MIN = 0.5

export type ShardsData = Extract<Data, { kind: 'shards' }>

type Place = ShardsData['places'][number]

export interface ReadDependencies {
  readonly arena: Arena
  readonly clock: Clock
  readonly coder: StripeCoder
  /** The disk's actor; undefined when the disk is out or no longer of this store. */
  disk(number: Place['disk']): ActorRef<DiskProtocol> | undefined
  /** Whether the disk lags so far behind its peers with what is written to it. */
  isSlow(number: Place['disk']): boolean
  /** Of the reads of this gateway. */
  readonly pace: ReadPace
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

/** Whether a parity shard is sooner there than this disk's. */
const lags = ({ isSlow, pace }: ReadDependencies, disk: Place['disk']): boolean =>
  isSlow(disk) || pace.isSlow(disk)

/** A slow disk is done without as long as k others are quick; now and then one read shows how it is. */
const isPassedOver = ({ k, places }: ShardsData, shard: number, dependencies: ReadDependencies): boolean => {
  const { disk } = places[shard]!
  const { pace } = dependencies
  if (!lags(dependencies, disk) || pace.mayTry(disk)) return false
  const isQuick = (place: Place): boolean =>
    dependencies.disk(place.disk) !== undefined && !lags(dependencies, place.disk)
  if (places.filter((place, other) => other !== shard && isQuick(place)).length < k) return false
  // When all disks become slow at once each of them is the first to be late for a moment.
  return dependencies.isSlow(disk) || pace.isProvenSlow(disk) || pace.takeHedge(k - 1)
}

const readStep = async (data: ShardsData, step: Step, dependencies: ReadDependencies): Promise<Chunk> => {
  const ref = dependencies.disk(data.places[step.shard]!.disk)
  if (!ref || isPassedOver(data, step.shard, dependencies)) return rebuildStep(data, step, dependencies)
  const buffer = await acquireStripe(dependencies.arena, {
    units: 1,
    payloadBytes: step.length,
    isUrgent: data.size <= MiB,
    withinMs: SLAB_WAIT_MS,
  })
  const { ended, lateMs } = readUnit(data, step, step.shard, ref, buffer.units[0]!, dependencies)
  const outcome = data.m > 0 ? await orLate(dependencies.clock, ended, lateMs) : await ended
  if (outcome === 'late') return hedgeStep(data, step, { buffer, ended }, dependencies)
  if (outcome === 'ok') return chunkOf(buffer, 0, step)
  return withoutUnit(data, step, { buffer, outcome }, dependencies)
}

/** The unit could not be had. */
const withoutUnit = (
  data: ShardsData,
  step: Step,
  { buffer, outcome }: { buffer: StripeBuffer; outcome: Exclude<ReadOutcome, 'ok'> },
  dependencies: ReadDependencies,
): Promise<Chunk> => {
  buffer.release()
  if (outcome !== 'unanswered') dependencies.damaged(data, step.shard, outcome)
  return rebuildStep(data, step, dependencies)
}

/** The unit is late: whatever comes first, the unit or what k others make of it. */
const hedgeStep = async (
  data: ShardsData,
  step: Step,
  { buffer, ended }: { buffer: StripeBuffer; ended: Promise<ReadOutcome> },
  dependencies: ReadDependencies,
): Promise<Chunk> => {
  const room = tryHedgeRoom(data, step, dependencies)
  const rebuilt = room && rebuildInto(room, data, step, dependencies, HEDGE)
  const isRebuilt = rebuilt?.then(
    () => 'rebuilt' as const,
    () => ended,
  )
  const first = await (isRebuilt ? Promise.race([ended, isRebuilt]) : ended)
  if (rebuilt && first === 'rebuilt') {
    buffer.release()
    void ended.then((outcome) => {
      if (outcome === 'missing' || outcome === 'corrupt') dependencies.damaged(data, step.shard, outcome)
    })
    return rebuilt
  }
  void rebuilt?.then(
    (chunk) => chunk.release(),
    () => undefined,
  )
  if (first === 'ok' || first === 'rebuilt') return chunkOf(buffer, 0, step)
  return withoutUnit(data, step, { buffer, outcome: first }, dependencies)
}

const tryHedgeRoom = (
  { k }: ShardsData,
  step: Step,
  { arena, pace }: ReadDependencies,
): StripeBuffer | undefined => {
  const room = tryAcquireStripe(arena, { units: k + 1, payloadBytes: step.length }, HEDGE_FREE_SHARE_MIN)
  if (room && pace.takeHedge(k)) return room
  room?.release()
  return undefined
}

type ReadOutcome = UnitOutcome | 'unanswered'

/** Begins to read. The slab is held until the read has ended, whoever else lets it go before. */
const readUnit = (
  data: ShardsData,
  step: Step,
  shard: number,
  ref: ActorRef<DiskProtocol>,
  into: SlabRange,
  { pace }: ReadDependencies,
): { readonly ended: Promise<ReadOutcome>; readonly lateMs: number } => {
  const { write, k, m, places } = data
  const timing = pace.begin(places[shard]!.disk, step.length)
  const { slab } = into
  const unit = { write, index: shard, k, m, stripe: step.stripe, payloadBytes: step.payloadBytes }
  const { firstBlock, blockCount } = step
  slab.retain()
  const end = (outcome: ReadOutcome): ReadOutcome => {
    slab.release()
    timing.end(outcome === 'ok')
    return outcome
  }
  const ended = ref
    .ask('readUnit', { unit, ...packedPlace(places[shard]!), firstBlock, blockCount, into }, UNIT_LIMIT)
    // The disk's own supervisor has heard of it; here it is one more unit that redundancy must stand in for.
    .then(end, () => end('unanswered'))
  return { ended, lateMs: timing.lateMs }
}

const chunkOf = (buffer: StripeBuffer, unit: number, step: Step): Chunk => ({
  bytes: viewOf(buffer.units[unit]!).subarray(PAGE_BYTES + step.skip, PAGE_BYTES + step.skip + step.take),
  release: () => buffer.release(),
})

/** How a unit is rebuilt: for who waits for nothing else, or beside a read that is late. */
interface Manner {
  readonly attemptsMax: number
}
const HEDGE: Manner = { attemptsMax: 1 }

const rebuildStep = async (data: ShardsData, step: Step, dependencies: ReadDependencies): Promise<Chunk> => {
  const buffer = await acquireStripe(dependencies.arena, {
    units: data.k + 1,
    payloadBytes: step.length,
    isUrgent: data.size <= MiB,
    withinMs: SLAB_WAIT_MS,
  })
  return rebuildInto(buffer, data, step, dependencies, { attemptsMax: ATTEMPTS_MAX })
}

/** The same blocks of any k units of the stripe, and from them the wanted one. */
const rebuildInto = async (
  buffer: StripeBuffer,
  data: ShardsData,
  step: Step,
  dependencies: ReadDependencies,
  manner: Manner,
): Promise<Chunk> => {
  const { k, m, write } = data
  const [target, ...free] = buffer.units as [SlabRange, ...SlabRange[]]
  const room: Room = { free, spare: [], isClosed: false }
  try {
    const shards = await gatherBlocks(data, step, room, dependencies, manner)
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
    room.isClosed = true
    for (const { release } of room.spare) release()
  }
}

interface Room {
  /** Room for the blocks of k units. */
  readonly free: SlabRange[]
  /** Room taken in addition, to be given back. */
  readonly spare: StripeBuffer[]
  /** Nobody waits for more. */
  isClosed: boolean
}

/** Blocks of k units, by shard. A disk that did not answer is asked again a little later: it may be starting anew. */
const gatherBlocks = async (
  data: ShardsData,
  step: Step,
  room: Room,
  dependencies: ReadDependencies,
  { attemptsMax }: Manner,
): Promise<(SlabRange | undefined)[]> => {
  const { k, places } = data
  const { clock, pace } = dependencies
  const shards: (SlabRange | undefined)[] = places.map(() => undefined)
  const slowness = (shard: number): number => Number(lags(dependencies, places[shard]!.disk))
  let waiting = places
    .map((_, shard) => shard)
    .filter((shard) => shard !== step.shard)
    .sort((a, b) => slowness(a) - slowness(b))
  let unanswered: number[] = [step.shard]
  const end = async (shard: number, outcome: ReadOutcome, into: SlabRange): Promise<boolean> => {
    // Who comes when enough are there is not needed any more, but what is the matter with it is worth knowing.
    if (outcome === 'ok') shards[shard] = room.isClosed ? undefined : into
    else if (outcome === 'unanswered') unanswered.push(shard)
    else dependencies.damaged(data, shard, outcome)
    // Who did not answer may still write there: that room is not used again before its slab is free.
    if (outcome === 'unanswered') await addSpare(step, room, dependencies)
    else if (outcome !== 'ok') room.free.push(into)
    return outcome === 'ok'
  }
  const start = (shard: number) => {
    const ref = dependencies.disk(places[shard]!.disk)
    const into = ref && room.free.pop()
    if (!into) {
      unanswered.push(shard)
      return { ended: Promise.resolve(false), lateMs: Number.POSITIVE_INFINITY }
    }
    const { ended, lateMs } = readUnit(data, step, shard, ref, into, dependencies)
    return { ended: ended.then((outcome) => end(shard, outcome, into)), lateMs }
  }
  const mayHedge = (): boolean => {
    const spare = tryAcquireStripe(
      dependencies.arena,
      { units: 1, payloadBytes: step.length },
      HEDGE_FREE_SHARE_MIN,
    )
    if (spare && pace.takeHedge(1)) return takeIn(room, spare)
    spare?.release()
    return false
  }
  for (let count = 0, attempt = 1; ; ) {
    count += await gather({ clock, candidates: waiting, needed: k - count, start, mayHedge })
    if (count >= k) return shards
    const isLost = k - count > unanswered.length
    if (isLost) throw fault('OBJECT_LOST', 'too few shards of this object are whole')
    if (attempt++ >= attemptsMax) throw unavailable('QUORUM_READ', 'too few disks answer to read this object')
    await sleep(clock, RETRY_AFTER_MS)
    waiting = unanswered
    unanswered = []
  }
}

const addSpare = async (step: Step, room: Room, { arena }: ReadDependencies): Promise<void> => {
  if (room.isClosed) return
  const request = { units: 1, payloadBytes: step.length, isUrgent: true, withinMs: SLAB_WAIT_MS }
  takeIn(room, await acquireStripe(arena, request))
}

/** False when nobody waits for it any more. */
const takeIn = (room: Room, buffer: StripeBuffer): boolean => {
  if (room.isClosed) buffer.release()
  else {
    room.spare.push(buffer)
    room.free.push(buffer.units[0]!)
  }
  return !room.isClosed
}
