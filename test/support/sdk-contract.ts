// What the AWS SDK for JavaScript must be able to do with a store, wherever it lives: the built program, or a library in
// memory. One suite, run for each.
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListPartsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { KiB, MiB } from '../../src/base/units.ts'
import { createDigest } from '../../src/codec/checksums.ts'
import type { ChecksumAlgorithm } from '../../src/metadata/records.ts'
import { ALGORITHMS } from '../../src/s3/checksums.ts'
import { bodyOf, createS3Client, inParallel, readObject, sha256, type Target } from './s3-client.ts'
import { assert, deadline, suite } from './uvu.ts'

const LIMIT_MS = 60_000

export interface StoreUnderTest extends Target {
  close(): Promise<unknown>
}

/** The SDK's error has AWS's code as its name, or the status where there is no body to carry one. */
const failsWith = async (name: string, action: Promise<unknown>): Promise<void> => {
  try {
    await action
  } catch (error) {
    assert.is((error as Error).name, name)
    return
  }
  assert.unreachable(`expected ${name}`)
}

export const sdkContract = (label: string, open: () => Promise<StoreUnderTest>): void => {
  const test = suite(`sdk on ${label}`)
  let store: StoreUnderTest
  let client: S3Client
  test.before(async () => {
    store = await open()
    client = createS3Client(store)
  })
  test.after(async () => {
    client.destroy()
    await store.close()
  })
  const bucket = async (name: string): Promise<string> => {
    await client.send(new CreateBucketCommand({ Bucket: name }))
    return name
  }
  const listed = async (Bucket: string, options: { Prefix?: string; Delimiter?: string } = {}) => {
    const keys: string[] = []
    const prefixes: string[] = []
    for await (const page of paginateListObjectsV2({ client, pageSize: 7 }, { Bucket, ...options })) {
      for (const { Key } of page.Contents ?? []) keys.push(Key ?? '')
      for (const { Prefix } of page.CommonPrefixes ?? []) prefixes.push(Prefix ?? '')
    }
    return { keys, prefixes }
  }

  test(
    'buckets are made, found, listed and removed',
    deadline(LIMIT_MS, async () => {
      await bucket('sdk-bucket')
      await client.send(new HeadBucketCommand({ Bucket: 'sdk-bucket' }))
      const { Buckets } = await client.send(new ListBucketsCommand({}))
      assert.ok(Buckets?.some(({ Name }) => Name === 'sdk-bucket'))
      const { LocationConstraint } = await client.send(new GetBucketLocationCommand({ Bucket: 'sdk-bucket' }))
      assert.is(LocationConstraint, undefined)
      await client.send(new PutObjectCommand({ Bucket: 'sdk-bucket', Key: 'k', Body: '' }))
      await failsWith('BucketNotEmpty', client.send(new DeleteBucketCommand({ Bucket: 'sdk-bucket' })))
      await client.send(new DeleteObjectCommand({ Bucket: 'sdk-bucket', Key: 'k' }))
      await client.send(new DeleteBucketCommand({ Bucket: 'sdk-bucket' }))
      await failsWith('NotFound', client.send(new HeadBucketCommand({ Bucket: 'sdk-bucket' })))
    }),
  )

  test(
    'bodies of every size around every limit come back whole',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-sizes')
      const sizes = [0, 1, 63, 64, 65, 4095, 4096, 16 * KiB - 1, 16 * KiB, 16 * KiB + 1, 64 * KiB + 1]
      sizes.push(256 * KiB, MiB - 1, MiB, MiB + 1, 4 * MiB - 1, 4 * MiB, 4 * MiB + 1, 9 * MiB + 12_345)
      await inParallel(sizes, 4, async (size) => {
        const body = bodyOf(size, size)
        await client.send(new PutObjectCommand({ Bucket, Key: `${size}`, Body: body }))
        assert.is(sha256(await readObject(client, Bucket, `${size}`)), sha256(body), `${size} bytes`)
      })
    }),
  )

  test(
    'the digests of a large body are those of its bytes, in headers and in trailers',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-digests')
      const body = bodyOf(7, 9 * MiB + 12_345)
      const etag = `"${createHash('md5').update(body).digest('hex')}"`
      for (const algorithm of Object.keys(ALGORITHMS) as ChecksumAlgorithm[]) {
        const digest = createDigest(ALGORITHMS[algorithm].digest)
        digest.update(body)
        const expected = Buffer.from(digest.digest()).toString('base64')
        const put = { Bucket, Key: 'k', ContentLength: body.length, ChecksumAlgorithm: algorithm }
        // The SDK names the checksum of what it has in a header, that of what it only streams in a trailer.
        for (const Body of [body, Readable.from([body.subarray(0, 5 * MiB), body.subarray(5 * MiB)])]) {
          const answer = await client.send(new PutObjectCommand({ ...put, Body }))
          assert.is(answer.ETag, etag, algorithm)
          assert.is(answer[`Checksum${algorithm}`], expected, algorithm)
        }
      }
      const other = createHash('md5').update('other').digest('base64')
      const wrong = new PutObjectCommand({ Bucket, Key: 'wrong', Body: body, ContentMD5: other })
      await failsWith('BadDigest', client.send(wrong))
      await failsWith('NotFound', client.send(new HeadObjectCommand({ Bucket, Key: 'wrong' })))
    }),
  )

  test(
    'ranges are exact to the byte',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-ranges')
      const body = bodyOf(5, 5 * MiB + 17)
      await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: body }))
      const edges = [0, 1, 65_535, 65_536, MiB - 1, MiB, 4 * MiB, 5 * MiB + 16]
      for (const first of edges) {
        for (const last of edges.filter((edge) => edge >= first)) {
          const { Body, ContentRange } = await client.send(
            new GetObjectCommand({ Bucket, Key: 'k', Range: `bytes=${first}-${last}` }),
          )
          assert.is(ContentRange, `bytes ${first}-${last}/${body.length}`)
          const bytes = await Body!.transformToByteArray()
          assert.ok(Buffer.from(bytes).equals(body.subarray(first, last + 1)), `${first}-${last}`)
        }
      }
      const suffix = await client.send(new GetObjectCommand({ Bucket, Key: 'k', Range: 'bytes=-3' }))
      assert.ok(Buffer.from(await suffix.Body!.transformToByteArray()).equals(body.subarray(-3)))
      const beyond = new GetObjectCommand({ Bucket, Key: 'k', Range: `bytes=${body.length}-` })
      await failsWith('InvalidRange', client.send(beyond))
    }),
  )

  test(
    'keys are opaque strings',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-keys')
      const keys = [
        'a',
        'a/b',
        'a//b',
        '../x',
        '..',
        '.',
        '/',
        '//',
        'é'.repeat(512),
        'x y+z%2F',
        'a\\b',
        '🐘',
        '__proto__',
      ]
      for (const [index, Key] of keys.entries()) {
        await client.send(new PutObjectCommand({ Bucket, Key, Body: `body ${index}` }))
      }
      for (const [index, key] of keys.entries()) {
        assert.is(Buffer.from(await readObject(client, Bucket, key)).toString(), `body ${index}`)
      }
      const inOrder = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      assert.equal((await listed(Bucket)).keys, inOrder)
      const folders = await listed(Bucket, { Prefix: 'a', Delimiter: '/' })
      assert.equal(folders, { keys: ['a', 'a\\b'], prefixes: ['a/'] })
      const long = new PutObjectCommand({ Bucket, Key: `${'é'.repeat(512)}x`, Body: '' })
      await failsWith('KeyTooLongError', client.send(long))
    }),
  )

  test(
    'a page of keys ends where the next begins',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-lists')
      const keys = Array.from({ length: 60 }, (_, index) => `${index % 5}/${String(index).padStart(3, '0')}`)
      await inParallel(keys, 8, async (Key) => {
        await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))
      })
      assert.equal((await listed(Bucket)).keys, [...keys].sort())
      assert.equal((await listed(Bucket, { Delimiter: '/' })).prefixes, ['0/', '1/', '2/', '3/', '4/'])
      const old = await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 3, Marker: '1/' }))
      assert.equal([old.IsTruncated, old.Contents?.length, old.Contents?.[0]?.Key], [true, 3, '1/001'])
      const { Deleted } = await client.send(
        new DeleteObjectsCommand({ Bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } }),
      )
      assert.is(Deleted?.length, 60)
      assert.equal((await listed(Bucket)).keys, [])
    }),
  )

  test(
    'metadata, standard headers and checksums come back, and a copy keeps or replaces them',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-metadata')
      const put = { Bucket, Key: 'k', Body: 'body', ContentType: 'text/x-own', CacheControl: 'no-cache' }
      await client.send(
        new PutObjectCommand({ ...put, Metadata: { who: 'me' }, ChecksumAlgorithm: 'CRC64NVME' }),
      )
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'k', ChecksumMode: 'ENABLED' }))
      assert.equal(
        [head.ContentType, head.CacheControl, head.Metadata, head.ContentLength],
        ['text/x-own', 'no-cache', { who: 'me' }, 4],
      )
      assert.ok(head.ChecksumCRC64NVME)
      const CopySource = `${Bucket}/k`
      await client.send(new CopyObjectCommand({ Bucket, Key: 'kept', CopySource }))
      assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'kept' }))).Metadata, {
        who: 'me',
      })
      const replaced = { Bucket, Key: 'new', CopySource, MetadataDirective: 'REPLACE', Metadata: {} } as const
      await client.send(new CopyObjectCommand(replaced))
      assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'new' }))).Metadata, {})
    }),
  )

  test(
    'conditions decide, and exactly one of many conditional writers wins',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-conditions')
      const attempts = await Promise.allSettled(
        Array.from({ length: 24 }, (_, index) =>
          client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: `${index}`, IfNoneMatch: '*' })),
        ),
      )
      assert.is(attempts.filter(({ status }) => status === 'fulfilled').length, 1)
      const { ETag } = await client.send(new HeadObjectCommand({ Bucket, Key: 'once' }))
      await client.send(new PutObjectCommand({ Bucket, Key: 'once', Body: 'next', IfMatch: ETag }))
      const stale = new PutObjectCommand({ Bucket, Key: 'once', Body: 'late', IfMatch: ETag })
      await failsWith('PreconditionFailed', client.send(stale))
      assert.is(Buffer.from(await readObject(client, Bucket, 'once')).toString(), 'next')
    }),
  )

  test(
    'a multipart upload is whole or not there',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-parts')
      const Key = 'many/parts'
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }))
      const upload = { Bucket, Key, UploadId }
      const bodies = [bodyOf(1, 5 * MiB), bodyOf(2, 6 * MiB + 1)]
      const parts: { PartNumber: number; ETag: string | undefined }[] = []
      for (const [index, Body] of bodies.entries()) {
        const { ETag } = await client.send(new UploadPartCommand({ ...upload, PartNumber: index + 1, Body }))
        parts.push({ PartNumber: index + 1, ETag })
      }
      await client.send(new PutObjectCommand({ Bucket, Key: 'source', Body: bodies[0]! }))
      const copy = {
        ...upload,
        PartNumber: 7,
        CopySource: `${Bucket}/source`,
        CopySourceRange: 'bytes=10-99',
      }
      const { CopyPartResult } = await client.send(new UploadPartCopyCommand(copy))
      parts.push({ PartNumber: 7, ETag: CopyPartResult?.ETag })
      const { Parts } = await client.send(new ListPartsCommand(upload))
      assert.equal(
        Parts?.map(({ PartNumber, Size }) => [PartNumber, Size]),
        [
          [1, 5 * MiB],
          [2, 6 * MiB + 1],
          [7, 90],
        ],
      )
      const { Uploads } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
      assert.is(Uploads?.[0]?.UploadId, UploadId)
      await failsWith('NoSuchKey', client.send(new GetObjectCommand({ Bucket, Key })))
      const { ETag } = await client.send(
        new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: parts } }),
      )
      assert.match(ETag ?? '', /^"[0-9a-f]{32}-3"$/)
      const whole = Buffer.concat([...bodies, bodies[0]!.subarray(10, 100)])
      assert.is(sha256(await readObject(client, Bucket, Key)), sha256(whole))
      const second = await client.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }))
      assert.is(sha256(await second.Body!.transformToByteArray()), sha256(bodies[1]!))
    }),
  )

  test(
    'an upload with composite checksums is completed by a list that names them',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-composite')
      const object = { Bucket, Key: 'k' }
      const { UploadId } = await client.send(
        new CreateMultipartUploadCommand({ ...object, ChecksumAlgorithm: 'CRC32' }),
      )
      const part = { ...object, UploadId, PartNumber: 1, Body: 'one' }
      const { ETag, ChecksumCRC32 } = await client.send(new UploadPartCommand(part))
      const complete = (named: object) => {
        const Parts = [{ PartNumber: 1, ETag, ...named }]
        const request = { ...object, UploadId, MultipartUpload: { Parts } }
        return client.send(new CompleteMultipartUploadCommand(request))
      }
      await failsWith('InvalidRequest', complete({}))
      const completed = await complete({ ChecksumCRC32 })
      assert.is(completed.ChecksumType, 'COMPOSITE')
      assert.match(completed.ChecksumCRC32 ?? '', /-1$/)
    }),
  )

  test(
    'an aborted upload leaves nothing',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-abort')
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'k' }))
      const upload = { Bucket, Key: 'k', UploadId }
      await client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: bodyOf(1, 5 * MiB) }))
      await client.send(new AbortMultipartUploadCommand(upload))
      await failsWith('NoSuchUpload', client.send(new ListPartsCommand(upload)))
      await client.send(new DeleteBucketCommand({ Bucket }))
    }),
  )

  test(
    'what is not built says so by name',
    deadline(LIMIT_MS, async () => {
      const Bucket = await bucket('sdk-later')
      const versioning = { Bucket, VersioningConfiguration: { Status: 'Enabled' } } as const
      await failsWith('NotImplemented', client.send(new PutBucketVersioningCommand(versioning)))
      const tagged = new PutObjectCommand({ Bucket, Key: 'k', Body: '', Tagging: 'a=b' })
      await failsWith('NotImplemented', client.send(tagged))
      await client.send(new PutObjectCommand({ Bucket, Key: 'k', Body: '' }))
      assert.equal((await client.send(new GetObjectTaggingCommand({ Bucket, Key: 'k' }))).TagSet, [])
    }),
  )

  test.run()
}
