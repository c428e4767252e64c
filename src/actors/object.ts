// The object actor: one object (or part) being written to shards. It lives from the first stripe until the commit is
// decided, on the thread of its request, and owns the shards meanwhile: when it ends before they are durable, or the
// commit refuses them, it takes them back; when nobody knows whether they were committed, it leaves them to the scrub.
//
//   stripe … stripe → seal → (the bucket actor commits) → settle
//
// A disk that fails in the middle fails the write: the client is told to come again, and then meets the smaller set.
import { codeOf, fault, type MoraineError, unavailable } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { settleAll } from '../base/promises.ts'
import { SECOND } from '../base/units.ts'
import type { ShardPlace } from '../metadata/records.ts'
import type { ActorRef, Behavior } from '../runtime/actor.ts'
import type { StripePlan } from '../storage/stripes.ts'
import type { BodyDigests } from './body-digests.ts'
import type { StripeCoder } from './coder.ts'
import { type DiskProtocol, packedEntries } from './disk-protocol.ts'
import { objectRanges, offsetOf, type SlabRange } from './stripe-buffer.ts'

/** A unit of 1 MiB on a disk that is 100 times slower than usual still fits. */
const DISK_LIMIT = { withinMs: 30 * SECOND }

export interface StripeInMemory {
  readonly index: number
  /** Bytes of a unit's payload. */
  readonly payloadBytes: number
  /** Bytes of the object in this stripe. */
  readonly objectBytes: number
  /** k with their payload filled in, then m to be computed. */
  readonly units: readonly SlabRange[]
}

export interface ShardTarget {
  readonly disk: ShardPlace['disk']
  readonly ref: ActorRef<DiskProtocol>
}

export interface ObjectArgs {
  readonly write: WriteId
  readonly m: number
  /** How the object is cut: one unit per shard, in volumes, or a file per shard. */
  readonly plan: StripePlan
  /** Target i takes shard i. */
  readonly targets: readonly ShardTarget[]
  readonly coder: StripeCoder
  readonly digests: BodyDigests
  /** Has the write as long as it is one. */
  readonly running: Set<WriteId>
}

export type Outcome = 'committed' | 'refused' | 'unknown'

export interface ObjectProtocol {
  /** Codes and digests the stripe and hands its units to the disks. Two may overlap. */
  stripe(m: StripeInMemory): Promise<void>
  /** Every shard is durable when it resolves. */
  seal(m: Record<string, never>): Promise<readonly ShardPlace[]>
  /** What became of the commit. The actor ends, and its end does the rest. */
  settle(m: { outcome: Outcome }): void
}

const diskFailed = (error: unknown): MoraineError =>
  codeOf(error) === 'DISK_FULL'
    ? fault('DISK_FULL', 'a disk filled up during the write', {}, error)
    : unavailable('TOO_FEW_DISKS', 'a disk failed during the write; try again', {}, error)

const all = <T>(asks: readonly Promise<T>[]): Promise<T[]> =>
  settleAll(asks).catch((error: unknown) => {
    throw diskFailed(error)
  })

export const object: Behavior<ObjectProtocol, ObjectArgs> = {
  mailbox: { messagesMax: 4, bytesMax: 4096 },
  interleave: { stripe: 2 },
  // Its asker gives the write up, and settles it.
  answers: ['DISK_FULL'],
  setup(context, { write, m, plan, targets, coder, digests, running }) {
    running.add(write)
    context.defer(() => void running.delete(write))
    const places: ShardPlace[] = targets.map(({ disk }) => ({ disk }))
    const { k, isPacked, diskBytes } = plan
    let state: 'writing' | 'sealed' | Outcome = 'writing'
    /** Resolves when the stripe before has been handed to the disks: a shard is appended to in order. */
    let turn: Promise<unknown> = Promise.resolve()

    const writeUnits = async ({ units }: StripeInMemory): Promise<void> => {
      const writer = context.self
      await all(
        targets.map(({ ref }, shard) =>
          ref.ask('writeUnit', { writer, write, diskBytes, unit: units[shard]! }, DISK_LIMIT),
        ),
      )
    }
    const packUnits = async ({ payloadBytes, units }: StripeInMemory): Promise<void> => {
      const packed = await Promise.allSettled(
        targets.map(({ ref }, shard) =>
          ref.ask('packShard', { payloadBytes, unit: units[shard]! }, DISK_LIMIT),
        ),
      )
      packed.forEach((outcome, shard) => {
        if (outcome.status === 'fulfilled') places[shard] = { disk: targets[shard]!.disk, ...outcome.value }
      })
      const failed = packed.find((outcome) => outcome.status === 'rejected')
      if (failed) throw diskFailed(failed.reason)
      state = 'sealed'
    }

    const digestStripe = ({ index, payloadBytes, objectBytes, units }: StripeInMemory): Promise<void> => {
      const ranges = objectRanges(units, payloadBytes, objectBytes)
      const pieces = ranges.map((range) => ({ offset: offsetOf(range), length: range.length }))
      return digests.takeStripe({ pieces, isLast: index === plan.stripes - 1 })
    }

    context.defer(() => {
      // Shard files that were not sealed are taken back by their disks, which watch this actor.
      if (state !== 'refused' && !(state === 'writing' && isPacked)) return
      targets.forEach(({ ref }, shard) => {
        if (isPacked) ref.tell('freePacked', { entries: packedEntries([places[shard]!], diskBytes) })
        else ref.tell('removeShards', { writes: [write] })
      })
    })

    return {
      async stripe(stripe) {
        const { index, payloadBytes, objectBytes, units } = stripe
        const slabs = units.map(offsetOf)
        const before = turn
        const coded = coder.seal({ write, k, m, stripe: index, payloadBytes, objectBytes, slabs })
        const sent = Promise.all([before, coded]).then(() => ({
          written: isPacked ? packUnits(stripe) : writeUnits(stripe),
        }))
        turn = sent.catch(() => undefined)
        // The slabs are given back when this ends: neither a disk nor a digest may still be at them.
        const written = sent.then((units) => units.written)
        await settleAll([written, digestStripe(stripe)])
      },
      async seal() {
        if (!isPacked) await all(targets.map(({ ref }) => ref.ask('sealShard', { write }, DISK_LIMIT)))
        state = 'sealed'
        return places
      },
      settle({ outcome }) {
        state = outcome
        void context.stop(context.self)
      },
    }
  },
}
