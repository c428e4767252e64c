// 28, on disks: no file is named after anything a client said, whatever its key looks like and however large its object is.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CreateBucketCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { createStore } from '../../src/index.ts'
import { filesIn } from '../support/disk-damage.ts'
import { bodyOf, createS3Client, readObject, sha256 } from '../support/s3-client.ts'
import { createTemporaryDirectory } from '../support/server-process.ts'
import { assert, deadline, suite } from '../support/uvu.ts'

const test = suite('attack 28: files')

const MARK = 'canary'
const KEYS = [
  `../${MARK}`,
  `../../../${MARK}`,
  `/${MARK}`,
  `a//${MARK}`,
  `${MARK}/../../etc`,
  `..\\${MARK}`,
  `.sys/${MARK}`,
  `store.key${MARK}`,
  `${'d/'.repeat(500)}${MARK}`,
]
/** Inline, packed, and in files of its own. */
const SIZES = [10, 100_000, 5_000_000]

test(
  'every file of a disk has a name of ours, and nothing is beside the disks',
  deadline(120_000, async () => {
    const directory = createTemporaryDirectory('attack-28')
    const disks = [1, 2, 3, 4, 5, 6].map((number) => join(directory, 'data', `d${number}`))
    for (const disk of disks) mkdirSync(disk, { recursive: true })
    const namesNow = (): string[] => filesIn(directory).map((path) => path.replace(/^data.d[1-6]./, ''))
    const store = await createStore({ disks })
    const client = createS3Client(store)
    try {
      await client.send(new CreateBucketCommand({ Bucket: `bucket-${MARK}` }))
      for (const [index, key] of KEYS.entries()) {
        const body = bodyOf(index, SIZES[index % SIZES.length]!)
        const object = { Bucket: `bucket-${MARK}`, Key: key }
        await client.send(new PutObjectCommand({ ...object, Body: body, Metadata: { name: `../${MARK}` } }))
        assert.is(sha256(await readObject(client, object.Bucket, key)), sha256(body), key)
      }
      const names = namesNow()
      assert.ok(
        names.some((name) => name.includes('/')),
        'there are files below folders',
      )
      for (const name of names) {
        assert.not.match(name, MARK)
        assert.not.match(name, '..')
        assert.match(name, /^[\w.-]+(\/[\w.-]+){0,3}$/, name)
      }
      for (const Key of KEYS) await client.send(new DeleteObjectCommand({ Bucket: `bucket-${MARK}`, Key }))
    } finally {
      client.destroy()
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    }
  }),
)

test.run()
