// Buckets: names are unique in the partition they are mapped to, and each has an incarnation.
import { refusal } from '../base/errors.ts'
import type { BucketId } from '../base/ids.ts'
import { afterPrefix, BUCKET_ID_BYTES, bucketCounterKey, bucketKey, SPACE, toBinary } from './keys.ts'
import type { BucketRecord } from './records.ts'
import { type BucketAddress, bucketIn, type CommitLimits, type Room } from './room.ts'

/** Of all buckets: how many there are. */
export const BUCKETS_COUNTER_KEY = `${SPACE.counter}n`

export const createBucket = (
  room: Room,
  name: string,
  { owner, region }: { owner: string; region: string },
  limits?: CommitLimits,
): Promise<BucketRecord> => {
  const { ledger, clock, random, limits: roomLimits } = room
  return ledger.decide((decision) => {
    const taken = decision.get(bucketKey(name))?.record as BucketRecord | undefined
    if (taken?.owner === owner) {
      throw refusal('BucketAlreadyOwnedByYou', 'You own this bucket already', { bucket: name })
    }
    if (taken) throw refusal('BucketAlreadyExists', 'The requested bucket name is taken', { bucket: name })
    if ((decision.counted(BUCKETS_COUNTER_KEY).objects ?? 0) >= roomLimits.bucketsMax) {
      throw refusal('TooManyBuckets', 'There are as many buckets as are allowed')
    }
    const id = Buffer.from(random.bytes(BUCKET_ID_BYTES)).toString('hex') as BucketId
    const record: BucketRecord = { name, id, createdMs: clock.nowMs(), owner, region }
    decision.put(bucketKey(name), record)
    decision.count(BUCKETS_COUNTER_KEY, { objects: 1 })
    return record
  }, limits)
}

/** `NoSuchBucket`. */
export const getBucket = ({ ledger }: Room, address: BucketAddress): BucketRecord => bucketIn(ledger, address)

export const deleteBucket = (
  { ledger }: Room,
  address: BucketAddress,
  limits?: CommitLimits,
): Promise<void> =>
  ledger.decide((decision) => {
    const { id } = bucketIn(decision, address)
    // What is counted is what frames say, so this sees queued commits and no scan is needed.
    const { objects = 0, uploads = 0 } = decision.counted(bucketCounterKey(id))
    if (objects > 0 || uploads > 0) {
      throw refusal('BucketNotEmpty', 'The bucket you tried to delete is not empty', {
        bucket: address.bucket,
      })
    }
    decision.delete(bucketKey(address.bucket))
    decision.count(BUCKETS_COUNTER_KEY, { objects: -1 })
  }, limits)

/** In order of names. */
export const listBuckets = async (
  { ledger }: Room,
  { prefix, after, limit }: { prefix: string; after: string; limit: number },
): Promise<{ buckets: BucketRecord[]; next?: string }> => {
  const start = SPACE.bucket + toBinary(prefix)
  const afterKey = `${bucketKey(after)}\x00`
  const scan = ledger.scan(after !== '' && afterKey > start ? afterKey : start, afterPrefix(start))
  try {
    const buckets: BucketRecord[] = []
    for (let rows = await scan.next(limit + 1); rows.length > 0; rows = await scan.next(limit + 1)) {
      for (const { record } of rows) {
        if (buckets.length === limit) return { buckets, ...(limit > 0 && { next: buckets[limit - 1]!.name }) }
        buckets.push(record as BucketRecord)
      }
    }
    return { buckets }
  } finally {
    await scan.close()
  }
}
