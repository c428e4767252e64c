// x-amz-expected-bucket-owner: a client that names whose bucket it means gets that bucket or none.
import type { Engine } from '../actors/engine.ts'
import { refusal } from '../base/errors.ts'

/** Throws `AccessDenied` when the bucket is another's, `NoSuchBucket`. */
export const checkBucketOwner = async (engine: Engine, bucket: string, expected: string): Promise<void> => {
  const { owner } = await engine.buckets.get(bucket)
  if (owner !== expected) throw refusal('AccessDenied', 'Access Denied')
}
