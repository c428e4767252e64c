// Whether a disk may be drained, from what is known of it and of the others of its set: a pure function. What it refuses it refuses
// with the numbers.
import type { DiskNumber } from '../base/ids.ts'
import { formatMiB, KiB } from '../base/units.ts'

/** A disk of the set that is to become smaller. */
export interface SetDisk {
  readonly number: DiskNumber
  readonly isPresent: boolean
  /** Above its reserve. */
  readonly freeBytes: number
}

export interface DrainRequest {
  readonly number: DiskNumber
  /** Parity. */
  readonly m: number
  /** All disks of its set, itself among them. */
  readonly disks: readonly SetDisk[]
  /** What is on it: shards with their payload bytes, copies of segments. */
  readonly shards: number
  readonly bytes: number
  readonly segmentBytes: number
}

/** Header and padding of a shard's units, at most, for most shards. */
const SHARD_OVERHEAD_BYTES = 8 * KiB

/**
 * What the others have to take at most. An object on all n disks has shards of size / k; on n − 1 disks they are of size / (k − 1), so each
 * of the others gets a (k − 1)th of what was on the one that leaves. Of smaller objects one shard moves as it is.
 */
export const drainBytes = ({ m, disks, shards, bytes, segmentBytes }: DrainRequest): number => {
  const others = disks.length - 1
  const k = Math.max(1, others - m)
  return Math.ceil(((bytes + shards * SHARD_OVERHEAD_BYTES) * others) / k) + segmentBytes
}

/** Undefined when the disk may be drained. */
export const whyNotDrainable = (request: DrainRequest): string | undefined => {
  const { number, m, disks } = request
  const others = disks.filter((disk) => disk.number !== number)
  const needed = m + 1
  if (others.length < needed) {
    return (
      `disk ${number} cannot be drained: its set has ${disks.length} disks with parity ${m} (${disks.length - m}+${m}), ` +
      `without it ${others.length} would be left, and parity ${m} needs ${needed} at least`
    )
  }
  const out = others.filter(({ isPresent }) => !isPresent).map((disk) => disk.number)
  if (out.length > 0) {
    return (
      `disk ${number} cannot be drained while ${out.length} of the ${others.length} other disks of its set are out ` +
      `(number ${out.join(', ')}): bring them back or replace them first`
    )
  }
  const bytes = drainBytes(request)
  const freeBytes = others.reduce((sum, disk) => sum + disk.freeBytes, 0)
  if (bytes <= freeBytes) return undefined
  return (
    `disk ${number} cannot be drained: up to ${formatMiB(bytes)} would have to be written to the ${others.length} other disks of its set, ` +
    `which have ${formatMiB(freeBytes)} free above their reserves`
  )
}
