// The AWS SDK for JavaScript as the tests use it, and bodies that can be checked without being kept.
import { createHash } from 'node:crypto'
import { Agent } from 'node:http'
import { GetObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { createPrng } from '../../src/base/prng.ts'
import { KiB } from '../../src/base/units.ts'

export interface Target {
  readonly endpoint: string
  readonly region: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
}

/** No retries unless asked for: a test must see the first answer. */
export const createS3Client = (target: Target, changes: S3ClientConfig = {}): S3Client =>
  new S3Client({
    endpoint: target.endpoint,
    region: target.region,
    // The SDK writes into what it is given.
    credentials: { ...target.credentials },
    forcePathStyle: true,
    maxAttempts: 1,
    requestHandler: { httpAgent: new Agent({ keepAlive: true, maxSockets: 64 }) },
    ...changes,
  })

const PAGE_BYTES = 64 * KiB

/** The same bytes for the same seed, on every run. */
export const bodyOf = (seed: number, size: number): Uint8Array => {
  const random = createPrng(seed)
  const words = new Uint32Array(Math.ceil(Math.min(size, PAGE_BYTES) / 4))
  for (let index = 0; index < words.length; index++) words[index] = random.below(2 ** 32)
  const page = new Uint8Array(words.buffer, 0, Math.min(size, PAGE_BYTES))
  const body = new Uint8Array(size)
  const view = new DataView(body.buffer)
  for (let offset = 0; offset < size; offset += page.length) {
    body.set(page.subarray(0, Math.min(page.length, size - offset)), offset)
    // Pages must differ, or a misplaced block would look right.
    if (offset > 0 && offset + 4 <= size) view.setUint32(offset, offset, true)
  }
  return body
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The object's bytes as the SDK hands them out, its own checksum check included. */
export const readObject = async (client: S3Client, bucket: string, key: string): Promise<Uint8Array> => {
  const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }))
  if (!Body) throw new Error(`GET ${bucket}/${key} has no body`)
  return Body.transformToByteArray()
}

/** Runs `action` for each item, `width` at a time, and waits for all. */
export const inParallel = async <T>(
  items: readonly T[],
  width: number,
  action: (item: T, index: number) => Promise<void>,
): Promise<void> => {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) await action(items[index]!, index)
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane))
}
