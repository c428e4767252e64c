// How a tour of the scrub cuts what it verifies: units of many versions, side by side on all disks, in batches that hold
// up nobody. Pure.
import type { DiskNumber } from '../base/ids.ts'
import { MiB } from '../base/units.ts'
import type { ShardsData } from '../metadata/stored.ts'
import type { PlacedUnit } from '../storage/shard-reader.ts'
import { payloadBytesOf, planStripes } from '../storage/stripes.ts'
import { entryBytesOf, fileBytesOf } from '../storage/unit.ts'
import { unitOf } from './disk-protocol.ts'

/** One unit, and which shard of whose it is. */
export interface UnitCheck {
  readonly data: ShardsData
  readonly shard: number
  readonly unit: PlacedUnit
}

export interface ScrubBatch {
  /** By disk, in the order of their places. */
  readonly checks: ReadonlyMap<DiskNumber, readonly UnitCheck[]>
  /** What each disk reads. */
  readonly bytes: ReadonlyMap<DiskNumber, number>
}

/** A disk reads this in a few milliseconds, and then others have their turn. */
const BATCH_BYTES_MAX = 4 * MiB
/** At a lower rate it reads less at a time: a steady trickle, not a burst and a pause. */
const BATCHES_PER_SECOND = 4
const BATCH_UNITS_MAX = 64

/** Every unit of every shard that `wanted` names, stripe by stripe: those of one stripe are in the same batch. */
export function* batchesOf(
  held: Iterable<ShardsData>,
  bytesPerSecond: number,
  wanted: (disk: DiskNumber) => boolean = () => true,
): Generator<ScrubBatch> {
  const bytesMax = Math.min(BATCH_BYTES_MAX, bytesPerSecond / BATCHES_PER_SECOND)
  let checks = new Map<DiskNumber, UnitCheck[]>()
  let bytes = new Map<DiskNumber, number>()
  const isFull = (): boolean =>
    [...checks.values()].some(({ length }) => length >= BATCH_UNITS_MAX) ||
    [...bytes.values()].some((sum) => sum >= bytesMax)
  for (const data of held) {
    const plan = planStripes(data.size, data.k)
    for (let stripe = 0; stripe < plan.stripes; stripe++) {
      const payloadBytes = payloadBytesOf(plan, stripe)
      const unitBytes = plan.isPacked ? entryBytesOf(payloadBytes) : fileBytesOf(payloadBytes)
      for (const [shard, { disk }] of data.places.entries()) {
        if (!wanted(disk)) continue
        const unit = unitOf(data, shard, stripe)
        const known = checks.get(disk)
        if (known) known.push({ data, shard, unit })
        else checks.set(disk, [{ data, shard, unit }])
        bytes.set(disk, (bytes.get(disk) ?? 0) + unitBytes)
      }
      if (!isFull()) continue
      yield inOrder(checks, bytes)
      checks = new Map()
      bytes = new Map()
    }
  }
  if (checks.size > 0) yield inOrder(checks, bytes)
}

/** A head that must move moves one way. */
const inOrder = (
  checks: ReadonlyMap<DiskNumber, readonly UnitCheck[]>,
  bytes: ReadonlyMap<DiskNumber, number>,
): ScrubBatch => {
  const sorted = [...checks].map(([disk, units]): [DiskNumber, readonly UnitCheck[]] => [
    disk,
    [...units].sort((a, b) => orderOf(a.unit, b.unit)),
  ])
  return { checks: new Map(sorted), bytes }
}

const orderOf = (a: PlacedUnit, b: PlacedUnit): number => {
  if (a.place && b.place) return a.place.volume - b.place.volume || a.place.offset - b.place.offset
  if (a.place || b.place) return a.place ? -1 : 1
  if (a.write !== b.write) return a.write < b.write ? -1 : 1
  return a.stripe - b.stripe
}
