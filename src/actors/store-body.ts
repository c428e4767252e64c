// Takes a body in and puts its bytes where they are durable, or as good as: a small one into memory, to travel with its
// commit into the journal; a larger one into shards on the disks. What comes back belongs to nobody yet: the caller
// commits it and settles, so that shards of a refused commit are removed and those of an unknown one are left alone.
//
// Bytes in flight are in the arena alone. At most two stripes are on their way to the disks while the next is filled.
import { assert } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { copyBytes } from '../base/memory.ts'
import { randomId } from '../base/prng.ts'
import { KiB, MiB, SECOND } from '../base/units.ts'
import type { NewData, ShardsData } from '../metadata/stored.ts'
import { type ActorRef, child } from '../runtime/actor.ts'
import { objectBytesOf, payloadBytesOf, planStripes, type StripePlan } from '../storage/stripes.ts'
import { type BodyDigests, createBodyDigests } from './body-digests.ts'
import { type BodyReader, createBodyReader } from './body-reader.ts'
import type { DiskSession } from './bucket-protocol.ts'
import type { Body, BodySeal } from './engine.ts'
import type { GatewayParts } from './gateway-parts.ts'
import { type ObjectProtocol, type Outcome, object } from './object.ts'
import { acquireStripe, objectRanges, type SlabRange, viewOf } from './stripe-buffer.ts'

/** Up to here a body travels in the journal: one append, one sync, one disk to read. */
export const INLINE_BYTES_MAX = 16 * KiB

/** How long a body waits for a slab before the answer is 503 SlowDown. */
const SLAB_WAIT_MS = 10 * SECOND
const ONE_SMALL_SLAB = { class: 'small', count: 1, isUrgent: true, withinMs: SLAB_WAIT_MS } as const
/** A stripe's way through the codec and to the slowest disk. */
const STRIPE_LIMIT = { withinMs: 60 * SECOND }
/** What a large body must have sent before it gets a stripe: a client that stalls at once holds one small slab. */
const HEAD_BYTES = 64 * KiB
const STRIPES_IN_FLIGHT = 2

/** A body that was taken in whole and verified. */
export interface StoredBody {
  readonly seal: BodySeal
  readonly data: NewData
  /** The sessions of the disks that hold it: the commit is refused when one no longer holds. */
  readonly sessions: readonly DiskSession[]
  /** What became of the commit. Once. */
  settle(outcome: Outcome): void
}

/** Reads the whole body, or rejects with what was wrong with it or with the disks; then nothing is left behind. */
export const storeBody = async (body: Body, parts: GatewayParts): Promise<StoredBody> => {
  const digests = createBodyDigests(body, parts.coder)
  const reader = createBodyReader(body, digests)
  const intake = { body, digests, reader, parts }
  try {
    return body.size <= INLINE_BYTES_MAX ? await storeInline(intake) : await storeShards(intake)
  } catch (error) {
    await reader.cancel()
    throw error
  }
}

interface Intake {
  readonly body: Body
  readonly digests: BodyDigests
  readonly reader: BodyReader
  readonly parts: GatewayParts
}

/** After the last byte and before anything is committed. */
const sealBody = async ({ body, digests, reader }: Intake): Promise<BodySeal> => {
  await reader.finish()
  return body.seal(await digests.finish())
}

const storeInline = async (intake: Intake): Promise<StoredBody> => {
  const { body, reader, parts } = intake
  parts.requireRoom()
  // A copy either way, bounded by the bucket actor's mailbox: the commit may outlive this request's patience.
  const bytes = (await reader.readWhole(body.size)) ?? (await gatherInline(intake))
  const seal = await sealBody(intake)
  return { seal, data: { kind: 'inline', bytes }, sessions: [], settle: () => undefined }
}

/** A small body that comes in pieces: whoever sends it slowly holds a slab. */
const gatherInline = async ({ body, reader, parts }: Intake): Promise<Uint8Array> => {
  const [slab] = await parts.arena.acquire(ONE_SMALL_SLAB)
  try {
    const room = slab!.bytes.subarray(0, body.size)
    await fillWhole(reader, room)
    return new Uint8Array(room)
  } finally {
    slab!.release()
  }
}

