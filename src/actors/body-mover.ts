// Where bodies go that leave the journal with a compaction: packed shards with k = 1, one on each of m + 1 disks of a set.
// With one data shard every parity is that shard again (the first column of the code's matrix is ones), so nothing is
// computed but checksums.
//
// Nobody asks a gateway after these writes, as the scrub does of others: their commit is numbered within minutes or
// refused (see segment-compaction.ts), which is well within what the scrub waits before it calls them orphans.
import { assert, codeOf } from '../base/errors.ts'
import type { WriteId } from '../base/ids.ts'
import { copyBytes } from '../base/memory.ts'
import { randomId } from '../base/prng.ts'
import { createLimiter } from '../base/promises.ts'
import { SECOND } from '../base/units.ts'
import type { ShardPlace } from '../metadata/records.ts'
import type { BodyMover, MovedBody } from '../metadata/segment-compaction.ts'
import type { Context } from '../runtime/actor.ts'
import { placeWrite } from '../storage/placement.ts'
import { planStripes } from '../storage/stripes.ts'
import { PAGE_BYTES, sealUnit } from '../storage/unit.ts'
import type { BucketProtocol } from './bucket-protocol.ts'
import { type DiskProtocol, packedEntries } from './disk-protocol.ts'
import { diskViews } from './readiness.ts'
import type { Roster, RosterRow } from './roster.ts'
import { PATHS, type StoreFacts } from './store-facts.ts'
import { acquireStripe, type SlabRange, viewOf } from './stripe-buffer.ts'

/** Compaction waits for memory while others are served; without any the body stays where it is. */
const SLAB_WAIT_MS = 30 * SECOND
const DISK_LIMIT = { withinMs: 30 * SECOND }
/** At a time: all that wait for a disk are one write and one sync there. */
const WIDTH = 32

export const createBodyMover = (
  context: Context<BucketProtocol>,
  facts: StoreFacts,
  roster: Roster,
): BodyMover => {
  const limit = createLimiter(WIDTH)
  /** Said once, until bodies move again. */
  let areStaying = false
  const tellFreed = (places: readonly ShardPlace[], bytes: number): void => {
    for (const place of places) {
      const row = roster.find(place.disk)
      const entries = packedEntries([place], bytes)
      // What is not told, or not heard, the scrub finds.
      if (row && entries.length > 0) {
        context.ref<DiskProtocol>(PATHS.disk(row.slot)).tell('freePacked', { entries })
      }
    }
  }

  const pack = async (
    rows: readonly RosterRow[],
    payloadBytes: number,
    units: readonly SlabRange[],
  ): Promise<ShardPlace[]> => {
    const packed = await Promise.allSettled(
      rows.map(({ slot }, shard) =>
        context
          .ref<DiskProtocol>(PATHS.disk(slot))
          .ask('packShard', { payloadBytes, unit: units[shard]! }, DISK_LIMIT),
      ),
    )
    const places = packed.flatMap((outcome, shard): ShardPlace[] =>
      outcome.status === 'fulfilled' ? [{ disk: rows[shard]!.number, ...outcome.value }] : [],
    )
    const failed = packed.find((outcome) => outcome.status === 'rejected')
    if (!failed) return places
    tellFreed(places, planStripes(payloadBytes, 1).diskBytes)
    throw failed.reason
  }

  const write = async (body: Uint8Array): Promise<MovedBody> => {
    const id = randomId(context.random) as WriteId
    const size = body.length
    const { set, k, m, disks } = placeWrite(id, size, facts.parity, diskViews(roster))
    assert(k === 1, 'a body that was in the journal is too small for two data shards')
    const rows = disks.map((number) => roster.find(number)!)
    const payloadBytes = planStripes(size, k).lastPayloadBytes
    const request = { units: k + m, payloadBytes, isUrgent: false, withinMs: SLAB_WAIT_MS }
    const buffer = await acquireStripe(context.arena, request)
    try {
      for (const [index, unit] of buffer.units.entries()) {
        const slab = viewOf(unit)
        copyBytes(slab, PAGE_BYTES, body)
        slab.fill(0, PAGE_BYTES + size)
        sealUnit(slab, { write: id, index, k, m, stripe: 0, payloadBytes })
      }
      const places = await pack(rows, payloadBytes, buffer.units)
      return {
        data: { kind: 'shards', write: id, set, k, m, size, places },
        isValid: () => rows.every(({ number, session }) => roster.find(number)?.session === session),
      }
    } finally {
      buffer.release()
    }
  }

  return {
    async write(bodies) {
      const written = await Promise.allSettled(bodies.map((body) => limit(() => write(body))))
      const failed = written.find((outcome) => outcome.status === 'rejected')
      if (failed && !areStaying) context.log.info('bodies-stay', { code: codeOf(failed.reason) })
      areStaying = failed !== undefined
      return written.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined))
    },
    free(moved) {
      for (const { data } of moved) tellFreed(data.places, planStripes(data.size, data.k).diskBytes)
    },
  }
}
