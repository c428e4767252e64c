// What the decisions of a partition share: its ledger, time, chance, and the readers that hold back what is freed.
import type { Clock } from '../base/clock.ts'
import { refusal } from '../base/errors.ts'
import type { BucketId } from '../base/ids.ts'
import type { Random } from '../base/prng.ts'
import type { CommitLimits } from './decision.ts'
import type { Entry } from './entry.ts'
import { bucketKey } from './keys.ts'
import type { Leases } from './leases.ts'
import type { Ledger } from './ledger.ts'
import type { BucketRecord } from './records.ts'
import type { BodyMover } from './segment-compaction.ts'

export interface Room {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly random: Random
  readonly leases: Leases
  readonly limits: RoomLimits
  /** Without it bodies stay in the journal. */
  readonly bodies?: BodyMover
}

export interface RoomLimits {
  /** 5 MiB: every part but the last. */
  readonly partBytesMin: number
  /** Of the partition. */
  readonly bucketsMax: number
}

/** A bucket as its writer found it; a bucket made anew under the same name is another one. */
export interface BucketAddress {
  readonly bucket: string
  /** Without it, whatever bucket has the name now. */
  readonly incarnation?: BucketId | undefined
}

export interface Lookup {
  get(key: string): Entry | undefined
}

/** `NoSuchBucket`, also when the bucket is not the one the caller found. */
export const bucketIn = (from: Lookup, { bucket, incarnation }: BucketAddress): BucketRecord => {
  const record = from.get(bucketKey(bucket))?.record as BucketRecord | undefined
  if (!record || (incarnation !== undefined && record.id !== incarnation)) {
    throw refusal('NoSuchBucket', 'The specified bucket does not exist', { bucket })
  }
  return record
}

export type { CommitLimits }