const storeShards = async (intake: Intake): Promise<StoredBody> => {
  const { body, digests, reader, parts } = intake
  const write = randomId(parts.random) as WriteId
  const { set, k, m, targets, sessions, isReduced } = parts.chooseTargets(write, body.size)
  const plan = planStripes(body.size, k)
  const writer = parts.spawn(
    child(object, `object-${write}`, {
      ...{ write, m, plan, targets, digests },
      ...{ coder: parts.coder, running: parts.running },
    }),
  )
  let outcome: Outcome = 'refused'
  try {
    await writeStripes({ plan, m, reader, writer, parts })
    const seal = await sealBody(intake)
    const places = await writer.ask('seal', {}, STRIPE_LIMIT)
    outcome = 'unknown'
    const shards: ShardsData = { kind: 'shards', write, set, k, m, size: body.size, places }
    const data = isReduced ? ({ ...shards, isReduced } as const) : shards
    return {
      seal,
      data,
      sessions,
      settle: (decided) => void writer.tell('settle', { outcome: decided }),
    }
  } finally {
    if (outcome === 'refused') writer.tell('settle', { outcome })
  }
}

interface StripeWriting {
  readonly plan: StripePlan
  readonly m: number
  readonly reader: BodyReader
  readonly writer: ActorRef<ObjectProtocol>
  readonly parts: GatewayParts
}

const writeStripes = async ({ plan, m, reader, writer, parts }: StripeWriting): Promise<void> => {
  const inFlight: Promise<void>[] = []
  const isUrgent = plan.size <= MiB
  const head = plan.size > HEAD_BYTES ? await readHead(reader, parts, isUrgent) : undefined
  const source = head ? withHead(head, reader) : reader
  try {
    for (let index = 0; index < plan.stripes; index++) {
      if (inFlight.length === STRIPES_IN_FLIGHT) await inFlight.shift()
      const payloadBytes = payloadBytesOf(plan, index)
      const objectBytes = objectBytesOf(plan, index)
      const request = { units: plan.k + m, payloadBytes, isUrgent, withinMs: SLAB_WAIT_MS }
      const buffer = await acquireStripe(parts.arena, request)
      const { units } = buffer
      const filled = fillStripe(units, payloadBytes, objectBytes, source)
      const written = filled
        .then(() => writer.ask('stripe', { index, payloadBytes, objectBytes, units }, STRIPE_LIMIT))
        .finally(() => buffer.release())
      // It may fail while the next stripe is being filled; whoever waits for it hears of it.
      written.catch(() => undefined)
      inFlight.push(written)
      await filled
    }
    await Promise.all(inFlight)
  } finally {
    await Promise.allSettled(inFlight)
    head?.release()
  }
}

interface Head {
  readonly bytes: Uint8Array
  /** Gives the slab back. Idempotent. */
  release(): void
}

/** The first bytes of a large body, in a small slab: who never gets past them never holds a stripe. */
const readHead = async (reader: BodyReader, { arena }: GatewayParts, isUrgent: boolean): Promise<Head> => {
  const [slab] = await arena.acquire({ ...ONE_SMALL_SLAB, isUrgent })
  const release = (): void => {
    if (slab!.isHeld) slab!.release()
  }
  try {
    const bytes = slab!.bytes.subarray(0, HEAD_BYTES)
    await fillWhole(reader, bytes)
    return { bytes, release }
  } catch (error) {
    release()
    throw error
  }
}

type Source = Pick<BodyReader, 'fill'>

/** The head, whose slab is given back once it has been read, then the rest. */
const withHead = (head: Head, reader: BodyReader): Source => {
  let rest = head.bytes
  return {
    async fill(into) {
      const taken = rest.subarray(0, into.length)
      copyBytes(into, 0, taken)
      rest = rest.subarray(taken.length)
      if (rest.length === 0) head.release()
      return taken.length === into.length
        ? taken.length
        : taken.length + (await reader.fill(into.subarray(taken.length)))
    },
  }
}

/** Fills the data payloads one after another; what is left of the last one is the codec's to clear. */
const fillStripe = async (
  units: readonly SlabRange[],
  payloadBytes: number,
  objectBytes: number,
  source: Source,
): Promise<void> => {
  for (const range of objectRanges(units, payloadBytes, objectBytes)) await fillWhole(source, viewOf(range))
}

const fillWhole = async (source: Source, into: Uint8Array): Promise<void> => {
  const filled = await source.fill(into)
  assert(
    filled === into.length,
    'a body ends without an error only when it has as many bytes as its size says',
  )
}
