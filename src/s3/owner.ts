// x-amz-expected-bucket-owner: a client that names whose bucket it means gets that bucket or none.
import type { Engine } from '../actors/engine.ts'
import { refusal } from '../base/errors.ts'

/** Nothing expected, nothing looked up. Throws `AccessDenied` when the bucket is another's, `NoSuchBucket`. */
export const checkBucketOwner = async (
  engine: Engine,
  bucket: string,
  expected: string | undefined,
): Promise<void> => {
  if (expected === undefined) return
  const { owner } = await engine.buckets.get(bucket)
  if (owner !== expected) throw refusal('AccessDenied', 'Access Denied')
}
