// A program with an object store inside: start one in memory, use it with the AWS SDK, end it without a trace.
// Run it with `node examples/embedded.mjs` in a project that has `moraine` and `@aws-sdk/client-s3`.
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { createStore } from 'moraine'

const store = await createStore({ disks: 'memory' })
const s3 = new S3Client({
  endpoint: store.endpoint,
  region: store.region,
  credentials: store.credentials,
  forcePathStyle: true,
})

await s3.send(new CreateBucketCommand({ Bucket: 'stones' }))
await s3.send(
  new PutObjectCommand({ Bucket: 'stones', Key: 'granite', Body: 'whole, countable, recoverable' }),
)
const { Body } = await s3.send(new GetObjectCommand({ Bucket: 'stones', Key: 'granite' }))
console.log(await Body.transformToString())

s3.destroy()
await store.close()
